"""What bytecode tells: which positions share a loop, what a line calls, which names are only asked for attributes."""

import dis
from functools import lru_cache
from types import CodeType, FrameType, FunctionType
from typing import Any, FrozenSet, Iterator, List, Optional, Set, Tuple

_JUMPS = frozenset(dis.hasjrel) | frozenset(dis.hasjabs)

ASKS = ("LOAD_ATTR", "LOAD_METHOD")
"""Instructions that ask an object for an attribute."""

STARTS_THREADS = frozenset("Thread start start_new_thread start_joinable_thread Timer submit spawn".split())
"""What code names that starts threads, or has others start them."""

_NEVER_ON = frozenset(
    "RETURN_VALUE RETURN_CONST RAISE_VARARGS RERAISE JUMP_FORWARD JUMP_ABSOLUTE JUMP_BACKWARD".split())
"""Instructions after which the next one is not run."""


@lru_cache(maxsize=512)
def loops(code: CodeType) -> Tuple[Tuple[int, int], ...]:
    """The loops of *code*: the position where each begins, and that of the jump which ends it.

    Since Python 3.11 the handlers of exceptions lie behind the rest and jump back to it, which is no loop: only code
    that is come by without an exception counts. An ``await`` is no loop either (``JUMP_BACKWARD_NO_INTERRUPT``).
    """
    return tuple((one.argval, one.offset) for one in _without_exceptions(code)
                 if one.opcode in _JUMPS and one.argval <= one.offset and one.opname != "JUMP_BACKWARD_NO_INTERRUPT")


def _without_exceptions(code: CodeType) -> List[dis.Instruction]:
    """The instructions of *code* that can be come by from its beginning without an exception."""
    instructions = list(dis.get_instructions(code))
    places = {one.offset: place for place, one in enumerate(instructions)}
    ahead, seen = [0], set()
    while ahead:
        place = ahead.pop()
        if place in seen or place >= len(instructions):
            continue
        seen.add(place)
        one = instructions[place]
        if one.opcode in _JUMPS:
            ahead.append(places[one.argval])
        if one.opname not in _NEVER_ON:
            ahead.append(place + 1)
    return [instructions[place] for place in sorted(seen)]


def loop_around(frame: FrameType) -> Optional[Tuple[int, int]]:
    """The widest loop of its code that *frame* is in, or None."""
    around = [loop for loop in loops(frame.f_code) if loop[0] <= frame.f_lasti <= loop[1]]
    return (min(around)[0], max(end for _, end in around)) if around else None


@lru_cache(maxsize=512)
def is_straight(code: CodeType, loop: Tuple[int, int]) -> bool:
    """Whether each turn of *loop* does the same: it has no branch, no loop within, and looks nothing up by an index."""
    body = [one for one in _without_exceptions(code) if loop[0] < one.offset < loop[1]]
    return not any(one.opcode in _JUMPS or one.opname == "BINARY_SUBSCR" for one in body)


def stored_in(code: CodeType, part: Tuple[int, int]) -> FrozenSet[str]:
    """The names of the variables that *part* of *code* assigns."""
    return frozenset(name for one in dis.get_instructions(code) if part[0] <= one.offset <= part[1]
                     and one.opname.startswith("STORE_") and one.opname != "STORE_ATTR" for name in named_by(one))


def in_one_loop(*frames: FrameType) -> bool:
    """Whether one loop of their code holds the positions of all *frames*, which run the same code."""
    positions = [frame.f_lasti for frame in frames]
    return any(start <= min(positions) and max(positions) <= end for start, end in loops(frames[0].f_code))


def named_by(one: dis.Instruction) -> Tuple[Any, ...]:
    """What *one* loads or stores: since Python 3.13 one instruction may load two variables, or store and load."""
    return one.argval if isinstance(one.argval, tuple) else (one.argval,)


def _loads(code: CodeType, part: Optional[Tuple[int, int]]) -> Iterator[Tuple[str, bool]]:
    """The variables that *part* of *code* loads, and whether only to ask for an attribute; functions in it included."""
    instructions = [one for one in dis.get_instructions(code) if part is None or part[0] <= one.offset <= part[1]]
    for one, after in zip(instructions, instructions[1:]):
        if one.opname == "LOAD_CONST" and isinstance(one.argval, CodeType):
            yield from _loads(one.argval, None)
        elif one.opname.startswith("LOAD_") and not one.opname.startswith((*ASKS, "LOAD_CONST")):
            asks = after.opname.startswith(ASKS)
            names = named_by(one)
            for name in names:
                if isinstance(name, str):
                    yield name, asks and name is names[-1]


