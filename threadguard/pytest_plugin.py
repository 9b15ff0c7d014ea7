"""The pytest plugin: fixtures and markers. What they need is imported when one of them is used.

==========================  ==========================================================================================
``threadguard``             fixture: ``threadguard(app)`` guards an application; each overlap that it sees fails the
                            test
``threadguard_server``      fixture: ``threadguard_server(app)`` serves it on a free port, in one thread
``thread_unsafe`` (marker)  pytest-run-parallel's: ``threadguard.together`` sends from one thread only
==========================  ==========================================================================================

Nothing of other projects is patched. Nothing of the state is kept in modules: a pytest session within a test of another
one has its own. There is no assert here for pytest to rewrite (PYTEST_DONT_REWRITE).

The option ``--threadguard``, the ini key and the marker ``threadguard`` guarded what test clients called, in releases
before this one. A client that calls in one thread cannot overlap, so they are accepted, do nothing and say what
replaces them. They go with the next release.
"""

from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional

import pytest

if TYPE_CHECKING:
    from threadguard.testing.fixture import Guards, WatchedTests
    from threadguard.testing.server import BackgroundServer

_watched_tests: "pytest.StashKey[WatchedTests]" = pytest.StashKey()
_has_marker: "pytest.StashKey[bool]" = pytest.StashKey()

_REPLACED = ("threadguard ignores %s, and the next release will not know it: use the fixture threadguard, whose race()"
             " proves what an application cannot stand (docs/pytest.md)")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Accept what earlier releases had."""
    parser.getgroup("threadguard").addoption(
        "--threadguard", metavar="MODE", default="", dest="threadguard",
        help="does nothing any more; use the fixture threadguard")
    parser.addini("threadguard", "does nothing any more; use the fixture threadguard", default="")


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers. pytest-run-parallel's is for suites that are strict about markers and do not have it."""
    config.addinivalue_line("markers", "threadguard(policy): does nothing any more; use the fixture threadguard")
    if not any(line.startswith("thread_unsafe") for line in config.getini("markers")):
        config.addinivalue_line(
            "markers", "thread_unsafe(reason): run by one thread only, also by threadguard.together")


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Watch the tests if one of them uses the fixture."""
    if any(item.get_closest_marker("threadguard") for item in items):
        config.stash[_has_marker] = True
    if any("threadguard" in getattr(item, "fixturenames", ()) for item in items):
        _watch(config)


def _watch(config: pytest.Config) -> "WatchedTests":
    """The hooks that watch each test from now on."""
    watched = config.stash.get(_watched_tests, None)
    if watched is None:
        from threadguard.testing.fixture import WatchedTests
        watched = config.stash[_watched_tests] = WatchedTests()
        config.pluginmanager.register(watched, "threadguard-watched-tests")
    return watched


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker of pytest-xdist tells the process that prints, which collects no tests, of the marker."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["threadguard_marker"] = session.config.stash.get(_has_marker, False)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended."""
    if getattr(node, "workeroutput", {}).get("threadguard_marker"):
        node.config.stash[_has_marker] = True


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in one line what replaces the option, the ini key and the marker, if the suite has any of them."""
    used = ["--threadguard"] if config.option.threadguard else []
    used += ["threadguard in the ini file"] if config.getini("threadguard") else []
    used += ["the marker threadguard"] if config.stash.get(_has_marker, False) else []
    if used:
        terminalreporter.write_line(_REPLACED % ", ".join(used))


@pytest.fixture(name="threadguard", scope="session")
def _threadguard(request: pytest.FixtureRequest) -> "Guards":
    """Guard WSGI applications, and fail the test in which one was entered by two requests at once.

    * ``threadguard(app, policy="log", **options)``: the guarded application, a `threadguard.ThreadGuard`
    * ``with threadguard.expect_overlap():`` an overlap there is no error, and none is one
    * ``threadguard.together(app, requests)``: the responses to requests that are sent at the same moment
    * ``threadguard.assert_no_race(app, request, another)``: fails with the line where one spoils the other's answer
    * ``threadguard.race(app, request, another)``: the same, as a report
    """
    watched = _watch(request.config)
    if watched.test.item is None:  # asked for by getfixturevalue: nothing was to be watched when this test began
        watched.begin(request._pyfuncitem)
    return watched.guards


@pytest.fixture
def threadguard_server() -> Iterator[Callable[..., "BackgroundServer"]]:
    """Serve applications over HTTP until the end of the test: ``threadguard_server(app, threaded=False)``.

    What it returns has ``url``, ``port`` and ``stop()``. Requests are served one at a time unless *threaded* is true.
    For a server that lives longer: ``with threadguard.testing.server.serve(app) as server``, in a fixture of yours.
    """
    servers: "List[BackgroundServer]" = []

    def threadguard_server(app: Any, threaded: bool = False) -> "BackgroundServer":
        from threadguard.testing.server import BackgroundServer
        servers.append(BackgroundServer(app, threaded))
        return servers[-1]

    yield threadguard_server
    error: Optional[BaseException] = None
    for server in reversed(servers):
        try:
            server.stop()
        except TimeoutError as stuck:
            error = stuck
    if error is not None:
        raise error
