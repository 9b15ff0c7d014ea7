"""Two bridges of one thread each: both let a request in, and neither knows of the other.

a2wsgi's `WSGIMiddleware` and tornado's `WSGIContainer` have an executor each. One of one runs me; an object of the same
class as its owner has another, a server's thread leads to that object, and it to the guarded application.
"""

import gc
from types import FrameType, ModuleType
from typing import Any, Iterator, List, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process import Process, is_a, variables
from threadguard.rules.accepting import held_by, other_loops
from threadguard.rules.calls import calls
from threadguard.rules.reach import IsGuard, Reach, identity, vars_of
from threadguard.rules.stacks import executor_worker, own_frames


def twin_executors(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """An executor of one runs me, and its owner has a twin that calls the application with another."""
    mine = _own_executor(process)
    if getattr(mine, "_max_workers", None) != 1:
        return None
    for owner, name in _owners(mine):
        twins = list(_twins(owner, name, mine))
        if twins and _serve(process, twins, Reach(is_guard)):
            return Reading(Source.POOL, "this process", None, code="TG202", evidence=(
                "%d objects of %s.%s call the application, each with an executor of its own" % (
                    len(twins) + 1, type(owner).__module__, type(owner).__name__)))
    return None


def _own_executor(process: Process) -> Any:
    worker = executor_worker(own_frames(process)[:3])
    return None if worker is None else variables(worker)["executor_reference"]()


def _owners(executor: Any) -> Iterator[Tuple[Any, str]]:
    """The objects that hold *executor* in an attribute, and its name."""
    holders: List[Any] = gc.get_referrers(executor)
    holders += [one for holder in holders if is_a(holder, dict) for one in gc.get_referrers(holder)]
    for holder in holders:
        if not is_a(holder, (dict, list, tuple, type, ModuleType, FrameType)):
            yield from ((holder, name) for name, value in vars_of(holder).items() if value is executor)


def _twins(owner: Any, name: str, mine: Any) -> Iterator[Any]:
    """The objects of the class of *owner* that have another executor than *mine* in the attribute *name*."""
    for thing in gc.get_objects():
        if type(thing) is type(owner) and thing is not owner:
            held = vars_of(thing).get(name)
            if type(held) is type(mine) and held is not mine:
                yield thing


def _serve(process: Process, twins: List[Any], reach: Reach) -> bool:
    """Whether one of *twins* leads to the guarded application, and a loop that accepts connections to that one.

    Where no such loop can be seen (uvloop's is written in C), whatever another thread works with may.
    """
    twins = [one for one in twins if calls([one], reach.is_guard, reach)]
    held = ([things for loop in other_loops(process) for things in held_by(loop, reach)]
            or [reach.held(frames) for frames in process.others.values()])
    return bool(twins) and any(calls(things, identity(twins), reach) for things in held)
