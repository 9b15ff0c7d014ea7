"""Calls that may wait, told by their names: unless what is called is seen not to wait, such as ``",".join``."""

import threading
from types import BuiltinMethodType, CodeType, FrameType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any, Dict, FrozenSet, Iterator, NamedTuple

from threadguard.process.facts import is_a, is_standard, variables
from threadguard.rules.chains import Chain, Part, chains_called, chains_in, value_of
from threadguard.rules.code import loop_around
from threadguard.rules.reach import vars_of

_NEVER_WAIT = (str, bytes, bytearray, dict, MappingProxyType)
_IN_NEVER_WAIT = frozenset("""
    os posixpath ntpath shlex collections collections.abc _collections_abc contextvars _contextvars email.message
    wsgiref.headers http.cookies configparser gunicorn.workers.sync
    """.split())
"""Classes, and modules, of which nothing waits, whatever it is called; gunicorn's ``wait`` is for a connection."""

_IN_WAITS = frozenset("threading _thread queue _queue concurrent multiprocessing asyncio gevent eventlet".split())
"""Packages of which all of those names wait."""

_VALUES = (str, bytes, int, float, list, tuple, dict, set, frozenset)
"""What is no function."""


class Call(NamedTuple):
    """Something is called by a name that sounds like waiting: of what, and what it is. `MISSING` if that does not show.
    """

    owner: Any
    name: str
    value: Any

    @property
    def home(self) -> Any:
        """The class or the name of the module that it comes from."""
        if is_a(self.owner, ModuleType):
            return getattr(self.value, "__module__", None)
        kind = next((kind for kind in type(self.owner).__mro__ if self.name in vars(kind)), None)
        return kind if kind in _NEVER_WAIT else getattr(kind, "__module__", None)

    @property
    def may_wait(self) -> bool:
        """Whether it is not seen to be harmless."""
        if is_a(self.value, _VALUES) or self.home in _NEVER_WAIT or self.home in _IN_NEVER_WAIT:
            return False
        return not (is_a(self.owner, threading.Semaphore) and has_places(self.owner))

    @property
    def does_wait(self) -> bool:
        """Whether it is seen to wait."""
        return self.may_wait and str(self.home).partition(".")[0] in _IN_WAITS


class Code(NamedTuple):
    """Code, and what its variables stand for."""

    code: CodeType
    part: Part
    known: Dict[str, Any]
    namespace: Dict[str, Any]

    def calls(self, names: FrozenSet[str]) -> Iterator[Call]:
        """What it calls that has one of *names*, or had one before it was kept in a variable."""
        for chain in chains_in(self.code, self.part):
            for place, name in enumerate(chain):
                if name in names and (place or name in self.code.co_names):
                    yield Call(self._owner(chain[:place]), name, self.value_of(chain[:place + 1]))
            kept: Any = self.known.get(chain[0])
            called = getattr(kept, "__name__", "") if is_a(kept, (MethodType, BuiltinMethodType)) else ""
            if called in names:
                yield Call(kept.__self__, called, kept)

    def methods(self) -> Iterator["Code"]:
        """The methods that it calls, those of the standard library aside."""
        for chain in chains_called(self.code, self.part):
            method = self.value_of(chain)
            function: Any = method.__func__ if is_a(method, MethodType) else None
            if is_a(function, FunctionType) and function.__code__.co_argcount and not is_standard(function.__module__):
                code = function.__code__
                yield Code(code, None, {code.co_varnames[0]: method.__self__}, function.__globals__)

    def value_of(self, chain: Chain) -> Any:
        """What *chain* stands for."""
        return value_of(chain, self.known, self.namespace)

    def _owner(self, chain: Chain) -> Any:
        return self.value_of(chain) if chain else ModuleType("")  # a global is like a module's


def ahead(frame: FrameType) -> Code:
    """What *frame* may still run: its loop, or all its code."""
    return Code(frame.f_code, loop_around(frame), variables(frame), frame.f_globals)


def has_places(semaphore: Any) -> bool:
    """Whether it holds nobody up: it has places left, or had more than one, which only a bounded one tells."""
    held = vars_of(semaphore)
    return bool(held["_value"] > 0 or held.get("_initial_value", 0) > 1)
