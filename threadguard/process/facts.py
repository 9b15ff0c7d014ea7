"""Facts about this process: with `stacks` the only module that reads `sys`, `os`, stacks and threads.

Everything here is a look, taken at construction, on a first request or on a violation, never on the way of an
ordinary request. Nothing is imported to be looked at: names are looked up among the modules that are loaded.
"""

import gc
import sys
import threading
from copy import copy
from itertools import islice
from types import FrameType, ModuleType, TracebackType
from typing import Any, Callable, Dict, Iterator, List, Mapping, Optional, Sequence, Set, Tuple, Type

from threadguard.process import stacks

Frames = Tuple[FrameType, ...]

_references: Callable[[Any], int] = getattr(sys, "getrefcount", lambda thing: 0)
"""PyPy counts none: its `f_locals` keeps nothing alive."""

_PACKAGE = __name__.partition(".")[0]

_OPTIMIZED = 0x1
"""`inspect.CO_OPTIMIZED`: the frame of a function, whose `f_locals` is a copy; a module's is the module itself."""

_IS_PUT_TO_SLEEP = 0x20 | 0x80 | 0x200
"""`inspect.CO_GENERATOR`, `CO_COROUTINE`, `CO_ASYNC_GENERATOR`."""

_DEEPEST = 100_000
"""Frames of a stack that are looked at: another thread goes on meanwhile, whatever it does this ends."""

_LOOKS = 10
"""How often a stack is looked at once more."""


def module_of(frame: FrameType) -> str:
    """The name of the module whose code *frame* runs, or an empty string."""
    name = frame.f_globals.get("__name__")
    return name if isinstance(name, str) else ""


def variables(frame: FrameType) -> Dict[str, Any]:
    """A copy of the local variables of *frame*, closed-over ones included.

    Before Python 3.13 `f_locals` leaves a dict in the frame that keeps every value alive until the frame ends: a
    look at a server's loop would hold the connection it served last, and who waits for its end would wait for ever.
    So the dict is emptied again, unless somebody else holds it (``locals()``) or a debugger does.
    """
    seen = stacks.variables_of(frame)
    found = dict(seen)
    if type(seen) is dict and frame.f_code.co_flags & _OPTIMIZED and frame.f_trace is None:
        if _references(seen) <= 3:  # the frame's, ours, and the argument itself
            seen.clear()
    return found


def local(frame: FrameType, name: str) -> Any:
    """The local variable *name* of *frame*, or None."""
    return variables(frame).get(name)


def getattr_path(thing: Any, path: str) -> Any:
    """Follow the dotted attributes of *path* from *thing*; None as soon as one is missing."""
    for name in path.split("."):
        if thing is None:
            return None
        thing = getattr(thing, name, None)
    return thing


def cells_of(function: Any) -> Dict[str, Any]:
    """The variables of outer functions that *function* closes over; those that are assigned already."""
    found = {}
    names = getattr_path(function, "__code__.co_freevars") or ()
    for name, cell in zip(names, getattr(function, "__closure__", None) or ()):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    return found


