"""How servers begin: real ones, imported before the watch and after it; what is told, and what stays."""

import os
import socket
import socketserver
import subprocess
import sys
import threading
import wsgiref.simple_server
from concurrent.futures import ThreadPoolExecutor

import pytest

from threadguard import ThreadedDeploymentError, ThreadGuard
from threadguard.guard import groups
from threadguard.servers import startup
from threadguard.model import Source

LIMIT = 60


def application(environ, start_response):
    start_response("200 OK", [])
    return [b""]


class Guarded:
    """Stands for a guard."""

    def __call__(self, environ, start_response):
        return application(environ, start_response)


GUARD = Guarded()


def is_guard(thing):
    return thing is GUARD


@pytest.fixture
def told():
    """The readings of a watch that ends with the test; nothing that it touched stays changed."""
    before = vars(socketserver.BaseServer)["serve_forever"], list(sys.meta_path)
    readings = []
    stop = startup.watch(is_guard, readings.append)
    yield readings
    stop()
    assert (vars(socketserver.BaseServer)["serve_forever"], list(sys.meta_path)) == before


class Threaded(socketserver.ThreadingMixIn, wsgiref.simple_server.WSGIServer):
    """As people write it."""


def begin(app, kind=Threaded):
    """Let a server of *kind* serve *app*, in a thread, until it is told to stop; its port is its own."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app, server_class=kind)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    try:
        thread.start()
    except BaseException:
        server.server_close()
        raise
    server.shutdown()
    thread.join(LIMIT)
    server.server_close()


def test_a_threading_mixin_that_serves_the_guarded_application_is_told(told):
    """The reading is that of a thread for each connection, with wsgiref's name and remedy."""
    begin(GUARD)
    assert (told[0].source, told[0].server, told[0].capacity, told[0].unbounded) == (
        Source.SETTING, "wsgiref", None, True)
    assert "Threaded, which begins to serve, is a ThreadingMixIn" in told[0].evidence


class Inline(Threaded):
    """Who replaces process_request may have a pool of one."""

    process_request = socketserver.BaseServer.process_request


class Lonely:
    """Hands each request on to a pool, which may have one thread, whatever the server has: the first request tells."""

    def __init__(self, app):
        self.app, self.lonely = app, ThreadPoolExecutor(1)

    def __call__(self, environ, start_response):
        return self.serve(environ, start_response)

    def serve(self, *args):
        return self.lonely.submit(self.app, *args).result()


def closed_over(app, pool):
    return lambda *args: pool.submit(app, *args).result()


@pytest.mark.parametrize("app, kind", [
    pytest.param(GUARD, wsgiref.simple_server.WSGIServer, id="wsgiref as it comes"),
    pytest.param(application, Threaded, id="a threaded server of another application: metrics, a health page"),
    pytest.param(GUARD, Inline, id="a mixin that starts no threads"),
    pytest.param(Lonely(GUARD), Threaded, id="a pool that an object holds"),
    pytest.param(closed_over(GUARD, ThreadPoolExecutor(1)), Threaded, id="a pool that a function closes over"),
])
def test_what_is_not_known_to_be_threaded_or_ours_is_no_news(told, app, kind):
    """It begins as if nothing watched."""
    begin(app, kind)
    assert [] == told


def test_a_function_around_the_guard_is_followed(told):
    """Middleware is often a closure."""
    begin(lambda environ, start_response: GUARD(environ, start_response))
    assert told


def test_where_a_thread_is_started_for_the_server_refuse_raises():
    """Whoever starts the thread gets the error, and no port is left that nobody serves."""
    guard = ThreadGuard(application, group="startup raises")
    with pytest.raises(ThreadedDeploymentError, match="^TG102 wsgiref lets any number of requests at once"):
        begin(guard)
    assert guard.verdict.status == "threaded"


def test_a_server_that_was_refused_can_be_shut_down():
    """Test servers do so when they are dropped, and waited for the end of a loop that had never begun."""
    guard = ThreadGuard(application, group="startup shuts down")
    with wsgiref.simple_server.make_server("127.0.0.1", 0, guard, server_class=Threaded) as server:
        with pytest.raises(ThreadedDeploymentError):
            threading.Thread(target=server.serve_forever).start()
        ending = threading.Thread(target=server.shutdown, daemon=True)
        ending.start()
        ending.join(LIMIT)
        assert not ending.is_alive()


def test_in_a_thread_of_its_own_a_server_goes_on_and_refuses_each_request():
    """An error would end the thread alone: the port stays open, and clients would wait for ever."""
    guard = ThreadGuard(application, group="startup tells")
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, guard, server_class=Threaded)
    server.RequestHandlerClass.log_message = lambda *args: None
    thread = threading.Thread(target=lambda: server.serve_forever(0.01))
    thread.start()
    try:
        assert b" 503 " in ask(server.server_port).split(b"\r\n")[0]
        assert guard.verdict.findings[0].code in ("TG102", "TG202")
        assert groups.group_named("startup tells").stats().requests == 0
    finally:
        server.shutdown()
        thread.join(LIMIT)
        server.server_close()
        del server.RequestHandlerClass.log_message


