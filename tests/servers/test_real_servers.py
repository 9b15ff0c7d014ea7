"""The readers on the servers that are installed, in every Python: one request each, and commands as far as the import
of the application. The whole of what people start, and the truth about it, is in tests/live."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from types import SimpleNamespace

import pytest
from fake_stacks import Application, at_startup, get, on_request, running, serves

from threadguard.servers import (a2wsgi, asgiref, cheroot, django, eventlet, flask, gevent, granian, gunicorn,
                                 hypercorn, paste, tornado, twisted, uvicorn, waitress, werkzeug, wsgiref)

NOTHING, MANY = "no reading", None
SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": []}


def needs(name):
    """The module *name* of a package that may be missing."""
    return pytest.importorskip(name, reason="needs the package for %s" % name)


def ask_socketserver(server):
    """One request of *server*, which has the methods of socketserver's."""
    try:
        with running(server.serve_forever, server.shutdown):
            assert get(server.server_address[1]) == 200
    finally:
        server.server_close()


def ask_waitress(app, threads):
    server = needs("waitress.server").create_server(app, listen="127.0.0.1:0", threads=threads,
                                                    clear_untrusted_proxy_headers=True)  # 1.4 warns without it
    with running(server.run, server.close):
        assert get(server.effective_port) == 200


def ask_cheroot(app, options):
    server = needs("cheroot.wsgi").Server(("127.0.0.1", 0), app, **options)
    server.prepare()
    with running(server.serve, server.stop):
        assert get(server.bind_addr[1]) == 200


def ask_paste(app, options):
    server = needs("paste.httpserver").serve(app, host="127.0.0.1", port=0, start_loop=False, daemon_threads=True,
                                             **options)
    if options.get("use_threadpool", True):
        server.shutdown = lambda: setattr(server, "running", False)
    ask_socketserver(server)


def ask_werkzeug(app, threaded):
    ask_socketserver(needs("werkzeug.serving").make_server("127.0.0.1", 0, app, threaded=threaded))


def ask_wsgiref(app, mixins):
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    handler = type("Handler", (WSGIRequestHandler,), {"log_message": lambda *args: None})
    kind = type("Server", (*mixins, WSGIServer), {"daemon_threads": True})
    ask_socketserver(make_server("127.0.0.1", 0, app, kind, handler))


def ask_gevent(app, spawn):
    pywsgi = needs("gevent.pywsgi")
    from gevent import pool, socket, spawn_raw
    from gevent import spawn as start

    spawn = {"pool": pool.Pool(), "raw": spawn_raw}.get(spawn, spawn)
    server = pywsgi.WSGIServer(("127.0.0.1", 0), app, spawn=spawn, log=None)
    server.start()

    def ask():
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(1024)
    try:
        start(ask).get(timeout=60)
    finally:
        server.stop(timeout=1)


def ask_eventlet(app, options):
    real, wsgi = needs("eventlet"), needs("eventlet.wsgi")
    from eventlet.green import socket

    listener = real.listen(("127.0.0.1", 0))
    server = real.spawn(wsgi.server, listener, app, log_output=False, keepalive=False, **options)
    with real.Timeout(10):
        connection = socket.create_connection(listener.getsockname())
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.recv(1024)
        connection.close()
    server.kill()


def ask_tornado(app, workers):
    wsgi = needs("tornado.wsgi")
    from tornado import httpserver, ioloop

    executor = {"executor": ThreadPoolExecutor(workers)} if workers else {}
    ready, port, loops = threading.Event(), [], []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        loops.append(ioloop.IOLoop.current())
        server = httpserver.HTTPServer(wsgi.WSGIContainer(app, **executor))
        server.listen(0, "127.0.0.1")
        port.extend(socket.getsockname()[1] for socket in server._sockets.values())
        loops[0].add_callback(ready.set)
        loops[0].start()
        server.stop()
        loops[0].close(all_fds=True)
    with running(serve, lambda: loops[0].add_callback(loops[0].stop)):
        assert ready.wait(60)
        assert get(port[0]) == 200
    for pool in executor.values():
        pool.shutdown()


