"""Where a call comes from: what does not come from the server is no evidence about it."""

import asyncio
import sched
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from multiprocessing.pool import ThreadPool
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from conftest import DEADLINE, Response, new_environ
from fake_stacks import get, module

from threadguard.servers import origin


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


def hello(environ, start_response):
    start_response("200 OK", [("Content-Length", "5")])
    return [b"hello"]


@contextmanager
def serving(app, *mixins):
    """A wsgiref server in a thread; gives its port."""
    kind = type("Server", (*mixins, WSGIServer), {"daemon_threads": True})
    with make_server("127.0.0.1", 0, app, kind, Handler) as server:
        started = threading.Event()
        server.service_actions = started.set  # called by its loop
        thread = threading.Thread(target=lambda: server.serve_forever(0.01))
        thread.start()
        try:
            assert started.wait(DEADLINE)
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(DEADLINE)


_POOLS = []


def pool_of(kind, size):
    """A pool that ends with the test."""
    _POOLS.append(kind(size))
    return _POOLS[-1]


@pytest.fixture(autouse=True)
def pools_end():
    """Threads of one test are none of the next."""
    yield
    while _POOLS:
        pool = _POOLS.pop()
        if isinstance(pool, ThreadPoolExecutor):
            pool.shutdown()
        elif isinstance(pool, ThreadPool):
            pool.close()
            pool.join()
        else:
            pool.kill()


# -- ways in which something else than the server calls -------------------------------------------------------------

class Once:
    """Something that has work: as schedulers hand such objects to their threads."""

    def __init__(self, work):
        self.work = work

    def run(self):
        self.work()


def by_executor(call):
    with ThreadPoolExecutor(4) as pool:
        pool.submit(call).result(DEADLINE)


def by_a_scheduler_s_executor(call):
    """As APScheduler does: the job is an object (apscheduler/executors/pool.py, base.py `run_job`)."""
    with ThreadPoolExecutor(10) as pool:
        pool.submit(Once.run, Once(call)).result(DEADLINE)


def by_map(call):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: call(), ["/"]))


def by_timer(call):
    timer = threading.Timer(0.01, call)
    timer.start()
    timer.join(DEADLINE)


def by_thread(call):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join(DEADLINE)


def by_event_loop(call):
    async def main():
        await asyncio.get_running_loop().run_in_executor(None, call)
    asyncio.run(main())


def by_thread_pool(call):
    with ThreadPool(4) as pool:
        pool.apply_async(call).get(DEADLINE)


def by_sched(call):
    scheduler = sched.scheduler(time.monotonic, time.sleep)
    scheduler.enter(0, 1, call)
    scheduler.run()


def by_gevent_s_pool(call):
    threadpool = pytest.importorskip("gevent.threadpool", reason="needs the package gevent")
    pool_of(threadpool.ThreadPool, 3).apply(call)


def by_eventlet_s_pool(call):
    tpool = pytest.importorskip("eventlet.tpool", reason="needs the package eventlet")
    tpool.execute(call)
    tpool.killall()


def by_a_test_client(call):
    call()


WARM_UPS = [by_executor, by_gevent_s_pool, by_eventlet_s_pool, by_a_scheduler_s_executor, by_map, by_timer, by_thread,
            by_event_loop, by_thread_pool, by_sched, by_a_test_client]


@pytest.mark.parametrize("warm_up", WARM_UPS)
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_server_of_one_thread_is_let_in_after_a_warm_up_and_between_warm_ups(guarded, warm_up, policy):
    """The application's own threads say nothing about the server, before the first request and between requests."""
    guard = guarded(hello, policy=policy)
    warm_up(lambda: Response(guard, new_environ()))
    with serving(guard) as port:
        for _ in range(6):
            assert get(port) == 200
            statuses = []
            warm_up(lambda: statuses.append(Response(guard, new_environ()).status))
            assert set(statuses) == {"200 OK"}
    assert (guard.verdict.status, guard.verdict.capacity) == ("single-threaded", 1)


@pytest.mark.parametrize("warm_up", WARM_UPS)
def test_a_threaded_server_is_refused_whatever_warmed_the_application_up(guarded, warm_up):
    """The first request that the server brings tells, however many calls have come before."""
    guard = guarded(hello, watch_pool_start=False)
    for _ in range(5):
        warm_up(lambda: Response(guard, new_environ()))
    with serving(guard, ThreadingMixIn) as port:
        assert get(port) == 503


