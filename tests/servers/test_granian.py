import enum
from types import SimpleNamespace

import pytest
from fake_stacks import at_startup, in_thread, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import granian

# granian 2.1 to 2.8: the application is loaded in the wrapper, and the worker's arguments are its last ones.
TODAY = """
def _spawn_wsgi_worker(worker_id, callback, sock, ipc, loop, runtime_mode, runtime_threads, runtime_blocking_threads,
                       blocking_threads, blocking_threads_idle_timeout, backpressure, task_impl, http_mode):
    return wait(callback)

def _spawn_asgi_worker(worker_id, callback, sock, ipc, loop, runtime_mode, runtime_threads, runtime_blocking_threads,
                       blocking_threads, blocking_threads_idle_timeout, backpressure, task_impl, http_mode):
    return wait(callback)

def wrap(target):
    def wrapped(worker_id, process_name, callback_loader, sock, ipc, loop_impl, *args):
        callback = callback_loader()
        return target(worker_id, callback, sock, ipc, None, *args)
    return wrapped
"""
BEFORE_2 = """
def _spawn_wsgi_worker(worker_id, callback_loader, threads, blocking_threads, backpressure, threading_mode, http_mode):
    return wait(callback_loader())
"""
BEFORE_1_4 = """
def _spawn_wsgi_worker(worker_id, callback_loader, threads, pthreads, threading_mode, http_mode):
    return wait(callback_loader())
"""
FREE_THREADED = """
class MTServer:
    def %s(self):
        return wait()
"""


class Mode(enum.Enum):
    MT = "mt"
    ST = "st"
    HTTP1 = "1"
    AUTO = "auto"


def settings(**changes):
    return {"blocking_threads": 4, "runtime_threads": 1, "runtime_mode": "mt", **changes}


def arguments(mode=Mode.MT, runtime_threads=1, blocking_threads=4, backpressure=64, http=Mode.AUTO):
    """The arguments of a worker from runtime_mode on."""
    return mode, runtime_threads, 512, blocking_threads, 30, backpressure, None, http


def request(look=lambda: on_request(granian)):
    """What *look* returns where granian calls the application, in a thread of Rust's."""
    return in_thread(module("granian.wsgi", "def _runner(): return look()", look=look)._runner)


def test_the_blocking_threads_are_the_capacity():
    """In mode mt all runtime threads share one pool of blocking threads."""
    expected = Reading(Source.SETTING, "granian", 4, "it has blocking_threads 4, runtime_threads 1, runtime_mode mt",
                       granian.REMEDY)
    assert expected == granian.read_settings(settings(), "it")


@pytest.mark.parametrize("changes, capacity", [
    pytest.param({"blocking_threads": 1}, 1, id="one blocking thread"),
    pytest.param({"blocking_threads": 1, "runtime_threads": 3}, 1, id="one for all three runtime threads"),
    pytest.param({"blocking_threads": 1, "runtime_threads": 3, "runtime_mode": "st"}, 3, id="one for each of three"),
    pytest.param({"blocking_threads": 2, "runtime_threads": 3, "runtime_mode": "workers"}, 6, id="mode before 2.0"),
    pytest.param({"blocking_threads": 1, "runtime_threads": 3, "runtime_mode": "auto"}, 1, id="auto is mt for WSGI"),
    pytest.param({"backpressure": 1, "http": "1"}, 1, id="one connection, HTTP/1"),
    pytest.param({"backpressure": 1, "http": "auto"}, 4, id="one connection, perhaps HTTP/2"),
    pytest.param({"backpressure": 64, "http": "1"}, 4, id="backpressure above the threads"),
    pytest.param({"blocking_threads": 1, "workers": 2}, 2, id="workers that are threads"),
])
def test_what_else_bounds_or_multiplies_the_threads(changes, capacity):
    """Runtime threads with a pool each multiply, backpressure bounds where only HTTP/1 is spoken."""
    assert capacity == granian.read_settings(settings(**changes)).capacity


@pytest.mark.parametrize("changes", [
    {"blocking_threads": None}, {"runtime_threads": None}, {"runtime_mode": "new"}, {"runtime_mode": None}])
def test_a_setting_that_moved_is_not_known(changes):
    """Without one of the three the capacity is not known, and above all not one."""
    assert granian.read_settings(settings(**changes)) is None


def load(worker=arguments(), target="_spawn_wsgi_worker", source=TODAY):
    """What is read while a worker with these arguments loads the application."""
    mp = module("granian.server.mp", source, wait=lambda callback: callback)
    return mp.wrap(getattr(mp, target))(1, None, lambda: at_startup(granian), None, None, None, *worker)


