"""The stacks that the rules compare: from a worker function inwards, outermost frame first, without the machinery."""

import threading
import weakref
from types import FrameType
from typing import Any, Dict, FrozenSet, List, Optional, Tuple

from threadguard.process.contexts import calls_an_application
from threadguard.process.facts import Frames, Process, is_a, module_of, outward, variables, whole
from threadguard.rules.code import in_one_loop, names_any, rebound
from threadguard.rules.reach import vars_of
from threadguard.rules.sources import globals_named, is_queue
from threadguard.rules.waits import ahead

_MACHINERY = 12
"""How many frames may lie outside a worker function: threading's own, and those of tools that wrap `Thread.run`."""

_RUNS = ("_bootstrap", "_bootstrap_inner", "run")

_BRIDGES = ("sqlalchemy", "greenletio")
"""Packages whose greenlets run one synchronous call for one task of an event loop (`greenlet_spawn`, `async_`)."""

EXECUTORS = ("concurrent.futures.thread", "multiprocessing.pool")
"""Judged by rules of their own: an idle executor of the application is no pool of the server."""

_OF_FUTURES = frozenset(("result", "exception", "wait", "as_completed"))

_WAITS: Dict[Tuple[str, str], FrozenSet[str]] = {
    ("concurrent.futures._base", "wait"): frozenset(),
    ("multiprocessing.pool", "wait"): frozenset(),
    ("multiprocessing.pool", "apply"): frozenset(),
    ("concurrent.futures._base", "result"): frozenset(),
    ("concurrent.futures._base", "exception"): frozenset(),
    ("threading", "join"): frozenset(),
    ("concurrent.futures.thread", "submit"): _OF_FUTURES,
    ("threading", "start"): frozenset(("join",)),
}
"""Functions that wait for a future, a job or a thread, or whose callers go on to, if one names that."""

_CALLERS = 4

_TAKES = frozenset(("get", "popleft"))

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
    return _job_loop(found[start:])


def _job_loop(frames: Frames) -> Frames:
    """*frames* from the worker loop that an executor was given as a job; all of them if it is given requests."""
    if frames and module_of(frames[0]) in EXECUTORS:
        for place, frame in enumerate(frames[1:5], 1):
            if names_any(frame.f_code, _TAKES) and in_one_loop(frame) and any(map(is_queue, works_on(frame))):
                return frames[place:]
    return frames


def works_on(frame: FrameType) -> List[Any]:
    """What *frame* was handed, the attributes of its `self`, its locals, and the globals that it names."""
    values = variables(frame)
    return [*values.values(), *vars_of(values.get("self")).values(), *globals_named(frame)]


def executor_worker(frames: Frames) -> Optional[FrameType]:
    """The innermost of *frames* that is the `_worker` of an executor (concurrent/futures/thread.py)."""
    return next((frame for frame in frames if frame.f_code.co_name == "_worker"
                 and "executor_reference" in frame.f_code.co_varnames), None)


def executor_of(frames: Frames) -> Any:
    """The executor whose worker is among *frames*; None without one, or if it is gone: a worker holds it weakly."""
    worker = executor_worker(frames)
    return None if worker is None else variables(worker)["executor_reference"]()


def own_frames(process: Process) -> Frames:
    """The frames of this context from its worker function inwards, outermost first.

    A greenlet that its caller waits for is a part of the caller: their frames are one stack.
    """
    frames = process.stack
    for caller in callers_in_greenlets(process):
        frames = frames + whole(outward(caller.gr_frame))
    return worker_frames(frames, process.thread)


def callers_in_greenlets(process: Process) -> List[Any]:
    """The greenlet that called the current one for this request, who called that one, and so on."""
    found: List[Any] = []
    caller = _caller(process, process.greenlet)
    while caller is not None and len(found) < _CALLERS and not any(caller is one for one in found):
        found.append(caller)
        caller = _caller(process, caller)
    return found


def _caller(process: Process, greenlet: Any) -> Any:
    """The greenlet that called *greenlet* for this request and waits for it to return, or None.

    It has this very request in hand, or *greenlet* is a bridge's from synchronous code to an event loop. One that was
    made by an application, inside another guard, is that one's, whoever waits for it: the server knows nothing of it.
    """
    parent = getattr(greenlet, "parent", None)
    if parent is None:
        return None
    spawner = getattr(greenlet, "spawning_greenlet", None)
    maker = spawner() if callable(spawner) else parent
    if any(map(calls_an_application, outward(getattr(maker, "gr_frame", None)))):
        return maker
    if type(greenlet).__module__.partition(".")[0] in _BRIDGES:
        return parent
    held = (value for frame in outward(parent.gr_frame) for value in variables(frame).values())
    in_hand = any(value is process.environ or (is_a(value, tuple) and any(one is process.environ for one in value))
                  for value in held)
    return parent if in_hand else None


def waiting_thread(process: Process) -> Frames:
    """The frames (innermost first) of the thread that waits for what mine runs (`waiting_ident`)."""
    ident = waiting_ident(process)
    return () if ident is None else process.others[ident]


def waiting_ident(process: Process) -> Optional[int]:
    """The thread that waits for what mine runs, or that will as its next step.

    It waits for the future of the call that an executor runs in my thread, or for the end of my thread.
    """
    mine: List[Any] = [process.thread]
    if any(map(in_one_loop, process.stack)) and not any(module_of(frame) in EXECUTORS for frame in process.stack):
        return None  # a worker of a pool: nobody waits for its end
    for frame in process.stack:
        if module_of(frame) in EXECUTORS:
            values = variables(frame)
            mine += [vars_of(values.get("self")).get("future"), values.get("func")]
            mine += [value() for value in values.values() if is_a(value, weakref.ref)]
    return next((ident for ident, frames in process.others.items() if _waits_for(frames, mine)), None)


def _waits_for(frames: Frames, mine: List[Any]) -> bool:
    for place, frame in enumerate(frames[:8]):
        goes_on = _WAITS.get((module_of(frame), frame.f_code.co_name))
        if goes_on is not None and _is_about(variables(frame), mine):
            callers = _up_to_its_loop(frames[place + 1:])
            if not goes_on or any(call.may_wait for one in callers for call in ahead(one).calls(goes_on)):
                return True
    return False


def _is_about(values: Dict[str, Any], mine: List[Any]) -> bool:
    """Whether a function that waits, whose variables are *values*, is about one of *mine*: it is its method, or was
    given it. `multiprocessing.pool.ThreadPool.apply` is given the function that runs."""
    futures: Any = values.get("fs")
    about: List[Any] = [values.get("self"), values.get("func")]
    about += list(futures) if is_a(futures, (list, tuple, set)) else []
    return any(one is my for one in about for my in mine if my is not None)


def _up_to_its_loop(callers: Frames) -> Frames:
    """The first few of *callers*, up to the one that repeats."""
    repeats = (place for place, frame in enumerate(callers[:_CALLERS]) if in_one_loop(frame))
    return callers[:next(repeats, 0) + 1]


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
