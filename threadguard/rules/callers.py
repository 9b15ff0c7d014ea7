"""Who called: a thread of the server may have given this request to another one, and wait for the end of it.

A limit of time for each call is made so: a thread that is joined, or an executor whose result is waited for. What the
server lets in is then told by the thread that waits, and by those who wait for it. Only an executor of one that all
calls have in common is a bound of its own.
"""

import gc
import weakref
from types import FrameType, MethodType
from typing import Any, List

from threadguard.process.facts import Process, a_few, is_a
from threadguard.rules.stacks import executor_of, waiting_ident

_MOST = 4
"""How many may wait one for another."""


def seen_by_the_server(process: Process) -> Process:
    """*process* as the thread of the server sees it that waits for this request; *process* itself if none waits."""
    for _ in range(_MOST):
        ident = waiting_ident(process)
        if ident is None or _bounds_all_calls(process):
            break
        process = process.seen_from(ident)
    return process


def _bounds_all_calls(process: Process) -> bool:
    """Whether an executor of one runs this request, and not one that was made for this call or for one thread."""
    owner = executor_of(process.stack)
    return getattr(owner, "_max_workers", None) == 1 and not _is_private(owner)


def _is_private(executor: Any) -> bool:
    """Whether nothing refers to *executor* but frames, and the variables of one thread."""
    holders: List[Any] = gc.get_referrers(executor)
    bound = [one for one in holders if is_a(one, MethodType)]
    holders += [holder for method in bound for holder in gc.get_referrers(method) if holder is not holders]
    for one in holders:  # a generator here would be one more that refers to it
        if not (is_a(one, (FrameType, MethodType)) or one is bound or _of_one_thread(one) or _of_a_frame(one, holders)):
            return False
    return True


def _of_one_thread(holder: Any) -> bool:
    """Whether *holder* is a dict of a `threading.local`, which has one for each thread (Modules/_threadmodule.c)."""
    kept = [one for one in gc.get_referrers(holder) if is_a(one, dict)] if is_a(holder, dict) else []
    return any(is_a(key, weakref.ref) or type(key).__module__ == "_thread" for one in kept for key in a_few(one, 1))


def _of_a_frame(holder: Any, holders: List[Any]) -> bool:
    """Whether *holder* is the dict that ``f_locals`` gave of a frame and Python keeps with it, until 3.12.

    A frame that runs is none of its referrers (Objects/frameobject.c `frame_traverse`): then nothing but *holders* is.
    """
    return is_a(holder, dict) and all(is_a(one, FrameType) or one is holders for one in gc.get_referrers(holder))
