"""Numbers drawn, and events counted, by many at once and without a lock: an exception could leave one taken."""

import itertools
import sys
from typing import Iterator, List


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
