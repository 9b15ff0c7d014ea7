"""The queue of ``serialize``, and of sections: one of a group at a time, in the order in which they came.

The turn is the ledger's: who is in it alone has it. The queue is the line of those who wait for that, without any lock.
The line refers to them weakly, so that one whose call has ended, however it ended, no longer stands in it.
"""

import time
import weakref
from contextlib import closing
from typing import Any, Callable, Generator, List, Optional

from threadguard.guard.ledger import Ledger
from threadguard.guard.pending import GRACE, PendingResponse, SectionEntry
from threadguard.process import contexts
from threadguard.process.waiting import Waiter, new_thread_waiter, new_waiter, sleep

_SLICE = 0.5
"""Seconds after which the first in line looks for itself: what holds the turn can end without telling, by losing its
thread, or its last reference, as part of a cycle that the collector has not seen."""

_SHORT_SLICE = 0.02
"""The same where the holder is a generator, which was handed out as it is and tells of its end only if it is looked at
or gone; and for a task, which asyncio and trio wake from another thread in ways of their own."""

_queues: "weakref.WeakSet[RequestQueue]" = weakref.WeakSet()
"""Those of every group."""


class RequestQueue:
    """The line in front of a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.line = ledger.line
        self.report_deadlock: Callable[[Any], object] = bool
        """Called with a request that can never have the turn: its holder waits for one that the request has."""
        self.report_meeting: Callable[[Any, Any], object] = lambda request, earlier: None
        """Called with a request that may only wait alone, and the one that waits already, or is inside."""
        _queues.add(self)

    def acquire(self, request: Any, seconds: float, log_stuck: Callable[[int], object] = bool,
                alone: bool = False) -> Optional[int]:
        """A ticket that is inside, and alone; None where it cannot be had within *seconds*.

        *request* is an environ, or a section's entry. *log_stuck* is called with the ticket that held the turn all the
        while, if one did. *alone*: no request waits beside another one.
        """
        ticket = None if self.line else self._enter(request, seconds)
        if ticket is not None:
            return ticket
        holder = self._ledger.holder(seconds)
        waiter = self._new_waiter(request, holder)
        if waiter is None:
            first = self._ledger.first_in_line()  # what this thread runs beside this cannot go on before this is over
            is_next = first is None or first.context.ident == contexts.get_ident()
            return self._enter(request, seconds) if is_next else None
        began = time.monotonic()
        with closing(self._stand_in_line(waiter, request, seconds, alone)) as pauses:
            for pause in pauses:
                waiter.wait(pause)
        has_waited = waiter.ticket is None and time.monotonic() - began >= seconds
        if has_waited and holder is not None and holder == self._ledger.holder(seconds):
            log_stuck(holder)
        return waiter.ticket

    async def acquire_in_task(self, request: Any, seconds: float) -> Optional[int]:
        """The same for a task of asyncio or trio: others of its event loop go on while it waits."""
        waiter, nap = new_thread_waiter(), 0.0005
        with closing(self._stand_in_line(waiter, request, seconds, in_task=True)) as pauses:
            for pause in pauses:
                nap = min(2 * nap, pause, _SHORT_SLICE)
                await sleep(nap)
        return waiter.ticket

    def _new_waiter(self, request: Any, holder: Optional[int]) -> Optional[Waiter]:
        """A waiter for the calling context, or None where to wait would stop *holder*, or who has the turn next."""
        first = self._ledger.first_in_line() if holder is None else None
        entry = getattr(first, "request", None) if holder is None else self._ledger.inside.get(holder)
        if type(entry) is SectionEntry and entry.context.ident != contexts.get_ident():
            return new_waiter({}) or new_thread_waiter()  # whatever stops here, its thread goes on
        if type(entry) is PendingResponse and not entry.is_read_elsewhere and entry.context == contexts.current():
            return None  # a body that this context itself is to go on with
        return new_waiter(request if isinstance(request, dict) else {})

    def _stand_in_line(self, waiter: Waiter, request: Any, seconds: float, alone: bool = False,
                       in_task: bool = False) -> Generator[float, None, None]:
        """Stand in line with *waiter* until it has its ticket, and say each time for how long to wait."""
        looked = time.monotonic()
        end = looked + seconds
        waiter.request, waiter.ticket = request, None
        waiter.context, waiter.life = contexts.current(), contexts.my_life()
        place = weakref.ref(waiter, self.leave)  # goes without it if it is interrupted just as it leaves
        try:
            self.line.insert(len(self.line) if in_task else self._index_for(waiter), place)
            self._ledger.set_fast_path()
            if self._may_not_wait(waiter, alone):
                return
            # What left just before *waiter* stood in line has woken nothing: look again before the first waiting.
            while True:
                if self._is_first(waiter):
                    waiter.ticket = self._enter(request, seconds)
                left = end - time.monotonic()
                if waiter.ticket is not None or left <= 0:
                    return
                yield min(left, self._slice())
                if time.monotonic() - looked >= _SLICE:
                    self._clear_lost()
                    if self._is_first(waiter):
                        self._collect()
                    looked = time.monotonic()
        finally:
            self.leave(place, has_entered=waiter.ticket is not None)

    def _index_for(self, waiter: Waiter) -> int:
        """The end; but before those that *waiter* stops: a signal's handler runs on top of what it interrupts, and what
        stops an event loop or a hub on top of its tasks or greenlets."""
        waiting = self._ledger.waiting()
        for index, earlier in enumerate(waiting):
            context = None if earlier is None else earlier.context
            if context == waiter.context or waiter.stops_thread and context and context.ident == contexts.get_ident():
                return index
        return len(waiting)

    def _may_not_wait(self, waiter: Waiter, alone: bool) -> bool:
        """Whether it is reported, and no use to wait: for another request that came before, or for ever."""
        other = self._request_before(waiter) if alone else None
        if other is not None:
            self.report_meeting(waiter.request, other)
            return True
        if len(_queues) > 1 and self._is_deadlocked(waiter.request):
            self.report_deadlock(waiter.request)
            return True
        return False

    def _request_before(self, waiter: Waiter) -> Optional[Any]:
        """The environ of a request that waits before *waiter*, or is inside; None if there is no such."""
        for earlier in self._ledger.waiting():
            if earlier is waiter:
                break
            if earlier is not None and isinstance(earlier.request, dict):
                return earlier.request
        holder = self._ledger.holder()  # after the line: who enters is inside before it leaves the line
        request = None if holder is None else self._ledger.request_of(holder)
        return request if isinstance(request, dict) else None

    def _is_deadlocked(self, request: Any) -> bool:
        """Whether what holds this turn waits for a turn of another group that *request* holds.

        So it is where guards of two groups are nested in opposite order, around the same environ.
        """
        holders = list(self._ledger.inside.values())
        return any(each.request is holder for other in _all_queues()
                   if other is not self and other._ledger.calls_of(request)
                   for each in other._ledger.waiting() if each is not None for holder in holders)

    def leave(self, place: "weakref.ref[Waiter]", has_entered: bool = False) -> None:
        """*place* is given up; the next in line may enter, unless it was given up to enter."""
        self._ledger.give_up(place)
        if not has_entered:
            self._ledger.wake_next()
        self._ledger.set_fast_path()

    def _is_first(self, waiter: Waiter) -> bool:
        return self._ledger.first_in_line() is waiter

    def _slice(self) -> float:
        """How long to wait before the next look, if nothing wakes who waits."""
        holder = next(iter(list(self._ledger.inside.values())), None)
        if type(holder) is not PendingResponse:
            return _SLICE
        if holder.is_seen_late():
            return _SHORT_SLICE
        return _SLICE if holder.ended_at is None else max(_SHORT_SLICE, holder.ended_at + GRACE - time.monotonic())

    def _clear_lost(self) -> None:
        """Have it looked whether the first in line can ever go on: the thread of a greenlet may have ended."""
        first = self._ledger.first_in_line()
        if first is not None and not contexts.is_alive(first.life):
            for place in weakref.getweakrefs(first):
                self.leave(place)

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


def _all_queues() -> "List[RequestQueue]":
    """The queue of every group, also while another thread makes one more."""
    while True:
        try:
            return list(_queues)
        except RuntimeError:  # the set has changed size
            continue
