"""A pool that starts a thread for a request while there are fewer than a number, under whatever name that is kept.

The first request sees no other worker. But the loop that accepts leads to a function which starts threads of my own
worker function, and there compares the number of threads, mine among them, with a bound. One that asks as well whether
a thread is alive may be about a single worker, which is started anew when it has died.
"""

from types import CodeType, FunctionType, MethodType
from typing import Any, Iterator, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, a_few, count, is_a
from threadguard.rules.accepting import held_by, other_loops, own_loop
from threadguard.rules.calls import called_from, variables_of
from threadguard.rules.chains import MISSING, chains, length_compared, value_of
from threadguard.rules.code import STARTS_THREADS, names_any
from threadguard.rules.per_request import runs
from threadguard.rules.reach import IsGuard, Reach
from threadguard.rules.stacks import own_frames


_IS_ALIVE = frozenset(("is_alive", "isAlive"))
_MOST = 1024


def growing(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """The number that a pool compares that of its threads with, before it starts one more to run what I run."""
    frames = own_frames(process)
    if not frames or process.in_main_thread or own_loop(process):
        return None
    reach = Reach(is_guard)
    for loop in other_loops(process):
        for things in held_by(loop, reach):
            for thing in called_from(things, reach):
                most = _bound(thing, frames[0].f_code, process.thread)
                if most > 1:
                    return Reading(Source.POOL, "the pool that runs it", most, (
                        "%s starts a thread as long as there are fewer than %d" % (thing.__qualname__, most)))
    return None


def _bound(thing: Any, code: CodeType, mine: Any) -> int:
    """How many threads that run *code*, *mine* among them, the function *thing* starts at most; 0 if it tells nothing.
    """
    function, owner = (thing.__func__, thing.__self__) if is_a(thing, MethodType) else (thing, MISSING)
    if not is_a(function, FunctionType) or not names_any(function.__code__, STARTS_THREADS):
        return 0
    pairs = () if names_any(function.__code__, _IS_ALIVE) else tuple(length_compared(function.__code__))
    if not pairs:
        return 0
    known = variables_of(function, owner)
    stands_for = (value_of(chain, known, function.__globals__) for chain in chains(function.__code__))
    if not any(runs(code, value) for value in stands_for):
        return 0
    return max((count(bound) or 0 for threads, bound in _values(pairs, known, function.__globals__)
                if _holds(threads, mine)), default=0)


def _values(pairs: Any, known: Any, namespace: Any) -> Iterator[Tuple[Any, Any]]:
    for threads, bound in pairs:
        yield (value_of(threads, known, namespace),
               bound if is_a(bound, int) else value_of(bound, known, namespace))


def _holds(collection: Any, thread: Any) -> bool:
    return is_a(collection, (list, set, dict)) and any(one is thread for one in a_few(collection, _MOST))
