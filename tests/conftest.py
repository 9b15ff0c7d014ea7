"""What the tests share: a request, a response, a group of its own for each test, and a request that is held inside."""

import ctypes
import gc
import itertools
import logging
import os
import shutil
import sys
import threading
from contextlib import contextmanager, suppress
from time import monotonic
from wsgiref.util import setup_testing_defaults

import pytest

from threadguard import ThreadGuard
from threadguard.guard import groups
from threadguard.servers import startup
from threadguard.guard.group import Group

DEADLINE = 60
_names = itertools.count()


def new_environ(**changes):
    """The environ of a GET of ``/`` by a server that says it is single-threaded, with *changes*."""
    environ = {}
    setup_testing_defaults(environ)
    environ["wsgi.multithread"] = False
    environ.update({key.replace("__", "."): value for key, value in changes.items()})
    return environ


class Response:
    """What a server gets from *app* for *environ*, iterated and closed as PEP 3333 asks."""

    def __init__(self, app, environ=None):
        self.status = self.headers = None
        self.written = []
        body = app(new_environ() if environ is None else environ, self._start)
        try:
            self.body = b"".join(self.written) + b"".join(body)
        finally:
            if hasattr(body, "close"):
                body.close()

    def _start(self, status, headers, exc_info=None):
        self.status, self.headers = status, headers
        return self.written.append


def start_response(status, headers, exc_info=None):
    """A server's start_response that forgets everything."""
    return lambda data: None


def hello(environ, start_response):
    """An application that answers with a list."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def in_chunks(environ, start_response):
    """An application that is a generator."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one "
    yield b"two"


def returning(make):
    """An application that answers each request with what *make* makes."""
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return make()
    return app


class Chunks:
    """A body that is no generator, whose `close` counts its calls, and calls *on_close*."""

    def __init__(self, chunks=(), on_close=int):
        self.chunks, self.on_close, self.closed = iter(chunks), on_close, 0

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        self.closed += 1
        self.on_close()


class Gate:
    """A WSGI application that holds each request inside until it is let go."""

    def __init__(self):
        self.inside = threading.Semaphore(0)
        self.open = threading.Event()
        self.entered = []

    def __call__(self, environ, start_response):
        self.entered.append(environ["PATH_INFO"])
        self.inside.release()
        assert self.open.wait(DEADLINE)
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"let go"]


