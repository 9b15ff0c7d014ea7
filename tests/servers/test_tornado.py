import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from fake_stacks import Application, at_startup, get, module, on_request, running, serves
from threadguard.model import Reading, Source
from threadguard.servers import tornado


def container(function, look=lambda: on_request(tornado)):
    """What *look* returns where *function* of a WSGIContainer calls the application."""
    source = "class WSGIContainer:\n    def %s(self): return look()" % function
    return getattr(module("tornado.wsgi", source, look=look).WSGIContainer(), function)()


def test_the_size_of_the_executor_is_the_capacity():
    """A container with an executor of four threads lets four requests in."""
    expected = Reading(Source.SETTING, "tornado", 4, "server.py has an executor of 4 threads", tornado.REMEDY)
    assert expected == tornado.read_settings(4, "server.py")


def test_without_an_executor_one_call_runs_at_a_time():
    """The event loop's own thread makes one call after the other."""
    assert 1 == tornado.read_settings().capacity


@pytest.mark.parametrize("function, take_turns", [
    pytest.param("handle_request", True, id="6.3 and later"),
    pytest.param("__call__", False, id="before 6.3"),
])
def test_a_container_on_the_stack_calls_one_after_the_other(function, take_turns):
    """One request at a time either way; since 6.3 the evidence says that streamed bodies take turns."""
    reading = container(function)
    assert (1, Source.SETTING, take_turns) == (reading.capacity, reading.source, "take turns" in reading.evidence)


@pytest.mark.parametrize("workers, capacity", [
    pytest.param(None, 1, id="no executor"),
    pytest.param(2, None, id="an executor, which tells its own size"),
])
def test_a_real_server_is_known_with_and_without_an_executor(workers, capacity):
    """serves() is true in the loop's thread and in an executor's; only without one the container's frame tells."""
    pytest.importorskip("tornado", reason="tornado is not installed")
    from tornado import httpserver, ioloop, wsgi
    application = Application(lambda: (on_request(tornado), serves(tornado)))
    executor = ThreadPoolExecutor(workers) if workers else None
    ready, port, loops = threading.Event(), [], []

    def serve():
        asyncio.set_event_loop(asyncio.new_event_loop())
        loops.append(ioloop.IOLoop.current())
        server = httpserver.HTTPServer(wsgi.WSGIContainer(application, **({"executor": executor} if executor else {})))
        server.listen(0, "127.0.0.1")
        port.extend(socket.getsockname()[1] for socket in server._sockets.values())
        loops[0].add_callback(ready.set)
        loops[0].start()
        server.stop()
        loops[0].close(all_fds=True)
    with running(serve, lambda: loops[0].add_callback(loops[0].stop)):
        assert ready.wait(60)
        assert 200 == get(port[0])
    if executor is not None:
        executor.shutdown()
    (reading, is_tornado), = application.seen
    assert (capacity, True) == (reading and reading.capacity, is_tornado)


@pytest.mark.parametrize("run", [
    pytest.param("def run(self): return look()", id="before Python 3.14"),
    pytest.param("def run(self, task): return look()", id="from Python 3.14 on"),
])
def test_an_executor_is_tornados_by_the_start_response_that_it_was_handed(run):
    """Nothing of tornado's is on the stack of an executor's thread but an argument of its job."""
    kind = module("concurrent.futures.thread", "class Item:\n    " + run, look=lambda: serves(tornado)).Item
    item, start = kind(), module("tornado.wsgi", "def start_response(): pass").start_response
    if "task" in run:
        assert item.run((print, ({}, start), {})) is True
    else:
        item.fn, item.args, item.kwargs = print, ({}, start), {}
        assert item.run() is True


def test_an_executor_of_something_else_is_not_tornados():
    """An executor's thread with other work is nobody's of tornado."""
    item = module("concurrent.futures.thread", "class _WorkItem:\n    def run(self): return look()",
                  look=lambda: serves(tornado))._WorkItem()
    item.fn, item.args, item.kwargs = print, ({}, print, SimpleNamespace()), {}
    assert item.run() is False


def test_elsewhere_tornado_says_nothing():
    """A tornado that is merely imported serves nobody."""
    assert (None, None, False) == (at_startup(tornado), on_request(tornado), serves(tornado))
