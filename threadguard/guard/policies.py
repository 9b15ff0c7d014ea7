"""What is done on a threaded verdict: refuse, serialize or log. One shape, one table.

A policy is asked at startup, and on a request whenever it is not alone or there is something to look at. It answers
with None (the request enters) or with the WSGI application that takes its place.
"""

from typing import Any, Callable, Dict, Iterable, Optional, Protocol, Type

from threadguard.process import contexts
from threadguard.errors import ThreadedDeploymentError as ThreadedDeploymentError
from threadguard.guard.bodies import is_finished_on_return, track_body
from threadguard.guard.group import Group
from threadguard.model import THREADED, Verdict
from threadguard.process.webob import Response

WSGIApp = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def unavailable(code: str, retry_after: Optional[float] = None) -> WSGIApp:
    """An application that answers 503: one line with *code*, no settings, no stacks."""
    reason = "busy: requests are served one at a time" if retry_after else "this process is not single-threaded"
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

    def answer(self, ticket: int, environ: Dict[str, Any], collision: Optional[int]) -> Optional[WSGIApp]:
        """*ticket* is inside for *environ*, with *collision* before it if that is not None.

        Returns the application that takes the place of the guarded one; None where the request enters.
        """


class Refuse:
    """Raise at startup; from the moment the verdict is threaded, answer every request with 503."""

    handles_every_request = False
    patience: Optional[float] = None

    def __init__(self, app: WSGIApp, group: Group, timeout: float) -> None:
        self._group = group

    def at_startup(self, verdict: Verdict) -> None:
        """Raises `ThreadedDeploymentError` under a threaded verdict."""
        if verdict.status == THREADED:
            raise ThreadedDeploymentError(verdict)

    def log_findings(self) -> None:
        """See `Policy`."""
        self._group.log_findings()

    def answer(self, ticket: int, environ: Dict[str, Any], collision: Optional[int]) -> Optional[WSGIApp]:
        """See `Policy`."""
        group = self._group
        is_known = group.verdict.status == THREADED  # then whoever seems to be inside is being refused as well
        if collision is None and not is_known:
            group.ledger.keep_peak(ticket)
            return None
        group.ledger.cancel(ticket)
        if collision is not None and not is_known:
            group.observe("TG302", environ, collision)
        group.count_refused()
        return unavailable(group.verdict.findings[0].code)


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

    def answer(self, ticket: int, environ: Dict[str, Any], collision: Optional[int]) -> Optional[WSGIApp]:
        """See `Policy`."""
        if collision is not None:
            self._group.observe("TG301", environ, collision)
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

    def answer(self, ticket: int, environ: Dict[str, Any], collision: Optional[int]) -> Optional[WSGIApp]:
        """See `Policy`."""
        group = self._group
        if collision is None and not group.queue.line:
            environ["wsgi.multithread"] = False
            return None
        group.ledger.cancel(ticket)  # which wakes the first in line, who may have met this one
        if collision is not None:
            group.log_serialized(waited=True)
        return self._in_turn

    @contexts.calls_the_application
    def _in_turn(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Wait for the turn, and give it back when the response is finished."""
        __traceback_hide__ = True  # noqa: F841
        group = self._group
        ledger = group.ledger
        try:  # around the acquiring as well: a signal's handler may raise as soon as the turn is had
            ticket = group.queue.acquire(environ, self._timeout, group.log_stuck)
            if ticket is None:
                group.count_refused()
                return unavailable("TG305", self._timeout)(environ, start_response)
            environ["wsgi.multithread"] = False
            body = self._app(environ, start_response)
            if is_finished_on_return(body, environ):
                ledger.leave(ticket)
                return body
            return track_body(ledger, ticket, environ, body, group.before_chunk, serializes=True)
        except BaseException:
            for mine in ledger.calls_of(environ):
                ledger.leave(mine)
            raise


POLICIES: Dict[str, Type[Policy]] = {"refuse": Refuse, "serialize": Serialize, "log": Log}
