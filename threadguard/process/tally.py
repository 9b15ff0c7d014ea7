"""Numbers drawn, and events counted, by many at once and without waiting for each other."""

import itertools
import sys
from typing import Iterator

from threadguard.process import contexts


class _LockedCount:
    """`itertools.count` for free-threaded Python before 3.14, whose own may hand out a number twice.

    Its lock is a plain one, which costs a third of a `contexts.Mutex`: Python 3.13 looks for exceptions from outside
    neither between the taking and the block of a ``with`` statement, nor before the release.
    """

    def __init__(self) -> None:
        self._count = itertools.count()
        self._lock = contexts.new_rlock()  # a signal's handler may draw a number while its thread draws one

    def __iter__(self) -> Iterator[int]:
        return self

    def __next__(self) -> int:
        with self._lock:
            return next(self._count)

    def __repr__(self) -> str:
        return repr(self._count)

    def reset_after_fork(self) -> None:
        """In a forked child: no thread is left to release the lock that another one held."""
        self._lock = contexts.new_rlock()


def new_count() -> Iterator[int]:
    """0, 1, 2, … each to one caller only."""
    import sysconfig
    free_threaded = sysconfig.get_config_var("Py_GIL_DISABLED") and sys.version_info < (3, 14)
    return _LockedCount() if free_threaded else itertools.count()


def drawn(numbers: Iterator[int]) -> int:
    """How many were drawn of *numbers*, which `new_count` gave. Reading them draws none."""
    return int(repr(numbers)[len("count("):-1])


def reset_after_fork(numbers: Iterator[int]) -> None:
    """Let *numbers*, which `new_count` gave, go on in a forked child from where they are."""
    if isinstance(numbers, _LockedCount):
        numbers.reset_after_fork()


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