@lru_cache(maxsize=512)
def variables_used(code: CodeType, part: Optional[Tuple[int, int]] = None) -> Tuple[FrozenSet[str], FrozenSet[str]]:
    """The names of the variables that *code* loads, and those of them that it only asks for an attribute.

    *part* is where to look, as two positions; everywhere by default.
    """
    loads = list(_loads(code, part))
    valued = {name for name, asks in loads if not asks}
    every = {name for name, _ in loads}
    return frozenset(every), frozenset(every - valued)


@lru_cache(maxsize=512)
def attributes_asked(code: CodeType, name: str,
                     part: Optional[Tuple[int, int]] = None) -> Optional[FrozenSet[Tuple[str, bool]]]:
    """The attributes that *part* of *code* asks the variable *name* for, and whether only to ask them further.

    None where anything else is done with it but setting an attribute, or where functions inside may do so.
    """
    if name in code.co_cellvars:
        return None
    found: Set[Tuple[str, bool]] = set()
    instructions = list(dis.get_instructions(code))
    for one, after, then in zip(instructions, instructions[1:], instructions[2:]):
        if (part is None or part[0] <= one.offset <= part[1]) and _loads_name(one, name):
            if after.opname.startswith(ASKS) and _is_last(one, name):
                found.add((after.argval, then.opname.startswith(ASKS)))
            elif not (after.opname == "STORE_ATTR" and _is_last(one, name)):
                return None
    return frozenset(found)


def _loads_name(one: dis.Instruction, name: str) -> bool:
    """Whether *one* loads the variable *name*."""
    return "LOAD_" in one.opname and "_FAST" in one.opname and name in named_by(one)


def _is_last(one: dis.Instruction, name: str) -> bool:
    if not isinstance(one.argval, tuple):
        return True
    return one.argval[-1] == name and (one.argval[0] != name or one.opname.startswith("STORE_"))


@lru_cache(maxsize=512)
def rebound(code: CodeType) -> FrozenSet[str]:
    """The names of the variables that *code* assigns: an argument among them is no longer what was handed in."""
    found: Set[str] = set()
    for one in dis.get_instructions(code):
        if one.opname.startswith(("STORE_FAST", "STORE_DEREF", "DELETE_FAST", "DELETE_DEREF")):
            found.update(named_by(one))
    return frozenset(found)


@lru_cache(maxsize=4096)
def names_any(code: CodeType, names: FrozenSet[str]) -> bool:
    """Whether *code* looks up one of *names*, as a global or an attribute."""
    return not names.isdisjoint(code.co_names)


def functions_in(code: CodeType) -> Iterator[CodeType]:
    """*code*, and that of every function in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from functions_in(constant)


def methods_of(kind: type) -> Iterator[CodeType]:
    """The code of the methods that *kind* itself has, and of every function in them."""
    for value in vars(kind).values():
        if isinstance(value, FunctionType):
            yield from functions_in(value.__code__)


def gets_attribute(code: CodeType, name: str) -> bool:
    """Whether *code* asks for an attribute called *name*."""
    return name in code.co_names and any(
        one.opname.startswith(ASKS) and one.argval == name for one in dis.get_instructions(code))


def uses_of_attribute(code: CodeType, name: str) -> List[bool]:
    """For each place where *code* asks for an attribute called *name*: whether it asks that for a further one."""
    if not any(name in one.co_names for one in functions_in(code)):
        return []
    return [after.opname.startswith(ASKS) for inner in functions_in(code) for one, after in _pairs(inner)
            if one.opname.startswith(ASKS) and one.argval == name]


def _pairs(code: CodeType) -> Iterator[Tuple[dis.Instruction, dis.Instruction]]:
    instructions = list(dis.get_instructions(code))
    return zip(instructions, instructions[1:])


def sets_attribute(code: CodeType, name: str) -> bool:
    """Whether *code* assigns an attribute called *name*."""
    return any(one.opname == "STORE_ATTR" and one.argval == name for one in dis.get_instructions(code))


def names_on_line(frame: FrameType) -> FrozenSet[str]:
    """The names that the line which *frame* runs now looks up before its position: what it calls is among them."""
    found: Set[str] = set()
    for one in dis.get_instructions(frame.f_code):
        if one.offset > frame.f_lasti:
            break
        if one.starts_line:
            found = set()
        if one.opname.startswith((*ASKS, "LOAD_GLOBAL", "LOAD_NAME", "LOAD_DEREF", "LOAD_FAST")):
            found.add(str(one.argval))
    return frozenset(found)
