import asyncio

import pytest
from fake_stacks import Application, at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import a2wsgi

SCOPE = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "http_version": "1.1", "headers": []}


def test_ten_workers_by_default():
    """A middleware that is told nothing has ten threads."""
    expected = Reading(Source.SETTING, "a2wsgi", 10, "a2wsgi's WSGIMiddleware has workers = 10", a2wsgi.REMEDY)
    assert expected == a2wsgi.read_settings()


@pytest.mark.parametrize("workers, capacity", [(1, 1), (4, 4)])
def test_the_workers_are_the_capacity(workers, capacity):
    """As many requests as workers."""
    assert capacity == a2wsgi.read_settings(workers).capacity


def test_what_is_no_number_is_not_known():
    """An executor of no threads starts nothing."""
    assert a2wsgi.read_settings(0) is None


def test_serves_is_about_its_own_frame():
    """a2wsgi is known by its frame alone, and leaves the rest to the signs without a name."""
    responder = module("a2wsgi.wsgi", "def wsgi(): return look()", look=lambda: serves(a2wsgi))
    assert (True, False, None, None) == (
        responder.wsgi(), serves(a2wsgi), at_startup(a2wsgi), on_request(a2wsgi))


def test_the_real_middleware_is_known():
    """A request through a2wsgi itself."""
    real = pytest.importorskip("a2wsgi", reason="a2wsgi is not installed")
    application = Application(lambda: serves(a2wsgi))

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        """Nothing with the *message*."""
    middleware = real.WSGIMiddleware(application, workers=1)
    asyncio.run(middleware(SCOPE, receive, send))
    middleware.executor.shutdown()
    assert [True] == application.seen
