"""What the readers make of settings and of stacks: of every version that is promised, and of one that has moved.

Servers as they are today are in test_real_servers.py, and each configuration of theirs is a row of tests/live.
"""

import argparse
import enum
import sys
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType, SimpleNamespace

import pytest
from fake_stacks import an_object, at_startup, below, in_thread, module, on_request, serves

from threadguard.servers import (SERVERS, asgiref, cheroot, django, eventlet, flask, gevent, granian, gunicorn,
                                 hypercorn, mod_wsgi, passenger, paste, tornado, twisted, unit, uvicorn, uwsgi,
                                 waitress, wsgiref)

NOTHING, MANY = "no reading", None


def capacity_of(reading):
    """What *reading* says, if there is one."""
    return NOTHING if reading is None else reading.capacity


def granian_settings(**changes):
    return {"blocking_threads": 4, "runtime_threads": 1, "runtime_mode": "mt", **changes}


@pytest.mark.parametrize("reader, arguments, capacity", [
    (waitress, [None], 4), (waitress, [1], 1), (waitress, [0], NOTHING), (waitress, [True], NOTHING),
    (cheroot, [None], 10), (cheroot, [4], 4), (cheroot, [0], 1), (cheroot, [-1], NOTHING),
    (django, [True], MANY), (django, [False], 1), (flask, [True], MANY), (flask, [False], 1),
    (hypercorn, ["wsgi:a:b"], MANY), (hypercorn, ["a:b"], NOTHING), (hypercorn, ["wsgi_a:b"], NOTHING),
    (mod_wsgi, [2, "kallithea"], 2), (mod_wsgi, [None, "kallithea"], NOTHING),
    (paste, [], 10), (paste, [True, 4, 0], 4), (paste, [True, 1, 5], 5), (paste, [False], MANY),
    (paste, [True, None], NOTHING), (gevent, [None], MANY), (gevent, [3], 3), (twisted, [8], 8),
    (twisted, [None], NOTHING), (unit, [], 1), (unit, [4], 4),
    (uvicorn, ["wsgi"], 10), (uvicorn, ["wsgi", None], MANY), (uvicorn, ["asgi3"], NOTHING),
    (uwsgi, [4], 4), (uwsgi, ["4"], NOTHING),
    (gunicorn, ["sync"], 1), (gunicorn, ["sync", 4], 4), (gunicorn, ["gunicorn.workers.sync.SyncWorker", 2], 2),
    (gunicorn, ["ours.FastSyncWorker", 3], 3), (gunicorn, ["gthread"], 1), (gunicorn, ["gthread", None], NOTHING),
    (gunicorn, ["gevent"], 1000), (gunicorn, ["gevent", 1, 1], 1), (gunicorn, ["gevent", 1, 1, 2], 2),
    (gunicorn, ["gevent", 1, None], NOTHING), (gunicorn, ["gevent_pywsgi", 1, 5], 5), (gunicorn, ["tornado", 4], 1),
    (gunicorn, ["eventlet", 1, 7], 7), (gunicorn, ["uvicorn.workers.UvicornWorker"], NOTHING),
    (gunicorn, ["asgi"], NOTHING),
    (granian, [granian_settings()], 4),
    (granian, [granian_settings(blocking_threads=1, runtime_threads=3)], 1),
    (granian, [granian_settings(blocking_threads=1, runtime_threads=3, runtime_mode="st")], 3),
    (granian, [granian_settings(blocking_threads=2, runtime_threads=3, runtime_mode="workers")], 6),
    (granian, [granian_settings(blocking_threads=1, runtime_threads=3, runtime_mode="auto")], 1),
    (granian, [granian_settings(backpressure=1, http="1")], 1),
    (granian, [granian_settings(backpressure=1, http="auto")], 4),
    (granian, [granian_settings(backpressure=64, http="1")], 4),
    (granian, [granian_settings(blocking_threads=1, workers=2)], 2),
    (granian, [granian_settings(blocking_threads=None)], NOTHING),
    (granian, [granian_settings(runtime_mode="new")], NOTHING),
], ids=lambda value: getattr(value, "NAME", None))
def test_settings_give_the_capacity(reader, arguments, capacity):
    """Missing ones stand for the server's default, and what makes no sense gives nothing, above all not one."""
    assert capacity_of(reader.read_settings(*arguments)) == capacity


# -- stacks ---------------------------------------------------------------------------------------------------------

