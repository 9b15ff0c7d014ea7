"""Siblings: another thread is in the same worker loop, of the same pool, as the one that runs this request.

Compared are the two stacks from the worker function inwards, as far as they run the same code. In one of those pairs of
frames
- both are inside one loop of that code: both come back for more work, or an outer pair is;
- and both take it from the same pool. Proof of that is one of:
  - they were handed the same things: the arguments and closures of the function are identical objects, plain values
    (a worker's number or name) aside. A function that is handed nothing reads the same globals;
  - the queue that the other one waits for is mine as well. Where it does not show what it waits for: they hold the
    same sources of work (`is_source`: queues, deques, listening sockets), and none of the same name that differs;
  - both lead to the guarded application.
Where the two were called from the same place and yet run different functions (a supervisor that starts one service in
each thread), only identical inputs count.
"""

from types import FrameType, MethodType
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, is_a, module_of, variables
from threadguard.rules.accepting import own_loop
from threadguard.rules.code import in_one_loop, names_on_line
from threadguard.rules.reach import IsGuard, Reach, vars_of
from threadguard.rules.sources import is_source
from threadguard.rules.stacks import EXECUTORS, inputs, other_workers, own_frames

_DEPTH = 8
"""How many pairs of frames are compared: a worker's loop lies at the base of its stack."""

_PLAIN = (int, float, complex, bool, type(None))
_TEXT = (str, bytes)


_OWN_BUSINESS = ("threading", "logging", "queue", "_queue", "builtins")
"""Modules whose objects are not looked into: what a lock, an event or a logger holds is no source of work."""


class Pair(NamedTuple):
    """Two frames of the same code at the same depth: mine and the other thread's."""

    mine: FrameType
    other: FrameType


def siblings(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """How many threads are in the same worker loop of the same pool as this one, if any."""
    mine = own_frames(process)
    if not mine or module_of(mine[0]) in EXECUTORS:
        return None
    reach, loop = Reach(is_guard), own_loop(process)
    if loop is not None and loop.frames[-1] in mine:
        outer = mine.index(loop.frames[-1])  # a server that a pool's worker was given to run: its pool is not mine
    else:
        outer = 0
    found = [ident for ident, frames in other_workers(process).items()
             if (are_siblings(process, mine, frames, reach, outer) if frames else _starts_alike(process, ident, mine))]
    if not found:
        return None
    names = sorted(getattr(process.thread_of(ident), "name", str(ident)) for ident in found)
    return Reading(Source.STRUCTURE, "the server", None, "%d other threads are in the same loop of %s as this one (%s)"
                   % (len(found), mine[0].f_code.co_name, ", ".join(names[:4])))


def are_siblings(process: Process, mine: Frames, other: Frames, reach: Reach, outer: int = 0) -> bool:
    """Whether the stacks *mine* and *other* (outermost first) are those of two workers of one pool.

    The *outer* frames need to be the same, and are no worker's.
    """
    pairs: List[Pair] = []
    for one, two in zip(mine[:_DEPTH], other):
        if one is two or one.f_code is not two.f_code:
            break
        pairs.append(Pair(one, two))
    workers = pairs[outer:]
    if not any(in_one_loop(pair.mine, pair.other) for pair in workers):
        return False
    beyond = other[len(pairs):]
    # At different positions one works and one waits; at the same one, with nothing further in, one waits in C.
    same_job = pairs[-1].mine.f_lasti != pairs[-1].other.f_lasti or not beyond
    return any(_same_pool(process, pair, same_job, beyond, reach) for pair in workers)


def _starts_alike(process: Process, ident: int, mine: Frames) -> bool:
    """Whether the thread *ident*, which has not come to its function yet, was started with the same things as mine."""
    return in_one_loop(mine[0]) and started_alike(process.thread, process.thread_of(ident))


def started_alike(one: Any, two: Any) -> bool:
    """Whether the threads *one* and *two* were started with the same function and the same things."""
    target = getattr(one, "_target", None)
    return (target is not None and same(target, getattr(two, "_target", None))
            and identical(_arguments(one), _arguments(two)))


def _arguments(thread: Any) -> Dict[str, Any]:
    numbered = {"*%d" % place: value for place, value in enumerate(getattr(thread, "_args", ()))}
    return {**numbered, **getattr(thread, "_kwargs", {})}


def _same_pool(process: Process, pair: Pair, same_job: bool, beyond: Frames, reach: Reach) -> bool:
    mine, other = inputs(pair.mine), inputs(pair.other)
    if _has_another_role(mine, other, reach):
        return False
    if identical(mine, other, _PLAIN + _TEXT if same_job else _PLAIN):
        return True
    if not same_job:
        return False
    if _same_source(process, _opened(mine), _opened(other), pair.other, beyond):
        return True
    return reach.serves((pair.mine,)) and reach.serves((pair.other,))


def _has_another_role(mine: Dict[Any, Any], other: Dict[Any, Any], reach: Reach) -> bool:
    """Whether a name that *other* was handed stands, in a dict of both, for a function that is none of the guard's,
    where mine stands for one that leads to it."""
    tables = [value for value in mine.values() if type(value) is dict and any(value is one for one in other.values())]
    names = [(mine[key], other[key]) for key in mine if is_a(mine[key], _PLAIN + _TEXT) and mine[key] != other.get(key)
             and is_a(other.get(key), _PLAIN + _TEXT)]
    return any(callable(table.get(theirs)) and reach.leads([table.get(my)], reach.is_guard)
               and not reach.leads([table[theirs]], reach.is_guard) for table in tables for my, theirs in names)


def identical(mine: Dict[Any, Any], other: Dict[Any, Any], plain: Tuple[type, ...] = _PLAIN + _TEXT) -> bool:
    """Whether the values of *mine* and *other* are the same objects by name, but for those of *plain* types."""
    return mine.keys() == other.keys() and all(
        same(mine[name], other[name]) or (is_a(mine[name], plain) and is_a(other[name], plain))
        for name in mine)


def same(one: Any, two: Any) -> bool:
    """Identity; of bound methods, which are made anew each time, that of object and function."""
    if one is two:
        return True
    return (is_a(one, MethodType) and is_a(two, MethodType)
            and one.__func__ is two.__func__ and one.__self__ is two.__self__)


def _opened(found: Dict[str, Any]) -> Dict[str, Any]:
    """*found*, with the attributes of the objects in it: ``self.queue``, ``pool.queue``, ``self.server.requests``."""
    opened = dict(found)
    for _ in range(2):
        for name, value in list(opened.items()):
            if type(value).__module__ not in _OWN_BUSINESS and name.count(".") < (2 if name.startswith("self") else 1):
                opened.update(("%s.%s" % (name, attribute), held) for attribute, held in vars_of(value).items())
    return opened


def _same_source(process: Process, mine: Dict[str, Any], other: Dict[str, Any], waiting: FrameType,
                 beyond: Frames) -> bool:
    """Whether the queue that the other waits for is mine as well; where that does not show, all that both name."""
    for frame in beyond:
        if module_of(frame) == "queue" and frame.f_code.co_name == "get":
            queue = variables(frame).get("self")
            places = {name for name, value in other.items() if value is queue}  # in another I may be who fills it
            return any(queue is value for name, value in mine.items() if name in places or not places & mine.keys())
    names = [name for name, value in mine.items() if name in other and is_source(process, value)]
    line = names_on_line(waiting)
    awaited = [name for name in names if name.rpartition(".")[2] in line] or names
    return bool(awaited) and all(mine[name] is other[name] for name in awaited)
