"""The option, the ini file, the markers, the summary, and what a suite's own servers show in it."""

import pytest
from plugin_rig import needs

pytest_plugins = ["pytester", "plugin_rig"]

MEET = '''
from werkzeug.test import Client

def test_meet():
    meet(Client(Meeting()))
'''


@pytest.mark.parametrize("ini, arguments, outcomes", [
    pytest.param("fail", [], {"passed": 1, "errors": 1}, id="the ini file"),
    pytest.param("fail", ["--threadguard=log"], {"passed": 1}, id="the command line is stronger: log"),
    pytest.param("fail", ["--threadguard=off"], {"passed": 1}, id="the command line is stronger: off"),
    pytest.param("off", ["--threadguard=fail"], {"passed": 1, "errors": 1}, id="the command line is stronger: fail")])
def test_the_mode(suite, ini, arguments, outcomes):
    """The ini file gives the mode, unless the command line does."""
    suite.pytester.makeini("[pytest]\nthreadguard = %s\n" % ini)
    suite.write(MEET).run(*arguments).assert_outcomes(**outcomes)


def test_a_mode_that_there_is_not(suite):
    """A misspelt mode in the ini file ends the run, and the message names the value and what is allowed."""
    suite.pytester.makeini("[pytest]\nthreadguard = perhaps\n")
    result = suite.write(MEET).run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([
        "ERROR: threadguard = perhaps is not allowed in the ini file: it takes off, log, fail"])


@pytest.mark.parametrize("given, marked, outcomes", [
    ("fail", "policy='off'", {"passed": 1}),
    ("fail", "policy='log'", {"passed": 1}),
    ("log", "policy='fail'", {"passed": 1, "errors": 1}),
    ("off", "policy='fail'", {"passed": 1, "errors": 1}),
    ("off", "'fail'", {"passed": 1, "errors": 1}),
    ("off", "policy='off'", {"passed": 1})])
def test_the_marker(suite, given, marked, outcomes):
    """A marked test has a mode of its own."""
    suite.write("\npytestmark = pytest.mark.threadguard(%s)\n%s" % (marked, MEET))
    suite.run("--threadguard=%s" % given).assert_outcomes(**outcomes)


MARKED = '''
from werkzeug.test import Client

@pytest.mark.threadguard(policy="log")
def test_marked():
    meet(Client(Meeting()))

@pytest.mark.threadguard(policy="log")
def test_quiet():
    Client(hello).get("/")

def test_other(threadguard):
    Client(threadguard(hello)).get("/")
'''
MARKED_SUMMARY = [
    "*= threadguard: marked tests =*", "3 requests to 2 applications in 2 tests: at most 2 inside at once, 1 overlap",
    "  apps.Meeting: 2 requests", "  apps.hello: 1 request",
    "OVERLAP test_it.py::test_marked - apps.Meeting: 2 requests, peak 2, 1 overlap", "  TG301 *"]


def test_a_test_that_is_marked_log_reports_though_the_rest_is_off(suite):
    """The summary has the marked tests, and no others."""
    result = suite.write(MARKED).run()
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(MARKED_SUMMARY, consecutive=True)


@needs("xdist", "pytest-xdist")
def test_a_marked_test_reports_under_xdist(suite):
    """Who prints under pytest-xdist has no tests of its own to find the marker at."""
    result = suite.write(MARKED).run("-n", "1", plugins=["xdist.plugin"], in_process=False)
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(MARKED_SUMMARY, consecutive=True)


def test_a_suite_without_a_mark_or_a_mode_has_no_summary(suite):
    """The fixture reports by errors of its tests, and needs no section."""
    result = suite.write(MARKED).run("-k", "other")
    result.assert_outcomes(passed=1, deselected=2)
    result.stdout.no_fnmatch_line("*= threadguard*")


def test_a_run_that_only_collects_has_no_summary(suite):
    """No test ran."""
    result = suite.write(MARKED).run("--threadguard=fail", "--collect-only")
    result.stdout.no_fnmatch_line("*= threadguard*")


def test_a_run_without_a_terminal_goes_on(suite):
    """With -p no:terminal there is nobody to print a summary, nor the options that it goes by."""
    result = suite.write(MARKED).run("--threadguard=log", plugins=["no:terminal"])
    assert (result.ret, result.errlines) == (0, [])


