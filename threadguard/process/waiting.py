"""Waiting with the primitive of the context that waits.

A plain lock would stop gevent's or eventlet's hub, and with it the greenlet that one waits for. Where any waiting would
stop the others (an event loop, uWSGI's async mode, a greenlet hub that is not known) there is no waiter.
"""

import sys
from typing import Any, Callable, Dict, NamedTuple, Optional, Protocol

from threadguard.process import contexts
from threadguard.process.facts import getattr_path, is_instance


class Waiter(Protocol):
    """What waits; `wake` may come before `wait`, and more than once."""

    request: Any
    """What waits for the turn: an environ, or a section's entry."""

    def wait(self, seconds: float) -> None:
        """Wait for `wake`, for *seconds* at the most."""

    def wake(self) -> None:
        """End the waiting. Called from any thread."""


class ThreadWaiter:
    """An OS thread."""

    request: Any = None

    def __init__(self) -> None:
        self.ident = contexts.get_ident()
        self._lock = contexts.new_lock()
        self._lock.acquire()

    def wait(self, seconds: float) -> None:
        """See `Waiter`."""
        self._lock.acquire(True, seconds)

    def wake(self) -> None:
        """See `Waiter`."""
        try:
            self._lock.release()
        except RuntimeError:  # woken already: one waking is enough
            return


class GeventWaiter:
    """A greenlet of gevent's hub."""

    request: Any = None

    def __init__(self) -> None:
        from gevent.event import Event
        self._event = Event()

    def wait(self, seconds: float) -> None:
        """See `Waiter`."""
        self._event.wait(seconds)
        self._event.clear()

    def wake(self) -> None:
        """See `Waiter`."""
        self._event.set()


class EventletWaiter:
    """A greenlet of eventlet's hub."""

    request: Any = None

    def __init__(self) -> None:
        from eventlet.semaphore import Semaphore
        self._semaphore = Semaphore(0)

    def wait(self, seconds: float) -> None:
        """See `Waiter`."""
        self._semaphore.acquire(timeout=seconds)

    def wake(self) -> None:
        """See `Waiter`."""
        self._semaphore.release()


class TaskWaiter:
    """An asyncio task."""

    request: Any = None

    def __init__(self) -> None:
        import asyncio
        self.ident = contexts.get_ident()
        self._loop, self._event = asyncio.get_running_loop(), asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """See `Waiter`; to be awaited, and whether it was woken."""
        import asyncio
        try:
            await asyncio.wait_for(self._event.wait(), seconds)
        except asyncio.TimeoutError:
            return False
        self._event.clear()
        return True

    def wake(self) -> None:
        """See `Waiter`."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop was closed: nothing waits any more
            return


def new_waiter(environ: Dict[str, Any]) -> Optional[Waiter]:
    """A waiter for this context, or None where any waiting would stop the one that is waited for."""
    if "x-wsgiorg.fdevent.readable" in environ and not _in_child_greenlet():
        return None
    if contexts.event_loop_runs() and not _in_child_greenlet():
        return None  # also where a hub was left behind in this thread
    hub = _hub()
    if _in_child_greenlet():
        if hub is not None:
            return hub.waiter() if _runs_under(hub.greenlet) else None
        return ThreadWaiter() if _is_pool_worker(_greenlet()) else None
    if hub is None:
        return ThreadWaiter()
    return None if _greenlet() is hub.greenlet else hub.waiter()


class _Hub(NamedTuple):
    greenlet: Any
    waiter: Callable[[], Waiter]


def _greenlet() -> Any:
    getcurrent = getattr_path(sys.modules.get("greenlet"), "getcurrent")
    return None if getcurrent is None else getcurrent()


def _in_child_greenlet() -> bool:
    return getattr_path(_greenlet(), "parent") is not None


def _is_pool_worker(greenlet: Any) -> bool:
    """Whether it is the only one of a thread of gevent's pool (gevent/threadpool.py `_WorkerGreenlet`)."""
    worker = getattr_path(sys.modules.get("gevent.threadpool"), "_WorkerGreenlet")
    return worker is not None and is_instance(greenlet, worker)


def _runs_under(hub: Any) -> bool:
    """Whether *hub* runs this greenlet: it is its parent, or one further up. A hub may be left over in the thread."""
    greenlet = getattr_path(_greenlet(), "parent")
    while greenlet is not None and greenlet is not hub:
        greenlet = greenlet.parent
    return greenlet is not None


def _hub() -> Optional[_Hub]:
    """The hub of this thread: gevent/_hub_local.py keeps one for each thread, and so does eventlet/hubs/__init__.py."""
    gevent_hub = getattr_path(sys.modules.get("gevent._hub_local"), "get_hub_if_exists")
    greenlet = gevent_hub() if gevent_hub is not None else None
    if greenlet is not None:
        return _Hub(greenlet, GeventWaiter)
    greenlet = getattr_path(sys.modules.get("eventlet.hubs"), "_threadlocal.hub.greenlet")
    return None if greenlet is None else _Hub(greenlet, EventletWaiter)