def count(value: Any) -> Optional[int]:
    """*value* where it is a number of threads that makes sense (an int of 1 or more), else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def arguments_of(function: Any, given: Sequence[Any] = (), named: Optional[Mapping[str, Any]] = None) -> Dict[str, Any]:
    """What each parameter of *function*, or of what a class is built with, is in a call with the arguments *given* and
    *named*: its default, if it has one and none is given.

    `inspect.signature` evaluates annotations on Python 3.14, which raises for one that names nothing yet.
    """
    function = vars(function).get("__init__") if is_instance(function, type) else function
    function = getattr_path(function, "__func__") or function
    code = getattr(function, "__code__", None)
    # PyPy's built-in functions have code without names
    names = tuple(getattr(code, "co_varnames", ()))[:getattr(code, "co_argcount", 0)]
    found = dict(zip(reversed(names), reversed(getattr(function, "__defaults__", None) or ())))
    found.update(getattr(function, "__kwdefaults__", None) or {})
    found.update(zip(names, given))
    found.update(named or {})
    return found


def is_instance(thing: Any, kinds: Any) -> bool:
    """`isinstance` by the real type: asked for its ``__class__``, a lazy proxy (Django's settings) comes alive."""
    return issubclass(type(thing), kinds)


def loaded(name: str) -> Optional[ModuleType]:
    """The module *name* where it is loaded, else None."""
    return sys.modules.get(name)


def calling(depth: int) -> Frames:
    """The innermost *depth* frames that led here, without threadguard's own at the inner end."""
    return as_tuple(islice(_outside(outward(sys._getframe(1))), depth))


def instances(module: str, name: str) -> List[Any]:
    """Every object of the class *name* of *module*, if that is loaded. Walks all objects.

    A list, not a generator over `gc.get_objects`: that list would hold the generator, and so itself and every object,
    until the next collection. uWSGI's gevent loop takes the extra reference to its arguments for an error and dies
    (plugins/gevent/gevent.c, `PyTuple_SetItem`).

    By `type`, not by `isinstance`: that asks a proxy for its ``__class__``, which makes it load what it stands for, or
    raise (django/utils/functional.py `LazyObject`).
    """
    kind = getattr(loaded(module), name, None)
    kinds = set() if kind is None else _with_subclasses(kind)
    return [thing for thing in gc.get_objects() if type(thing) in kinds] if kinds else []


def _with_subclasses(kind: type) -> Set[type]:
    return {kind}.union(*map(_with_subclasses, type.__subclasses__(kind)))


def outward(frame: Optional[FrameType]) -> Iterator[FrameType]:
    """*frame* and its callers, innermost first. On PyPy the outermost frame of a waiting greenlet leads back to its
    innermost one (lib_pypy/greenlet.py): there it ends."""
    first = frame
    for _ in range(_DEEPEST):
        if frame is None:
            return
        yield frame
        frame = stacks.caller_of(frame)
        if frame is first:
            return


def as_tuple(frames: Iterator[FrameType]) -> Frames:
    """All of *frames*. A tuple that is filled by an iterator is grown, which fails where another thread has got hold of
    it meanwhile by a look at all objects (Objects/tupleobject.c `_PyTuple_Resize`); one of a list is made at once.
    """
    return tuple(list(frames))


def _outside(frames: Iterator[FrameType]) -> Iterator[FrameType]:
    """Leave out threadguard's own frames at the inner end: the caller's come first."""
    inner = True
    for frame in frames:
        inner = inner and (module_of(frame) + ".").startswith(_PACKAGE + ".")
        if not inner:
            yield frame


def _stack_of(ident: int, top: FrameType) -> Frames:
    """The stack of the thread *ident*, whose innermost frame was *top*.

    It may have run on meanwhile: a function that returned still tells who called it, but a coroutine or generator that
    was put to sleep does not. No thread begins with one, so where a stack ends there, one looks again.
    """
    frames = as_tuple(outward(top))
    for _ in range(_LOOKS):
        again = stacks.tops().get(ident) if frames[-1].f_code.co_flags & _IS_PUT_TO_SLEEP else None
        if again is None:
            break
        frames = as_tuple(outward(again))
    return frames


class Process:
    """What this process shows at one moment, to the thread that looks.

    Use it in a ``with`` block: it holds frames, and lets them go at the end.
    """

    def __init__(self, environ: Optional[Dict[str, Any]] = None) -> None:
        self.environ = environ
        """The WSGI environ of the request that is being judged; None at startup."""
        self.stack: Frames = as_tuple(_outside(outward(sys._getframe(1))))
        """The frames of this context, innermost first, without threadguard's own at the inner end."""
        self.ident = threading.get_ident()
        module: Any = loaded("greenlet")
        self.greenlet: Any = module.getcurrent() if module else None
        """The current greenlet, or None where nothing loaded the greenlet package."""
        self._tops: Dict[int, FrameType] = stacks.tops()
        self._idents = frozenset(self._tops)
        self._mine: Optional[FrameType] = sys._getframe()
        self._others: Optional[Dict[int, Frames]] = None
        self._main = self._main_stack()
        self._modules: Dict[int, Dict[str, List[Tuple[int, FrameType]]]] = {}
        self._greenlets: Optional[List[Any]] = None

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.stack, self._tops, self._others, self._main = (), {}, {}, ()
        self._mine, self._modules, self._greenlets, self.greenlet = None, {}, None, None

    @property
    def others(self) -> Dict[int, Frames]:
        """The frames of every other thread that `stacks` lets one look at, innermost first, by thread identifier.

        Mine is left out by its frame, not by its identifier: gevent fakes its own.
        """
        if self._others is None:
            self._others = {ident: _stack_of(ident, top) for ident, top in self._tops.items() if top is not self._mine}
        return self._others

    def seen_from(self, frames: Frames, ident: int = 0, greenlet: Any = None) -> "Process":
        """The same moment as another context sees it: a thread, or a waiting *greenlet*, whose stack is *frames*."""
        seen = copy(self)
        seen.stack, seen.ident, seen.greenlet = frames, ident, greenlet
        seen._mine, seen._others, seen._modules = self._tops.get(ident), None, {}
        return seen

    def is_over(self) -> bool:
        """Whether a thread has come since this moment."""
        return not self._idents.issuperset(stacks.tops())

    def hides_threads(self) -> bool:
        """Whether there are threads that one may not look at: those that run, where there is no GIL."""
        return len(stacks.idents()) > len(self._idents)

    @property
    def main(self) -> Frames:
        """The frames of the main thread, innermost first; this context's own where it is the main thread."""
        ident = threading.main_thread().ident
        return self.stack if ident is None or ident == self.ident else self._main

    def _main_stack(self) -> Frames:
        """The main thread's, read at once: a coroutine of an event loop that goes to sleep has no callers any more."""
        ident: Any = threading.main_thread().ident
        top = self._tops.get(ident)
        return () if top is None or top is self._mine else _stack_of(ident, top)

    def frames(self, module: str, *functions: str, main: bool = False) -> Iterator[FrameType]:
        """Frames that run one of *functions* (any, if none is named) of *module*, innermost first.

        *module* ending in a dot stands for a package and all below it. With *main* the main thread's stack is
        searched instead of this context's.
        """
        for frame in self._of_module(self.main if main else self.stack, module):
            if not functions or frame.f_code.co_name in functions:
                yield frame

    def _of_module(self, stack: Frames, module: str) -> List[FrameType]:
        """The frames of *stack* that run code of *module*: two dozen readers ask for one module after the other."""
        index = self._modules.get(id(stack))
        if index is None:
            index = self._modules[id(stack)] = {}
            for numbered in enumerate(stack):
                index.setdefault(module_of(numbered[1]), []).append(numbered)
        if not module.endswith("."):
            return [frame for _, frame in index.get(module, ())]
        names = [name for name in index if (name + ".").startswith(module)]
        places = {place: frame for name in names for place, frame in index[name]}
        return [places[place] for place in sorted(places)]

    def frame(self, module: str, *functions: str, main: bool = False) -> Optional[FrameType]:
        """The innermost of `frames`, or None."""
        return next(self.frames(module, *functions, main=main), None)

    def look_up(self, name: str, module: str, *functions: str, main: bool = False) -> Any:
        """The local variable *name* of the innermost of `frames` that has it and where it is not None, else None."""
        values = (local(frame, name) for frame in self.frames(module, *functions, main=main))
        return next((value for value in values if value is not None), None)

    @property
    def thread(self) -> Optional[threading.Thread]:
        """The object of this thread; None where Python never made one. `current_thread` would make it."""
        active: Dict[int, threading.Thread] = getattr(threading, "_active", {})
        return active.get(self.ident)

    def frameless(self) -> int:
        """How many thread states run no Python now: idle threads of a C or Rust pool. 0 before Python 3.10."""
        states = getattr(sys, "_current_exceptions", None)
        return len(set(states()) - stacks.idents()) if states and stacks.is_safe() else 0

    def greenlets(self) -> List[Any]:
        """Every greenlet but the current one. Walks all objects: for a process that is known to use greenlets."""
        if self._greenlets is None:
            mine = self.greenlet
            self._greenlets = [one for one in instances("greenlet", "greenlet") if one is not mine]
        return self._greenlets
