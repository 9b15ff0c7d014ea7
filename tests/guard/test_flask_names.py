"""A guard around a whole Flask application: right for a server, and an error that helps for the rest of the module."""

import pytest

from threadguard import ThreadGuard

flask = pytest.importorskip("flask", reason="Flask is not installed")


@pytest.fixture
def app():
    """A Flask application of one page."""
    app = flask.Flask("site_flask")
    app.add_url_rule("/", "index", lambda: "hello")
    return app


@pytest.mark.parametrize("name", ["route", "cli", "config", "test_client"])
def test_a_name_of_flask_s_says_how_to_keep_it(app, name):
    """The error has the line to write."""
    instead = r"no attribute '%s'.*: app\.wsgi_app = ThreadGuard\(app\.wsgi_app\)$" % name
    with pytest.raises(AttributeError, match=instead):
        getattr(ThreadGuard(app), name)
    assert not hasattr(ThreadGuard(app), name)


def test_each_of_these_names_is_one_of_flask_s_and_none_of_the_guard_s(app):
    """A name that Flask does not have gets Python's own error."""
    from threadguard.guard.middleware import _FlaskName

    names = {name for name, value in vars(ThreadGuard).items() if isinstance(value, _FlaskName)}
    assert {"route", "cli", "config", "test_client"} <= names <= set(dir(app))
    with pytest.raises(AttributeError, match="^'ThreadGuard' object has no attribute 'rout'$"):
        ThreadGuard(app).rout  # noqa: B018


def test_a_guard_around_the_whole_application_serves_and_says_nothing(app, caplog):
    """gunicorn site_flask:app is given the guard, which is a WSGI application like any other."""
    from werkzeug.test import Client

    answer = Client(ThreadGuard(app)).get("/")
    assert (answer.status_code, answer.text, caplog.records) == (200, "hello", [])
