"""The plugin beside others: pytest-xdist, pytest-run-parallel, pytest-asyncio; and where it is not wanted."""

import importlib.metadata
import subprocess
import sys

import pytest
from plugin_rig import needs

pytest_plugins = ["pytester", "plugin_rig"]


@needs("xdist", "pytest-xdist")
def test_xdist_has_one_summary(suite):
    """The tests of all workers are in the one summary that the controller prints, and an error is its test's."""
    result = suite.write('''
from werkzeug.test import Client

@pytest.mark.parametrize("number", range(6))
def test_hello(number):
    Client(hello).get("/")

def test_meet():
    meet(Client(Meeting()))

def test_expected(threadguard):
    with threadguard.expect_overlap():
        threadguard.together(threadguard(hello), ["/a", "/b"])
''').run("--threadguard=fail", "-n", "2", plugins=["xdist.plugin"], in_process=False)
    result.assert_outcomes(passed=8, errors=1)
    result.stdout.fnmatch_lines([
        "TG301 *", "*= threadguard: fail =*",
        "10 requests to 2 applications in 8 tests: at most 2 inside at once, 2 overlaps",
        "  apps.hello: 8 requests", "  apps.Meeting: 2 requests",
        "OVERLAP test_it.py::test_meet - apps.Meeting: 2 requests, peak 2, 1 overlap"])
    assert result.stdout.str().count("= threadguard: fail =") == 1


@needs("xdist", "pytest-xdist")
def test_a_worker_that_crashes_costs_its_own_rows_only(suite):
    """The summary is printed though a worker of pytest-xdist ended without a word."""
    result = suite.write('''
import os
from werkzeug.test import Client

def test_hello():
    Client(hello).get("/")

def test_crash():
    os._exit(1)
''').run("--threadguard=fail", "-n", "1", plugins=["xdist.plugin"], in_process=False)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*= threadguard: fail =*"])


PARALLEL = '''
from werkzeug.test import Client

together = threading.Barrier(4)

def waiting(environ, start_response):
    together.wait(DEADLINE)
    return hello(environ, start_response)
'''


@needs("pytest_run_parallel", "pytest-run-parallel")
def test_run_parallel_shows_that_a_test_enters_at_once(suite):
    """A test that pytest-run-parallel runs in four threads is an overlap of its own, once."""
    result = suite.write(PARALLEL + '''
def test_it():
    assert Client(waiting).get("/").data == b"hello"
''').run("--threadguard=fail", "--parallel-threads=4", plugins=["pytest_run_parallel.plugin"])
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["4 requests to 1 application in 1 test: at most 4 inside at once, 3 overlaps"])


@needs("pytest_run_parallel", "pytest-run-parallel")
def test_run_parallel_leaves_a_thread_unsafe_test_alone(suite):
    """Marked thread_unsafe, a test runs in one thread and has no overlap."""
    suite.write('''
from werkzeug.test import Client

@pytest.mark.thread_unsafe(reason="the application is not")
def test_it():
    assert Client(hello).get("/").data == b"hello"
''').run("--threadguard=fail", "--parallel-threads=4",
         plugins=["pytest_run_parallel.plugin"]).assert_outcomes(passed=1)


@needs("pytest_run_parallel", "pytest-run-parallel")
def test_run_parallel_may_use_the_fixtures(suite):
    """In each of the threads a guard is its own, an overlap can be expected, and a server answers."""
    suite.write('''
import urllib.request
from werkzeug.test import Client

def test_guard(threadguard):
    assert Client(threadguard(hello)).get("/").data == b"hello"

def test_together(threadguard):
    with threadguard.expect_overlap():
        responses = threadguard.together(threadguard(hello), ["/a", "/b"])
    assert [response.text for response in responses] == ["hello"] * 2

def test_server(threadguard_server):
    assert urllib.request.urlopen(threadguard_server(hello).url, timeout=DEADLINE).read() == b"hello"
''').run("--parallel-threads=4", plugins=["pytest_run_parallel.plugin"]).assert_outcomes(passed=3)
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
    for app in (hello, threadguard(hello)):
        assert await asyncio.gather(send(Client(app)), send(Client(app))) == [b"hello"] * 2

@pytest.mark.asyncio
async def test_in_threads():
    loop, client = asyncio.get_running_loop(), Client(Meeting())
    await asyncio.gather(*(loop.run_in_executor(None, client.get, path) for path in ("/a", "/b")))
''').run("--threadguard=fail", "-o", "asyncio_default_fixture_loop_scope=function", plugins=["pytest_asyncio.plugin"])
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
    program = ("import sys, threadguard, threadguard.testing.together, threadguard.testing.server\n"
               "print([name for name in ('pytest', '_pytest', 'webob', 'werkzeug') if name in sys.modules])")
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_nothing_is_imported_before_it_is_used(suite):
    """A suite that uses none of it has imported no more than the plugin's hooks."""
    suite.pytester.makepyfile(test_it='''
import sys

def test_it():
    ours = [name for name in sys.modules if name.startswith("threadguard.pytest_plugin.")]
    others = [name for name in ("werkzeug", "webob", "django", "flask", "threadguard.testing.together")
              if name in sys.modules]
    assert (ours, others) == ([], [])
''')
    suite.run(in_process=False).assert_outcomes(passed=1)
