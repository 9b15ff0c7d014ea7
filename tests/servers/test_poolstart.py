"""The look at pools that servers start: what is told, to whom, and what is left behind."""

import os
import subprocess
import sys
import threading
import types

import pytest

from threadguard.servers import poolstart
from threadguard.model import Source

LIMIT = 60


class Guarded:
    """Stands for a guard."""

    def __call__(self, environ, start_response):
        return []


GUARD = Guarded()


def is_guard(thing):
    return thing is GUARD


def module(name, source):
    """A module called *name*, so that its frames are taken for that server's."""
    found = types.ModuleType(name)
    exec(compile("import threading\n" + source, name, "exec"), found.__dict__)
    return found


DISPATCHER = '''
class Dispatcher:
    def set_thread_count(self, count):
        self.threads = [threading.Thread(target=print, args=("",), kwargs=dict(end="")) for _ in range(count)]
        for thread in self.threads:
            thread.start()
'''
SERVER = '''
def create_server(application, dispatcher, threads):
    dispatcher.set_thread_count(threads)
'''
TASK = module("waitress.task", DISPATCHER)
CREATE = module("waitress.server", SERVER).create_server


@pytest.fixture
def told():
    """The readings of a watch that ends with the test, and the restored `Thread.start` it must leave."""
    before = threading.Thread.start
    readings = []
    stop = poolstart.watch(is_guard, readings.append)
    yield readings
    stop()
    assert threading.Thread.start is before


def started(application, threads):
    """Start a dispatcher as waitress does, and wait until its threads have ended."""
    dispatcher = TASK.Dispatcher()
    CREATE(application, dispatcher, threads)
    for thread in dispatcher.threads:
        thread.join(LIMIT)
    return dispatcher


def test_a_pool_of_the_guarded_application_is_told_with_its_size(told):
    """The reading is the server's own setting, as the frame that starts the threads has it."""
    started(GUARD, 3)
    assert told[0].capacity == 3
    assert (told[0].source, told[0].server, told[0].on_stack) == (Source.SETTING, "waitress", True)


def test_a_wrapped_application_is_found_behind_its_wrappers(told):
    """Middleware around the guard leads to it."""
    class Middleware:
        def __init__(self, app):
            self.app = app

    started(Middleware(Middleware(GUARD)), 2)
    assert told[0].capacity == 2


def test_a_pool_of_one_is_no_news(told):
    """One thread keeps the rule."""
    started(GUARD, 1)
    assert told == []


def test_another_applications_pool_is_none_of_ours(told):
    """An unguarded server of four beside a guarded one is not told of."""
    started(print, 4)
    assert told == []


def test_other_threads_are_none_of_ours(told):
    """Schedulers, executors and reloaders start what they like."""
    threads = [threading.Thread(target=len, args=("",)) for _ in range(3)]
    for thread in threads:
        thread.start()
        thread.join(LIMIT)
    assert told == []


def test_what_the_report_raises_comes_out_of_the_servers_call():
    """The first thread of the pool is not started, and the server's call ends."""
    def refuse(reading):
        raise RuntimeError("refused")

    stop = poolstart.watch(is_guard, refuse)
    dispatcher = TASK.Dispatcher()
    try:
        with pytest.raises(RuntimeError, match="^refused$"):
            CREATE(GUARD, dispatcher, 2)
    finally:
        stop()
    assert [thread.ident for thread in dispatcher.threads] == [None, None]


def test_several_watches_share_one_wrapper_and_the_last_takes_it_away():
    """Each watch hears of its own guards; the wrapper goes with the last watch, whatever their order."""
    before = threading.Thread.start
    first, second = [], []
    stop_first = poolstart.watch(is_guard, first.append)
    wrapper = threading.Thread.start
    stop_second = poolstart.watch(lambda thing: False, second.append)
    assert threading.Thread.start is wrapper is not before
    stop_first()
    stop_first()
    started(GUARD, 2)
    assert (first, second) == ([], []) and threading.Thread.start is wrapper
    stop_second()
    assert threading.Thread.start is before