class Mode(enum.Enum):
    MT, ST, HTTP1, AUTO = "mt", "st", "1", "auto"


def spawn_wsgi_worker(worker_id, callback, sock, ipc, loop, runtime_mode, runtime_threads, runtime_blocking_threads,
                      blocking_threads, blocking_threads_idle_timeout, backpressure, task_impl, http_mode):
    """granian/server/mp.py `_spawn_wsgi_worker`, 2.1 to 2.8."""


def granian_loads(mode=Mode.MT, runtimes=1, blocking=4, backpressure=64, http=Mode.AUTO, worker="_spawn_wsgi_worker"):
    """granian/server/mp.py `wrapped`, which loads the application: its last arguments are those of the worker."""
    code = spawn_wsgi_worker.__code__
    target = SimpleNamespace(__code__=SimpleNamespace(
        co_name=worker, co_varnames=code.co_varnames, co_argcount=code.co_argcount))
    return "granian.server.mp wrapped", {
        "target": target, "args": (mode, runtimes, 512, blocking, 30, backpressure, None, http)}


def granian_server(interface="wsgi"):
    return an_object("granian.server.mt", interface=SimpleNamespace(value=interface), workers=3,
                     **granian_settings(blocking_threads=2))


GRANIAN_1_7 = {"threads": 3, "blocking_threads": 1, "backpressure": 64, "http_mode": "auto"}
RUNSERVER = "django.core.management.commands.runserver inner_run"
CALLS_GRANIAN = "in a thread", "granian.wsgi _runner"
LOADER = "flask.cli _load_unlocked"


class ThreadPool:
    def __init__(self, minthreads=5, maxthreads=20):
        """As Twisted's."""


def load_uvicorn(middleware, **settings):
    """What is read where uvicorn's Config with *settings* loads the application."""
    made = module("uvicorn.config", "def load_app(self): return look()", look=lambda: at_startup(uvicorn),
                  WSGIMiddleware=middleware)
    return made.load_app(SimpleNamespace(**settings))


@pytest.mark.parametrize("reader, frames, capacity", [
    (waitress, [("waitress.runner run", {"kw": {"call": False, "threads": "3"}})], 3),
    (waitress, [("waitress.runner run", {"kw": {"call": False}})], 4),
    (waitress, [("waitress.runner run", {"kw": ["threads"]})], NOTHING),
    (waitress, [("waitress serve", {"kw": {"threads": 2}})], 2),
    (django, ["in a thread", (RUNSERVER, {"options": {"use_threading": True}})], MANY),
    (django, [(RUNSERVER, {"options": {"use_threading": None}})], NOTHING),
    (django, [("daphne.management.commands.runserver inner_run", {"options": {"use_threading": True}})], NOTHING),
    (flask, [("flask.cli run_command", {"with_threads": True}), "in a thread", LOADER], MANY),  # before 2.2
    (flask, [("flask.cli run_command", {"with_threads": True}), "in a thread"], NOTHING),
    (flask, [("flask.cli run_command", {"threads": True})], NOTHING),
    (hypercorn, [("hypercorn.trio.run trio_worker", {"config": SimpleNamespace(application_path="wsgi:a")})], MANY),
    (hypercorn, [("hypercorn.run run", {"config": SimpleNamespace(application_path="wsgi:a")})], MANY),
    (hypercorn, [("hypercorn.run run", {"config": SimpleNamespace()})], NOTHING),
    (granian, [granian_loads()], 4),
    (granian, [granian_loads(Mode.ST, 3, 1)], 3),
    (granian, [granian_loads(backpressure=1, http=Mode.HTTP1)], 1),
    (granian, [granian_loads(worker="_spawn_asgi_worker")], NOTHING),
    (granian, [("granian.server _spawn_wsgi_worker", {"threading_mode": "workers", **GRANIAN_1_7})], 3),
    (granian, [("granian.server _spawn_wsgi_worker", {"threading_mode": "runtime", **GRANIAN_1_7})], 1),
    (granian, [("granian.server _spawn_wsgi_worker", {
        "threading_mode": "workers", "threads": 1, "pthreads": 4, "http_mode": "auto"})], 4),  # 1.0
    (granian, [("granian.server _spawn_wsgi_worker", {
        "threading_mode": "runtime", "threads": 3, "pthreads": 1, "http_mode": "auto"})], 3),
    (granian, [("granian.server.mt _serve_loop", {"self": granian_server()})], 6),
    (granian, [("granian.server.mt _serve_loop", {"self": granian_server("asgi")})], NOTHING),
    (granian, [("granian.server.mp _spawn_wsgi_worker", granian_settings()), "in a thread"], NOTHING),
], ids=lambda value: getattr(value, "NAME", None))
def test_a_stack_tells_at_startup(reader, frames, capacity):
    """While the server's frames load the application, and only while: a frame that has moved says nothing."""
    assert capacity_of(below(lambda: at_startup(reader), *frames)) == capacity