GREENLETS = {
    "gevent": "import gevent.pywsgi as servers\nserver = servers.WSGIServer(('127.0.0.1', 0), guard, log=None)\n"
              "servers.gevent.spawn(server.serve_forever)\nservers.gevent.sleep(0.01)\nport = server.server_port\n"
              "pause = servers.gevent.sleep",
    "eventlet": "import eventlet, eventlet.wsgi\nsock = eventlet.listen(('127.0.0.1', 0))\nport = sock.getsockname()[1]"
                "\neventlet.spawn(eventlet.wsgi.server, sock, guard, log_output=False)\npause = eventlet.sleep",
}


@pytest.mark.parametrize("server", sorted(GREENLETS))
def test_in_a_greenlet_of_its_own_a_server_goes_on_and_refuses_each_request(server):
    """An error would end the greenlet alone, as in asteri's gevent worker: clients waited for ever."""
    pytest.importorskip(server, reason="%s is not installed" % server)
    program = "from threadguard import ThreadGuard\nguard = ThreadGuard(print)\n%s\nprint(port, flush=True)\npause(%d)"
    child = subprocess.Popen([sys.executable, "-c", program % (GREENLETS[server], LIMIT)], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, universal_newlines=True)
    try:
        port = child.stdout.readline()
        assert port, child.stderr.read()
        assert b" 503 " in ask(int(port)).split(b"\r\n")[0]
    finally:
        child.kill()
        child.communicate()


def ask(port):
    with socket.create_connection(("127.0.0.1", port), LIMIT) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(4096), b""))


def test_another_librarys_wrapper_is_neither_lost_nor_broken():
    """What was wrapped around ours goes on working when ours looks no more."""
    original, seen, told = socketserver.BaseServer.serve_forever, [], []
    stop = startup.watch(is_guard, told.append)
    ours = socketserver.BaseServer.serve_forever

    def theirs(server, *args):
        seen.append(server)
        return ours(server, *args)

    socketserver.BaseServer.serve_forever = theirs
    try:
        stop()
        begin(GUARD)
        assert (len(seen), told, socketserver.BaseServer.serve_forever) == (1, [], theirs)
        socketserver.BaseServer.serve_forever = ours
        begin(GUARD)  # theirs has gone, and ours goes at the next call
        assert (len(seen), told, socketserver.BaseServer.serve_forever) == (1, [], original)
    finally:
        socketserver.BaseServer.serve_forever = original


PROGRAM = '''
import sys
%(early)s
from threadguard.servers import startup


class Guarded:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b""]


def report(reading):
    print("told", reading.server, reading.capacity, flush=True)
    raise RuntimeError("refused")


guard, number = Guarded(), int(sys.argv[1])
stop = startup.watch(lambda thing: thing is guard, report, lambda reading: print("told", reading.server))
%(late)s
print("started", flush=True)
stop()
import os
os._exit(0)
'''
SERVERS = {
    "werkzeug": ("werkzeug.serving", "import werkzeug.serving as s\nserver = s.make_server('127.0.0.1', 0, guard,"
                 " threaded=number > 1)\nimport threading\nthreading.Thread(target=server.serve_forever).start()"),
    "gevent": ("gevent.pywsgi", "from gevent.pywsgi import WSGIServer\n"
               "WSGIServer(('127.0.0.1', 0), guard, spawn=number).start()"),
    "eventlet": ("eventlet.wsgi", "import eventlet, eventlet.wsgi\nwith eventlet.Timeout(0.01, False):\n"
                 "    eventlet.wsgi.server(eventlet.listen(('127.0.0.1', 0)), guard, max_size=number,"
                 " log_output=False)"),
    "tornado": ("tornado.wsgi", "from concurrent.futures import ThreadPoolExecutor\nfrom tornado.wsgi import"
                " WSGIContainer\nWSGIContainer(guard, executor=ThreadPoolExecutor(number))"),
    "waitress": ("waitress", "import waitress\nwaitress.create_server(guard, host='127.0.0.1', port=0,"
                 " threads=number)"),
    "cheroot": ("cheroot.wsgi", "from cheroot.wsgi import Server\n"
                "Server(('127.0.0.1', 0), guard, numthreads=number).prepare()"),
    "paste": ("paste.httpserver", "from paste import httpserver\nhttpserver.serve(guard, '127.0.0.1', '0',"
              " start_loop=False, threadpool_workers=number, threadpool_options={'spawn_if_under': 0})"),
    "cherrypy": ("cherrypy", "import cherrypy\ncherrypy.tree.graft(guard, '/')\ncherrypy.config.update("
                 "{'server.socket_port': 0, 'server.thread_pool': number, 'log.screen': False})\n"
                 "cherrypy.engine.start()"),
    "twisted": ("twisted.python.threadpool", "from twisted.python.threadpool import ThreadPool\n"
                "from twisted.web.wsgi import WSGIResource\npool = ThreadPool(0, number)\n"
                "resource = WSGIResource(None, pool, guard)\npool.start()"),
}
TOLD = {"werkzeug": "Werkzeug None", "gevent": "gevent 3", "eventlet": "eventlet 3", "tornado": "tornado 3",
        "twisted": "Twisted 3", "waitress": "waitress 3", "cheroot": "cheroot 3", "paste": "Paste's httpserver 3",
        "cherrypy": "CherryPy 3"}
