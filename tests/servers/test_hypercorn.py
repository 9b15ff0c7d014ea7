from types import SimpleNamespace

import pytest
from fake_stacks import at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import hypercorn


def worker(config, name="hypercorn.asyncio.run", function="asyncio_worker"):
    """What is read while a worker with *config* loads the application."""
    source = "def %s(config): return load()" % function
    return getattr(module(name, source, load=lambda: at_startup(hypercorn)), function)(config)


def test_the_prefix_says_that_it_is_threaded():
    """wsgi: runs the application in the event loop's default executor, which never has one thread."""
    expected = Reading(Source.SETTING, "hypercorn", None, "run.sh names 'wsgi:package:app', which runs in the event"
                       " loop's default executor", hypercorn.REMEDY)
    assert expected == hypercorn.read_settings("wsgi:package:app", "run.sh")


@pytest.mark.parametrize("path", ["package:app", "asgi:package:app", "wsgi_package:app"])
def test_without_the_prefix_nothing_is_known(path):
    """hypercorn itself knows only after it has loaded the application."""
    assert hypercorn.read_settings(path) is None


@pytest.mark.parametrize("name, function", [
    ("hypercorn.asyncio.run", "asyncio_worker"), ("hypercorn.asyncio.run", "uvloop_worker"),
    ("hypercorn.trio.run", "trio_worker"), ("hypercorn.run", "run")])
def test_the_config_of_any_worker_is_read(name, function):
    """The worker that loads the application holds its path, and so does the reloader."""
    reading = worker(SimpleNamespace(application_path="wsgi:app"), name, function)
    assert (None, Source.SETTING, True) == (reading.capacity, reading.source, reading.on_stack)


@pytest.mark.parametrize("config", [SimpleNamespace(), SimpleNamespace(application_path=None), None])
def test_a_path_that_moved_is_not_known(config):
    """A Config without application_path says nothing."""
    assert worker(config) is None


def test_the_real_loading_is_read(monkeypatch):
    """hypercorn's own worker, as far as the import of the application."""
    run = pytest.importorskip("hypercorn.asyncio.run", reason="hypercorn is not installed")
    from hypercorn.config import Config
    config, seen = Config(), []
    config.application_path = "wsgi:package:application"
    monkeypatch.setattr(run, "load_application", lambda *arguments: seen.append(at_startup(hypercorn)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.asyncio_worker(config)
    assert [None] == [reading.capacity for reading in seen]


def test_hypercorn_serves_where_its_wrapper_is_on_the_stack():
    """serves() knows a request by run_app of hypercorn's WSGIWrapper."""
    wrapper = module("hypercorn.app_wrappers", "def run_app(): return look()", look=lambda: serves(hypercorn))
    assert (True, False, None) == (wrapper.run_app(), serves(hypercorn), on_request(hypercorn))


def test_the_real_wrapper_is_known():
    """hypercorn's own WSGIWrapper calls the application."""
    wrappers = pytest.importorskip("hypercorn.app_wrappers", reason="hypercorn is not installed")
    seen = []

    def application(environ, start_response):
        seen.append(serves(hypercorn))
        start_response("200 OK", [])
        return [b"ok"]
    wrappers.WSGIWrapper(application, 16).run_app({}, lambda message: None)
    assert [True] == seen
