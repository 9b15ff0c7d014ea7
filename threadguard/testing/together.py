"""Requests sent into an application at the same moment, each from a thread of its own.

It shows an author whether an application really cannot stand it: the answers are compared with those that the same
requests get alone. What is sent through a guard of `Entrance` waits behind the guard, where it counts as inside
already, until every other request is there too: so that the guard sees them together on the slowest machine, and
however quickly the application answers. From there on the interpreter switches between them as often as it can.

No pytest is needed: the fixture ``threadguard`` has this function as ``threadguard.together``.
"""

import sys
import threading
import traceback
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Tuple

from threadguard.errors import StillInside
from threadguard.process import stacks
from threadguard.testing.exchange import Exchange, exchange
from threadguard.testing.gate import PATIENCE, Gate, Place

__all__ = ["together"]

WSGIApp = Callable[[Dict[str, Any], Callable[..., Any]], Iterable[bytes]]

_SHORTEST = 1e-6
"""Seconds between two switches of threads: less is not accepted everywhere (see sys.setswitchinterval)."""

_here = threading.local()


class Entrance:
    """The application behind a guard, where a request that is sent by `together` waits for the others.

    :param waits: false where the guard lets in one at a time: the others cannot come.
    """

    def __init__(self, app: WSGIApp, waits: bool = True) -> None:
        self.app = app
        self.waits = waits

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Hand the request on, once the others are here."""
        place: Optional[Place] = getattr(_here, "place", None)
        if place is not None:
            place.wait() if self.waits else place.leave()
        return self.app(environ, start_response)


class _Switching:
    """The shortest switch interval, for as long as anybody is sending."""

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


def together(app: WSGIApp, requests: Sequence[Any], *, threads: Optional[int] = None, timeout: float = 30.0,
             patience: float = PATIENCE) -> List[Any]:
    """The responses of *app* to *requests*, in their order.

    :param requests: WebOb requests, objects of Werkzeug's `EnvironBuilder`, environs, paths. An environ need not be
        complete. WebOb's and Werkzeug's are answered with a response of their own kind, the others with a
        `webob.Response`.
    :param threads: how many are sent at the same moment, each from a thread of its own: these, then the next ones. All
        of them by default. 1: one after the other, in the thread that calls.
    :param timeout: seconds for each lot.
    :param patience: seconds that those who are inside wait for the others at the most, where something in front of the
        application (a lock) keeps them out.
    :raises StillInside: (a `TimeoutError`) with the stacks of those still inside, whose threads are left behind.

    What the application raises is raised here, for the first request that it was raised for.
    """
    if isinstance(requests, (str, Mapping)):
        raise TypeError("together takes a list of requests; %r is one request" % (requests,))
    exchanges = [exchange(request) for request in requests]
    at_once = len(exchanges) if threads is None else threads
    if at_once < 1 and exchanges:
        raise ValueError("together sends from 1 thread or more, not from %r" % (threads,))
    for first in range(0, len(exchanges), max(at_once, 1)):
        _send(app, exchanges[first:first + at_once], timeout, patience)
    return [one.response() for one in exchanges]


def _send(app: WSGIApp, exchanges: List[Exchange], timeout: float, patience: float) -> None:
    if len(exchanges) == 1:
        exchanges[0].run(app)
        return
    start, inside = Gate(len(exchanges), timeout), Gate(len(exchanges), patience)
    workers = [(threading.Thread(target=_run, args=(app, one, start.place(), inside.place()), daemon=True), one)
               for one in exchanges]
    with _switching:
        for thread, _ in workers:
            thread.start()
        for thread, _ in workers:
            thread.join(start.seconds_left())
    stuck = [(thread, one) for thread, one in workers if thread.is_alive()]
    if stuck:
        raise StillInside(_still_inside(stuck, timeout))


def _run(app: WSGIApp, one: Exchange, start: Place, inside: Place) -> None:
    _here.place = inside
    try:
        start.wait()
        one.run(app)
    finally:
        inside.leave()


def _still_inside(workers: List[Tuple[threading.Thread, Exchange]], timeout: float) -> str:
    frames = stacks.tops()
    lines = ["%d of the requests sent together had no answer after %g seconds:" % (len(workers), timeout)]
    for thread, one in workers:
        frame = frames.get(thread.ident or 0)
        lines += ["%s, in %s" % (one, thread.name), *(traceback.format_stack(frame) if frame is not None else ())]
    return "\n".join(line.rstrip("\n") for line in lines)
