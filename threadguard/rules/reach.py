"""Which objects lead to which: from a server's loop to the application that it calls.

Only ways that a server takes to call something are followed: attributes with the names of `WAYS`, closures, globals
that a function of the same module names, bound methods, partials, handler classes. A guard that is only asked for an
attribute (``guard.stats()``) is not called: a health page beside the guarded application does not serve it.
"""

from functools import partial
from types import CodeType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, Callable, Dict, FrozenSet, Iterable, Iterator, List, Tuple

from threadguard.process.facts import Frames, a_few, is_a, module_of, variables
from threadguard.rules.code import loop_around, uses_of_attribute, variables_used
from threadguard.rules.members import is_own, used_of

IsGuard = Callable[[object], bool]

WAYS = frozenset("""
    app application wsgi_app wsgi_application wsgi wsgi_callable loaded_app wrapped wrapped_app wrapped_application
    callable handler handle request_handler request_callback callback callbacks cb client_connected_cb args on_request
    func function fn target run RequestHandlerClass handler_class server httpd http_server on_connection worker
    service site resource root config gateway protocol_factory factory next next_app inner default_app
    executor pool queue dispatcher task_dispatcher requests threadpool thread_pool tasks jobs work_queue inbox q
    wsgi_handler mounts apps default_executor
    """.split())
"""Names of attributes, leading underscores aside, under which servers keep what they call, and what runs the call."""

Names = Tuple[FrozenSet[str], FrozenSet[str]]
"""What `variables_used` gives: all names, and those that are only asked for an attribute."""

_STEPS = 12
_OBJECTS = 400
_PLAIN = (str, bytes, int, float, complex, type(None), ModuleType, CodeType)


def spread(start: Iterable[Any], leads_to: Callable[[Any], Iterable[Any]], steps: int, objects: int,
           key: Callable[[Any], int] = id) -> Iterator[Any]:
    """*start*, and what *leads_to* gives from there on, the nearest first: each once, by *key*, within the bounds."""
    seen: Dict[int, Any] = {}  # held: the identity of an object that is gone is given again
    wave = list(start)
    for _ in range(steps):
        following: List[Any] = []
        for thing in wave:
            if is_a(thing, _PLAIN) or key(thing) in seen or len(seen) > objects:
                continue
            seen[key(thing)] = thing
            yield thing
            following.extend(leads_to(thing))
        wave = following


def vars_of(thing: Any) -> Dict[str, Any]:
    """The attributes that *thing* holds itself, those in slots included; nothing is computed."""
    try:
        found = dict(object.__getattribute__(thing, "__dict__"))
    except (AttributeError, TypeError):
        found = {}
    for kind in type(thing).__mro__:
        slots = vars(kind).get("__slots__", ())
        for name in (slots,) if is_a(slots, str) else slots:
            member = vars(kind).get(name)
            try:
                found[name] = member.__get__(thing, kind)  # type: ignore[union-attr]
            except AttributeError:  # not filled, or mangled
                continue
    return found


