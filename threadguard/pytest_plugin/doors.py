"""What takes the place of an application where a test client or a server of the suite calls it."""

import threading
from types import FunctionType, MethodType
from typing import Any, Callable, Dict, Iterable, Optional

from threadguard.middleware import ThreadGuard
from threadguard.pytest_plugin import OFF
from threadguard.pytest_plugin.cases import Case, Watched
from threadguard.pytest_plugin.groups import ClientGroup, QuietGroup, guard_in, guards_in, new_group
from threadguard.rules.reach import vars_of

Environ = Dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]


class _Call:
    """An application with the caller's start_response, which goes through the guard in the place of the latter."""

    __slots__ = ("app", "start_response")

    def __init__(self, app: WSGIApp, start_response: Callable[..., Any]) -> None:
        self.app = app
        self.start_response = start_response

    def __call__(self, *args: Any) -> Any:
        """What the guard answers itself."""
        return self.start_response(*args)


def _through(environ: Environ, call: Any) -> Iterable[bytes]:
    body: Iterable[bytes] = call.app(environ, call.start_response)
    return body


def name_of(app: Any) -> str:
    """*app* in words: the function or the class, and the import name of a Flask application."""
    app = getattr(app, "__func__", app) if isinstance(app, MethodType) else app
    if isinstance(app, (FunctionType, type)):
        return "%s.%s" % (app.__module__, app.__qualname__)
    own = vars_of(app).get("import_name")
    name = "%s.%s" % (type(app).__module__, type(app).__qualname__)
    return "%s %s" % (name, own) if isinstance(own, str) else name


def _under_lint(app: Any) -> Any:
    """WebTest wraps an application for each request anew (webtest/lint.py `middleware`): the one in the closure."""
    if getattr(app, "__module__", None) != "webtest.lint":
        return app
    cells = dict(zip(app.__code__.co_freevars, app.__closure__ or ()))
    return cells["application"].cell_contents if "application" in cells else app


class Doors:
    """Makes doors, which ask on each request for the *case*: the test that runs now."""

    def __init__(self) -> None:
        self.case: Optional[Case] = None
        self.knows_guards: Callable[[], bool] = lambda: True
        """Whether an application may have a guard of its own."""
        self._client: Optional[ThreadGuard] = None
        self._group = new_group("test clients", ClientGroup)
        self._mutex = threading.Lock()

    def case_for(self, app: Any) -> Optional[Case]:
        """The test that watches *app*; None where nobody does, or guards of its own do."""
        case = self.case
        if case is None or case.mode == OFF or (self.knows_guards() and guards_in(app)):
            return None
        return case

    def for_client(self, app: Any, name: str = "") -> Any:
        """*app* as a test client shall call it now; *name* is for the summary."""
        case = self.case_for(app)
        if case is None or not callable(app):
            return app
        guard = case.client or self._enter(case)
        case.calls.append(name or name_of(_under_lint(app)))
        return lambda environ, start_response: guard(environ, _Call(app, start_response))

    def _enter(self, case: Case) -> ThreadGuard:
        with self._mutex:
            if case.client is None:
                case.client = self._new_client(case)
            guard: ThreadGuard = case.client
            return guard

    def _new_client(self, case: Case) -> ThreadGuard:
        """The guard of all that test clients call. Its group is a new one, if anything is left of an earlier test."""
        guard, group = self._client, self._group
        if guard is None:
            guard = self._client = guard_in(group, _through, policy="log", watch_pool_start=False)
        elif group.reports or group.ledger.inside:
            group = self._group = new_group("test clients", ClientGroup)
            guard.join(group)
        case.client_group = group
        return guard

    def for_server(self, app: Any) -> Any:
        """*app* as a server of the suite shall be given it."""
        return LiveDoor(self, app) if callable(app) and not isinstance(app, LiveDoor) else app


class LiveDoor:
    """An application as a server has it, for as long as that runs; each test has a group of its own."""

    def __init__(self, doors: Doors, app: WSGIApp) -> None:
        self._doors = doors
        self._case: Optional[Case] = None
        self._mutex = threading.Lock()
        self.app = app
        self.wrapped: Any = None
        """The guard, where a reader that follows what the server calls finds it."""

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request, guarded if a test runs that wants it so."""
        case = self._doors.case_for(self.app)
        if case is None:
            return self.app(environ, start_response)
        with self._mutex:
            if case is not self._case:
                self._enter(case)
        body: Iterable[bytes] = self.wrapped(environ, start_response)
        return body

    def _enter(self, case: Case) -> None:
        group = new_group("live server", QuietGroup)
        if self.wrapped is None:
            self.wrapped = guard_in(group, self.app, policy="log", watch_pool_start=False)
        else:
            self.wrapped.join(group)
        case.watch(Watched(group, name_of(self.app), case.mode == "fail", is_live=True))
        self._case = case

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)
