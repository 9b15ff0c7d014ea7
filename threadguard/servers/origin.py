"""Where a call comes from: from the server, or from elsewhere.

An application warms itself up from its own executor, scheduler or timer; a test client calls it; a middleware runs it
in another thread and waits for it. None of these threads is the server's, so the pools that they belong to say nothing
about it. A call comes *from the server* if a known server's frame is on its stack, or a server that has no frames made
its environ. Where another context is in the call of an application with this very request, that context is the
server's, and everything is seen from there.
"""

import enum
import threading
from types import FrameType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.process import stacks
from threadguard.process.facts import Frames, Process, as_tuple, calling, module_of, outward, variables
from threadguard.servers.unknown import IsGuard, Pool, carries_a_request, job_of, name_of, pool_of

_VARARGS = 0x4
"""`inspect.CO_VARARGS`."""
_FAR = 200
"""How many frames are told apart."""
_NOT_SERVERS = frozenset((
    ("apscheduler.executors.base", "run_job"), ("werkzeug.test", "run_wsgi_app"), ("webtest.app", "do_request"),
    ("httpx._transports.wsgi", "handle_request"),
))
"""Functions of schedulers and of test clients: what they call is the application's own work, whatever pool runs it.
Not WebOb's `Request.call_application`, by which middlewares hand requests on."""


class Origin(enum.Enum):
    """Where a call comes from."""

    SERVER = "a known server, or one that shows a strong sign"
    PLAIN = "a thread of which nothing is known"
    POOL = "a pool of threads that no known server owns; it may be an unknown server's"
    ELSEWHERE = "not from the server: it is no evidence"


class Call(NamedTuple):
    """A call of the application."""

    origin: Origin
    process: Process
    """The process as the thread of the server sees it."""
    pools: Tuple[Pool, ...] = ()
    """The pools of threads that the call was handed to on its way from the server."""


def trace(here: Process, servers: Any, is_guard: IsGuard, is_server_known: bool) -> Call:
    """Where the call comes from that *here* looks at.

    :param servers: the known servers (`SERVERS`).
    :param is_server_known: whether the server has shown itself, at startup or in an earlier call. Then a pool that no
        known server owns is the application's.
    """
    server = serving(here, servers)
    if server is not None:
        pool = pool_of(here) if getattr(server, "HAS_NO_FRAMES", False) else None
        return Call(Origin.SERVER, here, () if pool is None else (pool,))
    others = list(_other_contexts(here))
    holders = [seen for seen in others if any(_is_called_with(frame, here.environ) for frame in seen.stack)]
    if holders:
        return _handed_on(here, holders, servers)
    calls = {(module, function) for known in servers for module, *functions in known.CALLS
             for function in functions or ("",)}  # an empty name stands for any function of the module
    if any(name_of(frame) in calls or (module_of(frame), "") in calls for seen in others for frame in seen.stack):
        return Call(Origin.ELSEWHERE, here)
    if pool_of(here) is None:
        return Call(Origin.PLAIN, here)
    job = job_of(here.stack)
    is_no_server = any(name_of(frame) in _NOT_SERVERS for frame in here.stack)
    if is_server_known or is_no_server or (job is not None and not carries_a_request(job, is_guard)):
        return Call(Origin.ELSEWHERE, here)
    return Call(Origin.POOL, here)


def serving(process: Process, servers: Any) -> Any:
    """The known server that runs *process*; None where its reader cannot tell."""
    for server in servers:
        try:
            if serves(server, process):
                return server
        except Exception:  # noqa: B902  a reader that fails is told of when it is asked what it reads
            continue
    return None


def serves(server: Any, process: Process) -> bool:
    """Whether *server* runs *process*, as its reader tells; by default one of its ``CALLS`` is on the stack."""
    tells = getattr(server, "serves", None)
    if tells is not None:
        return bool(tells(process))
    return any(process.frame(module, *functions) for module, *functions in server.CALLS)


def _handed_on(here: Process, holders: List[Process], servers: Any) -> Call:
    """The call was handed on by one of *holders*, or by several one after the other."""
    known = next((seen for seen in holders if serving(seen, servers) is not None), None)
    first = known or next((seen for seen in holders if pool_of(seen) is None), holders[0])
    pools = (pool_of(seen) for seen in (here, *holders) if seen is not first)
    return Call(Origin.PLAIN if known is None else Origin.SERVER, first, tuple([pool for pool in pools if pool]))


def _other_contexts(here: Process) -> Iterator[Process]:
    """The process as each other thread sees it, and each greenlet that waits.

    Greenlets only where one could have handed the call on, to a greenlet or to a thread of the pools that gevent and
    eventlet have: to find them, every object is walked. Without the GIL another thread may let its greenlet go on
    meanwhile: then none is looked at.
    """
    for ident, frames in here.others.items():
        yield here.seen_from(frames, ident)
    may_come_from_a_greenlet = getattr(here.greenlet, "parent", None) is not None or any(
        module_of(frame) in ("gevent.threadpool", "eventlet.tpool") for frame in here.stack)
    for greenlet in here.greenlets() if may_come_from_a_greenlet and stacks.runs_alone() else ():
        frames = as_tuple(outward(getattr(greenlet, "gr_frame", None)))
        if frames:
            yield here.seen_from(frames, greenlet=greenlet)


def _is_called_with(frame: FrameType, environ: Optional[Dict[str, Any]]) -> bool:
    """Whether *frame* is a call as PEP 3333 has it, with the request of *environ* and one more argument.

    The last argument is left alone: it is what starts the response, and of FastWSGI's no class may be asked.
    """
    code = frame.f_code
    names = code.co_varnames[:code.co_argcount]
    if environ is None or not (len(names) > 1 or code.co_flags & _VARARGS):
        return False
    values = variables(frame)
    given = [values.get(name) for name in names]
    if code.co_flags & _VARARGS:
        given += values.get(code.co_varnames[code.co_argcount + code.co_kwonlyargcount]) or ()
    return any(_is_of_the_same_request(thing, environ) for thing in given[:-1])


def _is_of_the_same_request(thing: Any, environ: Dict[str, Any]) -> bool:
    """Whether *thing* is *environ* or a copy of it: a middleware may hand on a copy, and the input stays the same."""
    if thing is environ:
        return True
    body = environ.get("wsgi.input")
    return type(thing) is dict and body is not None and thing.get("wsgi.input") is body


def path_of_call() -> int:
    """A number for the way on which the calling request has come: the same functions outside of threadguard."""
    return hash(tuple([id(frame.f_code) for frame in calling(_FAR)]))


def is_imported(stack: Frames) -> bool:
    """Whether a module is being imported on *stack*: that is never evidence that it serves."""
    return any(module_of(frame) == "importlib._bootstrap" for frame in stack)


def may_serve_again(ident: int) -> bool:
    """Whether the thread *ident* is still there. A timer's, or one that warmed the application up, has ended."""
    return ident in threading._active  # type: ignore[attr-defined]
