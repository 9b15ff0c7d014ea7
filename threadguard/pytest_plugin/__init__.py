"""The pytest plugin: options, markers, fixtures. What they need is imported when one of them is used.

==========================  ==========================================================================================
``threadguard``             fixture: ``threadguard(app)`` guards an application; each overlap that it sees fails the
                            test
``threadguard_server``      fixture: ``threadguard_server(app)`` serves it on a free port, in one thread
``--threadguard=fail``      guards every application that a test client calls (``log``: and only reports)
``threadguard`` (marker)    ``@pytest.mark.threadguard(policy="off")``: another mode for one test, class or module
==========================  ==========================================================================================

Patched is nothing before a test asks for it. Nothing of the state is kept in modules: a pytest session within a test of
another one has its own. There is no assert here for pytest to rewrite (PYTEST_DONT_REWRITE).
"""

from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Optional

import pytest

if TYPE_CHECKING:
    from threadguard.pytest_plugin.fixture import Guards
    from threadguard.pytest_plugin.session import Session
    from threadguard.testing.server import BackgroundServer

OFF, LOG, FAIL = MODES = ("off", "log", "fail")

_session: "pytest.StashKey[Session]" = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--threadguard``, and ``threadguard`` to the ini file."""
    parser.getgroup("threadguard").addoption(
        "--threadguard", choices=MODES, default=None, dest="threadguard",
        help="guard every WSGI application that a test client calls. log: report overlaps at the end; fail: they also"
             " are errors of the test. Default: what the ini file says, or off")
    parser.addini("threadguard", "the default for --threadguard: off, log or fail", default=OFF)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and switch on what the command line or the ini file asks for."""
    config.addinivalue_line(
        "markers", "threadguard(policy): off, log or fail; in place of what --threadguard says")
    _register_thread_unsafe(config)
    mode = config.option.threadguard or config.getini("threadguard")
    if mode not in MODES:
        raise pytest.UsageError("threadguard = %s is not allowed in the ini file: it takes %s" % (
            mode, ", ".join(MODES)))
    if mode != OFF:
        _start(config).guard_clients()


def _register_thread_unsafe(config: pytest.Config) -> None:
    """pytest-run-parallel's marker, for suites that are strict about markers where that plugin is not installed."""
    if not any(line.startswith("thread_unsafe") for line in config.getini("markers")):
        config.addinivalue_line(
            "markers", "thread_unsafe(reason): run by one thread only, also by threadguard.together")


def _start(config: pytest.Config) -> "Session":
    """The plugin's session, which watches from now on."""
    session = config.stash.get(_session, None)
    if session is None:
        from threadguard.pytest_plugin.session import Session
        session = config.stash[_session] = Session(config, config.option.threadguard or config.getini("threadguard"))
        config.pluginmanager.register(session, "threadguard-session")
    return session


def pytest_collection_modifyitems(config: pytest.Config, items: List[pytest.Item]) -> None:
    """Watch if a test uses the fixture, and patch if one is marked."""
    policies = {mode_of(item, OFF) for item in items}
    if policies != {OFF} and items:
        _start(config).guard_clients()
    elif any("threadguard" in getattr(item, "fixturenames", ()) for item in items):
        _start(config)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take the rows of a worker of pytest-xdist that has ended: who prints them collects no tests, sees no marker."""
    data = getattr(node, "workeroutput", {}).get("threadguard")
    if data is not None:
        _start(node.config).merge(data)


def mode_of(item: pytest.Item, default: str) -> str:
    """The mode that *item* is marked with. Raises `pytest.UsageError` for one that there is not."""
    marker = item.get_closest_marker("threadguard")
    if marker is None:
        return default
    mode = marker.args[0] if len(marker.args) == 1 and not marker.kwargs else marker.kwargs.get("policy")
    if mode not in MODES:
        raise pytest.UsageError("%s: the marker threadguard(policy=%r) is not allowed: policy takes %s" % (
            item.nodeid, mode, ", ".join(MODES)))
    return str(mode)


@pytest.fixture(name="threadguard", scope="session")
def _threadguard(request: pytest.FixtureRequest) -> "Guards":
    """Guard WSGI applications, and fail the test in which one was entered by two requests at once.

    * ``threadguard(app, policy="log", **options)``: the guarded application, a `threadguard.ThreadGuard`
    * ``with threadguard.expect_overlap():`` an overlap there is no error, and none is one
    * ``threadguard.together(app, requests)``: the responses to requests that are sent at the same moment
    """
    session = _start(request.config)
    if session.case is None:  # asked for by getfixturevalue: nothing was to be watched when this test began
        session.begin(request._pyfuncitem)
    return session.guards


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
