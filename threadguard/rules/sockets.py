"""The sockets that a frame works with: its variables, what these hold, and what its selectors and maps watch."""

import gc
from types import FrameType, FunctionType, ModuleType
from typing import Any, Iterator, List

from threadguard.process.facts import a_few, is_a, variables
from threadguard.rules.code import variables_used
from threadguard.rules.reach import vars_of
from threadguard.rules.sources import is_socket


def sockets_held(frame: FrameType) -> Iterator[Any]:
    """The sockets among the variables of *frame*, their attributes, and what its selectors and maps watch."""
    values = list(variables(frame).values())
    used = variables_used(frame.f_code)[0]
    values += [frame.f_globals[name] for name in used & frame.f_globals.keys()]
    for value in values:
        yield from sockets_in(value)


def sockets_in(value: Any) -> Iterator[Any]:
    """*value* if it is a socket, else the sockets that it holds."""
    if is_a(value, (str, bytes, int, float, type, ModuleType, type(None))):
        return
    for thing in held_with(value):
        if is_socket(thing):
            yield thing
        elif hasattr(type(thing), "get_map"):
            yield from _watched(thing)


def port_of(socket: Any) -> Any:
    """The port that *socket* is bound to, or the path; None where it is closed or no socket."""
    try:
        name = socket.getsockname()
        return name[1] if is_a(name, tuple) else name
    except (AttributeError, OSError):
        return None


def closed_over(function: Any) -> Iterator[Any]:
    """What *function* closes over."""
    for cell in function.__closure__ or () if is_a(function, FunctionType) else ():
        try:
            yield cell.cell_contents
        except ValueError:  # not assigned yet
            continue


def held_with(value: Any) -> List[Any]:
    """*value* and what it holds, one step further; of a collection or a file what is in it."""
    if is_a(value, (list, tuple, set, frozenset)):
        return a_few(value)
    if is_a(value, dict):  # asyncore's map: file descriptors to dispatchers
        keys = a_few(value, 64)
        held = a_few(value.values(), 64) if keys and all(is_a(key, int) for key in keys) else []
        return held + [getattr(one, "__dict__", {}).get("socket") for one in held]
    if type(value).__module__ == "_io":
        return _under(value)
    return [value, *vars_of(value).values()]


def _under(file: Any) -> List[Any]:
    """The socket under the buffers of *file*: socket.py `makefile` gives one, or a pair, over a `SocketIO`."""
    wave, found = [file], []
    for _ in range(3):
        wave = [one for thing in wave for one in gc.get_referents(thing) if type(one).__module__ in ("_io", "socket")]
        found += [vars_of(one).get("_sock") for one in wave]
    return found


def _watched(selector: Any) -> Iterator[Any]:
    """The sockets that *selector* watches. Where it is given a number, those that are kept with the number."""
    for key in list((selector.get_map() or {}).values()):
        for thing in (key.fileobj, *_kept_with(key)):
            if is_socket(thing):
                yield thing


def _kept_with(key: Any) -> Iterator[Any]:
    """What stands by the number of *key*: among the arguments of the handles of asyncio (selector_events.py
    `_add_reader`), in a table of who they call (tornado/ioloop.py `add_handler`), or in an object of cheroot's
    (connections.py `ConnectionManager`)."""
    for handle in key.data if is_a(key.data, tuple) else ():
        yield from getattr(handle, "_args", None) or ()
        tables = vars_of(getattr(getattr(handle, "_callback", None), "__self__", None)).values()
        yield from (one for table in tables if is_a(table, dict) and is_a(table.get(key.fd), tuple)
                    for one in table[key.fd])
    if is_a(key.fileobj, int):
        yield from vars_of(key.data).values()
