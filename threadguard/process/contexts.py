"""What runs code on its own in this process: threads, and greenlets within them.

With `process.py` the only module that looks at threads and stacks. That one tells facts about servers; this one tells
who is who: which context I am, whether another still lives, whether a call is on my own stack, and where it stands.
"""

import sys
from types import CodeType, FrameType, GeneratorType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, TypeVar

from threadguard.process import stacks
from threadguard.process.facts import dig, instances, module_of, outward

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
new_mutex: Callable[[], Any] = original("RLock")


_modules = sys.modules
_new = tuple.__new__


class Context(NamedTuple):
    """An OS thread, or a greenlet within one."""

    ident: int
    """The identifier of the OS thread."""
    greenlet: int
    """`id` of the greenlet; 0 where greenlets are not in use."""


def current() -> Context:
    """The context that calls."""
    module = _modules.get("greenlet")
    return _new(Context, (get_ident(), 0 if module is None else id(module.getcurrent())))


def name_of(ident: int) -> str:
    """The name of thread *ident* as `threading` knows it, or its number."""
    threads = dig(sys.modules.get("threading"), "_active") or {}
    return "thread %s" % (dig(threads.get(ident), "name") or ident)


def event_loop_runs() -> bool:
    """Whether an event loop runs in this thread.

    asyncio, uvloop and trio all set the thread's asynchronous generator hooks while they run, and take them back
    at the end (asyncio/base_events.py `run_forever`, trio/_core/_asyncgens.py). Twisted's reactor does not; its own
    thread is known to twisted.python.threadable.
    """
    if sys.get_asyncgen_hooks().firstiter is not None:
        return True
    threadable = sys.modules.get("twisted.python.threadable")
    return threadable is not None and dig(threadable, "ioThread") == get_ident()


_CALLS: Dict[int, CodeType] = {}
"""By `id`: the hash of a code object is made anew each time, of all that it consists of."""


def calls_the_application(function: _F) -> _F:
    """Mark *function* as one whose frame holds a request inside: its locals ``ledger`` and ``ticket`` say which."""
    _CALLS[id(function.__code__)] = function.__code__
    return function


def holds(frame: FrameType, ledger: Any, ticket: int) -> bool:
    """Whether *frame* is the call of *ticket* in *ledger*."""
    is_call = id(frame.f_code) in _CALLS
    return is_call and frame.f_locals.get("ticket") == ticket and frame.f_locals.get("ledger") is ledger


def calls_an_application(frame: FrameType) -> bool:
    """Whether *frame* holds a request inside, of whatever group."""
    return id(frame.f_code) in _CALLS


_CHUNKS: Dict[int, CodeType] = {}


def makes_a_chunk(function: _F) -> _F:
    """Mark *function* as the method of a body that makes a chunk."""
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
    """The tickets of *ledger* for which *calls* are made."""
    found = [call.f_locals for call in calls]
    return {call["ticket"] for call in found if call.get("ledger") is ledger and "ticket" in call}


def makes(frames: List[FrameType], body: Any) -> bool:
    """Whether one of *frames* makes a chunk of *body*."""
    if type(body) is GeneratorType:
        return any(frame.f_code is body.gi_code and frame is body.gi_frame for frame in frames)
    return any(id(frame.f_code) in _CHUNKS and frame.f_locals.get("self") is body for frame in frames)


def _greenlet_frames() -> List[FrameType]:
    """The frames of every waiting greenlet."""
    frames = [dig(one, "gr_frame") for one in instances("greenlet", "greenlet")]
    return [frame for frame in frames if frame is not None]


class Place(NamedTuple):
    """Where a call stands: its context in words, and its stack, outermost call first."""

    context: str
    stack: List[str]


NOWHERE = Place("a thread that is not known", ["  (its stack could not be seen)\n"])


def here() -> Place:
    """Where the calling context stands."""
    words = name_of(get_ident())
    greenlet = dig(sys.modules.get("greenlet"), "getcurrent")
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


def waiting(frame: Optional[FrameType], context: Context) -> Place:
    """The place of a body that waits, at *frame* if it is a generator, to be asked for its next chunk."""
    import traceback  # to be loaded for a violation, or by `logging` when the first guard is built
    words = "a body from %s, waiting to be asked for its next chunk" % name_of(context.ident)
    return Place(words, traceback.format_stack(frame, 1) if frame is not None else NOWHERE.stack)


def _greenlet_name(greenlet: Any) -> str:
    return str(dig(greenlet, "name") or "0x%x" % id(greenlet))


def _is_own(frame: FrameType) -> bool:
    return module_of(frame).startswith(_PACKAGE)


def _formatted(frame: FrameType) -> List[str]:
    """The stack of *frame* without threadguard's own frames at the inner end."""
    import traceback
    inner: Optional[FrameType] = frame
    while inner is not None and _is_own(inner):
        inner = inner.f_back
    return traceback.format_stack(inner or frame)