def test_a_pool_s_job_on_a_server_that_startup_has_shown_is_served(guarded):
    """As gunicorn's setting tells of one thread, an executor of the application's is none of gunicorn's."""
    loading = module("flask.cli", "def run_command(with_threads, build):\n    return build()")
    guard = loading.run_command(False, lambda: guarded(hello))
    statuses = []
    by_a_scheduler_s_executor(lambda: statuses.append(Response(guard, new_environ()).status))
    assert (statuses, guard.verdict.status) == (["200 OK"], "single-threaded")


@pytest.mark.parametrize("warm_up", [by_executor, by_map, by_event_loop, by_thread_pool, by_gevent_s_pool,
                                     by_eventlet_s_pool])
def test_a_job_of_plain_things_is_served_and_tells_nothing(guarded, warm_up):
    """Whatever pool runs it: no request could have come with it."""
    guard, statuses = guarded(hello), []
    warm_up(lambda: statuses.append(Response(guard, new_environ()).status))
    assert (statuses, guard.verdict.findings) == (["200 OK"], ())


@pytest.mark.parametrize("caller, function", sorted(origin._NOT_SERVERS))
def test_a_scheduler_s_or_test_client_s_call_in_a_pool_is_served_and_tells_nothing(guarded, caller, function):
    """It carries objects, as a request would; whose call it is shows on the stack."""
    guard = guarded(hello)
    calling = module(caller, "def %s(once):\n    return once.work()" % function)
    statuses = []
    with ThreadPoolExecutor(4) as pool:
        pool.submit(getattr(calling, function), Once(lambda: statuses.append(Response(guard, new_environ()).status))
                    ).result(DEADLINE)
    assert (statuses, guard.verdict.findings) == (["200 OK"], ())


# -- middlewares that hand a call on, and wait ----------------------------------------------------------------------

def by_to_thread(app):
    def middleware(environ, start_response):
        async def main():
            loop = asyncio.get_running_loop()
            return await asyncio.wait_for(loop.run_in_executor(None, partial(app, environ, start_response)), DEADLINE)
        return asyncio.run(main())
    return middleware


def by_shared_pool(app):
    pool = pool_of(ThreadPool, 4)
    return lambda environ, start_response: pool.apply_async(app, (environ, start_response)).get(DEADLINE)


def by_shared_executor(app):
    pool = pool_of(ThreadPoolExecutor, 4)
    return lambda environ, start_response: pool.submit(app, environ, start_response).result(DEADLINE)


def by_an_executor_for_each(app):
    def middleware(environ, start_response):
        with ThreadPoolExecutor() as pool:
            return pool.submit(app, environ, start_response).result(DEADLINE)
    return middleware


def by_a_joined_thread(app):
    def middleware(environ, start_response):
        found = []
        thread = threading.Thread(target=lambda: found.append(app(environ, start_response)))
        thread.start()
        thread.join(DEADLINE)
        return found[0]
    return middleware


def with_a_copy(app):
    pool = pool_of(ThreadPoolExecutor, 4)
    return lambda environ, start_response: pool.submit(app, dict(environ), start_response).result(DEADLINE)


def two_after_each_other(app):
    return by_shared_executor(by_shared_pool(app))


def by_asgiref(app):
    sync = pytest.importorskip("asgiref.sync", reason="needs the package asgiref")
    return sync.async_to_sync(sync.sync_to_async(app, thread_sensitive=False))


def by_asgiref_sensitive(app):
    sync = pytest.importorskip("asgiref.sync", reason="needs the package asgiref")
    return sync.async_to_sync(sync.sync_to_async(app))


def by_gevent(app):
    pool = pool_of(pytest.importorskip("gevent.threadpool", reason="needs the package gevent").ThreadPool, 4)
    return lambda *args: pool.apply(app, args)


MIDDLEWARES = [by_to_thread, by_shared_pool, by_shared_executor, by_an_executor_for_each, by_a_joined_thread,
               with_a_copy, two_after_each_other, by_asgiref, by_asgiref_sensitive, by_gevent]


@pytest.mark.parametrize("middleware", MIDDLEWARES)
def test_a_middleware_that_hands_the_call_on_and_waits_adds_no_thread(guarded, middleware):
    """The thread that is in the call with this very request is the server's, and everything is seen from there."""
    guard = guarded(hello)
    with serving(middleware(guard)) as port:
        assert [get(port) for _ in range(3)] == [200] * 3
    assert (guard.verdict.status, guard.verdict.declared_only) == ("single-threaded", False)


