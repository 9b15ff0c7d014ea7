"""A loop that is still starting threads like mine: the others are not there yet, and it goes on to start them.

Its code and its variables tell how many. Either each turn of ``for … in range(n)`` starts one with my function, or it
goes through a list of threads, mine among them. Told is only what is certain: nothing in the loop waits, as one does
that starts a worker anew when it has ended; each turn does the same, and whatever leads my thread to the guarded
application comes from outside the loop.
"""

from operator import length_hint
from types import CodeType, FrameType, FunctionType, MethodType
from typing import Any, FrozenSet, Iterator, List, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, a_few, count, is_a, module_of, variables
from threadguard.rules.chains import chains_in, iterated, value_of
from threadguard.rules.code import STARTS_THREADS, in_one_loop, is_straight, loop_around, names_any, stored_in
from threadguard.rules.holding import holds_up
from threadguard.rules.per_request import runs
from threadguard.rules.reach import IsGuard, Reach, identity, vars_of
from threadguard.rules.siblings import started_alike
from threadguard.rules.sockets import closed_over
from threadguard.rules.stacks import EXECUTORS, executor_of, inputs, own_frames
from threadguard.rules.waits import Code, ahead

_DEPTH = 16
"""How far out from the start of a thread its loop may lie."""

_MOST = 256
_RANGE_ITERATOR = type(iter(range(0)))


def starting(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """How many threads of my worker function the loop starts that has started mine."""
    mine = own_frames(process)
    worker = next((frame for frame in mine[:4] if in_one_loop(frame) and module_of(frame) not in EXECUTORS), None)
    if worker is None or process.in_main_thread:
        return None
    most = count(getattr(executor_of(mine[:3]), "_max_workers", None))
    for frames in process.others.values():
        for frame in frames[:_DEPTH]:
            number = _to_start(process, frame, mine[:mine.index(worker) + 1], Reach(is_guard))
            number = min(number, most or number)
            if number > 1:
                return Reading(Source.POOL, "the server", number, (
                    "%s is starting %d threads like this one" % (frame.f_code.co_name, number)))
    return None


def _to_start(process: Process, frame: FrameType, mine: Frames, reach: Reach) -> int:
    """How many threads like mine, whose frames up to its loop are *mine*, the loop of *frame* starts; 0: not known."""
    part = loop_around(frame)
    if part is None or not is_straight(frame.f_code, part):
        return 0
    over = _over(frame, part)
    if is_a(over, (list, tuple)):
        number = _alike(process.thread, over)
    else:
        number = over if is_a(over, int) and _comes_from(frame, part, mine, reach) else 0
    return number if number > 1 and not holds_up(frame) else 0


def _over(frame: FrameType, part: Tuple[int, int]) -> Any:
    """What the loop of *frame* goes through: a number of turns, or a list; None if that does not show."""
    values = variables(frame)
    if ".0" in values:  # a comprehension has a frame of its own until Python 3.12, and is given an iterator
        return length_hint(values[".0"]) + 1 if is_a(values[".0"], _RANGE_ITERATOR) else None
    is_range, chain = iterated(frame.f_code).get(part[0], (False, ()))
    over = chain if isinstance(chain, int) else value_of(chain, values, frame.f_globals) if chain else None
    return over if is_range == is_a(over, int) else None


def _alike(thread: Any, listed: Any) -> int:
    """How many of the threads *listed*, *thread* among them, were made with the same things as that."""
    threads = a_few(listed, _MOST)
    return sum(started_alike(thread, one) for one in threads) if any(one is thread for one in threads) else 0


def _comes_from(frame: FrameType, part: Tuple[int, int], mine: Frames, reach: Reach) -> bool:
    """Whether the loop of *frame* starts threads of the function that *mine* run, and gives each the same things."""
    given = list(_given(ahead(frame), stored_in(frame.f_code, part)))
    starts = any(names_any(code, STARTS_THREADS) for code in (frame.f_code, *map(_code_of, given)))
    started = next((one for one in mine if any(runs(one.f_code, thing) for thing in given)), None)
    if started is None or not starts:
        return False
    known = identity([*given, *(thing for one in given for thing in _parts(one))])
    return all(known(thing) or not reach.leads([thing], reach.is_guard)
               for value in inputs(started).values() for thing in _own(value, given))


def _given(code: Code, own: FrozenSet[str]) -> Iterator[Any]:
    """What *code*, and the methods that it calls, name, but for the variables *own*."""
    for one, but in ((code, own), *((method, frozenset()) for method in code.methods())):
        for chain in chains_in(one.code, one.part):
            if chain[0] not in but:
                yield one.value_of(chain)


def _parts(thing: Any) -> Iterator[Any]:
    """The object of a method; what a function closes over."""
    if is_a(thing, MethodType):
        yield thing.__self__
    yield from closed_over(thing)


def _own(value: Any, given: List[Any]) -> List[Any]:
    """*value*, or the attributes of it if the loop makes objects of its class."""
    return list(vars_of(value).values()) if any(type(value) is one for one in given) else [value]


def _code_of(thing: Any) -> CodeType:
    function = thing.__func__ if is_a(thing, MethodType) else thing
    return function.__code__ if is_a(function, FunctionType) else _NO_CODE


_NO_CODE = compile("", "", "exec")