def test_the_nearest_marker_counts(suite):
    """A test's marker is stronger than its module's, and other tests have none of it."""
    suite.write('''
from werkzeug.test import Client

class TestMarked:
    pytestmark = pytest.mark.threadguard(policy="off")
    def test_off(self):
        meet(Client(Meeting()))
    @pytest.mark.threadguard(policy="fail")
    def test_fail(self):
        meet(Client(Meeting()))

def test_log():
    meet(Client(Meeting()))
''').run("--threadguard=log").assert_outcomes(passed=3, errors=1)


@pytest.mark.parametrize("marker, shown", [
    ("policy='perhaps'", "'perhaps'"), ("'perhaps'", "'perhaps'"), ("", "None"), ("policy='refuse'", "'refuse'")])
def test_a_marker_with_a_mode_that_there_is_not(suite, marker, shown):
    """A misspelt mode in a marker ends the run before the first test, and is named with the test."""
    result = suite.write("@pytest.mark.threadguard(%s)\ndef test_it():\n    pass\n" % marker).run()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([
        "ERROR: test_it.py::test_it: the marker threadguard(policy=%s) is not allowed: policy takes off, log, fail"
        % shown])


def test_the_markers_are_registered(suite):
    """`pytest --markers` shows both."""
    result = suite.run("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.threadguard(policy): *", "@pytest.mark.thread_unsafe(reason): *"])


SUMMARY = '''
from werkzeug.test import Client

def other(environ, start_response):
    return hello(environ, start_response)

def test_one():
    Client(hello).get("/")
    Client(other).get("/")

def test_two():
    Client(hello).get("/")

def test_no_request():
    pass
'''


def test_the_summary_counts_by_application(suite):
    """Applications, requests, tests with a request, the peak and the overlaps; by test only where one was seen."""
    result = suite.write(SUMMARY).run("--threadguard=log")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([
        "*= threadguard: log =*",
        "3 requests to 2 applications in 2 tests: at most 1 inside at once, 0 overlaps",
        "  apps.hello: 2 requests", "  test_it.other: 1 request"], consecutive=True)
    result.stdout.no_fnmatch_line("GUARDED *")


@pytest.mark.parametrize("argument", ["-rA", "-v"])
def test_all_tests_are_listed_on_request(suite, argument):
    """With -rA or -v every test with a request has its line."""
    result = suite.write(SUMMARY).run("--threadguard=log", argument)
    result.stdout.fnmatch_lines([
        "GUARDED test_it.py::test_one - apps.hello, test_it.other: 2 requests, peak 1, 0 overlaps",
        "GUARDED test_it.py::test_two - apps.hello: 1 request, peak 1, 0 overlaps"], consecutive=True)


def test_many_applications_are_cut_to_ten(suite):
    """The ten with the most requests are named, and the number of the others."""
    result = suite.write('''
from werkzeug.test import Client

def test_it():
    for number in range(12):
        app = type("App%d" % number, (), {"__call__": lambda self, *args: hello(*args)})()
        for _ in range(number + 1):
            Client(app).get("/")
''').run("--threadguard=log")
    result.stdout.fnmatch_lines(["  *.App11: 12 requests", "  *.App2: 3 requests", "  and 2 applications more; *"])
    result.stdout.no_fnmatch_line("*.App1: *")


def test_a_flask_application_is_named_by_its_module(suite):
    """Two applications of one class are told apart where the class gives them a name."""
    flask = pytest.importorskip("flask", reason="Flask is not installed")
    assert flask
    result = suite.write('''
from flask import Flask

def test_it():
    for name in ("shop", "blog"):
        Flask(name).test_client().get("/")
''').run("--threadguard=log")
    result.stdout.fnmatch_lines(["  flask.app.Flask blog: 1 request", "  flask.app.Flask shop: 1 request"])


SERVERS = {
    "werkzeug": '''
from werkzeug.serving import make_server
def new_server(app, threaded):
    return make_server("127.0.0.1", 0, app, threaded=threaded)
''',
    "wsgiref": '''
import socketserver
from wsgiref.simple_server import WSGIServer, WSGIRequestHandler, make_server

class Threaded(socketserver.ThreadingMixIn, WSGIServer):
    pass

class Quiet(WSGIRequestHandler):
    def log_message(self, *args):
        pass

def new_server(app, threaded):
    return make_server("127.0.0.1", 0, app, server_class=Threaded if threaded else WSGIServer, handler_class=Quiet)
'''}

