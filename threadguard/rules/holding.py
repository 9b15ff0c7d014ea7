"""What may hold an accept loop up: a wait for the end of a thread, for a result, for a free place.

In its own code each call counts that may wait; in the methods that it calls only one that is seen to.
"""

import threading
from types import FrameType

from threadguard.process.facts import is_a
from threadguard.rules.chains import MISSING
from threadguard.rules.reach import spread
from threadguard.rules.sockets import closed_over
from threadguard.rules.stacks import works_on
from threadguard.rules.waits import Call, Code, ahead, has_places

_WAITS = frozenset("join acquire wait wait_for result get Semaphore BoundedSemaphore Lock".split())
"""The names of what waits."""

_DEPTH, _MOST = 3, 64
"""How deep the methods are followed that a loop calls, and how many of them."""


def holds_up(frame: FrameType) -> bool:
    """Whether *frame*, in its loop if it is in one, may wait for something else than a connection."""
    here = ahead(frame)
    if any(_may_hold_up(call, frame) for call in here.calls(_WAITS)):
        return True
    followed = spread(here.methods(), Code.methods, _DEPTH, _MOST, _of_which)
    return any(call.does_wait for one in followed for call in one.calls(_WAITS))


def _of_which(one: Code) -> int:
    return hash((one.code, tuple(map(id, one.known.values()))))


def _may_hold_up(call: Call, frame: FrameType) -> bool:
    """Whether *call* may wait; a semaphore that does not show is one of those that *frame* works with."""
    if call.owner is MISSING and call.name == "acquire":
        held = [thing for value in works_on(frame) for thing in (value, *closed_over(value))
                if is_a(thing, threading.Semaphore)]
        return not held or not all(map(has_places, held))
    return call.may_wait
