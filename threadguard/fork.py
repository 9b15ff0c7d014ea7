"""Whether this process was forked since it was last asked, at the price of reading one byte.

`os.register_at_fork` does not tell it: uWSGI's workers are forked without Python's hooks. `os.getpid` does, but it is a
system call, which on some virtual machines takes longer than all the rest of the guard. Linux empties a page of memory
in the child, whoever forks, if it is asked to (madvise(2), MADV_WIPEONFORK, since Linux 4.14): so a mark made
there is gone in the child, and in the child's children once it has made its own.
"""

import os
import sys
from typing import Any

_WIPE_ON_FORK = 18
"""From Linux' asm-generic/mman-common.h; Python's `mmap` does not name it."""
_NO_SUCH_ADVICE = -1


class NumberMark:
    """The mark where no page can be had: the number of the process that made it."""

    _made_by = 0

    def __getitem__(self, index: int) -> bool:
        return os.getpid() == self._made_by

    def __setitem__(self, index: int, value: int) -> None:
        self._made_by = os.getpid() if value else 0


def new_mark() -> Any:
    """What is true at ``[0]`` from when 1 is stored there, and false in every process that is forked afterwards."""
    page = new_page() if sys.platform == "linux" else None
    return NumberMark() if page is None else page


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
