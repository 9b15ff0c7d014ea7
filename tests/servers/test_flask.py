import pytest
from fake_stacks import at_startup, in_thread, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import flask

CLI = """
def run_command(info, with_threads):
    return load()

def _load_unlocked():
    return load()
"""


def command(load):
    return module("flask.cli", CLI, load=load)


def test_flask_run_has_threads_by_default():
    """flask run without an option starts a thread for each request."""
    expected = Reading(Source.SETTING, "Flask", None, "flask run has with_threads=True", flask.REMEDY, unbounded=True)
    assert expected == flask.read_settings()


@pytest.mark.parametrize("with_threads, capacity", [(True, None), (False, 1)])
def test_flask_run_on_the_stack_tells_its_option(with_threads, capacity):
    """While run_command loads the application, its with_threads is the setting."""
    reading = command(lambda: at_startup(flask)).run_command(None, with_threads)
    assert (capacity, not with_threads, True) == (reading.capacity, not reading.unbounded, reading.on_stack)


@pytest.mark.parametrize("option, capacity", [
    pytest.param([], None, id="flask run"),
    pytest.param(["--with-threads"], None, id="--with-threads"),
    pytest.param(["--without-threads"], 1, id="--without-threads"),
])
def test_the_real_flask_run_tells_its_option(tmp_path, monkeypatch, option, capacity):
    """Flask's own command, as far as the import of the application."""
    pytest.importorskip("flask.cli", reason="Flask is not installed")
    from flask.cli import FlaskGroup
    seen = []
    monkeypatch.setattr("flask.cli.ScriptInfo.load_app", lambda info: seen.append(at_startup(flask)) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        FlaskGroup().main(["run", *option], standalone_mode=False)
    assert [capacity] == [reading.capacity for reading in seen]


def test_an_application_that_flask_loads_in_a_thread_sees_the_command_of_the_main_thread():
    """Before Flask 2.2 a thread loads the application while run_command is in the main thread."""
    loading = command(lambda: at_startup(flask))
    starting = command(lambda: in_thread(loading._load_unlocked))
    reading = starting.run_command(None, True)
    assert (None, True) == (reading.capacity, reading.unbounded)


def test_a_thread_beside_flask_run_is_not_flasks():
    """An application that another thread builds while flask run is in the main thread is not judged by it."""
    assert command(lambda: in_thread(at_startup, flask)).run_command(None, True) is None


def test_a_setting_that_moved_is_not_known():
    """A run_command without with_threads says nothing."""
    assert module("flask.cli", "def run_command(threads): return load()",
                  load=lambda: at_startup(flask)).run_command(True) is None


@pytest.mark.parametrize("starter", ["flask.cli run_command", "flask.app run"])
@pytest.mark.parametrize("where", ["the request's own thread", "the main thread", "both in another thread"])
def test_flask_serves_where_it_started_werkzeug(starter, where):
    """Flask's remedy is for requests of Werkzeug below flask run or Flask.run, in this thread or in the main thread."""
    handler = module("werkzeug.serving", "def run_wsgi(): return look()", look=lambda: serves(flask))
    wait = (lambda: in_thread(handler.run_wsgi)) if where == "the main thread" else handler.run_wsgi
    name, function = starter.split()
    start = getattr(module(name, "def %s(): return wait()" % function, wait=wait), function)
    assert (in_thread(start) if where == "both in another thread" else start()) is True


def test_another_server_beside_flask_run_is_not_flask():
    """A request that Werkzeug does not handle is not Flask's, even with flask run in the main thread."""
    assert command(lambda: in_thread(serves, flask)).run_command(None, True) is False


def test_werkzeug_alone_is_not_flask():
    """A request of Werkzeug that Flask did not start is left to Werkzeug's remedy."""
    handler = module("werkzeug.serving", "def run_wsgi(): return look()", look=lambda: serves(flask))
    assert (False, None) == (handler.run_wsgi(), on_request(flask))
