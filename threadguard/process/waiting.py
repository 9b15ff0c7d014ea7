"""Waiting with the primitive of the context that waits.

A plain lock would stop gevent's or eventlet's hub, and with it the greenlet that one waits for. Where any waiting would
stop the others (an event loop, uWSGI's async mode, a greenlet hub that is not known) there is no waiter.
"""

import sys
from time import monotonic
from typing import Any, Dict, Optional, Tuple

from threadguard.process import contexts
from threadguard.process.facts import getattr_path, is_instance

_LOOK = 0.02
"""Seconds after which a greenlet of eventlet's looks whether another thread has woken it."""


class Waiter:
    """What waits until it is woken: *lock*, which is taken, or a semaphore at 0, is its own.

    *stops_thread*: whatever else the thread runs, its other greenlets or the tasks of its loop, stands still meanwhile.
    """

    request: Any = None
    """What waits for the turn: an environ, or a section's entry."""
    context: Optional[contexts.Context] = None
    """The context that waits for the turn."""
    life: Optional[contexts.Life] = None
    """Of that context, which may end while it waits: a greenlet's thread."""
    ticket: Optional[int] = None
    """The turn, once it is had."""

    def __init__(self, lock: Any, stops_thread: bool = False) -> None:
        self._lock = lock
        self.stops_thread = stops_thread

    def wait(self, seconds: float) -> None:
        """Wait for `wake`, for *seconds* at the most."""
        self._lock.acquire(timeout=seconds)

    def wake(self) -> None:
        """End the waiting. It may come from any thread, before `wait`, and more than once."""
        try:
            self._lock.release()
        except RuntimeError:  # a lock that was released already: one waking is enough
            return


class EventletWaiter(Waiter):
    """A greenlet of eventlet's: where another thread wakes it, it looks for that itself.

    Its semaphore would be released in the hub of the thread that calls (eventlet/semaphore.py `release`): that is made
    if there is none, and cannot switch to a greenlet of another thread.
    """

    def __init__(self, semaphore: Any) -> None:
        super().__init__(semaphore)
        self._ident = contexts.get_ident()
        self._is_woken = False

    def wait(self, seconds: float) -> None:
        """See `Waiter`."""
        end = monotonic() + seconds
        while not self._is_woken and monotonic() < end:
            self._lock.acquire(timeout=min(seconds, _LOOK))
        self._is_woken = False

    def wake(self) -> None:
        """See `Waiter`."""
        self._is_woken = True
        if contexts.get_ident() == self._ident:
            super().wake()


def new_thread_waiter() -> Waiter:
    """A waiter that stops the whole thread."""
    lock = contexts.new_lock()
    lock.acquire()
    return Waiter(lock, stops_thread=True)


def new_waiter(environ: Dict[str, Any]) -> Optional[Waiter]:
    """A waiter for this context, or None where any waiting would stop the one that is waited for."""
    getcurrent = getattr_path(sys.modules.get("greenlet"), "getcurrent")
    me = None if getcurrent is None else getcurrent()
    is_child = getattr_path(me, "parent") is not None
    if not is_child and ("x-wsgiorg.fdevent.readable" in environ or contexts.event_loop_runs()):
        return None  # also where a hub was left behind in this thread
    hub, make = _hub()
    if hub is None:
        return new_thread_waiter() if not is_child or _is_pool_worker(me) else None
    may_wait = me is not hub and (not is_child or _runs_under(hub, me))
    return make() if may_wait else None


async def sleep(seconds: float) -> None:
    """Let other tasks of this event loop run, trio's or one of asyncio's kind."""
    is_trio = type(contexts.current_task()).__module__.startswith("trio.")
    await sys.modules["trio" if is_trio else "asyncio"].sleep(seconds)


def _is_pool_worker(greenlet: Any) -> bool:
    """Whether it is the only one of a thread of gevent's pool (gevent/threadpool.py `_WorkerGreenlet`)."""
    worker = getattr_path(sys.modules.get("gevent.threadpool"), "_WorkerGreenlet")
    return worker is not None and is_instance(greenlet, worker)


def _runs_under(hub: Any, greenlet: Any) -> bool:
    """Whether *hub* runs *greenlet*: it is its parent, or one further up. A hub may be left over in the thread."""
    while greenlet is not None and greenlet is not hub:
        greenlet = greenlet.parent
    return greenlet is not None


def _hub() -> Tuple[Any, Any]:
    """The hub of this thread and what makes a waiter in it; the hub is None where there is none.

    gevent/_hub_local.py keeps one hub for each thread, and so does eventlet/hubs/__init__.py.
    """
    gevent_hub = getattr_path(sys.modules.get("gevent._hub_local"), "get_hub_if_exists")
    hub = None if gevent_hub is None else gevent_hub()
    if hub is not None:
        return hub, lambda: Waiter(__import__("gevent.lock").lock.Semaphore(0))
    hub = getattr_path(sys.modules.get("eventlet.hubs"), "_threadlocal.hub.greenlet")
    return hub, lambda: EventletWaiter(__import__("eventlet.semaphore").semaphore.Semaphore(0))
