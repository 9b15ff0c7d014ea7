"""What runs code on its own in this process: threads, and greenlets within them.

`facts` tells what servers show; this module tells contexts apart: which one calls, whether one still lives, which calls
are on the caller's own stack, and where another stands.
"""

import os
import sys
import threading
import weakref
from types import CodeType, FrameType, GeneratorType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, TypeVar

from threadguard.process import stacks
from threadguard.process.facts import getattr_path, instances, local, module_of, outward

_CO_GENERATOR = 0x20
"""`inspect.CO_GENERATOR`; that module alone takes half as long to load as this package."""
_F = TypeVar("_F", bound=Callable[..., Any])
_PACKAGE = __name__.partition(".")[0] + "."


def original(name: str) -> Any:
    """`_thread`'s own *name*, even where gevent or eventlet has put a replacement in its place.

    gevent keeps what it replaces (gevent/monkey.py `get_original`), eventlet imports a fresh copy (eventlet/patcher.py
    `original`). What is held here is never held across a switch, so the real lock is the right one everywhere.
    """
    gevent = sys.modules.get("gevent.monkey")
    if gevent is not None:
        return gevent.get_original("_thread", name)
    eventlet = sys.modules.get("eventlet.patcher")
    if eventlet is not None:
        return getattr(eventlet.original("_thread"), name)
    return getattr(__import__("_thread"), name)


get_ident: Callable[[], int] = original("get_ident")
new_lock: Callable[[], Any] = original("allocate_lock")
new_rlock: Callable[[], Any] = original("RLock")

_modules = sys.modules
_new = tuple.__new__


class Context(NamedTuple):
    """An OS thread, or a greenlet within one."""

    ident: int
    """The identifier of the OS thread."""
    greenlet: int
    """`id` of the greenlet; 0 for a thread's main greenlet, also before the package greenlet is imported."""


def current() -> Context:
    """The context that calls."""
    module = _modules.get("greenlet")
    if module is None:
        return _new(Context, (get_ident(), 0))
    greenlet = module.getcurrent()
    return _new(Context, (get_ident(), 0 if greenlet.parent is None else id(greenlet)))


class _Sentinel:
    """Goes when Python clears the thread state that holds it: at the end of the thread, if not before."""

    __slots__ = ("__weakref__",)


class Life(NamedTuple):
    """What is known of a context, to tell later whether it has ended, also where it runs no Python at the moment.

    A thread that a server makes in C has no frame while it sends a chunk (uWSGI, mod_wsgi), and some servers take the
    thread state away from it until they ask for the next one (`PyGILState_Release`): so `sys._current_frames` is no
    answer.
    """

    sentinel: "weakref.ref[_Sentinel]"
    made_by: "Optional[weakref.ref[threading.Thread]]"
    """`threading`'s object; None where it did not start this thread, and at the most made an object up for it."""
    number: int
    """What Linux calls the thread; 0 elsewhere."""
    greenlet: "Optional[weakref.ref[Any]]" = None
    """The greenlet; None for a thread's main one."""


_mine: Any = original("_local")()


def my_life() -> Life:
    """The life of the calling context."""
    try:
        life: Life = _mine.life
    except AttributeError:
        _mine.sentinel = _Sentinel()
        _mine.life = life = Life(weakref.ref(_mine.sentinel), _maker_of_my_thread(), _number_of_my_thread())
    module = _modules.get("greenlet")
    if module is None or module.getcurrent().parent is None:
        return life
    return life._replace(greenlet=weakref.ref(module.getcurrent()))


def _maker_of_my_thread() -> "Optional[weakref.ref[threading.Thread]]":
    thread = threading._active.get(get_ident())  # type: ignore[attr-defined]
    is_made_up = isinstance(thread, (threading._DummyThread, threading._MainThread))  # type: ignore[attr-defined]
    return None if thread is None or is_made_up else weakref.ref(thread)


