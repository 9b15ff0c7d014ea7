import pytest
from fake_stacks import Application, at_startup, module, on_request, served, serves
from threadguard.model import Reading, Source
from threadguard.servers import werkzeug


def test_a_thread_for_each_request_has_no_bound():
    """threaded=True is a thread for each request: no capacity, and the remedy is to leave it out."""
    expected = Reading(Source.SETTING, "Werkzeug", None, "run.py has threaded=True", werkzeug.REMEDY, unbounded=True)
    assert expected == werkzeug.read_settings(True, "run.py")


def test_the_default_is_one_request_after_the_other():
    """Without threaded=True one request is inside."""
    assert (1, False) == (werkzeug.read_settings().capacity, werkzeug.read_settings().unbounded)


@pytest.mark.parametrize("threaded, capacity", [
    pytest.param(True, None, id="threaded"),
    pytest.param(False, 1, id="not threaded"),
])
def test_an_application_that_is_loaded_late_sees_the_server_that_loads_it(monkeypatch, threaded, capacity):
    """Werkzeug's own run_simple on the stack tells its setting, here while it makes its server."""
    serving = pytest.importorskip("werkzeug.serving", reason="Werkzeug is not installed")
    seen = []
    monkeypatch.setattr(serving, "make_server", lambda *args, **options: seen.append(at_startup(werkzeug)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        serving.run_simple("127.0.0.1", 0, None, threaded=threaded)
    assert [(capacity, True)] == [(reading.capacity, reading.on_stack) for reading in seen]


def test_make_server_tells_as_run_simple_does():
    """Whoever makes the server himself gives make_server the same setting."""
    serving = module("werkzeug.serving", "def make_server(threaded): return look()", look=lambda: at_startup(werkzeug))
    assert [None, 1] == [serving.make_server(threaded).capacity for threaded in (True, False)]


def test_a_setting_that_moved_is_not_known():
    """A run_simple without threaded says nothing, and above all not single-threaded."""
    serving = module("werkzeug.serving", "def run_simple(workers): return look()", look=lambda: at_startup(werkzeug))
    assert serving.run_simple(4) is None


def test_werkzeug_imported_is_not_werkzeug_serving():
    """A loaded werkzeug.serving with nothing on the stack says nothing."""
    pytest.importorskip("werkzeug.serving", reason="Werkzeug is not installed")
    assert (None, None, False) == (at_startup(werkzeug), on_request(werkzeug), serves(werkzeug))


@pytest.mark.parametrize("threaded", [True, False])
def test_werkzeug_serves_where_its_request_handler_is_on_the_stack(threaded):
    """On a request of a real server serves() is true, with threads and without."""
    serving = pytest.importorskip("werkzeug.serving", reason="Werkzeug is not installed")
    application = Application(lambda: serves(werkzeug))
    assert [True] == served(serving.make_server("127.0.0.1", 0, application, threaded=threaded), application)
