"""Signs of a server that nobody wrote a reader for, each an identity that can be looked up, never an inference.

=================  =================================================================================================
`executor`         a pool of threads owns the thread that runs this request: its size, 1 included
`thread_for_each`  ``process_request_thread`` has just been started for this request: a thread for each connection
`in_turn`          `socketserver` serves this request in the thread that accepts: one at a time
`frameless`        thread states of a C or Rust pool idle beside the one that runs this request
=================  =================================================================================================

A server that shows none of them is believed as far as its ``wsgi.multithread`` goes, and its first collision tells.
"""

import threading
from functools import partial
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import (Frames, Process, cells_of, count, getattr_path, is_instance, loaded, module_of,
                                       variables)

IsGuard = Callable[[object], bool]


# -- pools of threads -----------------------------------------------------------------------------------------------

class Pool(NamedTuple):
    """The pool of threads whose worker runs a stack."""

    owner: Any
    """The pool itself, or what stands for it."""
    size: int
    evidence: str


_Owner = Tuple[Any, Any, str]
"""A pool, its size, and the name of what was read."""


def _of_futures(process: Process, worker: Dict[str, Any]) -> _Owner:
    """`concurrent.futures`: a worker refers to its executor (concurrent/futures/thread.py `_worker`)."""
    owner = worker["executor_reference"]()
    return owner, getattr(owner, "_max_workers", None), "%s._max_workers" % type(owner).__name__


def _of_multiprocessing(process: Process, worker: Dict[str, Any]) -> _Owner:
    """`multiprocessing.pool.ThreadPool`: a worker knows the queue; the thread that keeps the pool at its size knows
    the number, and that queue (multiprocessing/pool.py `worker`, `Pool._handle_workers`)."""
    queue = worker.get("inqueue")
    keepers = (variables(frame) for frames in process.others.values() for frame in frames
               if name_of(frame) == ("multiprocessing.pool", "_handle_workers"))
    sizes = (keeper.get("processes") for keeper in keepers if keeper.get("inqueue") is queue)
    return queue, next(sizes, None), "processes of its ThreadPool"


def _of_gevent(process: Process, worker: Dict[str, Any]) -> _Owner:
    """`gevent.threadpool.ThreadPool`: a worker keeps a method of its pool (gevent/threadpool.py `_WorkerGreenlet`)."""
    owner = getattr_path(worker.get("self"), "_unregister_worker.__self__")
    return owner, getattr_path(owner, "maxsize"), "maxsize of gevent's ThreadPool"


def _of_eventlet(process: Process, worker: Dict[str, Any]) -> _Owner:
    """`eventlet.tpool`: the module has the number of the threads that `setup` starts (eventlet/tpool.py `tworker`)."""
    owner = loaded("eventlet.tpool")
    return owner, getattr_path(owner, "_nthreads"), "_nthreads of eventlet.tpool"


def _of_twisted(process: Process, worker: Dict[str, Any]) -> _Owner:
    """Twisted's `ThreadPool`: a job knows the `Team` that it belongs to, whose way to make workers closes over the pool
    (twisted/_threads/_pool.py `pool`, twisted/python/threadpool.py `ThreadPool.__init__`)."""
    create = getattr_path(worker.get("self"), "_createWorker")
    owner = cells_of(cells_of(create).get("currentLimit")).get("self")
    return owner, getattr_path(owner, "max"), "max of Twisted's ThreadPool"


_WORKERS: Dict[Tuple[str, str], Callable[[Process, Dict[str, Any]], _Owner]] = {
    ("concurrent.futures.thread", "_worker"): _of_futures,
    ("multiprocessing.pool", "worker"): _of_multiprocessing,
    ("gevent.threadpool", "run"): _of_gevent,
    ("eventlet.tpool", "tworker"): _of_eventlet,
    ("twisted._threads._team", "doWork"): _of_twisted,
}
"""The functions of workers, and how each leads from its variables to its pool."""
_ACCEPTS = (("socketserver", "_handle_request_noblock"), ("asyncio.base_events", "run_forever"))
"""Loops that serve many requests: a pool that runs one of them as a job does not bound what it lets in."""


def name_of(frame: FrameType) -> Tuple[str, str]:
    """The module and the function that *frame* runs."""
    return module_of(frame), frame.f_code.co_name


def pool_of(process: Process) -> Optional[Pool]:
    """The pool of threads that runs *process*, or None: a server's own loop that runs as a job of it is not run by it.

    None as well where the size cannot be read.
    """
    for frame in process.stack:
        name = name_of(frame)
        if name in _ACCEPTS:
            return None
        if name in _WORKERS:
            owner, size, what = _WORKERS[name](process, variables(frame))
            evidence = "%s of the pool that owns this thread is %s" % (what, size)
            return None if count(size) is None else Pool(owner, size, evidence)
    return None


