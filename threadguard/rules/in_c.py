"""Servers whose loop is written in C: Python sees the function that started it, and the application that it calls."""

from types import FrameType, FunctionType, MethodType
from typing import Any, Optional

from threadguard.process.facts import Frames, Process, is_a, is_standard, variables
from threadguard.rules.chains import chains, value_of
from threadguard.rules.on_stack import is_application
from threadguard.rules.sources import is_socket, listens


def loop_in_c(process: Process, frames: Frames) -> Optional[FrameType]:
    """The one of *frames* (innermost first) that has started a loop in C, which calls the application; or None.

    It is the first one outside the application. It holds a socket that listens, but neither a connection nor the
    environ, which Python code that serves a request has in hand; and it names a function in C that is none of Python's.
    """
    frame = next((frame for frame in frames if not is_application(frame)), None)
    if frame is None:
        return None
    values = variables(frame)
    sockets = [one for one in values.values() if is_socket(one)]
    if not sockets or not all(listens(process, one) for one in sockets):
        return None
    if any(value is process.environ for value in values.values() if value is not None):
        return None
    named = (value_of(chain, values, frame.f_globals) for chain in chains(frame.f_code))
    return frame if any(map(_is_in_c, named)) else None


def _is_in_c(thing: Any) -> bool:
    """Whether *thing* is a function or method, not written in Python, of a package that is not Python's own."""
    if not callable(thing) or is_a(thing, (type, FunctionType, MethodType)):
        return False
    module = getattr(thing, "__module__", None) or type(getattr(thing, "__self__", None)).__module__
    return "function" in type(thing).__name__ and not is_standard(module)
