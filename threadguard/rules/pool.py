"""A lone worker, or one of many: the bound of the pool object that runs this request.

A pool object is one that can be proved to run my thread:
- it holds the object of my thread in a collection (cheroot's ``_threads``, Paste's ``workers``, Twisted's ``threads``);
- or my worker function is its method, that function is in a loop, and it is no thread itself.
Its bounds are its attributes with a name of `BOUNDS`. All are 1: one request at a time. One is more: that many.
None: nothing is known, and an infinite one tells no more than that. Left out are numbers of something else (`_counts`):
of processes that its class forks, and the length of its queue; and a 1 while other threads of it are seen.
"""

import threading
import weakref
from types import CodeType, FunctionType, ModuleType
from typing import Any, Dict, FrozenSet, Iterator, List, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, is_a, variables
from threadguard.rules.accepting import own_loop
from threadguard.rules.code import STARTS_THREADS, functions_in, gets_attribute, in_one_loop, names_any
from threadguard.rules.per_request import thread_per_request, threading_mixin
from threadguard.rules.reach import IsGuard, vars_of
from threadguard.rules.siblings import siblings
from threadguard.rules.sources import is_queue
from threadguard.rules.stacks import inputs, own_frames

BOUNDS = frozenset("""
    max maxthreads maxworkers maxconcurrency concurrency size poolsize threadpoolsize threads numthreads nthreads
    threadcount threadscount numberofthreads workers numworkers nworkers workercount workerscount numberofworkers
    threadlimit maxpoolsize capacity maximum maximumthreads maximumworkers
    """.split())
"""Names of bounds, without underscores, in lower case."""

_LEAST = frozenset("min minthreads minworkers minpoolsize minsparethreads".split())
"""Names of lower bounds: they are no bound, but one over 1 says that there are more."""

_OF_ANYTHING = frozenset("max size capacity maximum".split())
"""Those of `BOUNDS` that may bound anything, such as a queue."""

_STARTS_PROCESSES = frozenset("fork Process Popen spawnv".split())

_OBJECTS = 600
_MEMBERS = 4096
_PLAIN = (str, bytes, int, float, type(None))
_COLLECTIONS = (list, tuple, set, frozenset, dict)

_SEEN = (siblings, threading_mixin, thread_per_request)
"""Rules that see more than one thread: where they do, a name that says 1 counts something else (processes, mostly)."""

_GROWN_BY_HAND = ("cheroot.workers.threadpool",)
"""Pools that reach their maximum only if somebody calls their ``grow``, which cheroot itself (6 to 11) never does."""


def pool(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """The bound of the pool object that runs my thread."""
    frames = own_frames(process)
    if not frames or own_loop(process):
        return None
    owners = [owner for owner in (_method_of(process),) if owner is not None]
    found = next((reading for owner in (*owners, *_holding(process)) for reading in (_bound(owner),) if reading), None)
    if found is not None and found.capacity == 1 and any(rule(process, is_guard) for rule in _SEEN):
        return None
    return found


def _method_of(process: Process) -> Any:
    """The object whose method is my worker loop, if it has bounds."""
    first = own_frames(process)[0]
    owner = inputs(first).get("self")
    if owner is None or is_a(owner, threading.Thread) or not in_one_loop(first):
        return None
    return owner if _bounds(owner) and not process.in_main_thread else None


def _holding(process: Process) -> Iterator[Any]:
    """Objects within two steps of my stack's variables that hold my thread in a collection."""
    thread = process.thread
    seen: Dict[int, Any] = {}
    wave: List[Any] = [value for frame in own_frames(process) for value in variables(frame).values()]
    for _ in range(3):
        following: List[Any] = []
        for thing in wave:
            if id(thing) in seen or len(seen) > _OBJECTS or is_a(thing, (type, ModuleType, *_COLLECTIONS)):
                continue
            seen[id(thing)] = thing
            held = vars_of(thing)
            if thread is not None and any(_contains(value, thread) for value in held.values()):
                yield thing
            following.extend(map(_referent, (value for value in held.values() if not is_a(value, _PLAIN))))
        wave = following


def _referent(value: Any) -> Any:
    """*value*, or what a weak reference refers to: a worker may know its pool by one (futurist/_thread.py)."""
    return value() if is_a(value, weakref.ref) else value


def _contains(collection: Any, thread: threading.Thread) -> bool:
    if not is_a(collection, _COLLECTIONS) or len(collection) > _MEMBERS:
        return False
    things = [*collection, *collection.values()] if is_a(collection, dict) else list(collection)
    return any(thing is thread for thing in things)


def _bounds(owner: Any) -> Dict[str, Any]:
    """The bounds of *owner* by their names."""
    of_class = {name: value for kind in reversed(type(owner).__mro__) for name, value in vars(kind).items()}
    return {name: value for name, value in {**of_class, **vars_of(owner)}.items()
            if _plain(name) in BOUNDS | _LEAST and count(value) and _counts(owner, name, value)}


def _counts(owner: Any, name: str, value: int) -> bool:
    """Whether the attribute *name* of *owner* may be a number of threads.

    It is none if every method that asks for it starts processes, and no threads. One whose name may mean anything is
    none if methods ask for it, and none of them starts threads, itself or by others that it calls; nor if no method
    asks for it, it is over 1, and a queue of *owner* has it for its ``maxsize``.
    """
    methods = {method.__name__: list(functions_in(method.__code__)) for kind in reversed(type(owner).__mro__)
               for method in list(vars(kind).values()) if is_a(method, FunctionType)}
    uses = [method for method in methods.values() if any(gets_attribute(code, name) for code in method)]
    if uses and _plain(name) in _OF_ANYTHING:
        return any(_names(called, STARTS_THREADS) for method in uses for called in _with_called(method, methods))
    if not uses and value > 1 and _plain(name) in _OF_ANYTHING:
        return not any(is_queue(one) and getattr(one, "maxsize", None) == value for one in vars_of(owner).values())
    return not uses or not all(_names(method, _STARTS_PROCESSES) and not _names(method, STARTS_THREADS)
                               for method in uses)


def _with_called(method: List[CodeType], methods: Dict[str, List[CodeType]]) -> List[List[CodeType]]:
    """*method*, and those of *methods* that it calls, two calls deep."""
    found = [method]
    for _ in range(2):
        found += [methods[name] for one in found for code in one for name in code.co_names
                  if name in methods and methods[name] not in found]
    return found


def _names(method: List[CodeType], names: FrozenSet[str]) -> bool:
    return any(names_any(code, names) for code in method)


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def _bound(owner: Any) -> Optional[Reading]:
    bounds = _bounds(owner)
    greatest = max(bounds.values(), default=0)
    only_least = all(_plain(name) in _LEAST for name in bounds)
    if not bounds or (only_least and greatest == 1):
        return None
    if greatest > 1 and type(owner).__module__ in _GROWN_BY_HAND:
        return None
    kind = "%s.%s" % (type(owner).__module__, type(owner).__name__)
    evidence = ", ".join("%s is %d" % item for item in sorted(bounds.items()))
    return Reading(Source.POOL, "the pool that runs it", greatest, "%s: %s, which runs this thread" % (kind, evidence))