@pytest.mark.parametrize("middleware, settings, capacity", [
    pytest.param(lambda app, workers=12: None, {"interface": "wsgi"}, 12, id="another default"),
    pytest.param(None, {"interface": "wsgi"}, MANY, id="no middleware"),
    pytest.param(lambda app, threads=10: None, {"interface": "wsgi"}, MANY, id="a default that moved"),
    pytest.param(lambda app, workers=12: None, {}, NOTHING, id="an interface that moved"),
])
def test_uvicorn_s_interface_wsgi_has_the_default_of_its_middleware(middleware, settings, capacity):
    """Whatever WSGIMiddleware uvicorn.config holds; without a number it is several threads."""
    assert capacity_of(load_uvicorn(middleware, **settings)) == capacity


@pytest.mark.parametrize("pool, capacity", [
    (SimpleNamespace(ThreadPool=ThreadPool), 20), (SimpleNamespace(), NOTHING), (None, NOTHING)])
def test_twist_web_makes_a_pool_of_the_default_size(pool, capacity):
    """It makes its pool after the application, and has no option for it."""
    made = module("twisted.web.tap", "def opt_wsgi(): return look()", look=lambda: at_startup(twisted), threadpool=pool)
    assert capacity_of(made.opt_wsgi()) == capacity


@pytest.mark.parametrize("arguments, capacity", [
    ("app", 10), ("app --threads 1 --max-threads 9", 1), ("--threads=4 --chdir / app", 4),
    ("app --bind 127.0.0.1:8080 --thr 3", 3), ("app --nonsense --help --threads 2", 2), ("app --threads", 10),
])
def test_cheroot_s_command_line_is_read_to_its_end_without_its_effects(monkeypatch, arguments, capacity):
    """The application is loaded in the middle of the command line: the rest counts. A reader never raises SystemExit:
    cheroot itself says what it does not take."""
    monkeypatch.setattr("sys.argv", ["cheroot", *arguments.split()])
    assert below(lambda: at_startup(cheroot), "cheroot.cli main").capacity == capacity


def test_cheroot_s_command_line_is_the_one_that_it_was_given(monkeypatch):
    """An application that parses arguments of its own has put them into sys.argv before it builds the guard."""
    found = []

    def load(name):
        monkeypatch.setattr("sys.argv", ["site"])
        found.append(at_startup(cheroot).capacity)

    monkeypatch.setattr("sys.argv", ["cheroot", "site:app", "--threads", "1"])
    command = module("cheroot.cli", """
        def main():
            parser = argparse.ArgumentParser()
            parser.add_argument("app", type=load)
            parser.add_argument("--threads")
            parser.parse_args()""", argparse=argparse, load=load)
    command.main()
    assert found == [1]


def in_cheroot(pool):
    return "cheroot.workers.threadpool run", {"self": SimpleNamespace(server=SimpleNamespace(requests=pool))}


def in_eventlet(links):
    greenlet = SimpleNamespace(_exit_funcs=links)
    return ("eventlet.greenthread main", {"self": greenlet}), "eventlet.wsgi handle_one_response"


def link_to(owner):
    return SimpleNamespace(__self__=owner), (), {}


ALIVE, DEAD = SimpleNamespace(is_alive=lambda: True), SimpleNamespace(is_alive=lambda: False)


