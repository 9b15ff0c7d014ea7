"""Two bridges of one thread each: both let a request in, and neither knows of the other.

a2wsgi's `WSGIMiddleware` and tornado's `WSGIContainer` have an executor each; a function may close over one.
One of one runs me; an object of the same class as its owner, or a function of the same code, has another, a
server's thread leads to that one, and it to the guarded application.
"""

import gc
from types import CellType, FrameType, FunctionType, ModuleType
from typing import Any, Dict, Iterator, List, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, captured, is_a
from threadguard.rules.accepting import held_by, other_loops
from threadguard.rules.calls import calls
from threadguard.rules.reach import IsGuard, Reach, identity, vars_of
from threadguard.rules.stacks import executor_of, own_frames


def twin_executors(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """An executor of one runs me, and its owner has a twin that calls the application with another."""
    mine = executor_of(own_frames(process)[:3])
    if getattr(mine, "_max_workers", None) != 1:
        return None
    for owner, name in _owners(mine):
        twins = list(_twins(owner, name, mine))
        if twins and _serve(process, twins, Reach(is_guard)):
            return Reading(Source.POOL, "this process", None, code="TG202", evidence=(
                "%d of %s.%s call the application, each with an executor of its own" % (
                    len(twins) + 1, *_named(owner))))
    return None


def _named(owner: Any) -> Tuple[str, str]:
    kind = owner if is_a(owner, FunctionType) else type(owner)
    return kind.__module__, kind.__qualname__


def _owners(executor: Any) -> Iterator[Tuple[Any, str]]:
    """The objects that hold *executor* in an attribute, the functions that close over it, and its name there."""
    holders: List[Any] = gc.get_referrers(executor)
    cells = [one for one in holders if is_a(one, CellType)]
    holders += gc.get_referrers(*(one for one in holders if is_a(one, dict)))
    closures = gc.get_referrers(*cells) if cells else []
    holders += gc.get_referrers(*(one for one in closures if is_a(one, tuple))) if closures else []
    for holder in holders:
        if not is_a(holder, (dict, list, tuple, type, ModuleType, FrameType)):
            yield from ((holder, name) for name, value in _held(holder).items() if value is executor)


def _held(thing: Any) -> Dict[str, Any]:
    """The attributes of *thing*; of a function what it closes over."""
    if not is_a(thing, FunctionType):
        return vars_of(thing)
    names: Tuple[str, ...] = thing.__code__.co_freevars
    return {name: captured(thing, name) for name in names}


def _twins(owner: Any, name: str, mine: Any) -> Iterator[Any]:
    """The objects of the class of *owner*, or functions of its code, that have another executor than *mine* as *name*.
    """
    for thing in _alike(owner):
        held = _held(thing).get(name)
        if thing is not owner and type(held) is type(mine) and held is not mine:
            yield thing


def _alike(owner: Any) -> List[Any]:
    """The functions of the code of *owner*, or the objects of its class: a look at all objects takes longer.

    Since Python 3.9 an object refers to its class (Objects/typeobject.c `subtype_traverse`).
    """
    kind = type(owner)
    found: List[Any] = gc.get_referrers(owner.__code__ if kind is FunctionType else kind)
    if not any(thing is owner for thing in found):
        found = gc.get_objects()
    return [thing for thing in found if type(thing) is kind and (
        kind is not FunctionType or thing.__code__ is owner.__code__)]


def _serve(process: Process, twins: List[Any], reach: Reach) -> bool:
    """Whether one of *twins* leads to the guarded application, and a loop that accepts connections to that one.

    Where no such loop can be seen (uvloop's is written in C), whatever another thread works with may.
    """
    twins = [one for one in twins if calls([one], reach.is_guard, reach)]
    held = ([things for loop in other_loops(process) for things in held_by(loop, reach)]
            or [reach.held(frames) for frames in process.others.values()])
    return bool(twins) and any(calls(things, identity(twins), reach) for things in held)
