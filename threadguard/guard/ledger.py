"""Who is inside: a ticket for each request, from the call of the application until its response is finished.

The ledger knows no WSGI. For a ticket it holds the request itself while the call runs, and then a `Stream` for as long
as a body can still be iterated. Entering is one store into a dict and leaving one deletion: both are atomic, with and
without the GIL, and a dict keeps its order: of two that enter together exactly one sees the other before itself.
"""

import gc
import os
import sys
import weakref
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from threadguard.process import contexts, fork
from threadguard.guard.stream import Stream
from threadguard.process.tally import Tally, go_on, new_count

NEVER = sys.maxsize
"""The ticket that is never drawn: `Ledger.look_from` where nothing is to be looked at."""

CALM, SAME_PROCESS = 0, 1
"""Of a ledger's marks: a request that is alone need not be looked at; and this process was not forked meanwhile."""


class Neighbours(NamedTuple):
    """Who else is inside, as one that has just entered sees them."""

    same: bool = False
    """The request itself is inside already: another guard of the group has counted it."""
    nested: bool = False
    """It was called by a request that is inside, on the same stack."""
    collision: Optional[int] = None
    """The ticket of the earliest request of another context that is inside."""


_new = tuple.__new__
NOBODY, SAME, NESTED = Neighbours(), Neighbours(same=True), Neighbours(nested=True)


def _by_ticket(pair: Tuple[int, Any]) -> int:
    return pair[0]


def _holders(inside: Dict[int, Any], ticket: int) -> int:
    """How many refer to the request of *ticket*; no variable here may. 0 for a body: it has other ways to tell."""
    return 0 if type(inside.get(ticket)) is Stream else sys.getrefcount(inside.get(ticket))


_NO_HOLDER = _holders({0: object()}, 0)
"""The ledger itself does, and the call that counts."""


