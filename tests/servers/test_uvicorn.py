import threading
from types import SimpleNamespace

import pytest
from fake_stacks import DEADLINE, at_startup, in_thread, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.process.facts import Process
from threadguard.servers import uvicorn

CONFIG = """
class Config:
    def load(self):
        return look()

    def load_app(self):
        return look()
"""


class WSGIMiddleware:
    def __init__(self, app, workers=12):
        """As a2wsgi's, with another default."""


def config(function="load", middleware=WSGIMiddleware, **settings):
    """What is read where *function* of uvicorn's Config with *settings* loads the application."""
    made = module("uvicorn.config", CONFIG, look=lambda: at_startup(uvicorn), WSGIMiddleware=middleware).Config()
    vars(made).update(settings)
    return getattr(made, function)()


def test_the_wsgi_interface_makes_ten_threads():
    """--interface wsgi wraps the application in a middleware of ten threads."""
    expected = Reading(Source.SETTING, "uvicorn", 10, "run.sh has interface = 'wsgi', which makes 10 threads",
                       uvicorn.REMEDY)
    assert expected == uvicorn.read_settings("wsgi", where="run.sh")


@pytest.mark.parametrize("interface", ["auto", "asgi2", "asgi3"])
def test_another_interface_says_nothing(interface):
    """An ASGI application wraps this one itself, in a way that uvicorn does not know."""
    assert uvicorn.read_settings(interface) is None


@pytest.mark.parametrize("function", [
    pytest.param("load", id="before 0.2x"), pytest.param("load_app", id="today")])
def test_the_default_of_the_middleware_at_hand_is_the_capacity(function):
    """Whatever WSGIMiddleware uvicorn.config holds, its own default counts."""
    reading = config(function, interface="wsgi")
    assert (12, True) == (reading.capacity, reading.on_stack)


@pytest.mark.parametrize("middleware", [None, SimpleNamespace, lambda app, threads=10: None])
def test_threaded_without_a_number_where_the_default_moved(middleware):
    """The interface alone says that there are several threads."""
    reading = config(middleware=middleware, interface="wsgi")
    assert (None, "several threads" in reading.evidence) == (reading.capacity, True)


def test_an_interface_that_moved_is_not_known():
    """A Config without interface says nothing."""
    assert config() is None


def test_the_real_config_is_read(monkeypatch):
    """uvicorn's own Config, as far as the import of the application."""
    real = pytest.importorskip("uvicorn.config", reason="uvicorn is not installed")
    seen = []
    monkeypatch.setattr(real, "import_from_string", lambda name: seen.append(at_startup(uvicorn)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        real.Config("package:application", interface="wsgi", log_config=None, http=SimpleNamespace(), ws=None).load()
    assert [10] == [reading.capacity for reading in seen]


@pytest.mark.parametrize("middleware, interface, is_uvicorns", [
    pytest.param("uvicorn.middleware.wsgi", "asgi3", True, id="uvicorn's own middleware"),
    pytest.param("a2wsgi.wsgi", "wsgi", True, id="a2wsgi, which --interface wsgi put there"),
    pytest.param("a2wsgi.wsgi", "asgi3", False, id="a2wsgi, which the application put there"),
    pytest.param("asgiref.wsgi", "wsgi", False, id="another bridge"),
])
def test_uvicorns_remedy_is_for_what_uvicorn_put_there(middleware, interface, is_uvicorns):
    """serves() tells uvicorn's own wrapping, whose Server is in the main thread, from the application's."""
    request = module(middleware, "def wsgi(): return look()", look=lambda: serves(uvicorn)).wsgi
    source = "class Server:\n    def run(self): return wait()"
    running = module("uvicorn.server", source, wait=lambda: in_thread(request)).Server()
    running.config = SimpleNamespace(interface=interface)
    assert running.run() is is_uvicorns


def test_the_main_thread_is_seen_as_it_was():
    """The event loop goes on while a reader looks: a coroutine that has gone to sleep since still tells its callers."""
    looked, left, answers = threading.Event(), threading.Event(), []

    def look():
        with Process({}) as process:
            looked.set()
            assert left.wait(DEADLINE)
            answers.append(uvicorn.serves(process))
    responder = module("a2wsgi.wsgi", "def wsgi(): return look()", look=look)
    thread = threading.Thread(target=responder.wsgi)

    def step():
        thread.start()
        yield looked.wait(DEADLINE)
    steps = step()
    server = module("uvicorn.server", "class Server:\n    def run(self): return next(steps)", steps=steps).Server()
    server.config = SimpleNamespace(interface="wsgi")
    assert server.run()
    left.set()
    thread.join(DEADLINE)
    assert [True] == answers


def test_elsewhere_uvicorn_says_nothing():
    """A uvicorn that is merely imported serves nobody."""
    assert (None, None, False) == (at_startup(uvicorn), on_request(uvicorn), serves(uvicorn))
