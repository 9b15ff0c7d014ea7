"""Executors and pools of the standard library and of async libraries: the bound of the one that runs my thread."""

from types import FrameType
from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, captured, count, dig, module_of, variables
from threadguard.rules.accepting import own_loop
from threadguard.rules.reach import IsGuard
from threadguard.rules.stacks import executor_worker, own_frames


def executor(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """The `concurrent.futures` executor that owns my thread: its ``_max_workers``, 1 included.

    Its `_worker` (concurrent/futures/thread.py) holds a weak reference to it. Where a server's own loop runs as its
    work item, the executor's size says nothing about requests.
    """
    worker = executor_worker(own_frames(process)[:3])
    return None if worker is None or own_loop(process) else _of_executor(process, worker)


def _of_executor(process: Process, frame: FrameType) -> Optional[Reading]:
    values = variables(frame)
    owner = values["executor_reference"]()
    if owner is None:  # collected: no thread can be added any more
        left = _sharing(process, values.get("work_queue")) + 1
        return _pool(left, "an executor", "the number of threads of an executor that is gone")
    if _made_for_one_call(process, owner):
        return Reading(Source.POOL, "an executor for each call", None,
                       "asgiref's ThreadSensitiveContext makes a %s for each request" % type(owner).__name__,
                       unbounded=True, code="TG202")
    name = type(owner).__name__
    return _pool(count(getattr(owner, "_max_workers", None)), "the %s that runs it" % name,
                 "%s._max_workers of the executor that owns this thread" % name)


def _pool(capacity: Optional[int], server: str, evidence: str) -> Optional[Reading]:
    if capacity is None:
        return None
    return Reading(Source.POOL, server, capacity, "%s is %d" % (evidence, capacity))


def _sharing(process: Process, queue: Any) -> int:
    """How many other threads run an executor's worker on *queue*."""
    return sum(any(frame.f_code.co_name == "_worker" and variables(frame).get("work_queue") is queue
                   for frame in frames) for frames in process.others.values())


def _made_for_one_call(process: Process, owner: Any) -> bool:
    """asgiref/sync.py `SyncToAsync.__call__`: an executor of one thread for each ThreadSensitiveContext; Django makes
    one for each request (django/core/handlers/asgi.py `ASGIHandler.__call__`)."""
    made = dig(process.module("asgiref.sync"), "SyncToAsync.context_to_thread_executor")
    return made is not None and any(owner is one for one in list(made.values()))


def multiprocessing_pool(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """`multiprocessing.pool.ThreadPool` and ``multiprocessing.dummy.Pool``: ``processes`` of the pool that runs me.

    Its worker (multiprocessing/pool.py `worker`) knows only the queue; the number is in the thread that keeps the pool
    at its size (`Pool._handle_workers`), of the same queue.
    """
    for frame in own_frames(process)[:3]:
        if module_of(frame) == "multiprocessing.pool" and frame.f_code.co_name == "worker":
            queue = variables(frame).get("inqueue")
            sizes = (_kept_at(frames, queue) for frames in process.others.values())
            size = None if own_loop(process) else next(filter(None, sizes), None)
            return _pool(size, "the ThreadPool that runs it", "processes of its ThreadPool")
    return None


def _kept_at(frames: Frames, queue: Any) -> Optional[int]:
    for frame in frames:
        if module_of(frame) == "multiprocessing.pool" and frame.f_code.co_name == "_handle_workers":
            values = variables(frame)
            if values.get("inqueue") is queue:
                return count(values.get("processes"))
    return None


def gevent_threadpool(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """`gevent.threadpool.ThreadPool`, whose workers are real threads: its ``maxsize``.

    A worker (gevent/threadpool.py `_WorkerGreenlet`) keeps a method of its pool.
    """
    for frame in own_frames(process)[:3]:
        worker = variables(frame).get("self") if module_of(frame) == "gevent.threadpool" else None
        size = count(dig(worker, "_unregister_worker.__self__.maxsize"))
        if size is not None:
            own = own_loop(process)
            return None if own else _pool(size, "the ThreadPool that runs it", "maxsize of gevent's ThreadPool")
    return None


def eventlet_tpool(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """eventlet's pool of real threads (eventlet/tpool.py `tworker`, of which `setup` starts ``_nthreads``)."""
    for frame in own_frames(process)[:3]:
        if module_of(frame) == "eventlet.tpool" and frame.f_code.co_name == "tworker":
            size = None if own_loop(process) else count(frame.f_globals.get("_nthreads"))
            return _pool(size, "the tpool that runs it", "_nthreads of eventlet.tpool")
    return None


def twisted_threadpool(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """`twisted.python.threadpool.ThreadPool`, the reactor's own included: its ``max``, which it reaches as work comes.

    A job knows the `Team` that it belongs to, whose way to make workers closes over the pool (twisted/_threads/_pool.py
    `pool`, twisted/python/threadpool.py `ThreadPool.__init__`).
    """
    for frame in own_frames(process)[:4]:
        if module_of(frame) == "twisted._threads._team" and frame.f_code.co_name == "doWork":
            limit = captured(dig(variables(frame).get("self"), "_createWorker"), "currentLimit")
            size = None if own_loop(process) else count(dig(captured(limit, "self"), "max"))
            return _pool(size, "the ThreadPool that runs it", "max of Twisted's ThreadPool")
    return None


def limiter(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """The capacity limiter of the worker thread of anyio or trio that runs me: its tokens, 1 included."""
    for frame in own_frames(process)[:3]:
        if module_of(frame) == "anyio._backends._asyncio" and frame.f_code.co_name == "run":
            return _tokens(_anyio(process, variables(frame)), "anyio's worker threads")
        if module_of(frame) == "trio._core._thread_cache" and frame.f_code.co_name == "_handle_job":
            return _tokens(_trio(variables(frame)), "trio's worker threads")
    return None


def _tokens(found: Any, server: str) -> Optional[Reading]:
    tokens = getattr(found, "total_tokens", None)
    if tokens == float("inf"):
        return Reading(Source.POOL, server, None, "their limiter has no limit", unbounded=True, code="TG202")
    return _pool(count(tokens), server, "total_tokens of the limiter of this thread")


def _anyio(process: Process, values: Any) -> Any:
    """The limiter that the caller waits under: in the frame of the coroutine which awaits my future.

    anyio/_backends/_asyncio.py `run_sync_in_worker_thread`; without one of its own it is the event loop's default.
    """
    loop, future = dig(values.get("self"), "loop"), values.get("future")
    all_tasks = getattr(process.module("asyncio"), "all_tasks", None)
    for task in all_tasks(loop) if all_tasks and loop is not None else ():
        coroutine = task.get_coro()
        while coroutine is not None:
            frame = getattr(coroutine, "cr_frame", None)
            if frame is not None and frame.f_code.co_name == "run_sync_in_worker_thread":
                found = variables(frame)
                if found.get("future") is future:
                    return found.get("limiter") or _anyio_default(process, loop)
            coroutine = getattr(coroutine, "cr_await", None)
    return None


def _anyio_default(process: Process, loop: Any) -> Any:
    """anyio/lowlevel.py `RunVar`: the values of each event loop, by variable or, in anyio 3 and early 4, by name."""
    kept = dig(process.module("anyio.lowlevel"), "_run_vars") or {}
    variable = dig(process.module("anyio._backends._asyncio"), "_default_thread_limiter")
    of_loop = kept.get(loop) or {}
    return of_loop.get(variable) or of_loop.get("_default_thread_limiter")


def _trio(values: Any) -> Any:
    """trio/_threads.py `to_thread_run_sync`: what the worker delivers to closes over the limiter."""
    wave = [value for value in values.values() if callable(value)]
    for _ in range(4):
        cells = [cell.cell_contents for one in wave for cell in getattr(one, "__closure__", None) or ()]
        found = next((one for one in cells if hasattr(one, "total_tokens")), None)
        if found is not None:
            return found
        wave = [one for one in cells if callable(one)]
    return None
