"""The stacks of the threads of this process, as far as they may be looked at.

Under the GIL all others stand still while one looks. On a free-threaded Python they run on, and a frame that ends while
it is read crashes the process: CPython stops the other threads for `sys._current_frames` itself, but not for a look at
what that returns. There one looks only at threads that have been asleep for a while.

Python 3.11 makes the object of a frame when it is asked for (Objects/frameobject.c `PyFrame_GetBack`). To make one may
start a collection of garbage, which may run Python code (`gc.callbacks`, finalizers) and so let other threads run. Then
the frame may be over when its object is ready, and the process crashes; or another thread, which has the GIL, waits for
the list of threads that `sys._current_frames` has locked, and the process hangs. The same goes for the dict of
`f_locals`. So no garbage is collected meanwhile. Before 3.11 each frame has its object, and from 3.12 on nothing is
collected but between two bytecodes.

Two kinds of process have stacks that nobody may look at but each thread at its own: `is_safe`.
"""

import _thread
import gc
import os
import sys
import threading
from functools import partial
from time import monotonic
from types import FrameType
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

_A_WHILE = 0.002
"""Seconds. A thread that does not wake up for so long waits for something outside, not for its next time slice."""

_MAKES_FRAMES_LATE = sys.version_info[:2] == (3, 11) and sys.implementation.name == "cpython"
_home = [os.getpid()]
"""The process that this one is, as far as Python's hooks know."""
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _home.__setitem__(0, os.getpid()))


def _without_collector(look: Callable[[], Any]) -> Iterator[Any]:
    """Calls *look*, a function in C, with the collector off, when it is unpacked; the second result is what it gives.

    All of it is one call in C: between two bytecodes another thread could see the collector off, and so would not
    switch it off for itself, or an exception could leave it off.
    """
    import operator
    return map(operator.call, (gc.disable, look, gc.enable))  # type: ignore[attr-defined,unused-ignore]


def _is_to_be_off() -> bool:
    return _MAKES_FRAMES_LATE and gc.isenabled()


def _attribute(frame: FrameType, name: str) -> Any:
    if _is_to_be_off():
        _, value, _ = _without_collector(partial(getattr, frame, name))
        return value
    return getattr(frame, name)


def caller_of(frame: FrameType) -> Optional[FrameType]:
    """The frame that has called *frame*, which may be another thread's."""
    caller: Optional[FrameType] = _attribute(frame, "f_back")
    return caller


def variables_of(frame: FrameType) -> Dict[str, Any]:
    """The `f_locals` of *frame*, which may be another thread's."""
    variables: Dict[str, Any] = _attribute(frame, "f_locals")
    return variables


def tops() -> Dict[int, FrameType]:
    """The innermost frame, by thread identifier, of each thread whose stack may be looked at; of mine, who calls."""
    if not is_safe():
        return {threading.get_ident(): sys._getframe(1)}
    asleep = None if runs_alone() else _asleep()
    frames: Dict[int, FrameType]
    if _is_to_be_off():
        _, frames, _ = _without_collector(sys._current_frames)
    else:
        frames = sys._current_frames()
    for ident in list(frames):
        if frames[ident] is sys._getframe():  # not by the identifier: gevent fakes its own
            frames[ident] = sys._getframe(1)  # and no variable holds a frame of its own: that is garbage in a cycle
        elif asleep is not None and ident not in asleep:
            del frames[ident]
    return frames


def is_safe() -> bool:
    """Whether a look at another thread's stack cannot end the process.

    PyPy aborts where it asks for the caller of a frame that compiled code of another thread is at. In a child that was
    forked without Python's hooks (uWSGI's workers) the states of the parent's other threads are there for ever, and
    their frames lie in stacks that the C library gives to new threads: CPython from 3.11 on reads what these write.
    """
    if sys.implementation.name == "pypy":
        return False
    if os.getpid() == _home[0]:
        return True
    try:
        running = set(map(int, os.listdir("/proc/self/task")))
    except OSError:
        return False
    # One of them is the thread that forked: its number is still the one that it had in the parent. Not in
    # `threading._active`: a new thread takes the place of one whose stack it has got.
    gone = [each for each in list(threading._dangling)  # type: ignore[attr-defined]
            if each.is_alive() and each.native_id not in running]
    # `_thread` goes on counting those of the parent, also those that `threading` knows nothing of; the main one it
    # leaves out.
    return len(gone) <= 1 and _thread._count() < len(running)


def idents() -> Set[int]:
    """The identifiers of all threads that run Python, also of those whose stack may not be looked at."""
    return set(tops() if runs_alone() or not is_safe() else sys._current_frames())


def runs_alone() -> bool:
    """Whether no other thread runs Python while one does: there is a GIL, and it is on."""
    is_on = getattr(sys, "_is_gil_enabled", None)
    return is_on is None or bool(is_on())


def _asleep() -> Dict[int, List[str]]:
    """The threads that slept and did not wake up for `_A_WHILE`, by identifier."""
    before = _sleepers()
    end = monotonic() + _A_WHILE
    while before and monotonic() < end:
        os.sched_yield()  # on one core nobody would wake up otherwise; and no library has put a switch in its place
    now = _sleepers()
    return {ident: seen for ident, seen in before.items() if now.get(ident) == seen}


def _sleepers() -> Dict[int, List[str]]:
    """What Linux tells of each thread that sleeps now: its state, and how often it went to sleep."""
    found = {}
    for ident, thread in list(threading._active.items()):  # type: ignore[attr-defined]
        try:
            with open("/proc/self/task/%d/status" % thread.native_id) as file:
                seen = [line for line in file if line.startswith(("State:", "voluntary_ctxt_switches:"))]
        except (OSError, TypeError, AttributeError):  # another system, or the thread has ended, or did not begin
            continue
        if seen and "S" in seen[0].split():
            found[ident] = seen
    return found
