"""Marks that a fork wipes away, at the price of reading one byte.

`os.register_at_fork` does not tell it: uWSGI's workers are forked without Python's hooks. `os.getpid` does, but it is a
system call, which on some virtual machines takes longer than all the rest of the guard. Linux empties a page of memory
in the child, whoever forks, if it is asked to (madvise(2), MADV_WIPEONFORK, since Linux 4.14): so the marks made
there are gone in the child, and its own are gone in its children.
"""

import os
import sys
from typing import Any, Dict

_WIPE_ON_FORK = 18
"""From Linux' asm-generic/mman-common.h; Python's `mmap` does not name it."""
_NO_SUCH_ADVICE = -1


class Numbered:
    """Marks where no page can be had: with the number of the process that made them."""

    def __init__(self) -> None:
        self._made_by = 0
        self._values: Dict[int, int] = {}

    def __getitem__(self, index: int) -> int:
        return self._values.get(index, 0) if os.getpid() == self._made_by else 0

    def __setitem__(self, index: int, value: int) -> None:
        if os.getpid() != self._made_by:
            self._values = {}
            self._made_by = os.getpid()
        self._values[index] = value


def new_marks() -> Any:
    """A row of small numbers, all 0 now, and again in every process that is forked."""
    # PyPy writes a traceback of its own to stderr where the system refuses an advice (rpython/rlib/rmmap.py `madvise`).
    page = new_page() if sys.platform == "linux" and sys.implementation.name == "cpython" else None
    return Numbered() if page is None else page


def new_page() -> Any:
    """A page of memory that a fork empties; None where there is none to be had.

    QEMU's user mode before 7.2 says yes to whatever it is advised, and does nothing: hence the question that only
    such a one agrees to. (BoringSSL's fork_detect.c found that.)
    """
    try:
        import mmap
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(_WIPE_ON_FORK)
    except (ImportError, AttributeError, OSError):
        return None
    try:
        page.madvise(_NO_SUCH_ADVICE)
    except OSError:
        return page
    return None
