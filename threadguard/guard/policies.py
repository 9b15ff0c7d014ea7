"""What is done on a threaded verdict: refuse, serialize or log. One shape, one table.

A policy is asked at startup, and on a request whenever it is not alone or there is something to look at. It answers
with None (the request enters) or with the WSGI application that takes its place.
"""

from typing import Any, Callable, Dict, Iterable, Optional, Protocol, Type

from threadguard.process import contexts
from threadguard.errors import ThreadedDeploymentError as ThreadedDeploymentError
from threadguard.guard.bodies import is_finished_on_return, track_body
from threadguard.guard.group import Group
from threadguard.guard.ledger import Entry
from threadguard.guard.queue import AnotherWaits
from threadguard.model import THREADED, Verdict
from threadguard.process.webob import Response

WSGIApp = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]


_THREADED = "this process is not single-threaded"
_REASONS = {"TG207": "this request came on another thread than the application needs"}


def unavailable(code: str, retry_after: Optional[float] = None) -> WSGIApp:
    """An application that answers 503: one line with *code*, no settings, no stacks."""
    reason = "busy: requests are served one at a time" if retry_after else _REASONS.get(code, _THREADED)
    headers = {"Retry-After": str(max(1, round(retry_after)))} if retry_after else {}

    def answer(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = Response("503 Service Unavailable: %s (threadguard %s)\n" % (reason, code),
                            status=503, content_type="text/plain", charset="UTF-8")
        response.headers.update(headers)
        body: Iterable[bytes] = response({"REQUEST_METHOD": "GET", **environ}, start_response)
        return body

    return answer


class Policy(Protocol):
    """What each policy can do."""

    handles_every_request: bool
    """Whether every request is put to `answer`, not only those that are not alone."""
    patience: Optional[float]
    """For how many seconds a request waits for the turn; None where there are no turns."""

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        """For the guard of *app*; *timeout* in seconds is serialize's."""

    def at_startup(self, verdict: Verdict) -> None:
        """The guard is being built, under *verdict*. It may raise."""

    def log_findings(self) -> None:
        """Log what is new in the verdict."""

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """*ticket* is inside for *environ*, with what *entry* says before it.

        Returns the application that takes the place of the guarded one; None where the request enters.
        """


class Refuse:
    """Raise at startup; from the moment the verdict is threaded, answer every request with 503."""

    handles_every_request = False
    patience: Optional[float] = None

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        self._app = app
        self._group = group
        self._timeout = timeout

    def at_startup(self, verdict: Verdict) -> None:
        """Raises `ThreadedDeploymentError` under a threaded verdict."""
        if verdict.status == THREADED:
            raise ThreadedDeploymentError(verdict)

    def log_findings(self) -> None:
        """See `Policy`."""
        self._group.log_findings()

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """See `Policy`."""
        group = self._group
        is_known = group.verdict.status == THREADED  # then what seems to be inside is being refused as well
        if not is_known and entry.other is None and not group.queue.line:
            group.ledger.keep_peak(ticket)
            return None
        group.ledger.cancel(ticket)
        if not is_known and entry.collision is None:
            return self._behind_section
        if entry.collision is not None and not is_known:
            group.observe("TG302", environ, entry.collision)
        return self._refusal()

    def _refusal(self) -> WSGIApp:
        self._group.count_refused()
        return unavailable(self._group.verdict.findings[0].code)

    def _late_refusal(self) -> Optional[WSGIApp]:
        return self._refusal() if self._group.verdict.status == THREADED else None

    def _behind_section(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """A section is ahead: wait for it, alone. A second request that comes meanwhile proves the process threaded."""
        try:
            return serve_in_turn(self._app, self._group, self._timeout, environ, start_response, self._late_refusal)
        except AnotherWaits as meeting:
            self._group.observe_waiting(environ, meeting.request)
            return self._refusal()(environ, start_response)


class Log:
    """Let every request pass, and say what was found."""

    handles_every_request = False
    patience: Optional[float] = None

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        self._group = group

    def at_startup(self, verdict: Verdict) -> None:
        """Nothing is raised."""

    def log_findings(self) -> None:
        """See `Policy`."""
        self._group.log_findings()

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """See `Policy`."""
        if entry.collision is not None:
            self._group.observe("TG301", environ, entry.collision)
        if entry.section is not None:
            self._group.observe_beside_section(environ, entry.section)
        self._group.ledger.keep_peak()
        return None


class Serialize:
    """Let requests in one at a time."""

    handles_every_request = True

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        self._app = app
        self._group = group
        self.patience: Optional[float] = timeout
        self._timeout = timeout

    def at_startup(self, verdict: Verdict) -> None:
        """Nothing is raised."""

    def log_findings(self) -> None:
        """See `Policy`."""
        self._group.log_serialized()

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """See `Policy`."""
        group = self._group
        if entry.other is None and not group.queue.line:
            environ["wsgi.multithread"] = False
            return None
        group.ledger.cancel(ticket)  # which wakes the first in line, who may have met this one
        if entry.collision is not None:
            group.log_serialized(waited=True)
        return self._in_turn

    def _in_turn(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        return serve_in_turn(self._app, self._group, self._timeout, environ, start_response)


@contexts.calls_the_application
def serve_in_turn(app: WSGIApp, group: Group, timeout: float, environ: Dict[str, Any],
                  start_response: Callable[..., Any],
                  refusal: Optional[Callable[[], Optional[WSGIApp]]] = None) -> Iterable[bytes]:
    """Wait for the turn, call *app*, and give the turn back when the response is finished.

    After *timeout* seconds it answers 503 with Retry-After. With *refusal*, the policy refuse's, only one request may
    wait, for a section: a second one raises `AnotherWaits`; and what that gives when the turn is had answers instead.
    """
    __traceback_hide__ = True  # noqa: F841
    ledger, serializes = group.ledger, refusal is None
    try:  # around the acquiring as well: a signal's handler may raise as soon as the turn is had
        ticket = group.queue.acquire(environ, timeout, group.log_stuck, is_only=not serializes)
        if ticket is None:
            group.count_refused()
            return unavailable("TG305" if serializes else "TG307", timeout)(environ, start_response)
        replacement = None if refusal is None else refusal()
        if replacement is not None:
            ledger.cancel(ticket)
            return replacement(environ, start_response)
        if serializes:
            environ["wsgi.multithread"] = False
        body = app(environ, start_response)
        if is_finished_on_return(body, environ):
            ledger.leave(ticket)
            return body
        return track_body(ledger, ticket, environ, body, group.before_chunk, serializes)
    except BaseException:
        for mine in ledger.calls_of(environ):
            ledger.leave(mine)
        raise


POLICIES: Dict[str, Type[Policy]] = {"refuse": Refuse, "serialize": Serialize, "log": Log}