@pytest.mark.parametrize("reader, frames, capacity", [
    (waitress, [("waitress.channel service", {"self": SimpleNamespace(server=SimpleNamespace(
        task_dispatcher=SimpleNamespace(threads={0: 1, 1: 1})))})], 2),  # a dict until 1.4
    (waitress, [("waitress.channel service", {"self": SimpleNamespace(server=SimpleNamespace(
        task_dispatcher=SimpleNamespace(threads=4)))})], NOTHING),
    (cheroot, [in_cheroot(SimpleNamespace(min=1, max=5, _threads=[ALIVE, ALIVE, DEAD]))], 2),  # grown by hand
    (cheroot, [in_cheroot(SimpleNamespace(min="1", _threads=[]))], NOTHING),
    (cheroot, [in_cheroot(None)], NOTHING),
    (paste, [("paste.httpserver worker_thread_callback", {
        "self": SimpleNamespace(nworkers="many", spawn_if_under=0)})], NOTHING),
    (paste, [("socketserver process_request_thread", {"self": object()})], NOTHING),
    (gevent, [("gevent.pywsgi handle", {"self": SimpleNamespace(server=SimpleNamespace())})], NOTHING),
    (gevent, [("gevent.pywsgi handle", {"self": SimpleNamespace(server=SimpleNamespace(
        pool=SimpleNamespace(size="1")))})], NOTHING),
    (eventlet, in_eventlet(deque([link_to(object()), link_to(an_object("eventlet.greenpool", size=7))])), 7),
    (eventlet, in_eventlet(deque([link_to(object())])), NOTHING),
    (eventlet, in_eventlet(None), NOTHING),
    (twisted, [("twisted.web.wsgi run", {"self": SimpleNamespace(threadpool=SimpleNamespace(max=None))})], NOTHING),
    (tornado, ["tornado.wsgi __call__"], 1),  # before 6.3
    (granian, [("granian.server.mp _spawn_wsgi_worker", granian_settings(blocking_threads=1)), *CALLS_GRANIAN], 1),
    (granian, [("granian.server.mp _spawn_wsgi_worker", granian_settings()), "in a thread"], NOTHING),
    (granian, [("granian.server.mt _serve", {"self": granian_server()}), *CALLS_GRANIAN], 6),
], ids=lambda value: getattr(value, "NAME", None))
def test_a_stack_tells_on_a_request(reader, frames, capacity):
    """What runs this very request, whatever else is there; an attribute that has moved says nothing."""
    assert capacity_of(below(lambda: on_request(reader), *frames)) == capacity


def test_cherrypy_is_named_with_its_own_setting():
    """The server of CherryPy is cheroot's, its setting is not."""
    pool = SimpleNamespace(min=10, _threads=[], server=an_object("cherrypy._cpwsgi_server"))
    reading = below(lambda: on_request(cheroot), in_cheroot(pool))
    assert (reading.server, "server.thread_pool = 1" in reading.remedy) == ("CherryPy", True)


def test_a_pool_of_paste_s_that_may_grow_says_when():
    """With spawn_if_under = 1 a pool of one lets a second request in beside a hung one: the evidence tells it."""
    assert "threadpool_hung_thread_limit lets one more in" in paste.read_settings(True, 1, 1).evidence


# -- whose request it is --------------------------------------------------------------------------------------------

@pytest.mark.parametrize("reader, frames, expected", [
    (flask, ["flask.cli run_command", "werkzeug.serving run_wsgi"], True),
    (flask, ["flask.app run", "in a thread", "werkzeug.serving run_wsgi"], True),
    (flask, ["in a thread", "flask.app run", "werkzeug.serving run_wsgi"], True),
    (flask, ["flask.cli run_command", "in a thread"], False),
    (flask, ["werkzeug.serving run_wsgi"], False),
    (wsgiref, ["django.core.servers.basehttp handle"], False),
    (django, ["django.core.servers.basehttp handle_one_request"], True),
    (hypercorn, ["hypercorn.app_wrappers run_app"], True),
    (uvicorn, [("uvicorn.server run", {"self": SimpleNamespace(config=SimpleNamespace(interface="asgi3"))}),
               "in a thread", "uvicorn.middleware.wsgi wsgi"], True),
    (uvicorn, [("uvicorn.server run", {"self": SimpleNamespace(config=SimpleNamespace(interface="wsgi"))}),
               "in a thread", "a2wsgi.wsgi wsgi"], True),
    (uvicorn, [("uvicorn.server run", {"self": SimpleNamespace(config=SimpleNamespace(interface="asgi3"))}),
               "in a thread", "a2wsgi.wsgi wsgi"], False),
    (uvicorn, [("uvicorn.server run", {"self": SimpleNamespace(config=SimpleNamespace(interface="wsgi"))}),
               "in a thread", "asgiref.wsgi wsgi"], False),
    (tornado, [("concurrent.futures.thread run", {"task": (print, ({}, print), {})})], False),
    *[(reader, [], False) for reader in SERVERS],
], ids=lambda value: getattr(value, "NAME", None))
def test_a_server_serves_where_it_calls_the_application(reader, frames, expected):
    """A server that is merely loaded, or started by another, serves nothing, and says nothing."""
    assert below(lambda: serves(reader), *frames) is expected
    assert frames or (at_startup(reader), on_request(reader)) == (None, None)


