"""Which requests are inside: a ticket for each, from the call of the application until its response is finished.

How a request is counted
------------------------
1. `ThreadGuard.__call__` draws a ticket and puts the request into `Ledger.inside` under it. That is one store into a
   dict: atomic with and without the GIL, and a dict keeps its order. So of two requests that enter together exactly one
   finds the other before itself. No lock is taken, on the way in or out: an exception that strikes between two
   bytecodes, as a signal's handler raises it, could leave it taken.
2. If it is alone and the ledger's fast path is open, it goes on to the application. The fast path is closed while a
   reading of the server is due, as on the first request, and in a process that was forked meanwhile (`process.fork`).
3. Otherwise `classify` looks at those who came before. The same request may be inside already, because a second guard
   of the group is further out; it may be nested, called by code of a request that is inside; or there is a collision.
   What seems to be inside may be over by now: a body that was abandoned, whose context died, or that nothing can reach.
   The policy decides what becomes of a collision. ``refuse`` and ``log`` let the request leave at once or go on; under
   ``serialize`` it waits in `queue` until the ledger is empty: the ledger itself is the turn.
4. When the application has returned, a list or a real file is finished, and the ticket leaves (`bodies`). For any other
   body a `PendingResponse` takes the place of the request in `inside`. It leaves when `close()` has returned, or at the
   end of a body that has none, or when the body is gone.
5. Who leaves wakes the first of those who wait, whatever its policy is.
6. An exception in the call takes the ticket out. If a second one strikes at just that moment, the request stays in the
   dict, but nothing else refers to it any more, so that `collect` and `counts` clear it away.

In a forked child the ledger starts with a dict of its own. In the parent's it leaves a mark, so that a request that was
put there while another one noticed the fork is not alone there, looks again, and moves over.

A section (`sections`) is an entry of its own kind: never counted as a request. It is announced by its place in the
queue, and while anything waits there the fast path is closed. A request that its owner sends is nested in it; any other
meets it, and is told so apart from what it meets among requests.

The ledger knows no WSGI, and does not know what a policy is.
"""

import gc
import os
import sys
import weakref
from collections import deque
from contextlib import suppress
from itertools import takewhile
from typing import Any, Callable, Deque, Dict, Iterator, List, NamedTuple, Optional, Set, Tuple

from threadguard.guard.pending import PendingResponse, SectionEntry
from threadguard.process import contexts, fork, tally

NEVER = sys.maxsize
"""The ticket that is never drawn: `Ledger.inspect_from` where nothing is to be inspected."""

PATIENCE = 1.0
"""Seconds after which the lock of a reset is taken for lost. An exception that strikes between two bytecodes can leave
any lock taken, on Python 3.14 also one of a ``with`` statement (Python/bytecodes.c, `CALL`)."""

FAST_PATH, SAME_PROCESS = 0, 1
"""Of a ledger's marks: a request that is alone needs no inspection; and this process was not forked meanwhile."""


class Entry(NamedTuple):
    """What a request that has just entered is to those that are inside."""

    same: bool = False
    """It is inside already: another guard of the group has counted it."""
    nested: bool = False
    """It was called by a request that is inside, on the same stack."""
    collision: Optional[int] = None
    """The ticket of the earliest request of another context that is inside."""
    section: Optional[int] = None
    """The ticket of a section of another context that is inside."""

    @property
    def other(self) -> Optional[int]:
        """The ticket of what it meets; None where nothing of another context is inside."""
        return self.section if self.collision is None else self.collision


ALONE, SAME, NESTED = Entry(), Entry(same=True), Entry(nested=True)