class Reach:
    """Follows what frames and objects hold; knows the guards of the group."""

    def __init__(self, is_guard: IsGuard) -> None:
        self.is_guard = is_guard
        self._kinds: Dict[type, List[Any]] = {}
        self._serving: Dict[Frames, bool] = {}

    def serves(self, frames: Frames) -> bool:
        """Whether what *frames* hold leads to a guard of the group."""
        if frames not in self._serving:
            self._serving[frames] = self.leads(self.held(frames), self.is_guard)
        return self._serving[frames]

    def leads(self, start: Iterable[Any], goal: Callable[[object], bool]) -> bool:
        """Whether one of *start* is, or leads to, an object that *goal* accepts."""
        return any(goal(thing) for thing in self.reached(start))

    def held(self, frames: Frames) -> List[Any]:
        """What *frames* work with: the locals and globals that they name, in the loop that they are in if any."""
        return [value for frame in frames if module_of(frame) != "threading" for value in self._held(frame)]

    def _held(self, frame: FrameType) -> List[Any]:
        names = variables_used(frame.f_code, loop_around(frame))
        used, asked = names
        local: List[Any] = []
        for name, value in variables(frame).items():
            if name in used and (name not in asked or not self.is_guard(value)):
                local += self._members(frame, value) if is_own(frame, name, value) else [value]
        return local + self._globals(names, frame.f_globals)

    def _members(self, frame: FrameType, owner: Any) -> List[Any]:
        """What the loop of *frame* uses of *owner*, whose method it is; *owner* itself if that may be all of it."""
        held = vars_of(owner)
        used = used_of(owner, held, frame)
        if used is None:
            return [owner]
        found = {name: held[name] for name, only_asks in used.items() if not (only_asks and self.is_guard(held[name]))}
        if self.leads(found.values(), identity([owner])):
            return [owner]
        return [value for name, value in found.items()
                if name.lstrip("_") in WAYS or callable(value) or self.is_guard(value)]

    def reached(self, start: Iterable[Any]) -> Iterator[Any]:
        """*start*, and all that it leads to."""
        return spread(start, self._from, _STEPS, _OBJECTS)

    def _from(self, thing: Any) -> Iterable[Any]:
        if is_a(thing, MethodType):
            return (thing.__self__, thing.__func__)
        if is_a(thing, FunctionType):
            return self._of_function(thing)
        if is_a(thing, partial):
            return (thing.func, *thing.args, *thing.keywords.values())
        if is_a(thing, (tuple, list)):
            return a_few(thing)
        if is_a(thing, dict):
            return a_few(thing.values())
        if is_a(thing, type):
            return _of_class(thing)
        return self.ways(thing)

    def ways(self, thing: Any) -> List[Any]:
        """What *thing* has under the names of `WAYS`, itself or by its class, and what its class calls."""
        kind = type(thing)
        if kind not in self._kinds:
            self._kinds[kind] = _of_kind(kind)
        return [value for name, value in vars_of(thing).items() if name.lstrip("_") in WAYS
                and not (self.is_guard(value) and _only_asks(kind, name))] + self._kinds[kind]

    def _of_function(self, function: FunctionType) -> List[Any]:
        asked = variables_used(function.__code__)[1]
        found = list(function.__defaults__ or ())
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or ()):
            try:
                value = cell.cell_contents
            except ValueError:  # not assigned yet
                continue
            found += [] if name in asked and self.is_guard(value) else [value]
        return found + self._globals(variables_used(function.__code__), function.__globals__)

    def _globals(self, names: Names, namespace: Dict[str, Any]) -> List[Any]:
        """The globals of *names*: guards that are called or handed on, what the same module made, and instances."""
        used, asked = names
        found = []
        for name in used & namespace.keys():
            value = namespace[name]
            if is_a(value, (FunctionType, type)) and value.__module__ != namespace.get("__name__"):
                continue
            if name not in asked or not self.is_guard(value):
                found.append(value)
        return found


def _only_asks(kind: type, name: str) -> bool:
    """Whether the methods of *kind* use the attribute *name*, and only ask what it holds for attributes of its own."""
    uses = [use for base in kind.__mro__ for function in vars(base).values() if is_a(function, FunctionType)
            for use in uses_of_attribute(function.__code__, name)]
    return bool(uses) and all(uses)


def _of_kind(kind: type) -> List[Any]:
    """What an instance has of its class: attributes, and what happens when it is called."""
    found: List[Any] = []
    for base in kind.__mro__:
        found += [value for name, value in vars(base).items() if _is_way(name, value)]
        if base.__module__ == kind.__module__ and is_a(vars(base).get("__call__"), FunctionType):
            found.append(vars(base)["__call__"])
    return found


def _of_class(kind: type) -> List[Any]:
    """The attributes of a handler's class (``app = …``), and its functions, for what they name."""
    return [value for name, value in vars(kind).items()
            if _is_way(name, value) or (is_a(value, FunctionType) and value.__module__ == kind.__module__)]


def _is_way(name: str, value: Any) -> bool:
    return name.lstrip("_") in WAYS and not hasattr(value, "__set__") and not is_a(value, FunctionType)


def identity(things: Iterable[Any]) -> Callable[[object], bool]:
    """A goal: any of *things*, by identity."""
    wanted: Tuple[Any, ...] = tuple(things)
    return lambda thing: any(thing is one for one in wanted)
