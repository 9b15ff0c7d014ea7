"""What a loop uses of the object whose method it is: a server has other loops than the one that calls the application.

A thread of the same object that answers an administrator, or redirects from another port, holds all that the object
holds, and calls no application. So a loop's ``self`` leads to the attributes that the loop, and the methods which it
calls, ask it for; and to everything where more is done with it, such as handing it on.
"""

from types import CodeType, FrameType, FunctionType
from typing import Any, Dict, FrozenSet, Optional, Set, Tuple

from threadguard.process.facts import is_a
from threadguard.rules.code import attributes_asked, loop_around

Part = Optional[Tuple[int, int]]


class _MoreIsDone(Exception):
    """More is done with the object than asking it for attributes of its own."""


def is_own(frame: FrameType, name: str, value: Any) -> bool:
    """Whether the variable *name* of *frame* is the object, *value*, whose method it runs."""
    code = frame.f_code
    if not code.co_argcount or name != code.co_varnames[0]:
        return False
    methods = (vars(kind).get(code.co_name) for kind in type(value).__mro__)
    return any(getattr(method, "__code__", None) is code for method in methods)


def used_of(owner: Any, held: Dict[str, Any], frame: FrameType) -> Optional[Dict[str, bool]]:
    """Which of the attributes that *owner* has *held* the loop of *frame* uses, and whether it only asks them for one
    of theirs. None where all of them may be used."""
    try:
        return _asked(type(owner), frozenset(held), frame.f_code, loop_around(frame), set())
    except _MoreIsDone:
        return None


def _asked(kind: type, held: FrozenSet[str], code: CodeType, part: Part, seen: Set[CodeType]) -> Dict[str, bool]:
    seen.add(code)
    asked = attributes_asked(code, code.co_varnames[0], part)
    if asked is None:
        raise _MoreIsDone
    found: Dict[str, bool] = {}
    for name, only_asks in asked:
        for one, asks in (_through_class(kind, held, name, seen) if name not in held else {name: only_asks}).items():
            found[one] = asks and found.get(one, True)
    return found


def _through_class(kind: type, held: FrozenSet[str], name: str, seen: Set[CodeType]) -> Dict[str, bool]:
    """What a method or property *name* of *kind* asks for; nothing for a constant, or a method written in C."""
    value: Any = next((vars(base)[name] for base in kind.__mro__ if name in vars(base)), None)
    function: Any = value.fget if is_a(value, property) else value
    if is_a(function, FunctionType) and function.__code__.co_argcount:
        return {} if function.__code__ in seen else _asked(kind, held, function.__code__, None, seen)
    if is_a(value, (str, bytes, int, float)) or type(value).__name__ == "method_descriptor":
        return {}
    raise _MoreIsDone
