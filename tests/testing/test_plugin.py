"""The plugin itself: beside pytest-xdist, pytest-run-parallel and pytest-asyncio, where it is not wanted, what is left
of the whole-suite mode of earlier releases."""

import importlib.metadata
import subprocess
import sys

import pytest
from plugin_rig import needs

pytest_plugins = ["pytester", "plugin_rig"]


REPLACED = ("threadguard ignores %s, and the next release will not know it: use the fixture threadguard, whose race()"
            " proves what an application cannot stand (docs/pytest.md)")
MEET = '''
from werkzeug.test import Client

def test_meet():
    meet(Client(Meeting()))
'''
MARKED = "\npytestmark = pytest.mark.threadguard(policy='fail')\n" + MEET


@pytest.mark.parametrize("ini, source, arguments, named", [
    pytest.param("", MEET, ["--threadguard=fail"], "--threadguard", id="the option"),
    pytest.param("threadguard = fail", MEET, [], "threadguard in the ini file", id="the ini key"),
    pytest.param("", MARKED, [], "the marker threadguard", id="the marker"),
    pytest.param("threadguard = log", MARKED, ["-q", "--threadguard", "off"],
                 "--threadguard, threadguard in the ini file, the marker threadguard", id="all of them")])
def test_the_whole_suite_mode_is_accepted_and_does_nothing(suite, ini, source, arguments, named):
    """Requests of a test client that meet are no error any more; one line says what replaces the mode."""
    suite.pytester.makeini("[pytest]\n%s\n" % ini)
    result = suite.write(source).run(*arguments)
    result.assert_outcomes(passed=1)
    assert result.outlines.count(REPLACED % named) == 1


def test_a_suite_without_the_whole_suite_mode_is_told_nothing(suite):
    """The fixtures alone print nothing."""
    result = suite.write("def test_it(threadguard, threadguard_server):\n    threadguard(hello)\n").run()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("threadguard*")


@needs("xdist", "pytest-xdist")
def test_xdist_says_once_what_replaces_the_marker(suite):
    """The process that prints under pytest-xdist has no tests of its own to find the marker at."""
    result = suite.write(MARKED).run("-n", "2", plugins=["xdist.plugin"], in_process=False)
    result.assert_outcomes(passed=1)
    assert result.outlines.count(REPLACED % "the marker threadguard") == 1


def test_a_run_without_a_terminal_goes_on(suite):
    """With -p no:terminal there is nothing to print a line."""
    result = suite.write(MEET).run("--threadguard=log", plugins=["no:terminal"])
    assert (result.ret, result.errlines) == (0, [])


def test_the_markers_are_registered(suite):
    """`pytest --markers` shows both."""
    result = suite.run("--markers")
    result.stdout.fnmatch_lines(["@pytest.mark.threadguard(policy): does nothing any more*",
                                 "@pytest.mark.thread_unsafe(reason): *"])


@needs("xdist", "pytest-xdist")
def test_an_overlap_is_its_tests_error_under_xdist(suite):
    """Each worker watches the tests that it runs."""
    result = suite.write('''
from werkzeug.test import Client

@pytest.mark.parametrize("number", range(4))
def test_hello(number, threadguard):
    Client(threadguard(hello)).get("/")

def test_meet(threadguard):
    meet(Client(threadguard(Meeting())))

def test_expected(threadguard):
    with threadguard.expect_overlap():
        threadguard.together(threadguard(hello), ["/a", "/b"])
''').run("-n", "2", plugins=["xdist.plugin"], in_process=False)
    result.assert_outcomes(passed=6, errors=1)
    result.stdout.fnmatch_lines(["TG301 *", "ERROR test_it.py::test_meet*"])