@pytest.mark.parametrize("middleware", MIDDLEWARES)
def test_a_middleware_that_hands_the_call_on_hides_no_threaded_server(guarded, middleware):
    """The server's own thread tells, whatever runs the call."""
    guard = guarded(hello, watch_pool_start=False)
    with serving(middleware(guard), ThreadingMixIn) as port:
        assert get(port) == 503


@pytest.mark.parametrize("hand_on", [
    pytest.param(lambda: (lambda pool: lambda app, *args: pool.submit(app, *args).result(DEADLINE))(
        pool_of(ThreadPoolExecutor, 1)), id="an executor"),
    pytest.param(lambda: (lambda pool: lambda app, *args: pool.apply(app, args))(
        pool_of(ThreadPool, 1)), id="a ThreadPool"),
])
def test_a_pool_of_one_that_all_calls_pass_bounds_a_threaded_server(guarded, hand_on):
    """The call passes both: the smaller one is the bound."""
    hand_on, guard = hand_on(), guarded(hello, watch_pool_start=False)
    with serving(lambda *args: hand_on(guard, *args), ThreadingMixIn) as port:
        assert get(port) == 200
    assert guard.verdict.capacity == 1


# -- unknown servers ------------------------------------------------------------------------------------------------

class Pool:
    """A server at home: a pool of threads to which each request is handed."""

    def __init__(self, app, size):
        self.app, self.pool = app, pool_of(ThreadPoolExecutor, size)

    def request(self, environ):
        return self.pool.submit(Response, self.app, environ).result(DEADLINE).status


@pytest.mark.parametrize("size, status", [(1, "200 OK"), (4, "503 Service Unavailable")])
def test_an_unknown_server_s_executor_is_its_bound(guarded, size, status):
    """There is nothing else that it could be."""
    guard = guarded(hello)
    assert Pool(guard, size).request(new_environ()) == status
    assert guard.verdict.capacity == size


def test_the_first_request_that_comes_otherwise_withdraws_the_reading_of_an_executor(guarded):
    """A scheduler's job came first, and then an unknown server of one thread: its first user is let in."""
    guard = guarded(hello)
    by_a_scheduler_s_executor(lambda: Response(guard, new_environ()))
    assert guard.verdict.status == "threaded"
    assert [Response(guard, new_environ()).status for _ in range(3)] == ["200 OK"] * 3
    assert guard.verdict.status == "single-threaded"


def test_after_that_the_scheduler_s_jobs_are_served_too(guarded):
    """The thread that brought requests is still there, so the executor is not the server's."""
    guard = guarded(hello)
    assert Response(guard, new_environ()).status == "200 OK"
    statuses = []
    for _ in range(5):
        by_a_scheduler_s_executor(lambda: statuses.append(Response(guard, new_environ()).status))
    assert statuses == ["200 OK"] * 5


# -- servers that were shut down ------------------------------------------------------------------------------------

@pytest.mark.parametrize("mixins", [(), (ThreadingMixIn,)])
def test_a_reading_goes_with_the_server_that_it_is_about(guarded, mixins):
    """A notebook, or a suite of live tests: the server of before was shut down, and a new guard is built."""
    first = guarded(hello, policy="log", watch_pool_start=False)
    with serving(first, *mixins) as port:
        get(port)
    with serving(guarded(hello)) as port:
        assert get(port) == 200
    assert first.verdict.status == "single-threaded"


def test_a_reading_of_a_threaded_server_goes_for_the_same_guard_as_well(guarded):
    """Under refuse each request is looked at, and the first one after the shutdown is let in."""
    guard = guarded(hello, watch_pool_start=False)
    with serving(guard, ThreadingMixIn) as port:
        assert get(port) == 503
    with serving(guard) as port:
        assert get(port) == 200


def test_the_first_request_of_a_threaded_server_after_another_one_is_refused(guarded):
    """However many the server before has answered: its reading is not the next one's, for the same guard either."""
    guard = guarded(hello, watch_pool_start=False)
    with serving(guard) as port:
        for _ in range(9):
            assert get(port) == 200
    with serving(guard, ThreadingMixIn) as port:
        assert get(port) == 503