def _number_of_my_thread() -> int:
    return threading.get_native_id() if sys.platform == "linux" else 0


def is_alive(life: Life) -> bool:
    """Whether the context of *life* may still run."""
    if life.greenlet is not None:
        greenlet = life.greenlet()
        if greenlet is None or greenlet.dead:
            return False
    if life.made_by is not None:
        made = life.made_by()
        return made is not None and threading.Thread.is_alive(made)
    return life.sentinel() is not None or _has_thread(life.number)


def _has_thread(number: int) -> bool:
    """Whether Linux has a thread of that *number* in this process."""
    return bool(number) and os.path.exists("/proc/self/task/%d" % number)


def name_of(ident: int) -> str:
    """The name of thread *ident* as `threading` knows it, or its number."""
    threads = getattr_path(sys.modules.get("threading"), "_active") or {}
    return "thread %s" % (getattr_path(threads.get(ident), "name") or ident)


def event_loop_runs() -> bool:
    """Whether an event loop runs in this thread.

    asyncio, uvloop and trio all set the thread's asynchronous generator hooks while they run, and take them back
    at the end (asyncio/base_events.py `run_forever`, trio/_core/_asyncgens.py). Twisted's reactor does not; its own
    thread is known to twisted.python.threadable.
    """
    if sys.get_asyncgen_hooks().firstiter is not None:
        return True
    threadable = sys.modules.get("twisted.python.threadable")
    return threadable is not None and getattr_path(threadable, "ioThread") == get_ident()


def current_task() -> Any:
    """The task of asyncio or trio that calls; None outside of one."""
    for module, name in _TASKS if event_loop_runs() else ():
        try:
            return getattr_path(sys.modules.get(module), name)()
        except (RuntimeError, TypeError):  # another kind of event loop, or not imported
            continue
    return None


_TASKS = ("asyncio", "current_task"), ("trio", "lowlevel.current_task")


_CALLS: Dict[int, CodeType] = {}
"""By `id`: the hash of a code object is made anew each time, of all that it consists of."""


def calls_the_application(function: _F) -> _F:
    """Mark *function* as one whose frame holds a request inside: its locals ``ledger`` and ``ticket`` say which, and
    ``environ`` until it has its ticket."""
    _CALLS[id(function.__code__)] = function.__code__
    return function


def calls_for(frame: FrameType, environ: Any) -> bool:
    """Whether *frame* is a call, of whatever ledger, for the request of *environ*."""
    return id(frame.f_code) in _CALLS and stacks.variables_of(frame).get("environ") is environ


_CHUNKS: Dict[int, CodeType] = {}


def makes_a_chunk(function: _F) -> _F:
    """Mark *function* as a method that runs code of a body: to make a chunk, or to close it."""
    _CHUNKS[id(function.__code__)] = function.__code__
    return function


def on_my_stack(depth: int = 1) -> Tuple[List[FrameType], List[FrameType]]:
    """Of my callers, the calls that hold a request inside, and those that make a chunk of a body or might do so.

    The innermost *depth* frames, this one included, are known to be none: it takes time to make the object of a frame.
    """
    calls, chunks = [], []
    frame: Optional[FrameType] = sys._getframe(depth)
    while frame is not None:
        code = frame.f_code
        if id(code) in _CALLS:
            calls.append(frame)
        elif code.co_flags & _CO_GENERATOR or id(code) in _CHUNKS:
            chunks.append(frame)
        frame = frame.f_back
    return calls, chunks


def tickets_of(calls: List[FrameType], ledger: Any) -> Set[int]:
    """The tickets of *ledger* for which *calls* are made; one that is about to get its turn does not know it yet."""
    tickets: Set[int] = set()
    for known in [call.f_locals for call in calls if call.f_locals.get("ledger") is ledger]:
        tickets.update([known["ticket"]] if "ticket" in known else ledger.calls_of(known.get("environ")))
    return tickets


