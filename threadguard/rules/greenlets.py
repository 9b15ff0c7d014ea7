"""Greenlets: a server that runs each request in one of its own, or a few that take requests from a queue.

Being in a child greenlet is no proof. Left out are
- a greenlet that was switched to with this request in hand, or by SQLAlchemy's ``greenlet_spawn``: its caller waits,
  and is looked at in its place; the same goes for one that an application made, inside another guard;
- a greenlet that accepts the connections itself and serves them in turn: a whole server was started in it;
- a thread of `threading` that is a greenlet, as gevent's patching makes them, or any greenlet in a loop for work: such
  are judged like threads, by their siblings.
"""

import gc
from types import MethodType
from typing import Any, Iterator, List, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, a_few, count, is_a, outward, variables, whole
from threadguard.rules.accepting import own_loop
from threadguard.rules.code import in_one_loop
from threadguard.rules.reach import IsGuard, Reach, vars_of
from threadguard.rules.siblings import are_siblings, identical, same
from threadguard.rules.sources import is_queue, is_socket, listens
from threadguard.rules.stacks import callers_in_greenlets, inputs, own_frames, worker_frames, works_on


def greenlets(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """The size of the greenlet pool that runs this request; no bound if there is none."""
    mine = [process.greenlet, *callers_in_greenlets(process)][-1]
    if getattr(mine, "parent", None) is None or own_loop(process):
        return None
    frames = own_frames(process)
    pool = next(_pools(process, mine, frames), None)
    if pool is not None:
        return Reading(Source.POOL, "the greenlet pool that runs it", pool.size,
                       "size of the %s.%s that runs this greenlet is %d" % (
                           type(pool).__module__, type(pool).__name__, pool.size))
    if frames and _takes_work_in_turn(process, mine, frames):
        return _of_siblings(process, mine, frames, is_guard)
    return Reading(Source.STRUCTURE, "the greenlet server", None, unbounded=True, evidence=(
        "this request runs in a greenlet of its own, and no pool bounds them"))


def _pools(process: Process, mine: Any, frames: Frames) -> Iterator[Any]:
    """Pools with a size that hold *mine*: what the greenlet refers to (gevent's links, eventlet's exit functions), what
    its frames hold, and what the frames of the greenlet that spawned it hold."""
    for thing in _referred(mine):
        if _holds(thing, mine):
            yield thing
    spawner = getattr(mine, "spawning_greenlet", None)
    spawner = spawner() if callable(spawner) else None
    stacks = (*frames, *outward(getattr(spawner, "gr_frame", None)), *outward(mine.parent.gr_frame))
    for frame in stacks:
        for value in variables(frame).values():
            owner = value.__self__ if is_a(value, MethodType) else value
            for thing in (owner, *vars_of(owner).values()):
                if _holds(thing, mine):
                    yield thing


def _referred(greenlet: Any) -> Iterator[Any]:
    """Objects of the methods that *greenlet* will call at its end (gevent/greenlet.py ``_links``,
    eventlet/greenthread.py ``_exit_funcs``)."""
    wave: List[Any] = [*gc.get_referents(greenlet), *vars_of(greenlet).values()]
    for _ in range(3):
        following: List[Any] = []
        for thing in wave:
            owner = getattr(thing, "__self__", None)
            if owner is not None:
                yield owner
            if is_a(thing, (list, tuple)) or type(thing).__name__ == "deque":
                following.extend(a_few(thing))
        wave = following


def _holds(thing: Any, greenlet: Any) -> bool:
    """Whether *thing* is a pool with a size that holds *greenlet*: gevent/pool.py `Pool`, eventlet/greenpool.py
    `GreenPool`."""
    held = vars_of(thing)
    members: Any = held.get("greenlets") or held.get("coroutines_running")
    return (count(held.get("size")) is not None and is_a(members, (set, list, tuple, dict))
            and any(one is greenlet for one in members))


def _takes_work_in_turn(process: Process, mine: Any, frames: Frames) -> bool:
    """Whether my greenlet is a worker: in a loop that holds a queue, and not started with a connection in hand."""
    handed = (*getattr(mine, "args", ()), *inputs(frames[0]).values())
    if any(thing is process.environ or (is_socket(thing) and not listens(process, thing)) for thing in handed):
        return False
    return any(in_one_loop(frame) and any(map(is_queue, works_on(frame))) for frame in frames[:3])


def _of_siblings(process: Process, mine: Any, frames: Frames, is_guard: IsGuard) -> Optional[Reading]:
    reach = Reach(is_guard)
    found = sum(
        are_siblings(process, frames, worker_frames(whole(outward(one.gr_frame)), None), reach)
        or _spawned_alike(mine, one) for one in process.greenlets() if not one.dead)
    if not found:
        return None
    return Reading(Source.STRUCTURE, "the greenlet server", None,
                   "%d other greenlets are in the same loop of %s as this one" % (found, frames[0].f_code.co_name))


def _spawned_alike(mine: Any, other: Any) -> bool:
    """Whether *other*, a greenlet of gevent's that has not run yet, was spawned with the same things as *mine*."""
    run, arguments = getattr(mine, "_run", None), getattr(mine, "args", ())
    return (run is not None and not other.gr_frame and same(run, getattr(other, "_run", None))
            and identical(dict(enumerate(arguments)), dict(enumerate(getattr(other, "args", ())))))
