from collections import deque
from types import SimpleNamespace

import pytest
from fake_stacks import Application, at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import eventlet

POOL = """
class GreenPool:
    def __init__(self, size):
        self.size = size

    def _spawn_done(self, coroutine):
        pass

    def _spawn_n_impl(self, function):
        return function()
"""
THREAD = """
class GreenThread:
    def __init__(self, links):
        self._exit_funcs = links

    def main(self, function):
        return function()
"""
GreenPool = module("eventlet.greenpool", POOL).GreenPool
GreenThread = module("eventlet.greenthread", THREAD).GreenThread


def handle(look=lambda: on_request(eventlet)):
    """What *look* returns below the protocol of eventlet's server."""
    return module("eventlet.wsgi", "def handle_one_response(): return look()", look=look).handle_one_response()


def test_a_thousand_and_some_greenlets_by_default():
    """The default of max_size is 1024."""
    expected = Reading(Source.SETTING, "eventlet", 1024, "eventlet's server has a pool of 1024 greenlet(s)",
                       eventlet.REMEDY)
    assert expected == eventlet.read_settings()


@pytest.mark.parametrize("size", [1, 7])
def test_the_pool_that_waits_for_the_end_of_the_greenlet_bounds_it(size):
    """Today the pool is linked to the end of the greenlet, behind what the server links to it."""
    links = deque([(lambda greenlet: None, (), {}), (GreenPool(size)._spawn_done, (), {})])
    reading = GreenThread(links).main(handle)
    assert (size, Source.POOL) == (reading.capacity, reading.source)


def test_the_pool_of_old_versions_is_at_the_base_of_the_stack():
    """Before 0.24 connections were spawned by spawn_n, whose frame is the pool's."""
    assert 3 == GreenPool(3)._spawn_n_impl(handle).capacity


@pytest.mark.parametrize("links", [
    None, deque(), deque([(print, (), {})]), deque([(SimpleNamespace().__eq__, (), {})])])
def test_a_pool_that_moved_is_not_known(links):
    """A greenlet that leads to no GreenPool says nothing, and above all not single-threaded."""
    assert GreenThread(links).main(handle) is None


@pytest.mark.parametrize("options, capacity", [({}, 1024), ({"max_size": 1}, 1), ({"max_size": 7}, 7)])
def test_a_real_server_tells_the_size_of_its_pool(options, capacity):
    """A request of a real, unpatched eventlet server finds the pool that runs it."""
    real = pytest.importorskip("eventlet", reason="eventlet is not installed")
    from eventlet import wsgi
    from eventlet.green import socket
    application = Application(lambda: (on_request(eventlet), serves(eventlet)))
    listener = real.listen(("127.0.0.1", 0))
    server = real.spawn(wsgi.server, listener, application, log_output=False, keepalive=False, **options)
    with real.Timeout(10):
        connection = socket.create_connection(listener.getsockname())
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        connection.recv(1024)
        connection.close()
    server.kill()
    (reading, is_eventlet), = application.seen
    assert (capacity, Source.POOL, True) == (reading.capacity, reading.source, is_eventlet)


def test_a_pool_of_something_else_is_not_the_servers():
    """A greenlet out of a GreenPool that handles no request of eventlet.wsgi says nothing."""
    assert (None, None, False) == (
        GreenPool(3)._spawn_n_impl(lambda: on_request(eventlet)), at_startup(eventlet), serves(eventlet))