class Ledger:
    """The tickets of one group in this process."""

    __slots__ = ("inside", "tickets", "marks", "look_from", "pid",
                 "_streams", "_earliest", "_mutex", "_not_entered", "_overlaps", "_peak")

    def __init__(self) -> None:
        self.inside: Dict[int, Any] = {}
        self._streams: Dict[int, Stream] = {}
        self._earliest = NEVER
        self.tickets = new_count()
        self.marks = fork.new_marks()
        self._settle()
        self._mutex = contexts.new_mutex()
        self._not_entered = 0
        self._overlaps = Tally()
        self._peak = 0

    def _settle(self) -> None:
        self.pid = os.getpid()
        self.marks[SAME_PROCESS] = 1
        self.watch_from(0)

    def watch_from(self, ticket: int) -> None:
        """From *ticket* on, who enters is looked at. 0: everybody."""
        self.look_from = ticket
        self.marks[CALM] = ticket == NEVER and self.marks[SAME_PROCESS]

    def was_forked(self) -> bool:
        """Whether this is another process than the one that was counted in."""
        return not self.marks[SAME_PROCESS]

    def start_afresh(self, ticket: Optional[int] = None, request: Any = None) -> None:
        """In a forked child: nobody is inside but *ticket*, nothing was counted, everybody is to be looked at."""
        self._mutex = contexts.new_mutex()
        go_on(self.tickets)
        self.inside.clear()
        self._streams.clear()
        self._not_entered = next(self.tickets) + 1
        self._overlaps = Tally()
        self._peak = 0
        if ticket is not None:
            self.inside[ticket] = request
            self._not_entered -= 1
        self._settle()

    def leave(self, ticket: int) -> None:
        """*ticket* is no longer inside. Leaving twice does no harm."""
        self.inside.pop(ticket, None)
        self._streams.pop(ticket, None)

    def withdraw(self, ticket: int) -> None:
        """*ticket* was drawn but did not enter: it does not count."""
        self.leave(ticket)
        with self._mutex:
            self._not_entered += 1

    def follow(self, ticket: int, body: Any, kept: bool = False) -> None:
        """The call of *ticket* has returned; it is inside for as long as *body* is not finished.

        Raises `TypeError` where *body* takes no weak reference.
        """
        reference = weakref.ref(body, lambda _: self.leave(ticket))
        stream = Stream(self.inside.get(ticket), contexts.current(), reference, kept)
        self._streams[ticket] = self.inside[ticket] = stream

    def look_around(self, ticket: int, request: Any) -> Neighbours:
        """See who was inside before *ticket*, and clear away who is finished or was abandoned."""
        mine = self._on_my_stack()
        if mine is not None:
            return SAME if mine is request else NESTED
        first, entry = self._first()  # nobody copies ten thousand of them to see the first
        if first == ticket:
            return NOBODY
        return self._meet(first, entry, request) or self._meet_all(ticket, request)

    def _meet_all(self, ticket: int, request: Any) -> Neighbours:
        for other, entry in self._items():
            if other == ticket:
                break
            found = self._meet(other, entry, request)
            if found is not None:
                return found
        return NOBODY

    def _meet(self, other: int, entry: Any, request: Any) -> Optional[Neighbours]:
        """What *other* is to one that enters with *request*; None where it is over."""
        if type(entry) is not Stream:
            return SAME if entry is request else _new(Neighbours, (False, False, other))
        return None if self._is_over(other, entry) else _new(Neighbours, (False, False, other))

    def _on_my_stack(self) -> Any:
        """The request that is inside and whose code calls me: its call, or its body that makes a chunk."""
        calls, chunks = contexts.on_my_stack(3)  # who called look_around
        if len(calls) > 1:  # the innermost is the one that looks around
            for ticket in contexts.tickets_of(calls[1:], self):
                if ticket in self.inside:
                    return self.request_of(ticket)
        if chunks and self._streams:
            for stream in list(self._streams.values()):
                if stream.is_made_by(chunks):
                    return stream.request
        return None

    def _first(self) -> Tuple[int, Any]:
        """The earliest inside: kept for as long as it stays, since a dict finds it past the places of all who left."""
        earliest = self._earliest
        entry = self.inside.get(earliest)
        if entry is not None:
            return earliest, entry
        while True:
            try:
                for first in self.inside.items():
                    self._earliest = first[0]
                    return first
                return NEVER, None
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

    def _is_over(self, ticket: int, stream: Stream) -> bool:
        """Whether *stream* is finished, or abandoned: nobody iterates it any more."""
        if stream.is_finished():
            self.leave(ticket)
            return True
        if stream.is_running():
            return False
        if stream.context == contexts.current():
            if not stream.kept:
                self.leave(ticket)
            return True
        if stream.has_lost_its_thread():
            self.leave(ticket)
            return True
        return False

    def interleaved_with(self, ticket: int) -> Optional[int]:
        """The newest request that entered after *ticket* and is inside, in no call of mine; each is told once."""
        mine = self.inside.get(ticket)
        told = max(mine.told, ticket) if type(mine) is Stream else ticket
        my_calls: Optional[Set[int]] = None
        for other, entry in sorted(self._items(), key=_by_ticket, reverse=True):
            if other <= told:
                return None
            if my_calls is None:
                my_calls = contexts.tickets_of(contexts.on_my_stack()[0], self)
            if type(entry) is Stream and entry.is_finished() or other in my_calls:
                continue
            if type(mine) is Stream:
                mine.told = other
            return other
        return None

    def collect(self, ticket: int) -> bool:
        """Whether it helps to look again at who is inside: what nobody can reach any more was cleared away.

        If *ticket* is a body, that is one in a garbage cycle; and calls that ended without telling.
        """
        is_body = type(self.inside.get(ticket)) is Stream
        if is_body:
            gc.collect()
        return self._clear_lost() or is_body

    def _clear_lost(self) -> bool:
        """Clear away calls whose requests nobody but the ledger refers to: each does for as long as it runs.

        They ended without telling: a signal's handler raised just as they handled an exception of the application.
        """
        tickets = [ticket for ticket, _ in self._items()]
        lost = [ticket for ticket in tickets if _holders(self.inside, ticket) == _NO_HOLDER]
        for ticket in lost:
            self.leave(ticket)
        return bool(lost)

    def is_inside(self, ticket: int) -> bool:
        """Whether *ticket* has not left, finished, or lost the thread that ran it."""
        entry = self.inside.get(ticket)
        if type(entry) is Stream:
            return not entry.is_finished() and not entry.has_lost_its_thread()
        return entry is not None

    def request_of(self, ticket: int) -> Any:
        """The request that *ticket* was drawn for, or None where it has left."""
        entry = self.inside.get(ticket)
        return entry.request if type(entry) is Stream else entry

    def whereabouts(self, ticket: int) -> "Tuple[Any, contexts.Place]":
        """The request that *ticket* was drawn for, and where it stands now: for a report."""
        entry = self.inside.get(ticket)
        if type(entry) is Stream:
            return entry.request, entry.place()
        return entry, contexts.find(lambda frame: contexts.holds(frame, self, ticket))

    def keep_peak(self, ticket: Optional[int] = None) -> None:
        """A request entered while others were inside: note how many there are.

        With *ticket*, only it and those before it count: where one is refused for the sake of another, each that comes
        later is still to be let in, and notes the number itself if it is.
        """
        if len(self.inside) > self._peak:
            with self._mutex:
                self._clear_finished()
                number = len(self.inside) if ticket is None else self._number_up_to(ticket)
                self._peak = max(self._peak, number)

    def _number_up_to(self, ticket: int) -> int:
        tickets = [other for other, _ in self._items()]
        return tickets.index(ticket) + 1 if ticket in tickets else len(tickets)

    def count_overlap(self) -> None:
        """One more overlap."""
        self._overlaps.add()

    def counts(self) -> Tuple[int, int, int, int]:
        """In flight, peak, requests that entered, overlaps."""
        with self._mutex:
            self._clear_finished()
            self._clear_lost()
            entered = next(self.tickets) - self._not_entered
            self._not_entered += 1
            return len(self.inside), max(self._peak, min(entered, 1)), entered, self._overlaps.total()

    def _clear_finished(self) -> None:
        for ticket, stream in list(self._streams.items()) if self._streams else ():
            if stream.is_finished():
                self.leave(ticket)
