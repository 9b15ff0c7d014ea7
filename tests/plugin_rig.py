"""Test suites for the pytest plugin: written by `pytester`, run in this process, with no plugin but those named.

Test modules import from here what is no fixture, so pytest comes too late to rewrite it (PYTEST_DONT_REWRITE).
"""

import importlib.util
import os
import wsgiref.simple_server  # noqa: F401
from contextlib import suppress
from pathlib import Path

import pytest
import threadguard.testing.fixture
import threadguard.testing.server
import webob  # noqa: F401
import werkzeug.serving  # noqa: F401
import werkzeug.test  # noqa: F401

for _name in ("asyncio", "flask", "numpy", "requests"):
    with suppress(ImportError):  # once: what only a run imports pytester forgets after it, half of it
        importlib.import_module(_name)

ROOT = Path(threadguard.__file__).parent.parent
APPS = '''
import threading

DEADLINE = 60

def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

class Meeting:
    """Two requests that wait for each other inside."""

    def __init__(self):
        self.barrier = threading.Barrier(2)

    def __call__(self, environ, start_response):
        self.barrier.wait(DEADLINE)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [environ["PATH_INFO"].encode()]

def in_threads(*functions):
    """The results of functions, each called in a thread of its own, at the same time."""
    results = {}
    threads = [threading.Thread(target=lambda f=f: results.__setitem__(f, f())) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    return [results[function] for function in functions]

def meet(client):
    """Send /a and /b through a Werkzeug client (or one like it) to an application where they meet."""
    in_threads(lambda: client.get("/a"), lambda: client.get("/b"))
'''


class Suite:
    """A suite in a directory of its own."""

    def __init__(self, pytester):
        self.pytester = pytester
        pytester.makepyfile(apps=APPS)

    def write(self, source, **files):
        """Write the one test module, which has the names of `APPS`, and *files*."""
        self.pytester.makepyfile(test_it="from apps import *\nimport pytest\n" + source, **files)
        return self

    def run(self, *arguments, plugins=(), in_process=True):
        """Run it with the plugin; warnings are errors."""
        given = ["-p", "threadguard.pytest_plugin", "-W", "error", "--strict-markers", "--strict-config",
                 "-p", "no:cacheprovider"]
        for plugin in plugins:
            given += ["-p", plugin]
        if in_process:
            return self.pytester.runpytest_inprocess(*given, *arguments)
        return self.pytester.runpytest_subprocess(*given, *arguments)


@pytest.fixture
def suite(pytester, monkeypatch):
    """A test suite to write and to run."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    # CI and BUILD_NUMBER: where pytest finds them it prints failures a second time, whole, in its summary.
    for name in ("PYTEST_ADDOPTS", "THREADGUARD_POLICY", "PYTEST_PLUGINS", "CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(ROOT), prepend=os.pathsep)  # for children of a checkout that is not installed
    pytester.makeini("[pytest]\n")
    return Suite(pytester)


def needs(module, package):
    """Skip a test, and say which *package* is missing."""
    missing = importlib.util.find_spec(module.partition(".")[0]) is None
    return pytest.mark.skipif(missing, reason="%s is not installed" % package)
