import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest
from fake_stacks import Application, at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import asgiref

SYNC = """
class SyncToAsync:
    single_thread_executor = None
    context_to_thread_executor = {}

    def thread_handler(self):
        return look()
"""
SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": []}


def call(shared, private=(), look=lambda: on_request(asgiref), executor=None):
    """What *look* returns in a thread of *executor*, below a SyncToAsync with these executors."""
    sync_to_async = module("asgiref.sync", SYNC, look=look).SyncToAsync()
    sync_to_async.single_thread_executor = shared
    sync_to_async.context_to_thread_executor = dict(enumerate(private))
    with executor or ThreadPoolExecutor(1) as running:
        return running.submit(sync_to_async.thread_handler).result(timeout=60)


def test_one_thread_for_all_is_one_request():
    """Thread-sensitive calls outside of any context share one thread."""
    expected = Reading(Source.POOL, "asgiref", 1, "WsgiToAsgi runs all requests in one thread (single_thread_executor)",
                       asgiref.REMEDY, on_stack=True)
    assert expected == asgiref.read_settings(True)


def test_a_thread_for_each_context_has_no_bound():
    """Contexts have executors of one thread each, and there are as many as requests."""
    reading = asgiref.read_settings(False)
    assert (None, True, "TG202") == (reading.capacity, reading.unbounded, reading.code)


def test_the_shared_executor_is_known_by_identity():
    """The thread belongs to single_thread_executor itself."""
    executor = ThreadPoolExecutor(1)
    assert 1 == call(shared=executor, executor=executor).capacity


def test_the_executor_of_a_context_is_known_by_identity():
    """An executor of one thread that belongs to a context is no bound, whatever its size says."""
    executor = ThreadPoolExecutor(1)
    reading = call(shared=object(), private=[object(), executor], executor=executor)
    assert (None, True) == (reading.capacity, reading.unbounded)


@pytest.mark.parametrize("shared, private", [(None, ()), (object(), (object(),))])
def test_an_executor_of_somebody_else_is_not_known(shared, private):
    """An executor that was handed in, or attributes that moved: the rule for executors decides."""
    assert call(shared, private) is None


def test_a_thread_that_is_lent_is_judged_by_its_own_server():
    """async_to_sync below a WSGI server runs the call in that server's thread."""
    executor = ThreadPoolExecutor(1)
    lend = module("asgiref.current_thread_executor", "def run(): return look()", look=lambda: on_request(asgiref))
    assert call(shared=executor, look=lend.run, executor=executor) is None


def test_serves_is_about_the_bridge():
    """Other code under sync_to_async is no request of WsgiToAsgi."""
    bridge = module("asgiref.wsgi", "def run_wsgi_app(): return look()", look=lambda: serves(asgiref))
    assert (True, False, None) == (bridge.run_wsgi_app(), serves(asgiref), at_startup(asgiref))


@pytest.mark.parametrize("in_context", [False, True])
def test_the_real_bridge_is_read(in_context):
    """asgiref's own WsgiToAsgi, outside of a ThreadSensitiveContext and inside one."""
    wsgi = pytest.importorskip("asgiref.wsgi", reason="asgiref is not installed")
    from asgiref.sync import ThreadSensitiveContext
    application = Application(lambda: (on_request(asgiref), serves(asgiref)))

    @asynccontextmanager
    async def nothing():
        yield

    async def receive():
        return {"type": "http.request", "body": b""}

    async def send(message):
        """Nothing with the *message*."""

    async def request():
        async with ThreadSensitiveContext() if in_context else nothing():
            await wsgi.WsgiToAsgi(application)(SCOPE, receive, send)
    asyncio.run(request())
    (reading, is_asgiref), = application.seen
    assert (None if in_context else 1, Source.POOL, True) == (reading.capacity, reading.source, is_asgiref)