@contextmanager
def held_inside(guard, gate, request="/held"):
    """A request (a path or an environ) that another thread holds inside *gate*, through *guard*, during the block."""
    environ = new_environ(PATH_INFO=request) if isinstance(request, str) else request
    responses = []
    thread = threading.Thread(target=lambda: responses.append(Response(guard, environ)))
    thread.start()
    try:
        assert gate.inside.acquire(timeout=DEADLINE)
        yield responses
    finally:
        gate.open.set()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def in_threads(*functions):
    """The results of *functions*, called at the same time, each in a thread of its own that has ended."""
    results = {}
    threads = [threading.Thread(target=lambda f=f: results.__setitem__(f, f())) for f in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert len(results) == len(functions), "a thread did not come back"
    return [results[function] for function in functions]


def in_thread(function):
    """The result of *function*, called in a thread of its own that has ended."""
    return in_threads(function)[0]


def until(condition):
    """Wait for *condition*, which another thread makes true, until the deadline at the most."""
    end, pause = monotonic() + DEADLINE, threading.Event()
    while not condition():
        assert monotonic() < end, "it did not happen"
        pause.wait(0.001)


is_pypy = sys.implementation.name == "pypy"
counts_references = pytest.mark.skipif(is_pypy, reason="PyPy notices at its next collection that something is gone")
"""Marks a test of what is gone as soon as nothing holds it."""
without_hooks = pytest.mark.skipif(os.name != "posix" or is_pypy, reason="needs the fork of the C library, in CPython")
"""Marks a test that forks by `forked_without_hooks`."""


def forked_without_hooks(function):
    """Whether *function* is true in a child that is forked as uWSGI forks: none of Python's hooks is run there."""
    return forked_with_hooks(function, ctypes.PyDLL(None).fork)  # a PyDLL keeps the GIL


def forked_with_hooks(function, fork=getattr(os, "fork", None)):
    """Whether *function* is true in a child that Python forks."""
    pid = fork()
    if pid == 0:
        status = 2
        try:
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitpid(pid, 0)[1] == 0


@pytest.fixture(autouse=True)
def process_stays():
    """What a test of a race leaves of the process's umask and directory is not the next one's: Apache's user has to
    read the files that it makes. Nor is a hub of gevent or eventlet in this thread: who waits would wait in it."""
    umask, directory, level = os.umask(0o022), os.getcwd(), logging.getLogger().level
    os.umask(umask)
    yield
    os.umask(umask)
    os.chdir(directory)
    logging.getLogger().setLevel(level)  # celery's worker sets it: no later test would hear a warning
    if "gevent._hub_local" in sys.modules:
        hub = sys.modules["gevent._hub_local"].get_hub_if_exists()
        if hub is not None:
            hub.destroy()
    if "eventlet.hubs" in sys.modules:
        vars(sys.modules["eventlet.hubs"]._threadlocal).pop("hub", None)


@pytest.fixture(autouse=True)
def watches_end():
    """No guard of one test watches the threads of the next: a traceback or an inner suite may hold it for longer."""
    yield
    for group in (*groups._groups.values(), *groups_that_watch()):
        group._end_watches()


def groups_that_watch():
    """Those too that no name leads to: the pytest plugin's own, and those that a test makes for itself."""
    watches = () if startup._wrappers is None else startup._wrappers.watches
    asked = [getattr(watch.is_guard, "__self__", None) for watch in watches]
    return [group for group in asked if isinstance(group, Group)]


@pytest.fixture
def guarded(watches_end):
    """`ThreadGuard` with a group of its own for this test, shared by all that it guards."""
    name = "test %d" % next(_names)

    def guard(app, **options):
        return ThreadGuard(app, **{"group": name, **options})

    yield guard
    group = groups._groups.pop(name, None)
    if group is not None:
        group._end_watches()


@pytest.fixture
def gate():
    """An application that holds its requests inside."""
    gate = Gate()
    yield gate
    gate.open.set()


@pytest.fixture(scope="session")
def hypothesis_has_run():
    """When it first runs it asks the collector who holds its random numbers: before any are frozen."""
    with suppress(ImportError):
        import hypothesis
        hypothesis.find(hypothesis.strategies.just(None), lambda value: True)


@pytest.fixture
def few_objects(hypothesis_has_run):
    """Leave what the other test modules have loaded, all servers, out of each look for greenlets among all objects: a
    hundred first requests take half a minute with them, and a tenth of a second without."""
    gc.collect()
    freeze, unfreeze = getattr(gc, "freeze", int), getattr(gc, "unfreeze", int)  # not on PyPy
    freeze()
    yield
    unfreeze()


LONGEST = ("fleet/", "testing/test_race.py", "test_docs.py", "testing/test_race_hgweb.py", "observe/", "testing/",
           "test_", "check/", "guard/")
"""The files whose tests wait for servers and processes, the longest first: begun last, one of them would run alone."""


def pytest_configure(config):
    """Let pytest-xdist hand the files out in the order below, and not those with the most tests first."""
    config.option.loadscopereorder = False


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest."""
    def place(item):
        path = item.nodeid.partition("::")[0].partition("tests/")[2]
        return next((number for number, start in enumerate(LONGEST) if path.startswith(start)), len(LONGEST))

    items.sort(key=place)


NOT_RUN = {"tests/live": "real servers: make test-live", "tests/conduct": "the same under fire: make test-conduct",
           "tests/kallithea": "Kallithea itself: make test-kallithea", "tests/suites": "others': make test-suites"}
PROGRAMS = {"apache2": "Apache", "apxs": "apxs", "uwsgi": "uWSGI", "passenger": "Passenger", "unitd": "Unit"}
"""What the tests of real servers run, beside the packages that they install."""


def pytest_terminal_summary(terminalreporter, config):
    """After a run of all unit tests, say what was not among them, before the line with the result."""
    if config.args != config.getini("testpaths"):
        return
    line, path = terminalreporter.write_line, os.environ.get("PATH", "") + ":/usr/sbin"
    terminalreporter.section("not run by make test")
    for folder, what in NOT_RUN.items():
        line("%s, %s" % (folder, what))
    absent = [name for program, name in PROGRAMS.items() if shutil.which(program, path=path) is None]
    if absent:
        line("    not installed here: %s (make setup-servers; Unit: put unitd on PATH)" % ", ".join(absent))
    line("the unit tests on other Pythons: make test-pythons test-others test-core")
