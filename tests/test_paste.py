"""PasteDeploy's ways to put a filter in front of an application."""

import textwrap

import pytest
from conftest import Response

from threadguard import OptionError, ThreadGuard

deploy = pytest.importorskip("paste.deploy", reason="needs the package PasteDeploy")

APP = """
[app:main]
paste.app_factory = test_paste:app_factory
"""
GUARD = """
[filter:threadguard]
use = egg:threadguard
"""


def app_factory(global_conf, **local_conf):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [("%r" % sorted(local_conf.items())).encode()]
    return app


def outer_factory(global_conf, header="X-Outer"):
    def wrap(app):
        def outer(environ, start_response):
            return app(environ, lambda status, headers, exc_info=None: start_response(
                status, headers + [(header, "1")], exc_info))
        return outer
    return wrap


@pytest.fixture
def load(tmp_path):
    def load(text, name=None):
        (tmp_path / "site.ini").write_text(textwrap.dedent(text))
        return deploy.loadapp("config:%s" % (tmp_path / "site.ini"), name)
    return load


@pytest.mark.parametrize("text", [
    pytest.param(APP + "filter-with = threadguard\n" + GUARD + "group = paste\n", id="filter-with"),
    pytest.param("[filter-app:main]\nuse = egg:threadguard\nnext = inner\ngroup = paste\n"
                 + APP.replace("main", "inner"), id="filter-app"),
    pytest.param("[pipeline:main]\npipeline = threadguard inner\n" + GUARD + "group = paste\n"
                 + APP.replace("main", "inner"), id="pipeline"),
])
def test_each_way_of_paste_deploy_gives_a_guard(load, text):
    """filter-with, filter-app and pipeline."""
    app = load(text)
    assert isinstance(app, ThreadGuard)
    assert Response(app).body == b"[]"


def test_two_filters_chain(load):
    """[filter:a] filter-with = b puts b outside of a."""
    app = load(APP + "filter-with = threadguard\n" + GUARD + "group = paste\nfilter-with = outer\n"
               "[filter:outer]\npaste.filter_factory = test_paste:outer_factory\n")
    assert ("X-Outer", "1") in Response(app).headers


def test_every_option_is_an_ini_string(load):
    """%(here)s and [DEFAULT] keep working beside them, and [DEFAULT] is not ours."""
    app = load("[DEFAULT]\ndebug = true\npatience = 2.5\n" + APP + "root = %(here)s/static\nfilter-with = threadguard\n"
               + GUARD + "policy = log\nserialize_timeout = %(patience)s\nserver_threads = 2\ngroup = paste options\n"
               "health_path = /-/threadguard\nhealth_token = secret\nwatch_pool_start = false\n")
    assert app.policy == "log" and app.verdict.capacity == 2
    assert b"/static" in Response(app).body


def test_an_application_of_another_file_is_guarded(load, tmp_path):
    """use = config:other.ini."""
    (tmp_path / "other.ini").write_text(APP)
    app = load("[app:main]\nuse = config:other.ini\nfilter-with = threadguard\n" + GUARD + "group = paste\n")
    assert isinstance(app, ThreadGuard) and Response(app).status == "200 OK"


@pytest.mark.parametrize("line, message", [
    ("polcy = log", r"there is no option 'polcy' \(in a threadguard section of .*site.ini\); there are .*policy"),
    ("policy = off", "option policy = 'off' is not allowed: it takes one of refuse, serialize, log"),
    ("server_threads = many", "option server_threads = 'many' is not allowed: it takes a whole number of 1 or more"),
])
def test_bad_options_stop_the_start(load, line, message):
    """The error names the option, the value and what is allowed."""
    with pytest.raises(OptionError, match=message):
        load(APP + "filter-with = threadguard\n" + GUARD + line + "\n")