def ask_twisted(app, most):
    wsgi = needs("twisted.web.wsgi")
    from twisted.python.threadpool import ThreadPool

    pool = ThreadPool(minthreads=0, maxthreads=most)
    response = object.__new__(wsgi._WSGIResponse)
    response.threadpool, response.environ = pool, {}
    response.application = lambda environ, start_response: app.seen.append(app.look()) or []
    response.reactor = SimpleNamespace(callFromThread=lambda *call: None)
    pool.start()
    response.start()
    pool.stop()


async def receive():
    return {"type": "http.request", "body": b"", "more_body": False}


async def send(message):
    """Nothing with the *message*."""


def ask_a2wsgi(app, workers):
    middleware = needs("a2wsgi").WSGIMiddleware(app, workers=workers)
    asyncio.run(middleware(SCOPE, receive, send))
    middleware.executor.shutdown()


def ask_asgiref(app, is_in_context):
    bridge = needs("asgiref.wsgi").WsgiToAsgi(app)
    from asgiref.sync import ThreadSensitiveContext

    async def request():
        if not is_in_context:
            return await bridge(SCOPE, receive, send)
        async with ThreadSensitiveContext():
            await bridge(SCOPE, receive, send)
    asyncio.run(request())


def ask_hypercorn(app, _):
    needs("hypercorn.app_wrappers").WSGIWrapper(app, 16).run_app({}, lambda message: None)


GROWS_NOT = {"threadpool_options": {"spawn_if_under": 0}}


# waitress' loop may be about to select the socket that close() has taken away: its thread ends with EBADF.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("reader, ask, setting, capacity", [
    (waitress, ask_waitress, 1, 1), (waitress, ask_waitress, 3, 3),
    (cheroot, ask_cheroot, {}, 10), (cheroot, ask_cheroot, {"numthreads": 1}, 1),
    (cheroot, ask_cheroot, {"numthreads": 2, "max": 5}, 2),
    (paste, ask_paste, {"threadpool_workers": 2, **GROWS_NOT}, 2), (paste, ask_paste, {"use_threadpool": False}, MANY),
    (paste, ask_paste, {"threadpool_workers": 1, **GROWS_NOT}, 1),
    (werkzeug, ask_werkzeug, True, NOTHING), (werkzeug, ask_werkzeug, False, NOTHING),
    (wsgiref, ask_wsgiref, (), NOTHING), (wsgiref, ask_wsgiref, (ThreadingMixIn,), NOTHING),
    (gevent, ask_gevent, "default", MANY), (gevent, ask_gevent, "raw", MANY), (gevent, ask_gevent, "pool", MANY),
    (gevent, ask_gevent, 5, 5), (gevent, ask_gevent, 1, 1), (gevent, ask_gevent, None, 1),
    (eventlet, ask_eventlet, {}, 1024), (eventlet, ask_eventlet, {"max_size": 7}, 7),
    (tornado, ask_tornado, None, 1), (tornado, ask_tornado, 2, NOTHING),
    (twisted, ask_twisted, 3, 3), (a2wsgi, ask_a2wsgi, 1, NOTHING), (hypercorn, ask_hypercorn, None, NOTHING),
    (asgiref, ask_asgiref, False, 1), (asgiref, ask_asgiref, True, MANY),
], ids=lambda value: getattr(value, "NAME", None))
def test_a_request_of_a_real_server(reader, ask, setting, capacity):
    """Its reader knows it, and reads what bounds it; where it reads nothing the signs without a name do."""
    app = Application(lambda: (serves(reader), on_request(reader)))
    ask(app, setting)
    (is_served, reading), = app.seen
    assert (is_served, NOTHING if reading is None else reading.capacity) == (True, capacity)


# -- commands -------------------------------------------------------------------------------------------------------

class Loads(Exception):
    """Ends a command where it would load the application."""


@contextmanager
def loading(monkeypatch, place, reader):
    """The readings of *reader*, where *place* of a command would load the application; the command ends there."""
    readings = []

    def load(*args, **options):
        readings.append(at_startup(reader))
        raise Loads
    monkeypatch.setattr(*place, load)
    with pytest.raises(Loads):
        yield readings


