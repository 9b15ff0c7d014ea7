"""The applications on my own stack: whoever calls one of them comes to the guard as this request has.

So nothing needs to be known of the ways inside them: a router may find its views by adapters written in C.
"""

from types import FrameType, FunctionType, MethodType
from typing import Any, Callable, List, Tuple

from threadguard.process.facts import Process, captured, dig, is_a, variables


def is_application(frame: FrameType) -> bool:
    """Whether *frame* was called as PEP 3333 says: with an environ and something to call."""
    code, values = frame.f_code, variables(frame)
    given: List[Any] = [values.get(name) for name in code.co_varnames[:min(code.co_argcount, 3)]]
    return any(is_a(one, dict) and "REQUEST_METHOD" in one and callable(two) for one, two in zip(given, given[1:]))


def applications(process: Process) -> Callable[[object], bool]:
    """A goal: one of the applications on my stack."""
    frames = [(frame, variables(frame)) for frame in process.stack if is_application(frame)]
    return lambda thing: any(_runs(thing, pair) for pair in frames)


def _runs(thing: Any, pair: Tuple[FrameType, Any]) -> bool:
    """Whether the frame, with its variables, is a call of *thing*."""
    frame, values = pair
    code = frame.f_code
    owner = values.get(code.co_varnames[0])
    if is_a(thing, MethodType):
        return thing.__self__ is owner and dig(thing, "__func__.__code__") is code
    if is_a(thing, FunctionType):
        return thing.__code__ is code and all(captured(thing, name) is values.get(name) for name in code.co_freevars)
    return thing is owner and dig(type(thing), "__call__.__code__") is code
