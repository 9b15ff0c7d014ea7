from types import SimpleNamespace

import pytest
from fake_stacks import at_startup, in_thread, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import twisted

RESPONSE = """
class _WSGIResponse:
    def run(self):
        return look()
"""


class ThreadPool:
    def __init__(self, minthreads=5, maxthreads=20, name=None):
        self.min, self.max = minthreads, maxthreads


def option(**names):
    """What is read while --wsgi loads its application."""
    tap = module("twisted.web.tap", "def opt_wsgi(): return load()", load=lambda: at_startup(twisted), **names)
    return tap.opt_wsgi()


def request(pool, look=lambda: on_request(twisted)):
    """What *look* returns where a response runs in *pool*."""
    response = module("twisted.web.wsgi", RESPONSE, look=look)._WSGIResponse()
    response.threadpool = pool
    return in_thread(response.run)


def test_the_maximum_of_the_pool_is_the_capacity():
    """A pool of at most eight threads lets eight requests in."""
    expected = Reading(Source.SETTING, "Twisted", 8, "app.py has room for 8 thread(s)", twisted.REMEDY)
    assert expected == twisted.read_settings(8, "app.py")


def test_web_wsgi_makes_a_pool_of_the_default_size():
    """twist web --wsgi makes its pool after the application, and has no option for it: the default decides."""
    reading = option(threadpool=SimpleNamespace(ThreadPool=ThreadPool))
    assert (20, Source.SETTING, True) == (reading.capacity, reading.source, reading.on_stack)


@pytest.mark.parametrize("names", [
    {}, {"threadpool": SimpleNamespace()}, {"threadpool": SimpleNamespace(ThreadPool=SimpleNamespace)}])
def test_a_default_that_moved_is_not_known(names):
    """A ThreadPool without maxthreads says nothing."""
    assert option(**names) is None


def test_the_real_option_is_read():
    """Twisted's own --wsgi, as far as the import of the application."""
    tap = pytest.importorskip("twisted.web.tap", reason="Twisted is not installed")
    seen = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tap.reflect, "namedAny", lambda name: seen.append(at_startup(twisted)) or 1 / 0)
        with pytest.raises(ZeroDivisionError):
            tap.Options().opt_wsgi("application")
    assert [20] == [reading.capacity for reading in seen]


@pytest.mark.parametrize("least, most", [
    pytest.param(0, 8, id="a pool that is still empty but for this thread"),
    pytest.param(1, 1, id="a pool of one"),
])
def test_the_pool_that_runs_the_request_bounds_it(least, most):
    """However few threads there are yet, as many requests get in as the pool may grow to."""
    reading = request(ThreadPool(least, most))
    assert (most, Source.POOL) == (reading.capacity, reading.source)


def test_a_real_response_in_a_real_pool_is_read():
    """Twisted's own response, run by its own thread pool."""
    wsgi = pytest.importorskip("twisted.web.wsgi", reason="Twisted is not installed")
    from twisted.python.threadpool import ThreadPool as RealPool
    response = object.__new__(wsgi._WSGIResponse)
    pool = RealPool(minthreads=0, maxthreads=3)
    response.threadpool, response.environ = pool, {}
    response.reactor = SimpleNamespace(callFromThread=lambda *call: None)
    seen = []
    response.application = lambda environ, start_response: seen.append((on_request(twisted), serves(twisted))) or []
    pool.start()
    response.start()
    pool.stop()
    (reading, is_twisted), = seen
    assert (3, Source.POOL, True) == (reading.capacity, reading.source, is_twisted)


@pytest.mark.parametrize("pool", [None, SimpleNamespace(), SimpleNamespace(max=None)])
def test_a_pool_that_moved_is_not_known(pool):
    """A response without a pool, or with one of another kind, says nothing."""
    assert request(pool) is None


def test_elsewhere_twisted_says_nothing():
    """A Twisted that is merely imported serves nobody."""
    assert (None, None, False) == (at_startup(twisted), on_request(twisted), serves(twisted))
