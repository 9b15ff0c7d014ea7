"""Chains: a variable, and the attributes that code asks it for one after the other; and what they stand for now."""

import dis
from collections import namedtuple
from functools import lru_cache
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any, Dict, FrozenSet, Iterator, List, Mapping, Optional, Tuple, Union

from threadguard.process.facts import is_a
from threadguard.rules.code import ASKS, named_by
from threadguard.rules.reach import vars_of

Chain = Tuple[str, ...]
"""A variable, and attributes. It begins with `NO_VARIABLE` where they are asked of something else: what a call gave."""

Part = Optional[Tuple[int, int]]

NO_VARIABLE = ""
MISSING: Any = object()
"""What a chain stands for that leads nowhere."""

_OF_DICT = "[]"
"""Before what is no attribute in a chain, but a text by which something is looked up in a dict."""

_CALLED: Any = object()
_A_TEXT = '""'
_TUPLE_GETTER = type(vars(namedtuple("_Named", "x"))["x"])
"""What a named tuple has for each field: a property written in C."""

_MAKES_TEXT = ("BUILD_STRING", "FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC")


@lru_cache(maxsize=1024)
def chains(code: CodeType) -> FrozenSet[Chain]:
    """The chains of *code* and of the functions in it that begin with a variable, each as long as it goes."""
    found = {chain for chain in chains_in(code) if chain[0] != NO_VARIABLE}
    return frozenset(found.union(*(chains(one) for one in code.co_consts if isinstance(one, CodeType))))


@lru_cache(maxsize=1024)
def chains_in(code: CodeType, part: Part = None) -> FrozenSet[Chain]:
    """The chains of *part* of *code*, everywhere by default; functions in it aside, and what a text is asked for."""
    return frozenset(chain for chain, _ in _chains_in(code, part) if chain[0] != _A_TEXT)


@lru_cache(maxsize=1024)
def chains_called(code: CodeType, part: Part = None) -> FrozenSet[Chain]:
    """Those of them that are called there and then, not handed on, as far as it shows: methods, and since 3.11 globals.
    """
    return frozenset(chain for chain, is_called in _chains_in(code, part) if is_called and chain[0] != _A_TEXT)


def length_compared(code: CodeType) -> Iterator[Tuple[Chain, Union[Chain, int]]]:
    """What *code* compares the length of something with: chains, or a chain and a number."""
    for one, seen in _with_loaded(code):
        if one.opname == "COMPARE_OP":
            yield from _length_and_other(seen[-4:])


@lru_cache(maxsize=512)
def iterated(code: CodeType) -> Mapping[int, Tuple[bool, Union[Chain, int]]]:
    """What each ``for`` of *code* goes over, by the position where its turns begin: whether over a `range` of it, and a
    chain or a number. An empty chain if that does not show."""
    found: Dict[int, Tuple[bool, Union[Chain, int]]] = {}
    over: Tuple[bool, Union[Chain, int]] = (False, ())
    for one, seen in _with_loaded(code):
        if one.opname == "GET_ITER":
            is_range = seen[-1:] == [_CALLED] and seen[-3:-2] == [("range",)] and _tells(seen[-2])
            over = (True, seen[-2]) if is_range else (False, seen[-1] if seen and is_a(seen[-1], tuple) else ())
        elif one.opname == "FOR_ITER":
            found[one.offset] = over
    return found


def _tells(thing: Any) -> bool:
    """Whether *thing* is a number, or a chain that may stand for something."""
    return is_a(thing, int) or (is_a(thing, tuple) and thing != ())


def _with_loaded(code: CodeType) -> Iterator[Tuple[dis.Instruction, List[Any]]]:
    """Each instruction of *code*, and what was loaded and called before it: chains, numbers, `_CALLED`."""
    seen: List[Any] = []
    for one in dis.get_instructions(code):
        yield one, seen
        if one.opname in ("CALL", "CALL_FUNCTION"):
            seen.append(_CALLED)
        elif one.opname.startswith(ASKS):
            seen[-1:] = [seen[-1] + (one.argval,) if seen and is_a(seen[-1], tuple) else (NO_VARIABLE, one.argval)]
        elif one.opname == "BINARY_SUBSCR" and len(seen) > 1 and is_a(seen[-1], str) and is_a(seen[-2], tuple):
            seen[-2:] = [seen[-2] + (_OF_DICT + seen[-1],)]
        elif one.opname == "LOAD_CONST":
            seen.append(one.argval if is_a(one.argval, (int, str)) else ())
        elif "LOAD_" in one.opname:
            seen += [(name,) for name in named_by(one)]


def _length_and_other(seen: List[Any]) -> Iterator[Tuple[Chain, Union[Chain, int]]]:
    """The two sides of a comparison, of what was loaded and called before it."""
    for place, other in ((0, 3), (1, 0)):
        if len(seen) == 4 and seen[place] == ("len",) and seen[place + 2] == _CALLED and _tells(seen[other]):
            yield seen[place + 1], seen[other]


def _chains_in(code: CodeType, part: Part) -> Iterator[Tuple[Chain, bool]]:
    chain: Chain = ()
    is_called = False
    for one in dis.get_instructions(code):
        if one.opname == "EXTENDED_ARG" or not (part is None or part[0] <= one.offset <= part[1]):
            continue
        if one.opname.startswith(ASKS):
            chain = (chain or (NO_VARIABLE,)) + (str(one.argval),)
            is_called = _calls(one)
            continue
        if chain:
            yield chain, is_called
        chain = ()
        if one.opname in _MAKES_TEXT or (one.opname == "LOAD_CONST" and isinstance(one.argval, (str, bytes))):
            chain = (_A_TEXT,)
        elif "LOAD_" in one.opname and one.opname != "LOAD_CONST":
            names = named_by(one)
            yield from (((name,), False) for name in names[:-1])
            chain, is_called = (str(names[-1]),), _calls(one)
    if chain:
        yield chain, is_called


def _calls(one: dis.Instruction) -> bool:
    """Whether *one* loads something to call it: a NULL goes with it, or its object (Python/compile.c)."""
    return one.opname == "LOAD_METHOD" or "NULL" in one.argrepr


def value_of(chain: Chain, known: Mapping[str, Any], namespace: Mapping[str, Any]) -> Any:
    """What *chain* stands for among the variables that are *known* and the globals of *namespace*, or `MISSING`."""
    thing = known.get(chain[0], namespace.get(chain[0], MISSING))
    for name in chain[1:]:
        thing = attribute(thing, name)
    return thing


def attribute(thing: Any, name: str) -> Any:
    """The attribute *name* of *thing*, found by looking: nothing is computed. A property leads to its function."""
    if name.startswith(_OF_DICT):
        return thing.get(name[len(_OF_DICT):], MISSING) if type(thing) is dict else MISSING
    if thing is MISSING or is_a(thing, ModuleType):
        return vars(thing).get(name, MISSING) if thing is not MISSING else MISSING
    held = {} if is_a(thing, type) else vars_of(thing)
    if name in held:
        return held[name]
    kinds = thing.__mro__ if is_a(thing, type) else type(thing).__mro__
    value: Any = next((vars(kind)[name] for kind in kinds if name in vars(kind)), MISSING)
    if is_a(value, property):
        value = value.fget
    if type(value) is _TUPLE_GETTER:
        return value.__get__(thing)
    if is_a(value, staticmethod):
        return value.__func__
    if is_a(value, classmethod):
        return MethodType(value.__func__, kinds[0])
    return MethodType(value, thing) if is_a(value, FunctionType) and not is_a(thing, type) else value