def makes(frame: FrameType, source: Any) -> bool:
    """Whether *frame* makes a chunk of *source*: a generator, or an object whose method is marked."""
    if type(source) is GeneratorType:
        return frame.f_code is source.gi_code and frame is source.gi_frame
    code = frame.f_code
    return id(code) in _CHUNKS and code.co_argcount > 0 and local(frame, code.co_varnames[0]) is source


def owner_of(frame: FrameType) -> Any:
    """The object whose marked method *frame* runs, where that is one of this package; else None."""
    return stacks.variables_of(frame).get("self") if id(frame.f_code) in _CHUNKS and _is_own(frame) else None


def is_made_elsewhere(source: Any) -> bool:
    """Whether another thread makes a chunk of *source* at this moment, as far as its stack may be looked at."""
    me = get_ident()
    return any(makes(frame, source) for ident, top in stacks.tops().items() if ident != me for frame in outward(top))


def _greenlet_frames() -> List[FrameType]:
    """The frames of every waiting greenlet."""
    frames = [getattr_path(one, "gr_frame") for one in instances("greenlet", "greenlet")]
    return [frame for frame in frames if frame is not None]


class Place(NamedTuple):
    """Where a call stands: its context in words, and its stack, outermost call first."""

    context: str
    stack: List[str]


NOWHERE = Place("a thread that is not known", ["  (its stack could not be seen)\n"])


def here() -> Place:
    """Where the calling context stands."""
    words = name_of(get_ident())
    greenlet = getattr_path(sys.modules.get("greenlet"), "getcurrent")
    if greenlet is not None and greenlet().parent is not None:
        words = "greenlet %s of %s" % (_greenlet_name(greenlet()), words)
    return Place(words, _formatted(sys._getframe(1)))


def find(is_it: Callable[[FrameType], bool]) -> Place:
    """Where the call stands of which *is_it* is true, in any thread or any waiting greenlet.

    It looks at every frame, and for greenlets at every object of the process: for a violation, not for a request.
    """
    for ident, top in stacks.tops().items():
        if any(is_it(frame) for frame in outward(top)):
            return Place(name_of(ident), _formatted(top))
    for top in _greenlet_frames():
        if any(is_it(frame) for frame in outward(top)):
            return Place("greenlet (waiting)", _formatted(top))
    return NOWHERE


def place_of(context: Context) -> Place:
    """Where *context* stands now."""
    if not context.greenlet:
        top = stacks.tops().get(context.ident)
        return NOWHERE if top is None else Place(name_of(context.ident), _formatted(top))
    for one in instances("greenlet", "greenlet"):
        if id(one) == context.greenlet and getattr_path(one, "gr_frame") is not None:
            return Place("greenlet %s" % _greenlet_name(one), _formatted(one.gr_frame))
    return NOWHERE


def waiting(frame: Optional[FrameType], context: Context) -> Place:
    """The place of a body that waits, at *frame* if it is a generator, to be asked for its next chunk."""
    import traceback  # to be loaded for a violation, or by `logging` when the first guard is built
    words = "a body from %s, waiting to be asked for its next chunk" % name_of(context.ident)
    return Place(words, traceback.format_stack(frame, 1) if frame is not None else NOWHERE.stack)


def _greenlet_name(greenlet: Any) -> str:
    return str(getattr_path(greenlet, "name") or "0x%x" % id(greenlet))


def _is_own(frame: FrameType) -> bool:
    return module_of(frame).startswith(_PACKAGE)


def _formatted(frame: FrameType) -> List[str]:
    """The stack of *frame* without threadguard's own frames at the inner end."""
    import traceback
    inner: Optional[FrameType] = frame
    while inner is not None and _is_own(inner):
        inner = stacks.caller_of(inner)
    stack = traceback.StackSummary.extract((each, each.f_lineno) for each in outward(inner or frame))
    stack.reverse()
    return stack.format()
