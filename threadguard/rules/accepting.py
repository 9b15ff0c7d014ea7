"""Loops that accept connections: who waits for the next one, and whose application it would call.

A loop is recognised by what it holds and does: code that calls ``accept``, ``select`` or the like, and a socket that
listens. Two of them that lead to the guarded application let two requests in, even if each serves one at a time:
unless both hand their connections to the one worker that runs me.
"""

from types import FrameType, ModuleType
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process import Frames, Process, module_of, variables
from threadguard.rules.code import in_one_loop, names_on_line, variables_used
from threadguard.rules.reach import IsGuard, Reach, identity, vars_of
from threadguard.rules.stacks import inputs, own_frames

AWAITS = frozenset(
    "accept _accept accept_connection sock_accept select poll epoll kqueue control handle_request get_request".split())
"""What a loop calls to wait for a connection."""

_HOLDS_UP = frozenset("join acquire wait wait_for result get Semaphore BoundedSemaphore Lock".split())
"""What a loop calls to wait for something else: the end of a thread, a free place, a result."""

_INNERMOST = 12
"""How many frames of a waiting thread are searched for its loop: selectors, event loops and servers are not deeper."""

_WAITING_MODULES = ("selectors", "socket", "ssl", "asyncore", "select", "gevent._socket3")


class Loop(NamedTuple):
    """A frame that accepts connections, and the sockets that it listens on."""

    frame: FrameType
    listeners: Tuple[Any, ...]


def loop_in(process: Process, frames: Iterable[FrameType]) -> Optional[Loop]:
    """The first of *frames* that calls something of `AWAITS` and holds a socket that listens."""
    socket = process.module("socket")
    for frame in frames:
        if socket is not None and AWAITS & set(frame.f_code.co_names):
            listeners = tuple(one for one in sockets_held(socket, frame) if listens(socket, one))
            if listeners:
                return Loop(frame, listeners)
    return None


def own_loop(process: Process) -> Optional[Loop]:
    """The loop below this request that accepts connections and serves them in turn, or None."""
    frames = own_frames(process)
    for place in range(len(frames) - 1, -1, -1):
        loop = loop_in(process, frames[place:place + 1])
        if loop and any(in_one_loop(frame) for frame in frames[:place + 1]):
            return loop
    return None


def waiting_loop(process: Process, frames: Frames) -> Optional[Loop]:
    """The loop in *frames* (innermost first) that waits for a connection at this moment, or None."""
    inner = frames[0]
    if module_of(inner) not in _WAITING_MODULES and not AWAITS & names_on_line(inner):
        return None
    return loop_in(process, frames[:_INNERMOST])


def accepts_next(process: Process, frames: Frames) -> Optional[Loop]:
    """The loop in *frames* that waits for a connection, or will as soon as it comes round; None if it may be held up.

    A thread that was just started runs before its starter is back in ``accept``, so the moment alone tells too little.
    """
    loop = waiting_loop(process, frames)
    if loop is not None:
        return loop
    for place, frame in enumerate(frames[:_INNERMOST]):
        loop = loop_in(process, (frame,))
        if loop is not None and in_one_loop(frame):
            inner = [one for one in frames[:place + 1] if module_of(one) != "threading"]
            return None if any(_HOLDS_UP & set(one.f_code.co_names) for one in inner) else loop
    return None


def waiting_loops(process: Process) -> Iterator[Tuple[Loop, Frames]]:
    """The loops of other threads that wait for a connection, with the frames of their threads."""
    for frames in process.others.values():
        loop = waiting_loop(process, frames)
        if loop is not None:
            yield loop, frames


def listens(socket: ModuleType, thing: Any) -> bool:
    """Whether *thing* is a socket that accepts connections (``SO_ACCEPTCONN``)."""
    try:
        return bool(thing.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except (AttributeError, OSError, ValueError, TypeError):  # closed, or the system does not know the option
        return False


def sockets_held(socket: ModuleType, frame: FrameType) -> Iterator[Any]:
    """The sockets among the variables of *frame*, their attributes, and what its selectors and maps watch."""
    values = list(variables(frame).values())
    used = variables_used(frame.f_code)[0]
    values += [frame.f_globals[name] for name in used & frame.f_globals.keys()]
    for value in values:
        yield from sockets_in(socket, value)


def sockets_in(socket: ModuleType, value: Any) -> Iterator[Any]:
    """*value* if it is a socket, else the sockets that it holds."""
    if isinstance(value, (str, bytes, int, float, type, ModuleType, type(None))):
        return
    for thing in _one_step(value):
        if isinstance(thing, socket.socket):
            yield thing
        elif hasattr(type(thing), "get_map"):
            yield from _watched(socket, thing)


def _one_step(value: Any) -> List[Any]:
    if isinstance(value, (list, tuple, set, frozenset)):
        return list(value)[:16]
    if isinstance(value, dict):  # asyncore's map: file descriptors to dispatchers
        held = list(value.values())[:64] if value and all(isinstance(key, int) for key in value) else []
        return held + [getattr(one, "__dict__", {}).get("socket") for one in held]
    return [value, *vars_of(value).values()]


def _watched(socket: ModuleType, selector: Any) -> Iterator[Any]:
    watched = selector.get_map()
    for key in list(watched.values()) if watched else ():
        if isinstance(key.fileobj, socket.socket):
            yield key.fileobj


def several_loops(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """More than one loop that waits for connections leads to the guarded application, and to a context of its own."""
    if not process.others or process.module("socket") is None:
        return None
    reach = Reach(is_guard)
    serving = [(loop, frames) for loop, frames in waiting_loops(process) if reach.serves(_searched(frames))
               or _called_from(loop, reach)]
    mine = own_loop(process)
    if mine is None:
        others = len(serving) - max(1, _feeding(process, reach, serving))
    else:
        others = len(serving)
    if others < 1:
        return None
    loops = [loop for loop, _ in serving] + ([mine] if mine else [])
    ports = sorted({_name(one) for loop in loops for one in loop.listeners})
    return Reading(Source.POOL, "this process", None, "%d threads accept connections for the guarded application (%s)"
                   % (others + 1, ", ".join(ports)), "one server with one thread in each process", code="TG202")


def _searched(frames: Frames) -> Frames:
    return frames[:_INNERMOST]


def _called_from(loop: Loop, reach: Reach) -> bool:
    """Whether what the loop's selector calls when a connection comes leads to the guarded application."""
    for value in variables(loop.frame).values():
        for thing in _one_step(value):
            if hasattr(type(thing), "get_map"):
                watched = thing.get_map()
                if watched and reach.leads([key.data for key in list(watched.values())], reach.is_guard):
                    return True
    return False


def _feeding(process: Process, reach: Reach, serving: List[Tuple[Loop, Frames]]) -> int:
    """How many of the *serving* loops hand their connections to the worker that runs me."""
    frames = own_frames(process)
    pools = [value for frame in frames[:2] for value in _pools(frame)]
    return sum(reach.leads(reach.held(_searched(stack)), identity(pools))
               for _, stack in serving)


def _pools(frame: FrameType) -> List[Any]:
    """What a worker function may take its work from: objects among its inputs, and what its `self` holds."""
    found = []
    for name, value in inputs(frame).items():
        found += [value] + (list(vars_of(value).values()) if name == "self" else [])
        if callable(value) and hasattr(value, "__callback__"):  # the executor: its worker has a weak reference
            found.append(value())
    return [value for value in found
            if hasattr(value, "__dict__") or hasattr(value, "get") or hasattr(value, "popleft")]


def _name(listener: Any) -> str:
    try:
        return str(listener.getsockname())
    except OSError:
        return "closed"
