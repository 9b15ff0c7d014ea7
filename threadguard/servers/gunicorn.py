"""gunicorn: the worker class, and what bounds it.

The settings are those of the `Config` that the running `Worker`, `Arbiter` or `WSGIApplication` holds as ``self.cfg``
(gunicorn/workers/base.py `Worker.__init__`, gunicorn/arbiter.py `Arbiter.setup`, gunicorn/app/base.py
`BaseApplication.load_default_config`). With ``--preload`` the guard is built under the Arbiter, else under a Worker.
"""

from typing import Any, Iterator, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path, local, module_of

NAME = "gunicorn"
REMEDY = "--worker-class sync --threads 1, and --workers N for more throughput"
RUNS_ON = "the main thread (sync, gevent, eventlet and tornado workers); gthread: a thread of its pool"
NEVER_ON_MAIN = {"gunicorn's gthread worker": REMEDY}
READS = (
    ("worker_class, threads and worker_connections of the Config that a Worker, the Arbiter or the application object"
     " on the stack holds", "startup"),
    ("the same of the Worker on the request's own stack, and the size of gthread's pool", "request"),
)
CALLS = (
    ("gunicorn.workers.sync", "handle_request"), ("gunicorn.workers.gthread", "handle_request"),
    ("gunicorn.workers.base_async", "handle_request"),
)

# gunicorn/workers/__init__.py SUPPORTED_WORKERS (eventlet: until 25), and the classes behind the names.
_WORKERS = {
    "sync": "sync", "gunicorn.workers.sync.SyncWorker": "sync",
    "tornado": "tornado", "gunicorn.workers.gtornado.TornadoWorker": "tornado",
    "gthread": "gthread", "gunicorn.workers.gthread.ThreadWorker": "gthread",
    "gevent": "gevent", "gunicorn.workers.ggevent.GeventWorker": "gevent",
    "gevent_wsgi": "gevent_pywsgi", "gevent_pywsgi": "gevent_pywsgi",
    "gunicorn.workers.ggevent.GeventPyWSGIWorker": "gevent_pywsgi",
    "eventlet": "eventlet", "gunicorn.workers.geventlet.EventletWorker": "eventlet",
}

_SERVING = frozenset("run run_for_one run_for_multiple accept handle handle_request".split())
"""The methods of gunicorn/workers/sync.py `SyncWorker`, and of gtornado.py `TornadoWorker`, that serve."""


