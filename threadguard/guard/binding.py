"""The option ``thread``: the application runs on one thread, because something in it is bound to that.

sqlite's connections, Playwright's sync API and COM want the thread that made them (``same``); signals, GUI toolkits and
matplotlib's windows want the main one (``main``). The guard calls a `ThreadBound` in place of the application. Calls
that are nested in a request do not come here.
"""

import os
import sys
import threading
from typing import Any, Callable, Dict, Iterable, Optional

from threadguard.codes import CODES
from threadguard.guard.group import Group
from threadguard.guard.policies import WSGIApp, unavailable
from threadguard.model import Finding, Reading, ThreadName
from threadguard.process import contexts
from threadguard.report import text as report
from threadguard.servers import never_runs_on_main
from threadguard.servers.origin import Origin

ON_MAIN = ("a server that runs requests on the main thread: gunicorn --worker-class sync --threads 1, or uWSGI without"
           " threads; code that only has to stay on one thread can do with thread = same")

ON_ONE = ("a server that runs every request on one thread, such as gunicorn --worker-class sync --threads 1 or waitress"
          " with threads = 1; for more throughput start more processes")


def finding_at_startup(reading: Optional[Reading]) -> Optional[Finding]:
    """That the server of *reading* runs no request on the main thread (TG105), if it is known to be so."""
    if reading is None or not never_runs_on_main(reading):
        return None
    return Finding("TG105", "%s never runs requests on the main thread, and thread = main is set" % reading.server,
                   reading.evidence, ON_MAIN, reading.file, reading.line)


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
        self._wanted: Any = None
        """The `contexts.Context` of ``same``, the identifier of the main thread; None until it is known."""
        self._current: Callable[[], Any] = contexts.get_ident if thread == "main" else _context
        self._forget()

    def _forget(self) -> None:
        self._wanted = None
        self._life: Optional[contexts.Life] = None
        self._is_certain = False
        """Whether it is the server's own thread, and not only one of which nothing is known."""
        self._pid = os.getpid()

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        if self._current() != self._wanted:
            replacement = self._compare(environ)
            if replacement is not None:
                return replacement(environ, start_response)
        return self._app(environ, start_response)

    def _compare(self, environ: Dict[str, Any]) -> Optional[WSGIApp]:
        """What takes the place of the application, if this is not the thread that is wanted."""
        if self._pid != os.getpid():
            self._forget()
        if self._thread == "main":
            if not _is_main_thread():
                return self._report(environ, "the main thread")
            self._wanted = contexts.get_ident()
        elif not self._takes(environ):
            return None if self._wanted is None else self._report(environ, contexts.name_of(self._wanted.ident))
        return None

    def _takes(self, environ: Dict[str, Any]) -> bool:
        """Whether the context of this request becomes the wanted one: until a request has come from the server."""
        if self._is_certain:
            return False
        origin = self._group.origin_of(environ)
        known_to_live = self._life is not None and contexts.is_alive(self._life)
        if origin is not Origin.SERVER and not (origin is Origin.PLAIN and not known_to_live):
            return False
        self._wanted, self._life = self._current(), contexts.my_life()
        self._is_certain = origin is Origin.SERVER
        return True

    def _report(self, environ: Dict[str, Any], wanted: str) -> Optional[WSGIApp]:
        group = self._group
        group.observe_thread(Finding(
            "TG207", CODES["TG207"].title, "in process %d, thread = %s\n  wanted: %s\n  %s" % (
                self._pid, self._thread, wanted, report.side("entering", environ, contexts.here())),
            ON_MAIN if self._thread == "main" else ON_ONE))
        if not self._refuses:
            return None
        for ticket in group.ledger.calls_of(environ):
            group.ledger.cancel(ticket)
        group.count_refused()
        return unavailable("TG207")


def _context() -> contexts.Context:
    """The calling context; under an event loop the thread, which runs all of its tasks."""
    context = contexts.current()
    return contexts.Context(context.ident, 0) if contexts.event_loop_runs() else context


def _is_main_thread() -> bool:
    """Whether this is the OS main thread. `threading` does not know it in a child that was forked without hooks."""
    if sys.platform == "linux":
        return threading.get_native_id() == os.getpid()
    return threading.main_thread().ident == contexts.get_ident()