OTHERS = sorted(set(SERVERS) - {"eventlet", "twisted"})
"""Servers that begin in the program with an application that has nothing to do with the guard."""


def run(server, number, early=False, serves="guard"):
    pytest.importorskip(server, reason="%s is not installed" % server)
    module, late = SERVERS[server]
    late = late.replace("guard", serves)
    program = PROGRAM % {"early": "import " + module if early else "", "late": late}
    return subprocess.run([sys.executable, "-c", program, str(number)], timeout=120, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, universal_newlines=True)


@pytest.mark.parametrize("server, early", [*((server, False) for server in sorted(SERVERS)), ("werkzeug", True)])
def test_a_real_server_with_more_than_one_is_told_as_it_begins(server, early):
    """With its number, whether it was imported before the guard was built or, as most are here, afterwards."""
    done = run(server, 3, early)
    assert "told %s\n" % TOLD[server] in done.stdout, done.stderr
    assert "RuntimeError: refused" in done.stderr or server == "cherrypy", "CherryPy logs it, and ends"
    assert done.returncode != 0


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_real_server_of_one_begins(server):
    """Nothing is told of a pool of one, nor of the threads that a server starts besides."""
    done = run(server, 1)
    assert ("started\n", 0) == (done.stdout, done.returncode), done.stderr


@pytest.mark.parametrize("server", OTHERS)
def test_a_real_server_of_another_application_is_none_of_ours(server):
    """It has as many threads as it likes."""
    done = run(server, 4, serves="print")
    assert ("started\n", 0) == (done.stdout, done.returncode), done.stderr


def test_a_pool_that_has_started_before_its_resource_is_told_and_nothing_is_raised():
    """The pool's threads keep the process alive: an error would leave one that serves nobody."""
    pytest.importorskip("twisted")
    program = PROGRAM % {"early": "", "late": SERVERS["twisted"][1].replace(
        "\nresource", "\npool.start()\nresource").rpartition("\npool.start()")[0]}
    done = subprocess.run([sys.executable, "-c", program, "3"], timeout=120, stdout=subprocess.PIPE,
                          universal_newlines=True)
    assert ("told Twisted\nstarted\n", 0) == (done.stdout, done.returncode)


@pytest.mark.parametrize("under, expected", [("uvicorn.config", "told a2wsgi 10\n"), ("somebody", "started\n")])
def test_a_bridge_is_told_of_where_an_asgi_server_loads_it(under, expected):
    """Elsewhere it is there for another day: `application` may be served by gunicorn, `asgi` by nobody."""
    pytest.importorskip("a2wsgi")
    done = subprocess.run([sys.executable, "-c", PROGRAM % {"early": "", "late": (
        "from a2wsgi import WSGIMiddleware\nexec('def load():\\n    WSGIMiddleware(guard)\\nload()',"
        " {'__name__': %r, 'WSGIMiddleware': WSGIMiddleware, 'guard': guard})" % under)}, "1"],
        timeout=120, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)
    assert expected == done.stdout


@pytest.mark.parametrize("start", startup.STARTS, ids=lambda start: "%s.%s" % (start.module, start.method))
def test_every_start_names_something_of_the_real_server(start):
    """A class or a method that moved would go unseen: this test has the newest version of each."""
    module = pytest.importorskip(start.module, reason="needs a package for %s" % start.module)
    assert callable(vars(getattr(module, start.kind))[start.method])


def test_several_watches_share_one_wrapper_and_the_last_takes_it_away():
    """Each watch hears of its own guards; the wrapper goes with the last watch, whatever their order."""
    before = threading.Thread.start
    first, second = [], []
    stop_first = startup.watch(is_guard, first.append)
    wrapper = threading.Thread.start
    stop_second = startup.watch(lambda thing: False, second.append)
    assert threading.Thread.start is wrapper is not before
    stop_first()
    stop_first()
    begin(GUARD)
    assert (first, second) == ([], []) and threading.Thread.start is wrapper
    stop_second()
    assert threading.Thread.start is before


# Python 3.12 joins a thread that the system has for a moment longer, and then warns of the fork beside it.
@pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_can_stop_a_watch_that_another_thread_was_busy_with(told):
    """The mutex is new in the child: the thread that held it at the fork is not there to release it."""
    held, end = threading.Event(), threading.Event()

    def hold():
        with startup._mutex:
            held.set()
            end.wait(LIMIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert held.wait(LIMIT)
    child = os.fork()
    if child == 0:
        os._exit(0 if startup._mutex.acquire(timeout=LIMIT) else 1)
    end.set()
    thread.join(LIMIT)
    assert os.waitpid(child, 0)[1] == 0