def test_a_later_wrapper_of_another_library_is_neither_lost_nor_broken():
    """What was wrapped around ours goes on working, and ours goes when theirs has gone."""
    before = threading.Thread.start
    seen, told = [], []
    stop = poolstart.watch(is_guard, told.append)
    ours = threading.Thread.start

    def theirs(thread):
        seen.append(thread)
        ours(thread)

    threading.Thread.start = theirs
    try:
        stop()
        started(GUARD, 2)
        assert (len(seen), told, threading.Thread.start) == (2, [], theirs)
        again = poolstart.watch(is_guard, told.append)
        started(GUARD, 2)
        again()
        assert (len(seen), len(told), threading.Thread.start) == (4, 2, theirs)
    finally:
        threading.Thread.start = ours
    started(GUARD, 2)
    assert threading.Thread.start is before and len(told) == 2


# Python 3.12 joins a thread that the system has for a moment longer, and then warns of the fork beside it.
@pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_a_forked_child_can_stop_a_watch_that_another_thread_was_busy_with(told):
    """The mutex is new in the child: whoever held it at the fork is not there to release it."""
    with poolstart._mutex:
        child = os.fork()
        if child == 0:
            os._exit(0 if poolstart._mutex.acquire(timeout=LIMIT) else 1)
        assert os.waitpid(child, 0)[1] == 0


PROGRAM = '''
import sys
import threading
from threadguard.servers import poolstart


class Guarded:
    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [b""]


guard, before = Guarded(), threading.Thread.start


def report(reading):
    print("told", reading.server, reading.capacity, flush=True)
    raise RuntimeError("refused")


stop = poolstart.watch(lambda thing: thing is guard, report)
threads = int(sys.argv[1])
%s
print("started", flush=True)
stop()
assert threading.Thread.start is before
import os
os._exit(0)
'''
SERVERS = {
    "waitress": "import waitress\nwaitress.create_server(guard, host='127.0.0.1', port=0, threads=threads)",
    "cheroot": "from cheroot.wsgi import Server\nServer(('127.0.0.1', 0), guard, numthreads=threads).prepare()",
    "paste": "from paste import httpserver\nhttpserver.serve(guard, '127.0.0.1', '0', start_loop=False,"
             " threadpool_workers=threads, threadpool_options={'spawn_if_under': 0})",
    "twisted": "from twisted.internet import reactor\nfrom twisted.python.threadpool import ThreadPool\n"
               "from twisted.web.wsgi import WSGIResource\npool = ThreadPool(1, threads)\n"
               "resource = WSGIResource(reactor, pool, guard)\npool.start()",
    "cherrypy": "import cherrypy\ncherrypy.tree.graft(guard, '/')\ncherrypy.config.update({'server.socket_port': 0,"
                " 'server.thread_pool': threads, 'log.screen': False})\ncherrypy.engine.start()",
}


NAMES = {"waitress": "waitress", "cheroot": "cheroot", "paste": "Paste's httpserver", "twisted": "Twisted",
         "cherrypy": "CherryPy"}
OTHERS = {
    "twisted": SERVERS["twisted"].replace("pool.start()", "ThreadPool(1, 4).start()"),
    "waitress": SERVERS["waitress"].replace("guard,", "print,"),
    "cheroot": SERVERS["cheroot"].replace("guard,", "print,"),
    "paste": SERVERS["paste"].replace("guard,", "print,"),
}


def run(server, threads, program=None):
    pytest.importorskip(server, reason="%s is not installed" % server)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    command = [sys.executable, "-c", PROGRAM % (program or SERVERS[server]), str(threads)]
    return subprocess.run(command, cwd=root, timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, universal_newlines=True)


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_real_server_with_threads_ends_before_it_serves(server):
    """The exception out of its own thread's start ends the server, and its exit status tells."""
    done = run(server, 3)
    assert done.stdout == "told %s 3\n" % NAMES[server]
    assert done.returncode != 0


@pytest.mark.parametrize("server", sorted(SERVERS))
def test_a_real_server_with_one_thread_starts_with_all_its_helpers(server):
    """Nothing is told of a pool of one, nor of the threads that a server starts besides."""
    done = run(server, 1)
    assert (done.stdout, done.returncode) == ("started\n", 0)


@pytest.mark.parametrize("server", sorted(OTHERS))
def test_a_real_pool_that_does_not_run_the_guarded_application_is_none_of_ours(server):
    """A pool of the application's own, or another application's server, has as many threads as it likes."""
    done = run(server, 4, OTHERS[server])
    assert (done.stdout, done.returncode) == ("started\n", 0)
