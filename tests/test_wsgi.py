"""The guard without code or ini."""

import sys

import pytest
from conftest import Response

import threadguard.wsgi
from threadguard import OptionError, ThreadGuard
from threadguard.wsgi import LoadError, make

MODULE = """
def app(environ, start_response):
    start_response("200 OK", [])
    return [b"loaded"]
def create_app():
    return app
class box:
    inner = app
number = 3
"""


@pytest.fixture(autouse=True)
def site(tmp_path, monkeypatch):
    (tmp_path / "site_to_guard.py").write_text(MODULE)
    (tmp_path / "broken_site.py").write_text("import missing_package_of_the_site")
    (tmp_path / "site.ini").write_text("[app:main]\npaste.app_factory = test_paste:app_factory\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    for name in ("site_to_guard", "broken_site"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize("name", ["site_to_guard:app", "site_to_guard:create_app()", "site_to_guard:box.inner"])
def test_it_loads_what_the_variable_names(name):
    """A module's application, one made by a factory, one inside an object."""
    guard = make({"THREADGUARD_APP": name, "THREADGUARD_GROUP": "wsgi"})
    assert isinstance(guard, ThreadGuard) and Response(guard).body == b"loaded"


def test_it_loads_a_paste_deploy_file():
    """config:site.ini, relative to the working directory."""
    pytest.importorskip("paste.deploy", reason="needs the package PasteDeploy")
    assert Response(make({"THREADGUARD_APP": "config:site.ini", "THREADGUARD_GROUP": "wsgi"})).body == b"[]"


@pytest.mark.parametrize("name, message", [
    ("", "THREADGUARD_APP is not set"),
    ("site_to_guard", "'site_to_guard' is not allowed: it takes package.module:app or config:file.ini"),
    ("no_such_site:app", "there is no module no_such_site"),
    ("site_to_guard.sub:app", "there is no module site_to_guard.sub"),
    ("site_to_guard:nothing", "has no nothing"),
    ("site_to_guard:number", "names 3, which is no WSGI application"),
])
def test_a_name_that_cannot_be_loaded_is_one_clear_error(name, message):
    """It shows the name and what is wrong with it."""
    with pytest.raises(LoadError, match=message) as raised:
        make({"THREADGUARD_APP": name})
    assert raised.value.__cause__ is None


def test_an_error_of_the_application_s_own_passes_as_it_is():
    """A module that the application misses is not the application's name."""
    with pytest.raises(ModuleNotFoundError, match="missing_package_of_the_site"):
        make({"THREADGUARD_APP": "broken_site:app"})


def test_options_are_variables():
    """THREADGUARD_POLICY=log is policy='log'; a misspelt one stops the start."""
    guard = make({"THREADGUARD_APP": "site_to_guard:app", "THREADGUARD_POLICY": "log", "THREADGUARD_GROUP": "wsgi"})
    assert guard.policy == "log"
    with pytest.raises(OptionError, match="there is no option 'polcy'"):
        make({"THREADGUARD_APP": "site_to_guard:app", "THREADGUARD_POLCY": "log"})


def test_the_application_is_loaded_when_it_is_asked_for(monkeypatch):
    """Importing the module to look at it loads nothing."""
    monkeypatch.setenv("THREADGUARD_APP", "site_to_guard:app")
    monkeypatch.setenv("THREADGUARD_GROUP", "wsgi")
    assert "application" not in vars(threadguard.wsgi)
    try:
        assert threadguard.wsgi.application is threadguard.wsgi.application
    finally:
        vars(threadguard.wsgi).pop("application", None)