@pytest.mark.parametrize("worker, capacity", [
    pytest.param(arguments(), 4, id="four threads"),
    pytest.param(arguments(blocking_threads=1), 1, id="one thread"),
    pytest.param(arguments(Mode.ST, 3, 1), 3, id="three pools of one"),
    pytest.param(arguments(backpressure=1, http=Mode.HTTP1), 1, id="one connection"),
])
def test_a_worker_that_loads_the_application_knows_its_arguments(worker, capacity):
    """While the wrapper loads the application, its last arguments are those of the worker."""
    reading = load(worker)
    assert (capacity, Source.SETTING, True) == (reading.capacity, reading.source, reading.on_stack)


@pytest.mark.parametrize("target, source", [
    pytest.param("_spawn_asgi_worker", TODAY, id="an ASGI worker"),
    pytest.param("_spawn_wsgi_worker", TODAY.replace("blocking_threads", "others"), id="an argument that moved"),
    pytest.param("_spawn_wsgi_worker", TODAY.replace("target", "function"), id="a wrapper that moved"),
])
def test_another_worker_is_not_known(target, source):
    """An ASGI worker's one blocking thread is not the application's, and what moved is not guessed."""
    assert load(target=target, source=source) is None


@pytest.mark.parametrize("source, worker, capacity", [
    pytest.param(BEFORE_2, (3, 1, 64, "workers", "auto"), 3, id="1.7, a pool for each of three"),
    pytest.param(BEFORE_2, (3, 1, 64, "runtime", "auto"), 1, id="1.7, a pool for all three"),
    pytest.param(BEFORE_1_4, (1, 4, "workers", "auto"), 4, id="1.0, four threads"),
    pytest.param(BEFORE_1_4, (3, 1, "runtime", "auto"), 3, id="1.0, the runtime's threads themselves"),
])
def test_old_workers_load_the_application_themselves(source, worker, capacity):
    """Before 2.0 the worker's function loads the application and calls its settings by other names."""
    old = module("granian.server", source, wait=lambda callback: callback)
    assert capacity == old._spawn_wsgi_worker(1, lambda: at_startup(granian), *worker).capacity


def test_on_a_request_the_main_thread_waits_in_the_worker():
    """The request runs in a thread of Rust's, and the worker's arguments are on the main thread's stack."""
    mp = module("granian.server.mp", TODAY, wait=lambda callback: request())
    reading = mp.wrap(mp._spawn_wsgi_worker)(1, None, lambda: None, None, None, None, *arguments(blocking_threads=1))
    assert (1, Source.POOL) == (reading.capacity, reading.source)


def test_a_request_of_another_server_beside_granian_is_not_granians():
    """Only a request that granian calls is bound by its worker, and only an application that the worker loads."""
    look = on_request, at_startup
    mp = module("granian.server.mp", TODAY, wait=lambda callback: [in_thread(one, granian) for one in look])
    assert [None, None] == mp.wrap(mp._spawn_wsgi_worker)(1, None, lambda: None, None, None, None, *arguments())


@pytest.mark.parametrize("interface, capacity", [("wsgi", 6), ("asgi", None)])
@pytest.mark.parametrize("function", ["_serve", "_serve_loop", "_serve_with_reloader"])
@pytest.mark.parametrize("look", [lambda: at_startup(granian), request], ids=["startup", "request"])
def test_on_a_free_threaded_python_workers_are_threads(interface, capacity, function, look):
    """Three workers of two blocking threads let six requests into the one process, at startup and on a request."""
    server = module("granian.server.mt", FREE_THREADED % function, wait=look).MTServer()
    vars(server).update(settings(blocking_threads=2, workers=3, interface=SimpleNamespace(value=interface)))
    reading = getattr(server, function)()
    assert capacity == (reading and reading.capacity)


def test_the_real_worker_has_the_arguments_that_are_read():
    """The names that the wrapper's arguments are matched with, in the version that is installed."""
    mp = pytest.importorskip("granian.server.mp", reason="granian 2 or later is not installed")
    worker = mp.MPServer._spawn_wsgi_worker.__wrapped__
    names = worker.__code__.co_varnames[:worker.__code__.co_argcount]
    assert {"runtime_mode", "runtime_threads", "blocking_threads", "backpressure", "http_mode"} <= set(names)
    assert ("wrapped", "_spawn_wsgi_worker") == (
        mp.MPServer._spawn_wsgi_worker.__code__.co_name, worker.__code__.co_name)


def test_granian_serves_where_it_calls_the_application():
    """serves() knows a request by the frame of granian.wsgi, and nothing where there is none."""
    assert (True, False, None) == (request(lambda: serves(granian)), serves(granian), at_startup(granian))
