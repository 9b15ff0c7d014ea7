"""How long a thread lives: told of any thread, also where it runs no Python at the moment.

A thread that a server makes in C has no frame while it sends a chunk (uWSGI, mod_wsgi), and some servers take the
thread state away from it until they ask for the next one (`PyGILState_Release`): `sys._current_frames` is no answer.
"""

import os
import sys
import threading
import weakref
from typing import Any, NamedTuple, Optional

from threadguard.process import contexts


class _Life:
    """Goes when Python clears the thread state that holds it: at the end of the thread, if not before."""

    __slots__ = ("__weakref__",)


class Thread(NamedTuple):
    """What is known of an OS thread, to tell later whether it has ended."""

    life: "weakref.ref[_Life]"
    made_by: "Optional[weakref.ref[threading.Thread]]"
    """`threading`'s object; None where it did not start this thread, and at the most made an object up for it."""
    number: int
    """What Linux calls it; 0 elsewhere."""


_mine: Any = contexts.original("_local")()


def mine() -> Thread:
    """The calling thread."""
    try:
        return _mine.thread  # type: ignore[no-any-return]
    except AttributeError:
        _mine.life = _Life()
        _mine.thread = Thread(weakref.ref(_mine.life), _made_by(), _number())
        return _mine.thread  # type: ignore[no-any-return]


def _made_by() -> "Optional[weakref.ref[threading.Thread]]":
    thread = threading._active.get(contexts.get_ident())  # type: ignore[attr-defined]
    is_made_up = isinstance(thread, (threading._DummyThread, threading._MainThread))  # type: ignore[attr-defined]
    return None if thread is None or is_made_up else weakref.ref(thread)


def _number() -> int:
    return threading.get_native_id() if sys.platform == "linux" else 0


def is_alive(thread: Thread) -> bool:
    """Whether *thread* still runs."""
    if thread.made_by is not None:
        made = thread.made_by()
        return made is not None and threading.Thread.is_alive(made)
    return thread.life() is not None or _runs(thread.number)


def _runs(number: int) -> bool:
    """Whether Linux has a thread of that *number* in this process."""
    return bool(number) and os.path.exists("/proc/self/task/%d" % number)