@needs("pytest_run_parallel", "pytest-run-parallel")
def test_under_run_parallel_a_test_that_enters_at_once_has_overlaps_and_no_other(suite):
    """In each of four threads the fixtures can be used; a test that is marked thread_unsafe runs in one."""
    result = suite.write('''
import urllib.request
from werkzeug.test import Client

together = threading.Barrier(4)

def waiting(environ, start_response):
    together.wait(DEADLINE)
    return hello(environ, start_response)

@pytest.fixture
def at_once(threadguard):
    return Client(threadguard(waiting))

def test_overlaps(at_once):
    assert at_once.get("/").data == b"hello"

@pytest.fixture
def client(threadguard):
    return Client(threadguard(hello))

@pytest.mark.thread_unsafe(reason="the application is not")
def test_unsafe(client):
    assert client.get("/").data == b"hello"
    assert client.application.stats().requests == 1

def test_guard(threadguard):
    assert Client(threadguard(hello)).get("/").data == b"hello"

def test_together(threadguard):
    with threadguard.expect_overlap():
        responses = threadguard.together(threadguard(hello), ["/a", "/b"])
    assert [response.text for response in responses] == ["hello"] * 2

def test_server(threadguard_server):
    assert urllib.request.urlopen(threadguard_server(hello).url, timeout=DEADLINE).read() == b"hello"
''').run("--parallel-threads=4", plugins=["pytest_run_parallel.plugin"])
    result.assert_outcomes(passed=5, errors=1)
    assert result.stdout.str().count("TG301 two requests were inside the application at once") == 3
    assert sys.getswitchinterval() > 1e-5


@needs("pytest_asyncio", "pytest-asyncio")
def test_asyncio_tests_are_watched(suite):
    """In a test of pytest-asyncio a client that blocks the loop never overlaps, and one in its threads does."""
    result = suite.write('''
import asyncio
from werkzeug.test import Client

@pytest.mark.asyncio
async def test_in_turn(threadguard):
    async def send(client):
        await asyncio.sleep(0)
        return client.get("/").data
    app = threadguard(hello)
    assert await asyncio.gather(send(Client(app)), send(Client(app))) == [b"hello"] * 2

@pytest.mark.asyncio
async def test_in_threads(threadguard):
    loop, client = asyncio.get_running_loop(), Client(threadguard(Meeting()))
    await asyncio.gather(*(loop.run_in_executor(None, client.get, path) for path in ("/a", "/b")))
''').run("-o", "asyncio_default_fixture_loop_scope=function", plugins=["pytest_asyncio.plugin"])
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_in_threads*"])


def _is_installed():
    entries = importlib.metadata.entry_points()
    found = entries.select(group="pytest11") if hasattr(entries, "select") else entries.get("pytest11", ())
    return any(entry.name == "threadguard" for entry in found)


installed = pytest.mark.skipif(not _is_installed(), reason="threadguard is not installed with its entry point pytest11")


@installed
def test_it_comes_with_the_package(suite, monkeypatch):
    """Where threadguard is installed pytest has the fixtures, without a word in any file."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    suite.write('''
def test_it(threadguard, threadguard_server):
    assert callable(threadguard) and callable(threadguard_server)
''')
    suite.pytester.runpytest_subprocess().assert_outcomes(passed=1)


@installed
def test_it_can_be_left_out(suite, monkeypatch):
    """With -p no:threadguard there is neither fixture nor option, and the other tests run."""
    monkeypatch.delenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD")
    suite.write('''
def test_it(threadguard):
    pass

def test_other():
    pass
''')
    result = suite.pytester.runpytest_subprocess("-p", "no:threadguard")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'threadguard' not found"])


def test_threadguard_imports_no_pytest():
    """The package, and what sends and serves for the plugin, import neither pytest nor an optional package."""
    program = ("import sys, threadguard, threadguard.testing.sending, threadguard.testing.server\n"
               "print([name for name in ('pytest', '_pytest', 'webob', 'werkzeug') if name in sys.modules])")
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_nothing_is_imported_before_it_is_used(suite):
    """A suite that uses none of it has imported no more than the plugin's hooks."""
    suite.pytester.makepyfile(test_it='''
import sys

def test_it():
    ours = [name for name in sys.modules if name.startswith("threadguard.testing")]
    others = [name for name in ("werkzeug", "webob", "django", "flask") if name in sys.modules]
    assert (ours, others) == ([], [])
''')
    suite.run(in_process=False).assert_outcomes(passed=1)