@pytest.mark.parametrize("variables", [
    pytest.param(lambda job: {"self": SimpleNamespace(fn=job[0], args=job[1], kwargs=job[2])}, id="before Python 3.14"),
    pytest.param(lambda job: {"task": job}, id="from Python 3.14 on"),
])
def test_an_executor_is_tornado_s_by_the_start_response_that_it_was_handed(variables):
    """Nothing of tornado's is on the stack of an executor's thread but an argument of its job."""
    job = print, ({}, module("tornado.wsgi", "def start_response(): pass").start_response), {}
    assert below(lambda: serves(tornado), ("concurrent.futures.thread run", variables(job))) is True


def in_asgiref(shared, private=(), executor=None, lent=()):
    """What is read in a thread of *executor*, below a SyncToAsync with these executors."""
    call = SimpleNamespace(single_thread_executor=shared, context_to_thread_executor=dict(enumerate(private)))
    with executor or ThreadPoolExecutor(1) as pool:
        return capacity_of(pool.submit(below, lambda: on_request(asgiref), ("asgiref.sync thread_handler", {
            "self": call}), *lent).result(timeout=60))


def test_asgiref_s_executors_are_known_by_identity():
    """The one that all share is a bound; that of a context is none, whatever its size says; another one's, or a thread
    that a server lent, is judged by itself."""
    pools = [ThreadPoolExecutor(1) for _ in range(3)]
    assert in_asgiref(pools[0], executor=pools[0]) == 1
    assert in_asgiref(object(), [object(), pools[1]], pools[1]) is MANY
    assert in_asgiref(object(), [object()]) == NOTHING
    assert in_asgiref(pools[2], executor=pools[2], lent=["asgiref.current_thread_executor run"]) == NOTHING


# -- servers without frames -----------------------------------------------------------------------------------------

@pytest.fixture
def embedded(monkeypatch):
    """Puts a module in place as uWSGI and Apache embed it."""
    monkeypatch.delenv("MOD_WSGI_EXPRESS", raising=False)

    def embed(name, attributes):
        made = ModuleType(name)
        vars(made).update(attributes)
        monkeypatch.setitem(sys.modules, name, made)
    return embed


UWSGI, APACHE = {"uwsgi.version": b"2.0.31"}, {"mod_wsgi.version": (4, 9, 4), "mod_wsgi.process_group": ""}
CORES = {"version": b"2.0.31", "loop": None}


@pytest.mark.parametrize("reader, attributes, capacity", [
    (uwsgi, {**CORES, "cores": 10, "loop": b"gevent"}, 10), (uwsgi, {**CORES, "cores": 1, "has_threads": 1}, 1),
    (uwsgi, {**CORES, "cores": 1, "__file__": "uwsgi.py"}, NOTHING), (uwsgi, {"version": "2", "cores": 1}, NOTHING),
    (uwsgi, CORES, NOTHING), (uwsgi, {**CORES, "cores": "1"}, NOTHING),
    (mod_wsgi, {"process_group": "kallithea", "threads_per_process": 15}, 15),
    (mod_wsgi, {"process_group": "", "threads_per_process": 25}, 25),
    (mod_wsgi, {}, NOTHING), (mod_wsgi, {"process_group": "x"}, NOTHING),
    (mod_wsgi, {"threads_per_process": 1}, NOTHING),
    (mod_wsgi, {"process_group": 0, "threads_per_process": 1}, NOTHING),
], ids=lambda value: getattr(value, "NAME", None))
def test_the_module_that_a_server_embeds_tells_at_startup(embedded, reader, attributes, capacity):
    """Another module of that name, such as the package on PyPI, does not; nor does it for another server's request."""
    embedded(reader.__name__.rpartition(".")[2], attributes)
    assert (capacity_of(at_startup(reader)), on_request(reader, {})) == (capacity, None)
    if capacity != NOTHING:
        assert on_request(reader, UWSGI if reader is uwsgi else APACHE).capacity == capacity


