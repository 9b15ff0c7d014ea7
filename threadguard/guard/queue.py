"""The queue of ``serialize``: one request of a group at a time, those who wait in the order in which they came.

The turn is the ledger's: who is in it alone has it. The queue is the line of those who wait for that, without any lock.
The line refers to them weakly, so that one whose call has ended, however it ended, no longer stands in it.
"""

import time
import weakref
from typing import Any, Callable, Optional

from threadguard.guard.ledger import Ledger
from threadguard.guard.pending import GRACE, SectionEntry
from threadguard.process import contexts
from threadguard.process.waiting import TaskWaiter, ThreadWaiter, Waiter, new_waiter

_SLICE = 0.5
"""Seconds after which the first in line looks for itself: what holds the turn can end without telling, by losing its
thread, or its last reference, as part of a cycle that the collector has not seen."""

_SHORT_SLICE = 0.02
"""The same where the holder is a generator, which was handed out as it is and tells of its end only if it is looked at
or gone."""


_queues: "weakref.WeakSet[RequestQueue]" = weakref.WeakSet()
"""Those of every group."""


class AnotherWaits(Exception):
    """A request of another context waits already: *request*."""

    def __init__(self, request: Any) -> None:
        super().__init__()
        self.request = request


class RequestQueue:
    """The line in front of a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.line = ledger.line
        _queues.add(self)

    def acquire(self, request: Any, seconds: float, log_stuck: Callable[[int], object],
                is_only: bool = False) -> Optional[int]:
        """A ticket that is inside, and alone; None where it cannot be had within *seconds*.

        *request* is an environ, or a section's entry. *log_stuck* is called with the ticket that held the turn all the
        while, if one did. With *is_only*, `AnotherWaits` is raised where another request waits already.
        """
        ticket = None if self.line else self._enter(request, seconds)
        if ticket is not None:
            return ticket
        holder = self._ledger.holder(seconds)
        waiter = self._new_waiter(request, holder)
        if waiter is None:
            return self._enter(request, seconds) if holder is None and not self.line else None
        ticket = self._wait(waiter, request, seconds, is_only)
        if ticket is None and holder is not None and holder == self._ledger.holder(seconds):
            log_stuck(holder)
        return ticket

    async def acquire_in_task(self, request: Any, seconds: float) -> Optional[int]:
        """The same for an asyncio task: others of its event loop go on while it waits."""
        waiter: Any = TaskWaiter()
        place, ticket, end = weakref.ref(waiter, self._forget), None, time.monotonic() + seconds
        try:
            self.line.append(place)
            while True:
                ticket = self._enter(request, seconds) if self._is_first(waiter) else None
                left = end - time.monotonic()
                if ticket is not None or left <= 0:
                    return ticket
                if not await waiter.wait(min(left, self._slice())) and self._is_first(waiter):
                    self._collect()
        finally:
            self.leave(place, has_entered=ticket is not None)

    def waiting_request(self, before: "Optional[Waiter]" = None) -> Any:
        """The environ of the first request that waits, *before* another waiter if that is given; None if none does."""
        for place in list(self.line):
            waiter = place()
            if waiter is not None and waiter is before:
                break
            request = getattr(waiter, "request", None)
            if isinstance(request, dict):
                return request
        return None

    def _new_waiter(self, request: Any, holder: Optional[int]) -> Optional[Waiter]:
        entry = None if holder is None else self._ledger.inside.get(holder)
        if type(entry) is SectionEntry and entry.context.ident != contexts.get_ident():
            waiter: Optional[Waiter] = new_waiter({}) or ThreadWaiter()  # whatever stops here, its thread goes on
        else:
            waiter = None if self._would_stop(holder) else new_waiter(request if isinstance(request, dict) else {})
        if waiter is not None:
            waiter.request = request
        return waiter

    def _would_stop(self, holder: Optional[int]) -> bool:
        """Whether *holder* is a body that the calling context itself is to go on with."""
        pending = None if holder is None else self._ledger.pending_response(holder)
        return pending is not None and not pending.is_read_elsewhere and pending.context == contexts.current()

    def _wait(self, waiter: Waiter, request: Any, seconds: float, is_only: bool) -> Optional[int]:
        place, ticket, looked = weakref.ref(waiter, self._forget), None, time.monotonic()
        end = looked + seconds
        try:
            self._stand_in_line(place, waiter)
            other = self.waiting_request(before=waiter) if is_only else None
            if other is not None:
                raise AnotherWaits(other)
            if len(_queues) > 1 and self._is_deadlocked(request):
                self._ledger.report_deadlock(request)
                return None
            # What left just before *waiter* stood in line has woken nothing: look again before the first waiting.
            while True:
                ticket = self._enter(request, seconds) if self._is_first(waiter) else None
                left = end - time.monotonic()
                if ticket is not None or left <= 0:
                    return ticket
                waiter.wait(min(left, self._slice()))
                if time.monotonic() - looked >= _SLICE and self._is_first(waiter):
                    self._collect()
                    looked = time.monotonic()
        finally:
            self.leave(place, has_entered=ticket is not None)

    def _stand_in_line(self, place: "weakref.ref[Waiter]", waiter: Any) -> None:
        """Last; but before those whose thread *waiter* stops: a signal's handler runs on top of what it interrupts."""
        for index, earlier in enumerate(list(self.line)):
            if getattr(earlier(), "ident", None) == getattr(waiter, "ident", self):
                return self.line.insert(index, place)
        self.line.append(place)

    def leave(self, place: "weakref.ref[Waiter]", has_entered: bool = False) -> None:
        """*place* is given up; the next in line may enter, unless it was given up to enter."""
        try:
            self.line.remove(place)
        except ValueError:  # it was cleared away already
            pass
        if not has_entered:
            self._ledger.wake_next()
        self._ledger.set_fast_path()

    def _is_deadlocked(self, request: Any) -> bool:
        """Whether what holds this turn waits for a turn of another group that *request* holds.

        So it is where guards of two groups are nested in opposite order, around the same environ.
        """
        holders = list(self._ledger.inside.values())
        for other in list(_queues):
            if other is not self and other._ledger.calls_of(request):
                waiting = [getattr(place(), "request", None) for place in list(other.line)]
                if any(each is not None and any(each is holder for holder in holders) for each in waiting):
                    return True
        return False

    def _forget(self, place: "weakref.ref[Waiter]") -> None:
        """Who waited at *place* is gone: it was interrupted just as it left."""
        self.leave(place)

    def _is_first(self, waiter: Waiter) -> bool:
        for place in list(self.line):
            first = place()
            if first is not None:
                return first is waiter
        return False

    def _slice(self) -> float:
        """How long to wait before the next look, if nothing wakes who waits."""
        holder = next(iter(list(self._ledger.inside)), None)
        pending = None if holder is None else self._ledger.pending_response(holder)
        if pending is None:
            return _SLICE
        if pending.is_seen_late():
            return _SHORT_SLICE
        if pending.ended_at is not None:
            return max(_SHORT_SLICE, pending.ended_at + GRACE - time.monotonic())
        return _SLICE

    def _collect(self) -> None:
        """Have it looked for garbage, and for calls that ended without leaving: the holder may be such."""
        for holder in list(self._ledger.inside)[:1]:
            self._ledger.collect(holder)

    def _enter(self, request: Any, patience: float) -> Optional[int]:
        ledger = self._ledger
        if ledger.inside and ledger.holder(patience) is not None:
            return None
        ticket = next(ledger.tickets)
        ledger.inside[ticket] = request
        if len(ledger.inside) > 1 and ledger.classify(ticket, request, patience).other is not None:
            ledger.cancel(ticket)
            return None
        return ticket
