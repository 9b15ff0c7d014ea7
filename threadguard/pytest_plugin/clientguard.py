"""The guard of what test clients call: it counts, reports and lets pass.

It goes the way of `threadguard.ThreadGuard`, with the same ledger, but asks nobody what the server is: none serves. So
a suite does not load the readers of thirty servers, whose objects would cost every collection of garbage in it more
than the counting does. Nor are bodies that one context reads in turns an overlap here, as they are behind an event
loop: a test may read two responses side by side.
"""

import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Tuple

from threadguard.process import contexts
from threadguard.guard.bodies import hand_out, runs_no_code
from threadguard.guard.ledger import SAME_PROCESS, Ledger
from threadguard.pytest_plugin.cases import KEPT

if TYPE_CHECKING:
    from threadguard.model import Finding, Stats

Environ = Dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

_REMEDY = ("find out which threads send requests; an application that can stand it is left out by"
           " @pytest.mark.threadguard(policy=\"off\")")


class ClientGuard:
    """One for all the applications of a suite: what is not thread-safe is the process's."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.reports: "Tuple[Finding, ...]" = ()
        """The overlaps, with both sides."""
        self.reports_kept = KEPT
        self._mutex = threading.Lock()

    @property
    def is_clean(self) -> bool:
        """Whether nobody is inside, and nothing was seen: the next test may have it."""
        return not self.reports and not self.ledger.inside

    def stats(self) -> "Stats":
        """The counts, of all the tests that have had it."""
        from threadguard.model import Stats
        in_flight, peak, requests, overlaps = self.ledger.counts()
        return Stats(in_flight, peak, requests, 0, overlaps, self.ledger.pid)

    @contexts.calls_the_application
    def call(self, app: WSGIApp, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send one request into *app*."""
        ledger = self.ledger
        inside = ledger.inside
        ticket = next(ledger.tickets)
        try:
            inside[ticket] = environ
            if (len(inside) > 1 or not ledger.marks[SAME_PROCESS]) and self._is_counted_already(ticket, environ):
                return app(environ, start_response)
            body = app(environ, start_response)
            if type(body) is list or runs_no_code(body, environ):
                inside.pop(ticket, None)
                return body
            return hand_out(ledger, ticket, environ, body)
        except BaseException:
            inside.pop(ticket, None)
            raise

    def _is_counted_already(self, ticket: int, environ: Environ) -> bool:
        """Whether a request that is inside sends this one; an overlap is reported."""
        ledger = self.ledger
        if ledger.was_forked():
            ledger.start_afresh(ticket, environ)
        around = ledger.look_around(ticket, environ)
        if around.same or around.nested:
            ledger.leave(ticket)
            return True
        if around.collision is not None and ledger.collect(around.collision):
            around = ledger.look_around(ticket, environ)
        if around.collision is not None:
            self._report(environ, around.collision)
        ledger.keep_peak()
        return False

    def _report(self, environ: Environ, other: int) -> None:
        from threadguard.report import text as report
        from threadguard.codes import CODES
        from threadguard.model import Finding
        self.ledger.count_overlap()
        if len(self.reports) >= self.reports_kept:
            return
        earlier, place = self.ledger.whereabouts(other)
        evidence = "in process %d\n  %s\n  %s" % (
            self.ledger.pid, report.side("inside", earlier, place),
            report.side("entering", environ, contexts.here()))
        with self._mutex:
            self.reports += (Finding("TG301", CODES["TG301"].title, evidence, _REMEDY),)
