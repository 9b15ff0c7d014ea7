"""What takes the place of an application where a test client or a server of the suite calls it."""

import threading
from types import FunctionType, MethodType
from typing import Any, Callable, Iterable, Optional

from threadguard.pytest_plugin import OFF
from threadguard.pytest_plugin.cases import Case, Watched
from threadguard.pytest_plugin.clientguard import ClientGuard, Environ, WSGIApp


def name_of(app: Any) -> str:
    """*app* in words: the function or the class, and the import name of a Flask application."""
    app = getattr(app, "__func__", app) if isinstance(app, MethodType) else app
    if isinstance(app, (FunctionType, type)):
        return "%s.%s" % (app.__module__, app.__qualname__)
    try:
        own = vars(app).get("import_name")
    except Exception:  # noqa: B902  the name is not worth the failure of an object that stands for another
        own = None
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
        self._client = ClientGuard()
        self._mutex = threading.Lock()

    def case_for(self, app: Any) -> Optional[Case]:
        """The test that watches *app*; None where nobody does, or guards of its own do."""
        case = self.case
        if case is None or case.mode == OFF or (self.knows_guards() and _has_guards(app)):
            return None
        return case

    def for_client(self, app: Any, name: str = "") -> Any:
        """*app* as a test client shall call it now; *name* is for the summary."""
        case = self.case_for(app)
        if case is None or not callable(app):
            return app
        guard = case.client or self._enter(case)
        case.calls.append(name or name_of(_under_lint(app)))
        return lambda environ, start_response: guard.call(app, environ, start_response)

    def _enter(self, case: Case) -> ClientGuard:
        """The guard of all that test clients call; a new one, if anything is left of an earlier test."""
        with self._mutex:
            if case.client is None:
                if not self._client.is_clean:
                    self._client = ClientGuard()
                case.client = self._client
            return case.client

    def for_server(self, app: Any) -> Any:
        """*app* as a server of the suite shall be given it."""
        return LiveDoor(self, app) if callable(app) and not isinstance(app, LiveDoor) else app


def _has_guards(app: Any) -> bool:
    from threadguard.pytest_plugin.groups import guards_in
    return bool(guards_in(app))


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
        from threadguard.pytest_plugin.groups import QuietGroup, guard_in, new_group
        group = new_group("live server", QuietGroup)
        if self.wrapped is None:
            self.wrapped = guard_in(group, self.app, policy="log", watch_pool_start=False)
        else:
            self.wrapped.join(group)
        case.watch(Watched(group, name_of(self.app), case.mode == "fail", is_live=True))
        self._case = case

    def __getattr__(self, name: str) -> Any:
        return getattr(self.app, name)
