"""One pool of one among several: a loop that hands each connection to the next of a list of workers."""

import gc
from types import CodeType
from typing import Any, Iterator, List, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, is_a, variables
from threadguard.rules.accepting import other_loops, own_loop, sources_of
from threadguard.rules.reach import IsGuard, vars_of
from threadguard.rules.sockets import closed_over
from threadguard.rules.sources import is_queue
from threadguard.rules.stacks import other_workers, own_frames, works_on

_MEMBERS = 256


def one_of_several(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """My thread, or what it takes its work from, stands in a list with others of its kind, which an accept loop holds.

    Of its kind: an object of the same class. A thread or a queue counts only if a live thread is in the same worker
    function as mine, and is that thread or takes its work from that queue.
    """
    frames = own_frames(process)
    if not frames or own_loop(process):
        return None
    mine = [process.thread, *sources_of(frames)]
    for members in _lists(process):
        for one in members:
            if any(one is my for my in mine if my is not None):
                others = [other for other in members if other is not one and type(other) is type(one)]
                if is_queue(one) or one is process.thread:
                    theirs = _of_workers(process, frames[0].f_code)
                    others = [other for other in others if any(other is their for their in theirs)]
                if others:
                    return Reading(Source.POOL, "this process", None, code="TG202", evidence=(
                        "a loop hands its connections to %d of %s in turn" % (len(others) + 1, type(one).__name__)))
    return None


def _of_workers(process: Process, code: CodeType) -> List[Any]:
    """The other threads that run the worker function with *code*, and the queues that it works on in them."""
    alike = {ident: other for ident, other in other_workers(process).items() if other and other[0].f_code is code}
    queues = [value for other in alike.values() for value in works_on(other[0]) if is_queue(value)]
    return [*map(process.thread_of, alike), *queues]


def _lists(process: Process) -> Iterator[List[Any]]:
    """The lists that accept loops hold: in a variable, an attribute, or under `itertools.cycle`."""
    for loop in other_loops(process):
        for frame in loop.frames:
            for value in variables(frame).values():
                for thing in (value, *vars_of(value).values(), *closed_over(value)):
                    if type(thing).__name__ == "cycle":  # it refers to an iterator, which refers to the list
                        yield from (one for one in gc.get_referents(*gc.get_referents(thing)) if is_a(one, list))
                    elif is_a(thing, (list, tuple)) and len(thing) <= _MEMBERS:
                        yield list(thing)
