"""A thread for each request, or for each connection."""

from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any, Dict, Iterator, List, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, is_a, module_of
from threadguard.rules.accepting import accepts_next, loop_leads, own_loop
from threadguard.rules.code import in_one_loop, sets_attribute
from threadguard.rules.reach import IsGuard, Reach, vars_of
from threadguard.rules.sockets import port_of, sockets_in
from threadguard.rules.sources import listens
from threadguard.rules.stacks import inputs, own_frames


def threading_mixin(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """``process_request_thread`` of `socketserver.ThreadingMixIn` is below me, or that of a copy of it.

    Not where a loop runs it: then its thread is one of a pool, however it is called.
    """
    for frame in own_frames(process)[:3]:
        if in_one_loop(frame):
            return None
        if frame.f_code.co_name == "process_request_thread":
            return Reading(Source.STRUCTURE, "the server", None, unbounded=True, evidence=(
                "%s.process_request_thread runs this request: a thread for each connection" % module_of(frame)))
    return None


def thread_per_request(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """My thread was started for this request, and another one accepts the next.

    Started for it: with its connection in hand, and the other one listens on the port of that connection. Or my thread
    is in no loop, so that it comes back for no other request, and the other one leads to the function that it runs.
    That one waits already, or nothing holds it up: neither it nor what it called for this connection joins a thread,
    or waits for a lock or a result.
    """
    frames = own_frames(process)
    if not frames or own_loop(process) or process.in_main_thread:
        return None
    ports = {port_of(one) for value in _handed(process) for one in sockets_in(value) if not listens(process, one)}
    once = not any(in_one_loop(frame) for frame in frames)
    starts = partial(runs, frames[0].f_code)
    for other in process.others.values() if ports or once else ():
        loop = accepts_next(process, other)
        if loop is not None and (ports & {port_of(one) for one in loop.listeners}
                                 or (once and loop_leads(loop, Reach(is_guard), starts))):
            return Reading(Source.STRUCTURE, "the server", None, unbounded=True, evidence=(
                "this thread was started for this request, and %s in another accepts the next"
                % loop.name))
    return None


def runs(code: CodeType, thing: object) -> bool:
    """Whether *thing* is, or makes, the function with *code*; a class or an object whose method that is included."""
    if is_a(thing, MethodType):
        return runs(code, thing.__func__)  # type: ignore[attr-defined]
    if is_a(thing, FunctionType):
        return code is thing.__code__ or code in thing.__code__.co_consts  # type: ignore[attr-defined]
    kind = thing if is_a(thing, type) else type(thing)
    return any(is_a(value, FunctionType) and value.__code__ is code for value in vars(kind).values())


def _handed(process: Process) -> Iterator[Any]:
    """What this thread was started with: the arguments of its function, what that closes over, and what was given to
    its object when that was made."""
    thread = process.thread
    first = own_frames(process)[0]
    yield from getattr(thread, "_args", ())
    yield from getattr(thread, "_kwargs", {}).values()
    for name, value in inputs(first).items():
        if name == "self":
            yield from _given(value)
        else:
            yield value


def _given(worker: Any) -> List[Any]:
    """The attributes of *worker* that only ``__init__`` sets. A pool's worker sets one for each of its connections."""
    functions = [value for kind in type(worker).__mro__ for name, value in vars(kind).items()
                 if is_a(value, FunctionType) and name != "__init__"]
    own: Dict[str, Any] = vars_of(worker)
    return [value for name, value in own.items() if not any(sets_attribute(one.__code__, name) for one in functions)]
