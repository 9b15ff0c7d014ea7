"""What is done on a threaded verdict: refuse, serialize or log. One shape, one table.

A policy is asked at startup, and on a request whenever it is not alone or there is something to look at. It answers
with None (the request enters) or with the WSGI application that takes its place.
"""

from typing import Any, Callable, Dict, Iterable, Optional, Type

from threadguard.process import contexts
from threadguard.errors import ThreadedDeploymentError as ThreadedDeploymentError
from threadguard.guard.bodies import is_finished_on_return, track_body
from threadguard.guard.group import Group
from threadguard.guard.ledger import Entry
from threadguard.model import THREADED, Verdict
from threadguard.process.webob import Response

WSGIApp = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_THREADED = "this process is not single-threaded"
_REASONS = {"TG207": "this request came on another thread than the application needs"}


def refusal(group: Group, code: str, retry_after: Optional[float] = None) -> WSGIApp:
    """An application that answers 503, which is counted: one line with *code*, no settings, no stacks."""
    group.count_refused()
    reason = "busy: requests are served one at a time" if retry_after else _REASONS.get(code, _THREADED)
    headers = {"Retry-After": str(max(1, round(retry_after)))} if retry_after else {}

    def answer(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        response = Response("503 Service Unavailable: %s (threadguard %s)\n" % (reason, code),
                            status=503, content_type="text/plain", charset="UTF-8")
        response.headers.update(headers)
        body: Iterable[bytes] = response({"REQUEST_METHOD": "GET", **environ}, start_response)
        return body

    return answer


class Policy:
    """What each policy can do, for the guard of *app*; *timeout* is for how many seconds a request waits."""

    handles_every_request = False
    """Whether every request is put to `answer`, not only those that are not alone."""
    patience: Optional[float] = None
    """For how many seconds a request waits for the turn; None where there are no turns."""

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        self._app = app
        self._group = group
        self._timeout = timeout

    def at_startup(self, verdict: Verdict) -> None:
        """The guard is being built, under *verdict*. It may raise `ThreadedDeploymentError`."""

    def log_findings(self) -> None:
        """Log what is new in the verdict."""
        self._group.log_findings()

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """*ticket* is inside for *environ*, with what *entry* says before it.

        Returns the application that takes the place of the guarded one; None where the request enters.
        """
        raise NotImplementedError

    @contexts.calls_the_application
    def _serve_in_turn(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Wait for the turn, call the application, and give the turn back when the response is finished.

        Under refuse only one request may wait, for a section: a second one that comes meanwhile proves the process
        threaded, and then neither enters.
        """
        __traceback_hide__ = True  # noqa: F841
        group, ledger, serializes = self._group, self._group.ledger, self.handles_every_request
        try:  # around the acquiring as well: a signal's handler may raise as soon as the turn is had
            ticket = group.queue.acquire(environ, self._timeout, group.log_stuck, alone=not serializes)
            if not serializes and group.verdict.status == THREADED:
                if ticket is not None:
                    ledger.cancel(ticket)
                return refusal(group, group.verdict.findings[0].code)(environ, start_response)
            if ticket is None:
                code = "TG305" if serializes else "TG307"
                return refusal(group, code, self._timeout)(environ, start_response)
            if serializes:
                environ["wsgi.multithread"] = False
            body = self._app(environ, start_response)
            if is_finished_on_return(body, environ):
                ledger.leave(ticket)
                return body
            return track_body(ledger, ticket, environ, body, group.before_chunk, serializes)
        except BaseException:
            for mine in ledger.calls_of(environ):
                ledger.leave(mine)
            raise


class Refuse(Policy):
    """Raise at startup; from the moment the verdict is threaded, answer every request with 503."""

    def at_startup(self, verdict: Verdict) -> None:
        """Raises `ThreadedDeploymentError` under a threaded verdict."""
        if verdict.status == THREADED:
            raise ThreadedDeploymentError(verdict)

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """See `Policy`."""
        group = self._group
        is_known = group.verdict.status == THREADED  # then what seems to be inside is being refused as well
        if not is_known and entry.other is None and not group.queue.line:
            group.ledger.keep_peak(ticket)
            return None
        group.ledger.cancel(ticket)
        if not is_known and entry.collision is None:
            return self._serve_in_turn  # a section is ahead
        if entry.collision is not None and not is_known:
            group.observe("TG302", environ, entry.collision)
        return refusal(group, group.verdict.findings[0].code)


class Log(Policy):
    """Let every request pass, and say what was found."""

    def answer(self, ticket: int, environ: Dict[str, Any], entry: Entry) -> Optional[WSGIApp]:
        """See `Policy`."""
        if entry.collision is not None:
            self._group.observe("TG301", environ, entry.collision)
        if entry.section is not None:
            self._group.observe("TG307", environ, entry.section)
        self._group.ledger.keep_peak()
        return None


class Serialize(Policy):
    """Let requests in one at a time."""

    handles_every_request = True

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        super().__init__(app, group, timeout)
        self.patience = timeout

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
        return self._serve_in_turn


POLICIES: Dict[str, Type[Policy]] = {"refuse": Refuse, "serialize": Serialize, "log": Log}
