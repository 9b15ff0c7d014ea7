"""Loops that accept connections: who waits for the next one, and whose application it would call.

A loop is recognised by what it holds and does: code that calls ``accept``, ``select`` or the like, and a socket that
listens. Two of them that lead to the guarded application let two requests in, even if each serves one at a time:
unless both hand their connections to the one worker that runs me.
"""

import weakref
from typing import Any, Callable, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, is_a, module_of, outward, variables, whole
from threadguard.rules.calls import calls
from threadguard.rules.code import in_one_loop, names_any, names_on_line
from threadguard.rules.holding import holds_up
from threadguard.rules.in_c import loop_in_c
from threadguard.rules.on_stack import applications
from threadguard.rules.reach import IsGuard, Reach, identity
from threadguard.rules.sockets import held_with, sockets_held
from threadguard.rules.sources import is_queue, listens
from threadguard.rules.stacks import inputs, own_frames, waiting_thread, works_on

AWAITS = frozenset(
    "accept _accept accept_connection sock_accept select poll epoll kqueue control get_request".split())
"""What a loop calls to wait for a connection."""

_INNERMOST = 12
"""How many frames of a waiting thread are searched for its loop: selectors, event loops and servers are not deeper."""

_WAITING_MODULES = ("selectors", "socket", "ssl", "asyncore", "select", "gevent._socket3")


class Loop(NamedTuple):
    """A loop that accepts connections."""

    frames: Frames
    """From the innermost one out to the one that repeats."""
    listeners: Tuple[Any, ...]
    """The sockets that it listens on."""

    @property
    def name(self) -> str:
        """The function that repeats."""
        return self.frames[-1].f_code.co_name


def loop_in(process: Process, frames: Frames) -> Optional[Loop]:
    """The innermost loop in *frames* (innermost first) that calls one of `AWAITS` and holds a socket that listens."""
    for place, frame in enumerate(frames):
        if names_any(frame.f_code, AWAITS):
            listeners = tuple([one for one in sockets_held(frame) if listens(process, one)])
            end = next((end for end in range(place, len(frames)) if in_one_loop(frames[end])), None)
            if listeners and end is not None:
                return Loop(frames[:end + 1], listeners)
    return None


def own_loop(process: Process) -> Optional[Loop]:
    """The loop below this request that accepts connections and serves them in turn, or None.

    It may be in a thread that waits for the end of what mine runs: a server that gives each call a limit of time.
    """
    mine = own_frames(process)[::-1]
    return loop_in(process, mine) or loop_in(process, waiting_thread(process)) or _in_c(process, mine)


def _in_c(process: Process, frames: Frames) -> Optional[Loop]:
    """The loop in C that one of *frames* has started, as far as it shows."""
    frame = loop_in_c(process, frames)
    if frame is None:
        return None
    return Loop((frame,), tuple([one for one in sockets_held(frame) if listens(process, one)]))


def waiting_loop(process: Process, frames: Frames) -> Optional[Loop]:
    """The loop in *frames* (innermost first) that waits for a connection at this moment, or None."""
    return loop_in(process, frames[:_INNERMOST]) if waits(frames) else None


def waits(frames: Frames) -> bool:
    """Whether the innermost of *frames* waits for a connection or for something to read, by what it calls."""
    return module_of(frames[0]) in _WAITING_MODULES or bool(AWAITS & names_on_line(frames[0]))


def accepts_next(process: Process, frames: Frames) -> Optional[Loop]:
    """The loop in *frames* that waits for a connection, or will as soon as it comes round; None if it may be held up.

    A thread that was just started runs before its starter is back in ``accept``, so the moment alone tells too little.
    """
    loop = waiting_loop(process, frames)
    if loop is not None:
        return loop
    loop = loop_in(process, frames[:2 * _INNERMOST])
    inner = [frame for frame in (loop.frames if loop else ()) if module_of(frame) != "threading"]
    return None if any(map(holds_up, inner)) else loop


def other_loops(process: Process) -> Iterator[Loop]:
    """The loops of other threads and greenlets that accept connections, whatever they do at this moment."""
    mine = own_loop(process)
    for frames in (*process.others.values(), *_of_greenlets(process)):
        loop = loop_in(process, frames[:2 * _INNERMOST]) or _in_c(process, frames[:_INNERMOST])
        if loop is not None and (mine is None or loop.frames[-1] is not mine.frames[-1]):
            yield loop


def _of_greenlets(process: Process) -> List[Frames]:
    """The stacks of the other greenlets, innermost frame first, where a library runs servers in them."""
    if not any(map(process.module, ("gevent", "eventlet"))):
        return []
    return [whole(outward(one.gr_frame)) for one in process.greenlets() if one.gr_frame is not None]


def several_loops(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """More than one loop that accepts connections leads to the guarded application, and to a context of its own."""
    is_on_stack = applications(process)
    reach = Reach(lambda thing: is_guard(thing) or is_on_stack(thing))
    mine, loops = own_loop(process), list(other_loops(process))
    feeding = [] if mine else _feeding(process, reach, loops)
    serving = [loop for loop in loops if loop not in feeding and _serves(loop, reach)]
    others = len(serving) - (0 if mine or feeding else 1)
    if others < 1:
        return None
    serving += feeding
    ports = sorted({_name(one) for loop in (*serving, *((mine,) if mine else ())) for one in loop.listeners})
    return Reading(Source.POOL, "this process", None, "%d loops accept connections for the application (%s)"
                   % (others + 1, ", ".join(ports)), "one server with one thread in each process", code="TG202")


def loop_leads(loop: Loop, reach: Reach, goal: Callable[[object], bool]) -> bool:
    """Whether the *loop* leads to an object that *goal* accepts: by what it holds, or by what its selector calls."""
    return any(reach.leads(things, goal) for things in held_by(loop, reach))


def held_by(loop: Loop, reach: Reach) -> Iterator[List[Any]]:
    """What the frames of *loop* work with, and what its selectors call."""
    yield reach.held(loop.frames)
    for frame in loop.frames:
        for value in variables(frame).values():
            for thing in held_with(value):
                if hasattr(type(thing), "get_map"):
                    yield [key.data for key in list((thing.get_map() or {}).values())]


def _serves(loop: Loop, reach: Reach) -> bool:
    """Whether the *loop* leads to what *reach* takes for a guard, by the names of servers or by what it would call."""
    return loop_leads(loop, reach, reach.is_guard) or any(
        calls(things, reach.is_guard, reach) for things in held_by(loop, reach))


def _feeding(process: Process, reach: Reach, loops: List[Loop]) -> List[Loop]:
    """Those of the *loops* that hand their connections to the worker that runs me."""
    pools = sources_of(own_frames(process))
    return [loop for loop in loops if loop_leads(loop, reach, identity(pools))]


def sources_of(frames: Frames) -> List[Any]:
    """What the worker loop at the base of *frames* takes its work from: queues, its executor, its `self`."""
    base = next((frame for frame in frames[:_INNERMOST] if in_one_loop(frame)), None)
    if base is None:
        return []
    executors = [value() for value in inputs(base).values() if is_a(value, weakref.ref)]  # its worker's way to know it
    owner = inputs(base).get("self")
    return [*filter(is_queue, works_on(base)), *executors, *([] if owner is None else [owner])]


def _name(listener: Any) -> str:
    try:
        return str(listener.getsockname())
    except OSError:
        return "closed"
