"""The stacks that the rules compare: from a worker function inwards, outermost frame first, without the machinery."""

import threading
from types import FrameType
from typing import Any, Dict, List, Optional

from threadguard.process import Frames, Process, is_a, module_of, outward, variables
from threadguard.rules.code import rebound

_MACHINERY = 12
"""How many frames may lie outside a worker function: threading's own, and those of tools that wrap `Thread.run`."""

_RUNS = ("_bootstrap", "_bootstrap_inner", "run")

_BRIDGES = ("sqlalchemy", "greenletio")
"""Packages whose greenlets run one synchronous call for one task of an event loop (`greenlet_spawn`, `async_`)."""

_VARARGS, _VARKEYWORDS = 0x4, 0x8


def worker_frames(frames: Frames, thread: Optional[threading.Thread]) -> Frames:
    """*frames* (innermost first) of *thread* from its worker function inwards, outermost first.

    The worker function is the first one past `threading` (`Thread._bootstrap`, `_bootstrap_inner`, `run`); for a
    subclass with a ``run`` of its own it is that. Tools that wrap ``run`` lie outside of it
    (sentry_sdk/integrations/threading.py).
    """
    found = tuple(reversed(frames))
    start = 0
    for place, frame in enumerate(found[:_MACHINERY]):
        if module_of(frame) == "threading" and frame.f_code.co_name in _RUNS:
            start = place + 1
        elif frame.f_code.co_name == "run" and thread is not None and variables(frame).get("self") is thread:
            start = place
    return found[start:]


def own_frames(process: Process) -> Frames:
    """The frames of this context from its worker function inwards, outermost first.

    A greenlet that its caller waits for is a part of the caller: their frames are one stack.
    """
    frames = process.stack
    caller = caller_that_waits(process)
    if caller is not None:
        frames = frames + tuple(outward(caller.gr_frame))
    return worker_frames(frames, process.thread)


def caller_that_waits(process: Process) -> Any:
    """The greenlet that called the current one for this request and waits for it to return, or None.

    It has this very request in hand, or the current greenlet is a bridge's from synchronous code to an event loop.
    """
    greenlet = process.greenlet
    parent = getattr(greenlet, "parent", None)
    if parent is None:
        return None
    if type(greenlet).__module__.partition(".")[0] in _BRIDGES:
        return parent
    held = (value for frame in outward(parent.gr_frame) for value in variables(frame).values())
    in_hand = any(value is process.environ or (is_a(value, tuple) and any(one is process.environ for one in value))
                  for value in held)
    return parent if in_hand else None


def other_workers(process: Process) -> Dict[int, Frames]:
    """The same frames of every other thread, by identifier."""
    return {ident: worker_frames(frames, process.thread_of(ident)) for ident, frames in process.others.items()}


def inputs(frame: FrameType) -> Dict[str, Any]:
    """What *frame*'s function was handed: arguments that it does not assign anew, and what it closes over."""
    code = frame.f_code
    values = variables(frame)
    plain = code.co_argcount + code.co_kwonlyargcount
    names: List[str] = [name for name in code.co_varnames[:plain] if name not in rebound(code)]
    found = {name: values[name] for name in (*names, *code.co_freevars) if name in values}
    if code.co_flags & _VARARGS:
        found.update(("*%d" % place, value) for place, value in enumerate(values.get(code.co_varnames[plain], ())))
        plain += 1
    if code.co_flags & _VARKEYWORDS:
        found.update(values.get(code.co_varnames[plain], {}))
    return found
