"""Requests sent into an application at the same moment, each from a thread of its own.

It shows an author whether an application really cannot stand it: the responses are compared with those that the same
requests get alone. A request that is sent through a guard of an `Entrance` waits behind the guard, where it counts as
inside already, until every other request is there too: so the guard sees them together on the slowest machine, and
however quickly the application answers. From there on the interpreter switches between them as often as it can.

`together` sends; `SentRequest` is one request in the form in which it was made (WebOb, Werkzeug, a plain environ, a
path) with its response; `Gate` is the barrier that some of the threads may never reach. No pytest is needed: the
fixture ``threadguard`` has `together` as ``threadguard.together``.
"""

import importlib
import sys
import threading
import time
import traceback
import warnings
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple
from wsgiref.util import setup_testing_defaults

from threadguard.errors import StillInside
from threadguard.process import stacks
from threadguard.report import text as report

Environ = Dict[str, Any]
WSGIApp = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

PATIENCE = 5.0
"""Seconds after which a gate opens although a request is missing: something keeps it from coming."""
_SHORTEST = 1e-6
"""Seconds between two switches of threads: less is not accepted everywhere (see sys.setswitchinterval)."""

_here = threading.local()


def together(app: WSGIApp, requests: Sequence[Any], *, threads: Optional[int] = None, timeout: float = 30.0,
             patience: float = PATIENCE) -> List[Any]:
    """The responses of *app* to *requests*, in their order.

    :param requests: WebOb requests, objects of Werkzeug's `EnvironBuilder`, environs, paths. An environ need not be
        complete. WebOb's and Werkzeug's are answered with a response of their own kind, the others with a
        `webob.Response`.
    :param threads: how many are sent at the same moment, each from a thread of its own: these, then the next ones. All
        of them by default. 1: one after the other, in the thread that calls.
    :param timeout: seconds for each lot.
    :param patience: seconds that the requests inside wait for the others at the most, where something in front of the
        application (a lock) keeps them out.
    :raises StillInside: (a `TimeoutError`) with the stacks of those still inside, whose threads are left behind.

    What the application raises is raised here, for the first request that it was raised for.
    """
    if isinstance(requests, (str, Mapping)):
        raise TypeError("together takes a list of requests; %r is one request" % (requests,))
    sent = [SentRequest(request) for request in requests]
    at_once = len(sent) if threads is None else threads
    if at_once < 1 and sent:
        raise ValueError("together sends from 1 thread or more, not from %r" % (threads,))
    for first in range(0, len(sent), max(at_once, 1)):
        _send(app, sent[first:first + at_once], timeout, patience)
    return [one.response() for one in sent]