def read_settings(worker_class: str, threads: Optional[int] = 1, connections: Optional[int] = 1000,
                  listeners: int = 1, where: str = "gunicorn's configuration") -> Optional[Reading]:
    """The capacity of one worker process, or None for a worker class that is not gunicorn's own.

    *worker_class*, *threads* and *connections* (``worker_connections``) are gunicorn's settings, given with its
    defaults; *listeners* is the number of addresses it binds.
    """
    if threads and threads > 1 and (worker_class == "sync" or worker_class.endswith("SyncWorker")):
        worker_class = "gthread"  # silently: gunicorn/config.py Config.worker_class
    kind = _WORKERS.get(worker_class)
    evidence = "%s has worker_class %r" % (where, worker_class)
    bound: Optional[int] = 1
    if kind == "gthread":  # gunicorn/workers/gthread.py ThreadWorker.get_thread_pool
        bound = count(threads)
        evidence += " and threads %r" % threads
    elif kind in ("gevent", "gevent_pywsgi", "eventlet"):  # a pool for each socket: ggevent.py GeventWorker.run
        bound = count((connections or 0) * listeners)
        evidence += " and worker_connections %r on %d listening socket(s)" % (connections, listeners)
    if kind is None or bound is None:
        return None
    return Reading(Source.SETTING, "gunicorn's %s worker" % kind, bound, evidence, REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """What the Config says, once it is complete."""
    # While a configuration file is read the command line has not been applied, and gunicorn.dirty serves no WSGI.
    if process.frame("gunicorn.app.base", "do_load_config") or process.frame("gunicorn.dirty."):
        return None
    return _on_stack(process)


def on_request(process: Process) -> Optional[Reading]:
    """What bounds the Worker whose frame is on the request's stack."""
    return _on_stack(process) or _of_own_class(process)


def serves(process: Process) -> bool:
    """Whether a worker of gunicorn runs the request, of whatever class: not while it loads the application."""
    return next(_holders(process), None) is not None and not _is_starting(process)


def _is_starting(process: Process) -> bool:
    """Whether the Arbiter or a worker loads the application, or runs a hook, before it serves.

    At the end of workers/base.py `Worker.init_process` the worker's `run` is called, of whatever class.
    """
    starts = process.frame("gunicorn.workers.base", "init_process")
    if starts is None:
        return process.frame("gunicorn.arbiter") is not None or process.frame("gunicorn.app.base") is not None
    return not any(frame.f_back is starts and frame.f_code.co_name == "run" for frame in process.stack)


def _on_stack(process: Process) -> Optional[Reading]:
    """What the best holder of the settings says: one that knows the class itself, else one that knows its name."""
    holders = list(_holders(process))
    for holder in holders:
        # A Worker; the Arbiter (arbiter.py Arbiter.setup).
        for chosen in (type(holder), getattr_path(holder, "worker_class")):
            kind = _kind(chosen)
            if kind:
                return _reading(holder, kind, _threads(holder, kind))
    for holder in holders:
        return _reading(holder, str(getattr_path(holder, "cfg.worker_class_str")), getattr_path(holder, "cfg.threads"))
    return None


def _of_own_class(process: Process) -> Optional[Reading]:
    """What a worker does that is derived from `SyncWorker` and serves in a way of its own.

    Its loop is on the main thread (sync.py `run_for_one`, `accept`). Where the request has left it for another thread,
    the loop either waits in `handle`, or accepts the next one. While it starts that thread neither can be told.
    """
    if not process.frame("gunicorn.workers.sync", "run", main=True) or not serves(process):
        return None
    loop, server = process.main, "gunicorn's worker of a class of its own"
    waits = loop is process.stack or any(
        frame.f_code.co_name == "handle" and frame.f_back is not None and frame.f_back.f_code.co_name == "accept"
        and module_of(frame.f_back) == "gunicorn.workers.sync" for frame in loop)
    if not waits:
        evidence = "its loop accepts connections while this request is served"
        return Reading(Source.STRUCTURE, server, None, evidence, REMEDY)
    if any(module_of(frame) == "threading" and frame.f_code.co_name == "start" for frame in loop):
        return None
    return Reading(Source.POOL, server, 1, "its loop waits for the end of this request", REMEDY)


def _holders(process: Process) -> Iterator[Any]:
    """The objects on the stack that hold gunicorn's Config, innermost first."""
    for frame in process.frames("gunicorn."):
        holder = local(frame, "self")
        if getattr_path(holder, "cfg.settings") is not None:
            yield holder
    for frame in process.frames("gevent.pywsgi"):  # under gevent_pywsgi only the server's logger leads to the Config
        handler = local(frame, "self")  # gunicorn/workers/ggevent.py PyWSGIHandler
        if type(handler).__module__.startswith("gunicorn."):
            if getattr_path(handler, "server.log.cfg.settings") is not None:
                yield handler.server.log


def _kind(worker: Any) -> str:
    """The name of the worker class that *worker* is or derives from, or an empty string.

    A class of its own over one that runs no threads, which serves in a way of its own, is none that the settings tell
    of: it may start a thread for each connection.
    """
    serves_otherwise = False
    for base in worker.__mro__ if isinstance(worker, type) else ():
        name = _WORKERS.get("%s.%s" % (base.__module__, base.__qualname__))
        if name:
            return "" if serves_otherwise and name in ("sync", "tornado") else name
        serves_otherwise = serves_otherwise or not _SERVING.isdisjoint(vars(base))
    return ""


def _threads(holder: Any, kind: str) -> Any:
    if kind != "gthread":  # a class that is not gthread runs no threads, whatever cfg.threads says
        return 1
    pool = getattr_path(holder, "tpool._max_workers")
    return getattr_path(holder, "cfg.threads") if pool is None else pool


def _reading(holder: Any, kind: str, threads: Any) -> Optional[Reading]:
    listeners = getattr_path(holder, "sockets") or getattr_path(holder, "cfg.bind") or ("one",)
    return read_settings(kind, count(threads), count(getattr_path(holder, "cfg.worker_connections")), len(listeners),
                         "gunicorn's configuration")
