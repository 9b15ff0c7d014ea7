import pytest
from fake_stacks import Application, at_startup, module, on_request, served, serves
from threadguard.model import Reading, Source
from threadguard.servers import paste

POOL = """
class ThreadPool:
    def __init__(self, nworkers, spawn_if_under):
        self.nworkers, self.spawn_if_under = nworkers, spawn_if_under

    def worker_thread_callback(self):
        return look()
"""


def pool(nworkers, spawn_if_under):
    """What is found in a thread of such a pool."""
    made = module("paste.httpserver", POOL, look=lambda: on_request(paste)).ThreadPool(nworkers, spawn_if_under)
    return made.worker_thread_callback()


@pytest.mark.parametrize("settings, capacity", [
    pytest.param((), 10, id="the defaults"),
    pytest.param((True, 1, 0), 1, id="one worker"),
    pytest.param((True, 4, 0), 4, id="four workers"),
    pytest.param((True, 1, 5), 5, id="a pool that may grow"),
])
def test_the_pool_and_its_growth_give_the_capacity(settings, capacity):
    """A pool has its workers, and grows to spawn_if_under when all are busy."""
    reading = paste.read_settings(*settings)
    assert (Source.SETTING, capacity, False) == (reading.source, reading.capacity, reading.unbounded)


def test_no_pool_is_a_thread_for_each_request():
    """Without a pool the server is a ThreadingMixIn."""
    expected = Reading(Source.SETTING, "Paste's httpserver", None, "[server:main] has use_threadpool = False",
                       paste.REMEDY, unbounded=True)
    assert expected == paste.read_settings(False, where="[server:main]")


def test_a_pool_of_one_that_may_grow_says_when():
    """With spawn_if_under = 1 a pool of one lets a second request in beside a hung one: the evidence tells it."""
    reading = paste.read_settings(True, 1, 1)
    assert (1, True) == (reading.capacity, "threadpool_hung_thread_limit lets one more in" in reading.evidence)


def test_a_number_that_makes_no_sense_gives_nothing():
    """Without a number of workers nothing is known."""
    assert paste.read_settings(True, None) is None


def test_on_a_request_the_pool_of_the_thread_is_read():
    """The pool is the self of the function that its thread runs."""
    expected = Reading(Source.POOL, "Paste's httpserver", 3,
                       "the pool of this request has threadpool_workers = 3 and threadpool_spawn_if_under = 0",
                       paste.REMEDY, on_stack=True)
    assert expected == pool(3, 0)


def test_a_pool_that_changed_gives_nothing():
    """A pool whose size is not a number is not known."""
    assert pool("many", 0) is None


def test_another_threading_server_is_not_pastes():
    """A thread for each request is Paste's only if its server is."""
    source = "def process_request_thread(self):\n    return look()\n"
    assert module("socketserver", source, look=lambda: on_request(paste)).process_request_thread(object()) is None


def test_off_the_stack_nothing_is_said():
    """No request, no server: and `serve` is handed the application, so nothing is known at startup."""
    assert (None, None, False) == (at_startup(paste), on_request(paste), serves(paste))


@pytest.mark.parametrize("options, expected", [
    pytest.param(dict(threadpool_workers=2, threadpool_options={"spawn_if_under": 0}), (Source.POOL, 2), id="a pool"),
    pytest.param(dict(threadpool_workers=1, threadpool_options={"spawn_if_under": 0}), (Source.POOL, 1), id="of one"),
    pytest.param(dict(use_threadpool=False), (Source.STRUCTURE, None), id="no pool"),
])
def test_a_real_httpserver_is_read(options, expected):
    """Paste's own server shows its pool, or that it has none, on a request."""
    httpserver = pytest.importorskip("paste.httpserver", reason="Paste is not installed")
    application = Application(lambda: (on_request(paste), serves(paste)))
    server = httpserver.serve(application, host="127.0.0.1", port=0, start_loop=False, daemon_threads=True, **options)
    if options.get("use_threadpool", True):
        server.shutdown = lambda: setattr(server, "running", False)
    (reading, mine), = served(server, application)
    assert (expected, True) == ((reading.source, reading.capacity), mine)


def test_a_pool_of_one_does_not_start_with_the_default_of_growth():
    """Paste asserts that spawn_if_under, 5 by default, fits into the pool, so the remedy has to name it."""
    httpserver = pytest.importorskip("paste.httpserver", reason="Paste is not installed")
    with pytest.raises(AssertionError, match="spawn_if_under"):
        httpserver.ThreadPool(1)
    assert "threadpool_spawn_if_under = 0" in paste.REMEDY