class Entrance:
    """The application behind a guard, where a request that is sent by `together` waits for the others.

    :param waits: false where the guard lets in one at a time: the others cannot come.
    """

    def __init__(self, app: WSGIApp, waits: bool = True) -> None:
        self.app = app
        self.waits = waits

    def __call__(self, environ: Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Hand the request on, once the others are here."""
        inside: Optional[Gate] = getattr(_here, "inside", None)
        if inside is not None:
            inside.wait(_here.number) if self.waits else inside.leave(_here.number)
        return self.app(environ, start_response)


def _send(app: WSGIApp, sent: "List[SentRequest]", timeout: float, patience: float) -> None:
    if len(sent) == 1:
        sent[0].run(app)
        return
    start, inside = Gate(len(sent), timeout), Gate(len(sent), patience)

    def run(number: int, one: SentRequest) -> None:
        _here.inside, _here.number = inside, number
        try:
            start.wait(number)
            one.run(app)
        finally:
            inside.leave(number)

    workers = [(threading.Thread(target=run, args=each, daemon=True), each[1]) for each in enumerate(sent)]
    with _switching:
        for thread, _ in workers:
            thread.start()
        for thread, _ in workers:
            thread.join(start.seconds_left())
    stuck = [(thread, one) for thread, one in workers if thread.is_alive()]
    if stuck:
        raise StillInside(_still_inside(stuck, timeout))


def _still_inside(workers: "List[Tuple[threading.Thread, SentRequest]]", timeout: float) -> str:
    frames = stacks.tops()
    lines = ["%d of the requests sent together had no answer after %g seconds:" % (len(workers), timeout)]
    for thread, one in workers:
        frame = frames.get(thread.ident or 0)
        lines += ["%s, in %s" % (one, thread.name), *(traceback.format_stack(frame) if frame is not None else ())]
    return "\n".join(line.rstrip("\n") for line in lines)


class _Switching:
    """The shortest switch interval, for as long as any call of `together` is sending."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._users = 0
        self._before = 0.0

    def __enter__(self) -> None:
        with self._mutex:
            if self._users == 0:
                self._before = sys.getswitchinterval()
                sys.setswitchinterval(_SHORTEST)
            self._users += 1

    def __exit__(self, *exc_info: object) -> None:
        with self._mutex:
            self._users -= 1
            if self._users == 0:
                sys.setswitchinterval(self._before)


_switching = _Switching()


class Gate:
    """A barrier for threads, each with a number from 0 to *expected*, that some of them may never reach.

    :param patience: seconds after which it opens in any case.
    """

    def __init__(self, expected: int, patience: float) -> None:
        self._mutex = threading.Lock()
        self._expected = set(range(expected))
        self._open = threading.Event()
        self._end = time.monotonic() + patience

    def seconds_left(self) -> float:
        """Until it opens in any case."""
        return max(0.0, self._end - time.monotonic())

    def leave(self, number: int) -> bool:
        """The thread comes, or comes no more. Whether it was expected still."""
        with self._mutex:
            was_expected = number in self._expected
            self._expected.discard(number)
            if not self._expected:
                self._open.set()
            return was_expected

    def wait(self, number: int) -> None:
        """Come, and wait for the others; at the second time there is nothing to wait for."""
        if self.leave(number):
            self._open.wait(self.seconds_left())


class SentRequest:
    """A plain environ, made of a request of any form, and the response to it, in the form that goes with it.

    Raises `TypeError` where the request is of no kind that is known.
    """

    def __init__(self, request: Any) -> None:
        self.request = request
        self.environ = _environ_of(request)
        self._status = ""
        self._headers: List[Tuple[str, str]] = []
        self._chunks: List[bytes] = []
        self._raised: Optional[BaseException] = None
        self.is_given_up = False
        """Whether nothing waits for the response any more: then a body without an end is left."""

    def __str__(self) -> str:
        """With the query: who reads it has sent it."""
        query = self.environ.get("QUERY_STRING")
        return report.request_line(self.environ) + (report.escaped("?" + query) if query else "")

    def run(self, app: Callable[..., Iterable[bytes]]) -> None:
        """Send the request and read the response to its end. Nothing is raised before `response` is asked for."""
        try:
            self._read(app(self.environ, self._start_response))
        except BaseException as error:  # noqa: B902  raised where the response is asked for
            self._raised = error

    def _read(self, body: Iterable[bytes]) -> None:
        try:
            for chunk in body:
                self._chunks.append(chunk)
                if self.is_given_up:
                    break
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _start_response(self, status: str, headers: List[Tuple[str, str]],
                        exc_info: Any = None) -> Callable[[bytes], object]:
        if exc_info and self._chunks:
            raise exc_info[1].with_traceback(exc_info[2])
        self._status, self._headers = status, list(headers)
        return self._chunks.append

    def response(self) -> Any:
        """The response. Raises what the application raised, and `RuntimeError` where it never began one."""
        if self._raised is not None:
            raise self._raised
        if not self._status:
            raise RuntimeError("the application answered %s without a call of start_response" % self)
        body = b"".join(self._chunks)
        if hasattr(self.request, "get_environ"):  # as Werkzeug's test client answers, Flask's included
            test: Any = sys.modules["werkzeug.test"]  # where the builder comes from
            request = self.request.request_class(self.environ)
            return test.TestResponse([body], self._status, test.Headers(self._headers), request)
        kind = getattr(self.request, "ResponseClass", None) or _webob().Response
        return kind(status=self._status, headerlist=self._headers, app_iter=[body])


def _environ_of(request: Any) -> Environ:
    """An environ of its own, complete as PEP 3333 asks: the same request may be sent twice at once."""
    environ: Environ
    if isinstance(request, dict):
        environ = {"QUERY_STRING": "", "SCRIPT_NAME": "", **request}
        setup_testing_defaults(environ)
    elif isinstance(request, str):
        environ = _webob().Request.blank(request).environ
    elif hasattr(request, "get_environ"):
        environ = request.get_environ()
    elif hasattr(request, "environ") and hasattr(request, "ResponseClass"):
        environ = request.copy().environ  # the body can be read from each of two copies
    else:
        raise TypeError("together sends WebOb requests, Werkzeug EnvironBuilders, environs and paths; %r is none of"
                        " these" % (request,))
    return environ


def _webob() -> Any:
    """WebOb 1.8 imports cgi, which Python 3.11 and 3.12 call deprecated: not a matter of the test that sends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("webob")
