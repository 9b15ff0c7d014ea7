"""Numbers drawn, events and references counted, by many at once and without a lock: an exception could leave one taken.
"""

import itertools
import sys
from typing import Any, Callable, Dict, Iterator, List


class _Block(List[int]):
    """So many numbers from *first* on, the lowest last; then comes another block."""

    SIZE = 256

    def __init__(self, first: int) -> None:
        super().__init__(range(first + self.SIZE - 1, first - 1, -1))
        self.first = first

    def following(self) -> "_Block":
        """The next block: the same for all that ask at once."""
        block: _Block = vars(self).setdefault("_following", _Block(self.first + self.SIZE))
        return block


class _Count:
    """`itertools.count` for free-threaded Python before 3.14, whose own may hand out a number twice; `list.pop` does
    not."""

    def __init__(self) -> None:
        self._block = _Block(0)

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        while True:
            block = self._block
            try:
                return block.pop()
            except IndexError:
                self._block = block.following()

    def __repr__(self) -> str:
        block = self._block
        while not block:
            block = block.following()
        return "count(%d)" % (block.first + block.SIZE - len(block))


def new_count() -> Iterator[int]:
    """0, 1, 2, … each to one caller only."""
    if sys.version_info[:2] == (3, 13):
        import sysconfig  # takes a millisecond to load
        return _Count() if sysconfig.get_config_var("Py_GIL_DISABLED") else itertools.count()
    return itertools.count()


def drawn(numbers: Iterator[int]) -> int:
    """How many were drawn of *numbers*, which `new_count` gave. Reading them draws none."""
    return int(repr(numbers)[len("count("):-1])


class Tally:
    """How often `add` was called."""

    def __init__(self) -> None:
        self._numbers = new_count()

    def add(self) -> None:
        """One more."""
        next(self._numbers)

    def total(self) -> int:
        """All until now."""
        return drawn(self._numbers)


class Counts:
    """What was counted of those who draw *tickets*, from now on."""

    def __init__(self, tickets: Iterator[int]) -> None:
        self._tickets = tickets
        self.first_ticket = drawn(tickets)
        self.moved = Tally()
        """Requests whose tickets were drawn before."""
        self.cancelled = Tally()
        """Tickets that did not enter."""
        self.sections = Tally()
        """Tickets of sections that entered."""
        self.overlaps = Tally()
        self.peak = 1
        """The number inside from which a higher one is looked for."""
        self._peaks: Dict[int, None] = {}  # of two that note theirs at the same time none is lost

    def requests(self) -> int:
        """Requests that entered."""
        left_out = self.cancelled.total() + self.sections.total()
        return drawn(self._tickets) - self.first_ticket + self.moved.total() - left_out

    def note_peak(self, number: int) -> None:
        """So many are inside."""
        if number > self.peak:
            self.peak = number
            self._peaks[number] = None

    def highest_peak(self) -> int:
        """The most that were inside at once."""
        return max([min(self.requests(), 1), *list(self._peaks)])


_count_references: Callable[[Any], int] = getattr(sys, "getrefcount", lambda thing: 0)


def _references(kept: Dict[int, Any], key: int) -> int:
    return _count_references(kept.get(key))


_NONE_ELSE = _references({0: object()}, 0) or -1
"""The dict itself does refer to it, and the call that counts."""


def is_known_to_nothing_else(kept: Dict[int, Any], key: int) -> bool:
    """Whether nothing but *kept* refers to its value of *key*; no variable may. PyPy counts none: there it is false."""
    return _references(kept, key) == _NONE_ELSE
