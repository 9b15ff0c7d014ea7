from types import SimpleNamespace

import pytest
from fake_stacks import Application, at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import gevent

HANDLER = """
class WSGIHandler:
    def handle(self):
        return look()
"""


def request(**server):
    """What is read in a handler of a server with these attributes."""
    handler = module("gevent.pywsgi", HANDLER, look=lambda: on_request(gevent)).WSGIHandler()
    handler.server = SimpleNamespace(**server)
    return handler.handle()


def test_a_server_without_a_pool_has_no_bound():
    """The default of WSGIServer is a greenlet for each connection."""
    expected = Reading(Source.SETTING, "gevent", None, "gevent's WSGIServer has no pool for its greenlets",
                       gevent.REMEDY, unbounded=True)
    assert expected == gevent.read_settings()


def test_the_size_of_the_pool_is_the_capacity():
    """A pool of three lets three connections in."""
    expected = Reading(Source.SETTING, "gevent", 3, "app.py has a pool of 3 greenlet(s)", gevent.REMEDY)
    assert expected == gevent.read_settings(3, "app.py")


@pytest.mark.parametrize("spawn, capacity, source", [
    pytest.param("default", None, Source.STRUCTURE, id="default"),
    pytest.param("raw", None, Source.STRUCTURE, id="spawn_raw"),
    pytest.param("pool", None, Source.STRUCTURE, id="a pool without a size"),
    pytest.param(5, 5, Source.POOL, id="a pool of five"),
    pytest.param(1, 1, Source.POOL, id="a pool of one"),
    pytest.param(None, 1, Source.POOL, id="in the hub"),
])
def test_a_real_server_tells_what_bounds_it(spawn, capacity, source):
    """A request of a real, unpatched gevent server finds the bound of its greenlets."""
    pywsgi = pytest.importorskip("gevent.pywsgi", reason="gevent is not installed")
    from gevent import pool, socket, spawn_raw
    from gevent import spawn as start
    application = Application(lambda: (on_request(gevent), serves(gevent)))
    spawn = {"raw": spawn_raw, "pool": pool.Pool()}.get(spawn, spawn)
    server = pywsgi.WSGIServer(("127.0.0.1", 0), application, spawn=spawn, log=None)
    server.start()

    def ask():
        with socket.create_connection(("127.0.0.1", server.server_port)) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return connection.recv(1024)
    try:
        start(ask).get(timeout=60)
    finally:
        server.stop(timeout=1)
    (reading, is_gevent), = application.seen
    assert (capacity, source, capacity is None, True) == (
        reading.capacity, reading.source, reading.unbounded, is_gevent)


def test_the_remedy_is_left_to_whoever_drives_the_server():
    """A gunicorn worker runs gevent's server, and its own setting is the one to change."""
    assert ("", "") == (request(pool=None).remedy, request(pool=SimpleNamespace(size=3)).remedy)


@pytest.mark.parametrize("server", [
    pytest.param({}, id="no pool"),
    pytest.param({"pool": SimpleNamespace()}, id="no size"),
    pytest.param({"pool": SimpleNamespace(size="1")}, id="not a number"),
])
def test_a_bound_that_moved_is_not_known(server):
    """A server without the attributes says nothing, and above all not single-threaded."""
    assert request(**server) is None


def test_elsewhere_gevent_says_nothing():
    """A gevent that is merely imported serves nobody."""
    assert (None, None, False) == (at_startup(gevent), on_request(gevent), serves(gevent))
