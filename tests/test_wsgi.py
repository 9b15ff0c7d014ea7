"""The guard without code or ini."""

import os
import subprocess
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
def with_settings(settings):
    raise AssertionError("called")
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
    ("site_to_guard:number()", "calls 3, which is no factory"),
    ("site_to_guard:app()", "calls <function app at .*> without arguments: missing a required argument: 'environ'"),
    ("site_to_guard:with_settings()", "without arguments: missing a required argument: 'settings'"),
    ("site_to_guard:create_app()()", "is not allowed: it takes package.module:app"),
    ("site_to_guard:create_app().app", "is not allowed: it takes package.module:app"),
    ("site_to_guard:cre()ate_app", "is not allowed: it takes package.module:app"),
    ("site_to_guard:create_app('production')", "is not allowed: it takes package.module:app"),
    ("site_to_guard:app:app", "is not allowed: it takes package.module:app"),
    ("site_to_guard:", "is not allowed: it takes package.module:app"),
    (":app", "is not allowed: it takes package.module:app"),
    (".site_to_guard:app", "is not allowed: it takes package.module:app"),
    ("./site_to_guard.py:app", "is not allowed: it takes package.module:app"),
    ("threadguard.wsgi:application", "names the guard itself"),
])
def test_a_name_that_cannot_be_loaded_is_one_clear_error(name, message):
    """It shows the name and what is wrong with it."""
    with pytest.raises(LoadError, match=message) as raised:
        make({"THREADGUARD_APP": name})
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("name", ["config:", "config:no_such.ini", "config:no_such.ini#main", "config:/"])
def test_a_paste_deploy_file_that_is_not_there_is_one_clear_error(name):
    """It shows the name, and where it was looked for."""
    pytest.importorskip("paste.deploy", reason="needs the package PasteDeploy")
    with pytest.raises(LoadError, match="THREADGUARD_APP = .*: there is no file .* in "):
        make({"THREADGUARD_APP": name})


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


def test_a_service_called_threadguard_stops_no_start():
    """Kubernetes sets its address in every pod of the namespace."""
    guard = make({"THREADGUARD_APP": "site_to_guard:app", "THREADGUARD_PORT": "tcp://10.0.0.1:80",
                  "THREADGUARD_SERVICE_HOST": "10.0.0.1", "THREADGUARD_GROUP": "wsgi"})
    assert Response(guard).body == b"loaded"


def run(program, **variables):
    """What *program* prints, and its errors, in an interpreter of its own."""
    ended = subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **variables}, timeout=120)
    return ended.stdout.decode()


def test_the_application_is_in_the_module_s_dictionary():
    """uWSGI, mod_wsgi and Unit look there, and know nothing of a module's ``__getattr__``."""
    program = "import threadguard.wsgi as module; print(vars(module)['application'].app.__name__)"
    assert run(program, THREADGUARD_APP="site_to_guard:app") == "app\n"


def test_a_module_that_is_imported_to_be_looked_at_loads_nothing():
    """Where nothing is named; who asks for the application all the same is told."""
    program = "import threadguard.wsgi as module; print('application' in vars(module)); module.application"
    printed = run(program, THREADGUARD_APP="")
    assert printed.startswith("False\n") and "LoadError: TG901 threadguard: THREADGUARD_APP is not set" in printed


def test_the_guard_does_not_guard_itself():
    """A name that leads back to threadguard.wsgi is no endless recursion."""
    printed = run("import threadguard.wsgi", THREADGUARD_APP="threadguard.wsgi:application")
    assert "LoadError" in printed and "names the guard itself" in printed


def test_the_application_is_loaded_once(monkeypatch):
    """Each server of a process that asks for it gets the same one."""
    monkeypatch.setenv("THREADGUARD_APP", "site_to_guard:app")
    monkeypatch.setenv("THREADGUARD_GROUP", "wsgi")
    try:
        assert threadguard.wsgi.application is threadguard.wsgi.application
    finally:
        vars(threadguard.wsgi).pop("application", None)
