"""The option ``thread``: the application runs on one thread, because something in it is bound to that.

sqlite's connections, Playwright's sync API and COM want the thread that made them (``same``); signals, GUI toolkits and
matplotlib's windows want the main one (``main``). The guard calls a `ThreadBound` in place of the application.

The main thread is known from the beginning. The thread of ``same`` is that of the first request that comes from the
server; what comes from elsewhere never decides, and nothing is compared with it until then. Of a server that nobody
wrote a reader for it may never be certain which calls are its own. So a call on a thread of which nothing is known is
taken for the server's until a certain one comes, another one beside it is reported, and neither is refused.
"""

import os
import sys
import threading
import weakref
from typing import Any, Callable, Dict, Iterable, Optional, Tuple

from threadguard.codes import CODES
from threadguard.errors import ThreadedDeploymentError
from threadguard.guard.group import Group
from threadguard.guard.policies import WSGIApp, refusal
from threadguard.model import THREADED, Finding, ThreadName
from threadguard.process import contexts
from threadguard.report import text as report
from threadguard.servers.evidence import Evidence
from threadguard.servers.main_thread import finding_on_main, remedy_on_main, remedy_on_one
from threadguard.servers.origin import Origin

_number_of_thread: Callable[[], int] = contexts.original("get_native_id")
"""Of the thread, as the operating system counts: `get_ident` gives the number of a thread that has ended to the next
one, and thread-local data is lost where a server written in C takes the thread state away between two requests."""

_MANY = 8
"""So many threads that end one after the other are no timers that warm an application up: there is one for each
request."""


class ThreadBound:
    """*app*, which is called on one thread only: on any other one the request is refused, or reported.

    :param thread: ``main``, or ``same``: the context of the first request that comes from the server.
    :param refuses: whether a request on another thread is answered 503.
    """

    def __init__(self, app: WSGIApp, group: Group, thread: ThreadName, refuses: bool) -> None:
        self._app = app
        self._group = group
        self._thread = thread
        self._refuses = refuses
        self._current: Callable[[], Any] = contexts.get_ident if thread == "main" else _context
        self._forget()

    def _forget(self) -> None:
        self._wanted: Any = None
        """What `_current` gives on the wanted thread; None until that is certain."""
        self._name = "the main thread"
        self._likely: Any = None
        """The context that may be the server's, until one certainly is; and its life."""
        self._life: Optional[contexts.Life] = None
        self._calls = 0
        self._ended = 0
        """How many threads that may have been the server's have ended, one after the other."""
        self._pid = os.getpid()

    def check_server(self, evidence: Evidence, may_raise: bool) -> None:
        """Say it (TG105) if the main thread is wanted and the server never runs requests there; under refuse raise."""
        finding = finding_on_main(evidence.of_server) if self._thread == "main" else None
        if finding is not None and self._refuses and may_raise:
            raise ThreadedDeploymentError(evidence.verdict_with(finding))
        if finding is not None:
            self._group.log_finding(finding)

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any],
                 decides: bool = True) -> Iterable[bytes]:
        """Serve one request. In the turn of another one, or of a section, it never *decides* for a thread."""
        if self._current() == self._wanted or self._may_run(environ, decides):
            return self._app(environ, start_response)
        ledger = self._group.ledger
        for ticket in ledger.calls_of(environ) if decides else ():
            ledger.cancel(ticket)
        return refusal(self._group, "TG207")(environ, start_response)

    def _may_run(self, environ: Dict[str, Any], decides: bool) -> bool:
        """Whether the application may run here, as far as is known; what is wrong is reported."""
        if self._pid != os.getpid():
            self._forget()
        if self._thread == "main" and _is_main_thread():
            self._wanted = contexts.get_ident()
            return True
        if self._thread == "same" and self._wanted is None:
            if decides:
                self._find_server(environ)
            return True
        self._report(environ)
        return not self._refuses

    def _find_server(self, environ: Dict[str, Any]) -> None:
        """Decide for the context of this request, if it comes from the server."""
        here = self._current()
        self._calls += 1
        if here == self._likely and self._calls & (self._calls - 1):
            return  # where it is never certain, the 2nd, 4th, 8th … call of the same context is looked at
        origin = self._group.origin_of(environ)
        if origin is Origin.SERVER:
            self._wanted, self._name = here, contexts.name_of(contexts.get_ident())
        elif origin is Origin.PLAIN and here != self._likely:
            is_over = self._life is not None and not contexts.is_alive(self._life)
            self._ended += is_over
            if self._ended >= _MANY or self._life is not None and not (is_over or _is_main_thread()):
                self._report(environ)
            else:
                self._likely, self._life = here, contexts.my_life()
                self._name = contexts.name_of(contexts.get_ident())

    def _report(self, environ: Dict[str, Any]) -> None:
        evidence = self._group.evidence
        if self._thread == "main":
            remedy = remedy_on_main(evidence.of_server)
        else:
            remedy = evidence.remedy if evidence.verdict.status == THREADED else remedy_on_one(evidence.of_server)
        self._group.observe_thread(lambda: Finding(
            "TG207", CODES["TG207"].title, "in process %d, thread = %s\n  wanted: %s\n  %s" % (
                self._pid, self._thread, self._name, report.side("entering", environ, contexts.here())), remedy))


def _context() -> "Tuple[int, Optional[weakref.ref[Any]]]":
    """The calling thread, and the greenlet within it; under an event loop the thread, which runs all of its tasks."""
    greenlet = sys.modules.get("greenlet")
    if greenlet is None or greenlet.getcurrent().parent is None or contexts.event_loop_runs():
        return _number_of_thread(), None
    return _number_of_thread(), weakref.ref(greenlet.getcurrent())


def _is_main_thread() -> bool:
    """Whether this is the OS main thread. `threading` does not know it in a child that was forked without hooks."""
    if sys.platform == "linux":
        return threading.get_native_id() == os.getpid()
    return threading.main_thread().ident == contexts.get_ident()
