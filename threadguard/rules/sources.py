"""What workers take their work from: queues, deques, sockets that listen."""

from types import FrameType, ModuleType
from typing import Any, List

from threadguard.process import Process, is_a
from threadguard.rules.code import variables_used


def is_source(process: Process, thing: Any) -> bool:
    """Whether workers take their work from *thing*: a queue, or a socket that listens."""
    socket = process.module("socket")
    return is_queue(thing) or (socket is not None and is_a(thing, socket.socket) and listens(socket, thing))


def is_queue(thing: Any) -> bool:
    """Whether *thing* has ``get`` and ``put``, or ``popleft``."""
    kind = type(thing)
    return (hasattr(kind, "get") and hasattr(kind, "put")) or hasattr(kind, "popleft")


def globals_named(frame: FrameType) -> List[Any]:
    """The globals that the code of *frame* names."""
    names = variables_used(frame.f_code)[0] & frame.f_globals.keys()
    return [frame.f_globals[name] for name in names]


def listens(socket: ModuleType, thing: Any) -> bool:
    """Whether *thing* is a socket that accepts connections (``SO_ACCEPTCONN``)."""
    try:
        return bool(thing.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN))
    except (AttributeError, OSError, ValueError, TypeError):  # closed, or the system does not know the option
        return False
