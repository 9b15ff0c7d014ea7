"""Whether what a server was handed leads to a guarded application, through whatever was wrapped around it.

Followed is what an object holds: attributes, slots, what a proxy wraps (``__wrapped__``: New Relic, wrapt), closures,
the globals that a function names, partials, bound methods, handler classes. Not followed is what holds a pool of one
thread as well: it may hand the requests on to that thread, and then the server's own threads bound nothing. Before a
request comes nothing tells what will run it, so the first request has to.
"""

from functools import partial
from itertools import islice
from types import FunctionType, GetSetDescriptorType, MemberDescriptorType, MethodType, ModuleType
from typing import Any, Dict, Iterable, List, Tuple

from threadguard.process.facts import cells_of, getattr_path, is_instance, loaded
from threadguard.servers.unknown import IsGuard

_STEPS, _OBJECTS, _ITEMS = 12, 1000, 16
"""How far it goes, how many objects it looks at, and how many of a list: an application may hold all there is."""

_PLAIN = (str, bytes, int, float, complex, type(None))

_POOLS: Tuple[Tuple[str, str, str], ...] = (
    ("concurrent.futures.thread", "ThreadPoolExecutor", "_max_workers"),
    ("multiprocessing.pool", "ThreadPool", "_processes"),
    ("gevent.threadpool", "ThreadPool", "maxsize"), ("twisted.python.threadpool", "ThreadPool", "max"),
)
"""Classes of pools of threads, and the attribute that has the size. eventlet's pool is a module: `eventlet.tpool`."""

_OWN = __name__.partition(".")[0]


def leads_to_a_guard(start: Iterable[Any], is_guard: IsGuard) -> bool:
    """Whether one of *start* is, or leads to, a guard."""
    return bool(guards_from(start, is_guard, most=1))


def guards_from(start: Iterable[Any], is_guard: IsGuard, most: int = _OBJECTS) -> List[Any]:
    """The guards that *start* leads to, the nearest first; no more than *most*."""
    found: List[Any] = []
    seen: Dict[int, Any] = {}  # held: the identity of an object that is gone is given again
    wave = list(start)
    for _ in range(_STEPS):
        following: List[Any] = []
        for thing in wave:
            if is_instance(thing, _PLAIN) or id(thing) in seen or len(seen) > _OBJECTS:
                continue
            seen[id(thing)] = thing
            if is_guard(thing):
                found.append(thing)
                if len(found) >= most:
                    return found
                following.append(getattr(thing, "app", None))
            else:
                following += _held_by(thing, is_guard)
        wave = following
    return found


def _held_by(thing: Any, is_guard: IsGuard) -> List[Any]:
    """What *thing* may call, or hand on to something that does."""
    if is_instance(thing, ModuleType) or _is_own(thing):
        return []
    if is_instance(thing, MethodType):
        # A method of the guard other than its call (``guard.stats``) does not call the application.
        return [] if is_guard(thing.__self__) and thing.__name__ != "__call__" else [thing.__self__, thing.__func__]
    if is_instance(thing, (tuple, list, dict)):
        try:
            return list(islice(thing.values() if is_instance(thing, dict) else thing, _ITEMS))
        except RuntimeError:  # a dict that changed meanwhile
            return []
    held = _of_function(thing) if is_instance(thing, FunctionType) else _of_object(thing)
    return [] if any(map(is_pool_of_one, held)) else held


def _is_own(thing: Any) -> bool:
    """threadguard's own objects lead to guards that they do not call: reports, metrics, groups."""
    of = thing if is_instance(thing, (FunctionType, type)) else type(thing)
    return str(getattr(of, "__module__", "")).partition(".")[0] == _OWN


def _of_function(function: FunctionType) -> List[Any]:
    names = getattr(function.__code__, "co_names", ())
    named = [function.__globals__[name] for name in names if name in function.__globals__]
    return [*cells_of(function).values(), *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values(),
            *named]


def _of_object(thing: Any) -> List[Any]:
    if is_instance(thing, partial):
        return [thing.func, *thing.args, *thing.keywords.values()]
    if is_instance(thing, type):  # a handler's class: what it has (``app = …``), and what its methods name
        return [value for name, value in vars(thing).items() if not name.startswith("__")]
    kinds = [vars(kind) for kind in type(thing).__mro__]
    calls = [kind["__call__"] for kind in kinds if is_instance(kind.get("__call__"), FunctionType)]
    return [*_attributes_of(thing).values(), *calls[:1]]


def _attributes_of(thing: Any) -> Dict[str, Any]:
    """The attributes that *thing* holds itself, those in slots and behind a proxy included; nothing is computed.

    wrapt's proxies, and New Relic's, have ``__wrapped__`` as an attribute in C (wrapt/_wrappers.c).
    """
    try:
        found = dict(object.__getattribute__(thing, "__dict__"))
    except (AttributeError, TypeError):
        found = {}
    for kind in type(thing).__mro__:
        for name, member in list(vars(kind).items()):
            if is_instance(member, MemberDescriptorType) or (
                    name == "__wrapped__" and is_instance(member, GetSetDescriptorType)):
                try:
                    found[name] = member.__get__(thing, kind)
                except Exception:  # noqa: B902  a slot that is not filled; or a lazy proxy, which may raise anything
                    continue
    return found


def is_pool_of_one(thing: Any) -> bool:
    """Whether *thing* is a pool of a single thread."""
    if is_instance(thing, ModuleType):
        return thing is loaded("eventlet.tpool") and getattr(thing, "_nthreads", None) == 1
    return any(is_instance(thing, kind) and getattr(thing, size, None) == 1
               for module, name, size in _POOLS for kind in (getattr_path(loaded(module), name),)
               if is_instance(kind, type))