@pytest.mark.parametrize("key", ["uwsgi.core", "x-wsgiorg.fdevent.readable"])
@pytest.mark.parametrize("attributes", [{}, {"cores": 1}])
def test_uwsgi_s_environ_betrays_more_than_one_core(embedded, attributes, key):
    """uWSGI sets these keys only with several cores: they withdraw a 1, and stand in for cores that cannot be read."""
    embedded("uwsgi", {**CORES, **attributes})
    reading = on_request(uwsgi, {key: 0, **UWSGI})
    assert (reading.capacity, reading.evidence) == (MANY, "%s is in the environ" % key)


@pytest.mark.parametrize("options, cores", [((), 1), ((4,), 4), ((1, 10), 10), ((4, 10), 4), ((0, 0), 1)])
def test_uwsgi_s_cores_are_the_threads_or_the_async_cores(options, cores):
    """core/init.c sanitize_args makes the cores of threads, else of async."""
    assert uwsgi.cores(*options) == cores


@pytest.mark.parametrize("environ, by_http2", [
    ({"HTTP2": "on"}, True), ({"HTTP2": "off"}, False), ({"HTTP2": "on", "mod_wsgi.process_group": "x"}, False),
    ({"SERVER_PROTOCOL": "HTTP/2.0"}, False),
])
def test_http2_invalidates_the_single_thread_of_an_embedded_interpreter(embedded, environ, by_http2):
    """mod_http2 enters with threads of its own. What a client writes into its request line is no sign of it."""
    embedded("mod_wsgi", {"process_group": "", "threads_per_process": 1})
    environ = {**APACHE, **environ}
    assert on_request(mod_wsgi, environ).capacity is (MANY if by_http2 else 1)
    assert on_request(mod_wsgi, APACHE).invalidated_by(environ) is by_http2


def test_mod_wsgi_is_named_with_how_it_runs(embedded, monkeypatch):
    """A daemon's fifteen threads are a default; embedded threads are Apache's; mod_wsgi-express has its own options."""
    assert mod_wsgi.read_settings(15, "kallithea").evidence.endswith(
        "WSGIDaemonProcess 'kallithea', which is the default without threads=")
    assert mod_wsgi.read_settings(25).remedy.endswith("or mpm_prefork with Protocols http/1.1")
    embedded("mod_wsgi", {"process_group": "localhost:8000", "threads_per_process": 5})
    monkeypatch.setenv("MOD_WSGI_EXPRESS", "true")
    assert at_startup(mod_wsgi).remedy.startswith("mod_wsgi-express start-server")


@pytest.mark.parametrize("environ, capacity", [
    ({"SERVER_SOFTWARE": "Unit/1.35.0", "wsgi.multithread": False}, 1),
    ({"SERVER_SOFTWARE": "Unit/1.35.0", "wsgi.multithread": True}, MANY),
    ({"SERVER_SOFTWARE": "Unit/1.35.0", "wsgi.multithread": None}, NOTHING),
    ({"SERVER_SOFTWARE": "gunicorn/27.0.1", "wsgi.multithread": False}, NOTHING),
])
def test_under_unit_the_flag_is_the_setting(environ, capacity):
    """Unit sets the flag from its option, so that it counts like the option; another server's flag does not."""
    assert capacity_of(on_request(unit, environ)) == capacity


def passenger_looks(look, name="__main__", file="/usr/share/passenger/helper-scripts/wsgi-loader.py"):
    """What *look* returns below Passenger's loader: while it loads the application, and in its loop."""
    made = ModuleType(name)
    source = "def load_app(look): return look()\ndef main_loop(look): return look()"
    exec(compile(source, file, "exec"), vars(made))
    return made.load_app(look), made.main_loop(look)


def test_passenger_s_loader_runs_one_request_at_a_time(monkeypatch):
    """Its file and its loop in the main thread tell, inside Passenger; neither alone does."""
    def look():
        return capacity_of(at_startup(passenger)), capacity_of(on_request(passenger)), serves(passenger)

    assert passenger_looks(look) == ((NOTHING, NOTHING, False), (NOTHING, 1, True))
    monkeypatch.setenv("IN_PASSENGER", "1")
    assert passenger_looks(look) == ((1, NOTHING, False), (NOTHING, 1, True))
    assert in_thread(passenger_looks, look) == ((1, NOTHING, False), (NOTHING, NOTHING, True))
    assert {*passenger_looks(look, file="start.py"), *passenger_looks(look, "loader"), look()} == {
        (NOTHING, NOTHING, False)}