def reading_of(pool: Pool) -> Reading:
    """That *pool* bounds the requests inside."""
    return Reading(Source.POOL, "the pool of threads that runs it", pool.size, pool.evidence,
                   is_over=lambda: getattr(pool.owner, "_shutdown", False) is True)


def executor(process: Process) -> Optional[Reading]:
    """The pool whose worker runs this request."""
    pool = pool_of(process)
    return None if pool is None else reading_of(pool)


# -- the job that a pool was given ----------------------------------------------------------------------------------

_PLAIN = (str, bytes, int, float, complex, type(None), type, ModuleType, BuiltinFunctionType)


def job_of(stack: Frames) -> Optional[Tuple[Any, ...]]:
    """The function that a pool was given to run *stack*, and its arguments; None where that cannot be read.

    concurrent/futures/thread.py `_WorkItem.run`: ``fn``, ``args`` and ``kwargs`` of the item; from Python 3.14 on
    `WorkerContext.run` has them in ``task``. multiprocessing/pool.py `worker` has them in variables, as gevent's pool
    (gevent/threadpool.py `_WorkerGreenlet.run`) and eventlet's (eventlet/tpool.py `tworker`) have.
    """
    for frame in stack:
        name, place = _JOBS.get(module_of(frame), ("", 0))
        values = variables(frame) if name else {}
        task: Any = values.get(name)
        if is_instance(task, tuple) and len(task) >= place + 3:
            function, args, keywords = task[place:place + 3]
            return (function, *args, *keywords.values())
        if hasattr(values.get("self"), "fn"):
            item = values["self"]
            return (item.fn, *item.args, *item.kwargs.values())
    return None


_JOBS: Dict[str, Tuple[str, int]] = {
    "concurrent.futures.thread": ("task", 0), "multiprocessing.pool": ("task", 2), "gevent.threadpool": ("task", 0),
    "eventlet.tpool": ("msg", 1),
}
"""The variable of a worker that has the job, and where the function, its arguments and keywords begin in it."""


def carries_a_request(job: Iterable[Any], is_guard: IsGuard) -> bool:
    """Whether among the things of a *job* is one that a request could have come with: a connection, an environ, …

    A job of numbers, texts, functions and the application itself has none. It warms the application up, or is a server
    of its own.
    """
    wave: List[Any] = list(job)
    for _ in range(4):
        following: List[Any] = []
        for thing in wave:
            if is_instance(thing, MethodType):
                following.append(thing.__self__)
            elif is_instance(thing, partial):
                following += [thing.func, *thing.args, *thing.keywords.values()]
            elif is_instance(thing, FunctionType):
                following += [held for held in cells_of(thing).values() if held is not thing]
            elif is_instance(thing, (list, tuple)):
                following += thing[:16]
            elif not (is_instance(thing, _PLAIN) or is_guard(thing)):
                return True
        wave = following
    return False


# -- other structures -----------------------------------------------------------------------------------------------

def thread_for_each(process: Process) -> Optional[Reading]:
    """``process_request_thread`` of `socketserver.ThreadingMixIn`, or of a copy of it, was started for this request."""
    for frame in process.stack:
        if frame.f_code.co_name == "process_request_thread" and module_of(frame.f_back or frame) == "threading":
            evidence = "%s.process_request_thread runs this request: a thread for each connection" % module_of(frame)
            return Reading(Source.STRUCTURE, "the server", None, evidence, unbounded=True,
                           is_over=_has_ended(variables(frame).get("self")))
    return None


def in_turn(process: Process) -> Optional[Reading]:
    """`socketserver` serves this request in the thread that accepts: it comes back for the next one at the end.

    socketserver.py `_handle_request_noblock` calls the handler itself; a mixin's threads have stacks of their own. So
    the flag does not matter, which Django's `WSGIServer` and others set to True.
    """
    server = process.look_up("self", "socketserver", "_handle_request_noblock")
    if server is None:
        return None
    evidence = "%s.%s serves this request in the thread that accepts the next one" % (
        type(server).__module__, type(server).__name__)
    return Reading(Source.POOL, "the server", 1, evidence, is_over=_has_ended(server))


def _has_ended(server: Any) -> Callable[[], bool]:
    """socketserver.py `BaseServer.serve_forever` sets an event at its end, and clears it when it begins."""
    ended = getattr(server, "_BaseServer__is_shut_down", None)
    return getattr(ended, "is_set", lambda: False)


def frameless(process: Process) -> Optional[Reading]:
    """Two or more thread states without frames, and a thread that Python did not start runs this request.

    Python 3.10 and later; before that such servers are believed as far as their flag goes.
    """
    mine = process.thread
    if mine is threading.main_thread() or not (mine is None or is_instance(mine, threading._DummyThread)):
        return None
    idle = process.frameless()
    evidence = "%d threads that Python did not start idle beside the one that runs this request" % idle
    return None if idle < 2 else Reading(Source.STRUCTURE, "the server", None, evidence)


SIGNS: Tuple[Callable[[Process], Optional[Reading]], ...] = (executor, thread_for_each, in_turn, frameless)