LIVE = '''
import urllib.request
from contextlib import contextmanager

@contextmanager
def serving(app, threaded):
    server = new_server(app, threaded)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield lambda path: urllib.request.urlopen(
            "http://127.0.0.1:%d%s" % (server.server_address[1], path), timeout=DEADLINE).read()
    finally:
        server.shutdown()
        thread.join(DEADLINE)
        server.server_close()

'''


@pytest.mark.parametrize("server", SERVERS)
def test_a_suites_server_of_one_thread_is_no_finding(suite, server):
    """Requests that come together to a single-threaded server of the suite's own are served in turn."""
    result = suite.write(SERVERS[server] + LIVE + '''
def test_it():
    with serving(hello, threaded=False) as get:
        assert in_threads(lambda: get("/a"), lambda: get("/b")) == [b"hello"] * 2
''').run("--threadguard=fail", "-rA")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["GUARDED test_it.py::test_it - apps.hello: 2 requests, peak 1, 0 overlaps"])


@pytest.mark.parametrize("server", SERVERS)
def test_a_suites_threaded_server_is_shown(suite, server):
    """A threaded server of the suite's own is a finding in the summary, though no requests met in it."""
    result = suite.write(SERVERS[server] + LIVE + '''
def test_it():
    with serving(hello, threaded=True) as get:
        assert get("/") == b"hello"
''').run("--threadguard=fail")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([
        "THREADED test_it.py::test_it - apps.hello: 1 request, peak 1, 0 overlaps", "  TG202 *", "    remedy:  *"])


@pytest.mark.parametrize("server", SERVERS)
def test_requests_that_meet_in_a_suites_threaded_server_fail(suite, server):
    """Each test has a group of its own with a server that lives through several."""
    result = suite.write(SERVERS[server] + LIVE + '''
app = Meeting()

@pytest.fixture(scope="module")
def get():
    with serving(app, threaded=True) as get:
        yield get

def test_one(get):
    app.barrier = threading.Barrier(1)
    get("/")

def test_two(get):
    app.barrier = threading.Barrier(2)
    in_threads(lambda: get("/a"), lambda: get("/b"))

def test_three(get):
    app.barrier = threading.Barrier(1)
    get("/")
''').run("--threadguard=fail")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["TG301 *", "THREADED test_it.py::test_one *", "OVERLAP test_it.py::test_two *",
                                 "THREADED test_it.py::test_three *", "ERROR test_it.py::test_two*"])


@needs("webtest", "WebTest")
def test_webtests_own_server_is_shown(suite):
    """WebTest's StopableWSGIServer is waitress with its four threads: a true finding."""
    result = suite.write('''
import urllib.request
from webtest.http import StopableWSGIServer

def test_it():
    server = StopableWSGIServer.create(hello)
    try:
        assert urllib.request.urlopen(server.application_url, timeout=DEADLINE).read() == b"hello"
    finally:
        server.shutdown()
        server.runner.join(DEADLINE)
''').run("--threadguard=fail")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["THREADED test_it.py::test_it - *", "  TG* waitress lets 4 requests at once *"])


DJANGOS_THREADS = ["-W", "ignore::ResourceWarning", "-W", "ignore::pytest.PytestUnraisableExceptionWarning"]
"""They leave their connection to the database open."""


@needs("django", "Django")
def test_djangos_live_server_is_shown(suite):
    """LiveServerTestCase serves each connection in a thread: a true finding."""
    suite.write_django('''
import django
from django.conf import settings
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__, SECRET_KEY="x", MIDDLEWARE=[], STATIC_URL="/static/",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})
django.setup()
urlpatterns = [path("", lambda request: HttpResponse("hello"))]
''')
    result = suite.write('''
import urllib.request
import django_site
from django.test import LiveServerTestCase
from django.test.utils import setup_databases, teardown_databases

@pytest.fixture(scope="module", autouse=True)
def databases():
    before = setup_databases(0, False)
    yield
    teardown_databases(before, 0)

class TestLive(LiveServerTestCase):
    def test_it(self):
        assert urllib.request.urlopen(self.live_server_url, timeout=DEADLINE).read() == b"hello"
''').run("--threadguard=fail", *DJANGOS_THREADS)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["THREADED test_it.py::TestLive::test_it - *", "  TG202 *"])