@pytest.mark.parametrize("options, capacity", [([], MANY), (["--with-threads"], MANY), (["--without-threads"], 1)])
def test_flask_run(monkeypatch, options, capacity):
    """Flask's own command tells its option."""
    cli = needs("flask.cli")
    with loading(monkeypatch, (cli.ScriptInfo, "load_app"), flask) as readings:
        cli.FlaskGroup().main(["run", *options], standalone_mode=False)
    assert [reading.capacity for reading in readings] == [capacity]


@pytest.mark.parametrize("options, capacity", [([], MANY), (["--nothreading"], 1)])
def test_django_s_runserver(monkeypatch, options, capacity):
    """Django's own command tells its option."""
    needs("django.core.management")
    from django.conf import settings
    if not settings.configured:
        settings.configure(DEBUG=True, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__)
    from django.core.management.commands import runserver
    monkeypatch.setattr(runserver.Command, "check", lambda *args, **options: None)
    monkeypatch.setattr(runserver.Command, "check_migrations", lambda command: None)
    with loading(monkeypatch, (runserver, "get_internal_wsgi_application"), django) as readings:
        runserver.Command().run_from_argv(["manage.py", "runserver", "--noreload", *options])
    assert [reading.capacity for reading in readings] == [capacity]


def test_uvicorn_s_config(monkeypatch):
    """uvicorn's own Config tells its interface."""
    config = needs("uvicorn.config")
    with loading(monkeypatch, (config, "import_from_string"), uvicorn) as readings:
        config.Config("a:app", interface="wsgi", log_config=None, http=SimpleNamespace(), ws=None).load()
    assert [reading.capacity for reading in readings] == [10]


def test_hypercorn_s_worker(monkeypatch):
    """hypercorn's own worker tells the prefix of the application's path."""
    run = needs("hypercorn.asyncio.run")
    from hypercorn.config import Config
    config = Config()
    config.application_path = "wsgi:package:application"
    with loading(monkeypatch, (run, "load_application"), hypercorn) as readings:
        run.asyncio_worker(config)
    assert [reading.capacity for reading in readings] == [MANY]


def test_twist_web(monkeypatch):
    """Twisted's own --wsgi has no option for its pool."""
    tap = needs("twisted.web.tap")
    with loading(monkeypatch, (tap.reflect, "namedAny"), twisted) as readings:
        tap.Options().opt_wsgi("application")
    assert [reading.capacity for reading in readings] == [20]


def test_gunicorn_s_worker():
    """gunicorn's own Worker and Config have the attributes that are read."""
    kind, settings = needs("gunicorn.workers.gthread").ThreadWorker, needs("gunicorn.config").Config()
    settings.set("threads", 4)
    worker = kind.__new__(kind)
    worker.cfg, worker.sockets = settings, ["socket"]
    worker.app = SimpleNamespace(wsgi=lambda: at_startup(gunicorn))
    worker.load_wsgi()
    assert (worker.wsgi.server, worker.wsgi.capacity) == ("gunicorn's gthread worker", 4)


def test_granian_s_worker():
    """The names that the arguments of the worker's wrapper are matched with."""
    worker = needs("granian.server.mp").MPServer._spawn_wsgi_worker
    code = worker.__wrapped__.__code__
    assert {"runtime_mode", "runtime_threads", "blocking_threads", "backpressure", "http_mode"} <= set(
        code.co_varnames[:code.co_argcount])
    assert (worker.__code__.co_name, code.co_name) == ("wrapped", granian._WORKER)


def test_the_default_that_stands_for_a_missing_setting_is_waitress_own():
    """The number of the waitress that is installed."""
    assert needs("waitress.adjustments").Adjustments.threads == waitress.DEFAULT


def test_a_pool_of_one_does_not_start_with_paste_s_default_of_growth():
    """Paste asserts that spawn_if_under, 5 by default, fits into the pool, so the remedy has to name it."""
    with pytest.raises(AssertionError, match="spawn_if_under"):
        needs("paste.httpserver").ThreadPool(1)
    assert "threadpool_spawn_if_under = 0" in paste.REMEDY