class Ledger:
    """The tickets of one group in this process."""

    __slots__ = ("inside", "line", "tickets", "marks", "inspect_from", "pid", "leaves_bodies", "interleaves",
                 "told", "report_hang_up", "sections", "counted", "_pending", "_abandoned", "_earliest", "_mutexes")

    def __init__(self) -> None:
        self.line: "Deque[weakref.ref[Any]]" = deque()
        """Those who wait to enter, in order (`queue`)."""
        self.report_hang_up: Callable[[PendingResponse], object] = bool
        """Called with a body that loses the turn because its client has hung up."""
        self.tickets = tally.new_count()
        self.marks = fork.new_marks()
        self._mutexes: Dict[int, Any] = {}
        self._begin()

    def _begin(self) -> None:
        self.inside: Dict[int, Any] = {}
        self._pending: Dict[int, PendingResponse] = {}
        self._abandoned: Dict[int, PendingResponse] = {}
        self.line.clear()
        self.sections: Dict[int, None] = {}
        """The tickets of the sections that are inside."""
        self.leaves_bodies = False
        """Whether a context has entered again while a body of its own was unfinished."""
        self.interleaves = False
        """Whether bodies of one context were found to be in work in turns."""
        self.told = -1
        """The newest request of which that was told, under serialize."""
        self._earliest = NEVER
        self.counted = tally.Counts(self.tickets)
        self.pid = os.getpid()
        self.marks[SAME_PROCESS] = 1
        self.needs_inspection(0)

    def needs_inspection(self, ticket: int) -> None:
        """From *ticket* on, each request is inspected. 0: all, `NEVER`: none."""
        self.inspect_from = ticket
        self.set_fast_path()

    def set_fast_path(self) -> None:
        """Open the fast path if nothing is to be inspected, and nothing waits."""
        before = -1
        while True:  # of two that set it at once, the later is to be right
            is_open = int(self.inspect_from == NEVER and not self.line and self.marks[SAME_PROCESS])
            if is_open == before:
                return
            self.marks[FAST_PATH] = before = is_open

    # -- forks

    def was_forked(self) -> bool:
        """Whether this is another process than the one that was counted in."""
        return not self.marks[SAME_PROCESS]

    def reset_after_fork(self, reset_others: Callable[[], object] = bool) -> None:
        """In a forked child nothing is inside and nothing was counted. *reset_others* resets what belongs to it.

        The first requests of a process may come together, where no hook of Python's has told of the fork: one resets,
        the others wait for that.
        """
        mutex = self._mutexes.setdefault(os.getpid(), contexts.new_rlock())
        try:
            mutex.acquire(True, PATIENCE)
            if self.was_forked():
                reset_others()
                self.inside[NEVER] = None  # who has entered in there is not alone, looks again, and moves over
                self._begin()
        finally:
            with suppress(RuntimeError):  # it was not to be had
                mutex.release()

    def move(self, ticket: int, request: Any) -> None:
        """*ticket* entered before this process noticed that it was forked."""
        if ticket not in self.inside:
            self.inside[ticket] = request
            if ticket < self.counted.first_ticket:
                self.counted.moved.add()

    # -- in and out

    def follow(self, pending: PendingResponse) -> None:
        """The call has returned: it is inside for as long as *pending* is not finished."""
        self._pending[pending.ticket] = self.inside[pending.ticket] = pending

    def leave(self, ticket: int) -> None:
        """*ticket* is no longer inside. Leaving twice does no harm."""
        for kept in (self.sections, self.inside, self._pending, self._abandoned):
            kept.pop(ticket, None)
        if self.line:
            self.wake_next()

    def cancel(self, ticket: int) -> None:
        """*ticket* was drawn but did not enter: it does not count."""
        self.counted.cancelled.add()
        self.leave(ticket)

    def wake_next(self) -> None:
        """What was inside has left: wake the first of those who wait."""
        waiter = self.first_in_line()
        if waiter is not None:
            waiter.wake()

    def first_in_line(self) -> Any:
        """Who is to enter next; None where nobody waits."""
        while True:
            try:
                place = self.line[0]
            except IndexError:
                return None
            waiter = place()
            if waiter is not None:
                return waiter
            self.give_up(place)

    def waiting(self) -> List[Any]:
        """All in line, in order; None for one that is gone. Without the GIL the line changes while one looks."""
        while True:
            try:
                return [place() for place in list(self.line)]
            except RuntimeError:  # changed by another thread meanwhile: look again
                continue

    def give_up(self, place: "weakref.ref[Any]") -> None:
        """*place* no longer stands in line."""
        while True:
            try:
                return self.line.remove(place)
            except ValueError:  # it was cleared away already
                return
            except IndexError:  # changed by another thread meanwhile
                continue

    # -- what is inside

    def classify(self, ticket: int, request: Any, patience: Optional[float] = None) -> Entry:
        """Compare *ticket* with those that entered before it, and clear away who is finished or was abandoned.

        *patience*: it wants the turn, which unfinished bodies of its own context hold as well where they interleave;
        one that was not asked for a chunk for so many seconds has lost it.
        """
        mine = self._on_my_stack()
        if mine is not None:
            return SAME if mine is request else NESTED
        if self._is_in_my_section():
            return NESTED
        section = None
        for other, entry in self._earlier_than(ticket):
            if entry is request:
                return SAME
            if self._is_over(other, entry, patience):
                continue
            if type(entry) is not SectionEntry:
                return Entry(collision=other, section=section)
            section = other
        return ALONE if section is None else Entry(section=section)

    def is_nested(self) -> bool:
        """Whether the caller runs in a request or in a section that is inside."""
        return self._is_in_my_section() or self._on_my_stack(is_classified=False) is not None

    def _is_in_my_section(self) -> bool:
        entries = [self.inside.get(ticket) for ticket in list(self.sections)] if self.sections else []
        return any(type(entry) is SectionEntry and entry.is_mine() for entry in entries)

    def _earlier_than(self, ticket: int) -> Iterator[Tuple[int, Any]]:
        first = self._first()  # ten thousand are not copied to see the first
        if first[0] not in (ticket, NEVER):
            yield first
            yield from takewhile(lambda pair: pair[0] != ticket, self._items())

    def _is_over(self, ticket: int, entry: Any, patience: Optional[float]) -> bool:
        """Whether *entry*, which entered as *ticket*, does not stand in the caller's way."""
        if type(entry) is SectionEntry:
            if entry.has_lost_its_owner():
                self.leave(ticket)
                return True
            return entry.is_mine()  # a signal's handler may have interrupted its own thread just as that entered
        return type(entry) is PendingResponse and self._is_finished(entry, patience)

    def _is_finished(self, pending: PendingResponse, patience: Optional[float]) -> bool:
        """Whether *pending* is finished, or abandoned: nothing goes on with it."""
        if pending.is_finished() or pending.has_lost_its_context() and not pending.is_running():
            self.leave(pending.ticket)
            return True
        if patience is not None and pending.has_lost_its_turn(patience):
            if pending.ended_at is None:
                self.report_hang_up(pending)
            self.leave(pending.ticket)
            return True
        if pending.context != contexts.current() or pending.is_running() or pending.is_read_elsewhere:
            return False
        if pending.ended_at is None or pending.is_closed:
            if (pending.is_kept or self.interleaves) and pending.can_be_seen_to_end():
                return patience is None
            self.leaves_bodies = True
            pending.watch()
            if pending.serializes:
                self._abandoned[pending.ticket] = pending
        self.inside.pop(pending.ticket, None)
        self._pending.pop(pending.ticket, None)
        return True

    def note_interleaving(self, later: int) -> None:
        """Bodies are in work in turns here; what entered up to *later* has been told.

        Those that were taken for abandoned may go on as well: under ``serialize`` they hold the turn like others.
        """
        self.interleaves = True
        self.told = max(self.told, later)
        for pending in list(self._abandoned.values()):
            if not pending.is_finished():
                self.follow(pending)

    def _on_my_stack(self, is_classified: bool = True) -> Any:
        """The request that is inside and whose code calls: its call, or its body that makes a chunk.

        *is_classified*: the innermost call is the one that is being classified.
        """
        calls, chunks = contexts.on_my_stack(3)  # what called classify
        for ticket in contexts.tickets_of(calls[is_classified:], self):
            if ticket in self.inside:
                return self.request_of(ticket)
        for pending in list(self._pending.values()) if chunks and self._pending else ():
            if pending.is_run_by(chunks):
                return pending.request
        return None

    def holder(self, patience: Optional[float] = None) -> Optional[int]:
        """The earliest that keeps others waiting for the turn, None if nothing does. *patience*: see `classify`."""
        return next((ticket for ticket, entry in self._items() if not self._is_over(ticket, entry, patience)), None)

    def _first(self) -> Tuple[int, Any]:
        """The earliest inside: kept for as long as it stays, since a dict finds it past the places of all who left."""
        earliest = self._earliest
        entry = self.inside.get(earliest)
        if entry is not None:
            return earliest, entry
        while True:
            try:
                first = next(iter(self.inside.items()), (NEVER, None))
                self._earliest = first[0]
                return first
            except RuntimeError:
                continue

    def _items(self) -> List[Tuple[int, Any]]:
        while True:
            try:
                return list(self.inside.items())
            except RuntimeError:  # changed by another thread meanwhile: look again
                continue

    def calls_of(self, request: Any) -> List[int]:
        """The tickets that were drawn for *request* and whose calls have not returned."""
        return [ticket for ticket, entry in self._items() if entry is request]

    def interleaved_with(self, pending: PendingResponse, bodies_only: bool) -> Optional[int]:
        """The newest that entered after *pending* and is inside, in no call of mine; each is told once."""
        told = max(pending.told, self.told) if pending.serializes else pending.told
        my_calls: Optional[Set[int]] = None
        for other, entry in sorted(self._items(), reverse=True):
            if other <= told:
                return None
            if my_calls is None:
                my_calls = contexts.tickets_of(contexts.on_my_stack()[0], self)
            is_body = type(entry) is PendingResponse
            is_none = bodies_only or type(entry) is SectionEntry  # which is reported where it enters
            if other in my_calls or (entry.is_finished() if is_body else is_none):
                continue
            pending.told = other
            return other
        return None

    def collect(self, ticket: int) -> bool:
        """Whether it helps to look again at what is inside: what nothing can reach any more was cleared away.

        If *ticket* is a body, that is one in a garbage cycle; and calls that ended without leaving.
        """
        is_body = type(self.inside.get(ticket)) is PendingResponse
        if is_body:
            gc.collect()
        return self._clear_lost() or is_body

    def _clear_lost(self) -> bool:
        """Clear away calls whose requests nothing but the ledger refers to: each is held for as long as it runs.

        They ended without leaving: a signal's handler raised just as they handled an exception of the application.
        """
        calls = [ticket for ticket, _ in self._items() if ticket not in self._pending]  # a body has other ways to tell
        lost = [ticket for ticket in calls if tally.is_known_to_nothing_else(self.inside, ticket)]
        for ticket in lost:
            self.leave(ticket)
        return bool(lost)

    def request_of(self, ticket: int) -> Any:
        """The request that *ticket* was drawn for, or None where it has left."""
        entry = self.inside.get(ticket)
        return entry.request if type(entry) is PendingResponse else entry

    def place_of(self, ticket: Optional[int]) -> "Tuple[Any, contexts.Place]":
        """The request or section of *ticket*, and where it stands now, as far as is known: for a report."""
        if ticket is None:
            return None, contexts.NOWHERE
        entry: Any = self.inside.get(ticket)
        if type(entry) in (PendingResponse, SectionEntry):
            return getattr(entry, "request", entry), entry.place()
        return entry, contexts.find(lambda frame: contexts.calls_for(frame, entry))

    # -- counts

    def keep_peak(self, ticket: Optional[int] = None) -> None:
        """A request entered while others were inside: note how many there are.

        With *ticket*, only it and those before it count: where one is refused for the sake of another, each that comes
        later is still to be let in, and notes the number itself if it is.
        """
        if len(self.inside) > self.counted.peak:
            self._clear_finished()
            self.counted.note_peak(self._number_up_to(ticket))

    def _number_up_to(self, ticket: Optional[int] = None) -> int:
        """How many requests are inside; with *ticket*, it and those before it."""
        number = 0
        for other, entry in self._items():
            number += type(entry) is not SectionEntry
            if other == ticket:
                break
        return number

    def count_section(self, ticket: int) -> None:
        """*ticket* was drawn for a section, which is inside: it counts apart."""
        self.sections[ticket] = None
        self.counted.sections.add()

    def section_counts(self) -> Tuple[int, int]:
        """Sections that entered, and those inside now."""
        inside = [entry for _, entry in self._items() if type(entry) is SectionEntry and not entry.has_lost_its_owner()]
        return self.counted.sections.total(), len(inside)

    def counts(self) -> Tuple[int, int, int, int]:
        """In flight, peak, requests that entered, overlaps."""
        self._clear_finished()
        self._clear_lost()
        counted = self.counted
        return self._number_up_to(), counted.highest_peak(), counted.requests(), counted.overlaps.total()

    def _clear_finished(self) -> None:
        for ticket, pending in list(self._pending.items()) if self._pending else ():
            if pending.is_finished():
                self.leave(ticket)
