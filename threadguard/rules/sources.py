"""What workers take their work from: queues, deques, sockets that listen."""

from types import FrameType
from typing import Any, List

from threadguard.process.facts import Process
from threadguard.rules.code import variables_used


def is_source(process: Process, thing: Any) -> bool:
    """Whether workers take their work from *thing*: a queue, or a socket that listens."""
    return is_queue(thing) or listens(process, thing)


def is_socket(thing: Any) -> bool:
    """Whether *thing* is a socket, gevent's and eventlet's own kinds included."""
    kind = type(thing)
    return hasattr(kind, "accept") and hasattr(kind, "connect") and hasattr(kind, "fileno")


def is_queue(thing: Any) -> bool:
    """Whether *thing* has ``get`` and ``put``, or ``popleft``."""
    kind = type(thing)
    return (hasattr(kind, "get") and hasattr(kind, "put")) or hasattr(kind, "popleft")


def globals_named(frame: FrameType) -> List[Any]:
    """The globals that the code of *frame* names."""
    names = variables_used(frame.f_code)[0] & frame.f_globals.keys()
    return [frame.f_globals[name] for name in names]


def listens(process: Process, thing: Any) -> bool:
    """Whether *thing* is a socket that accepts connections (``SO_ACCEPTCONN``)."""
    socket: Any = process.module("socket")
    try:
        return (socket is not None and is_socket(thing)
                and bool(thing.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)))
    except (AttributeError, OSError, ValueError, TypeError):  # closed, or the system does not know the option
        return False
