"""granian: pools of blocking threads, in Rust, one for each worker or one for each of its runtime threads.

The settings are the arguments of the worker's `_spawn_wsgi_worker`. While the application is loaded they wait in the
``args`` of the `wrapped` around it, later the main thread waits in it for the end (granian/server/mp.py; before 2.0
granian/server.py, which loads the application in it as well). In runtime mode ``mt`` all runtime threads share one
pool, in mode ``st`` each has its own, so that ``--blocking-threads 1 --runtime-threads 3`` lets three in (src/serve.rs
`serve_fn`; before 2.0 the modes were ``runtime`` and ``workers``, before 1.4 blocking threads were ``pthreads``). On a
free-threaded Python workers are threads of one process (granian/server/mt.py `MTServer`).
"""

from typing import Any, Dict, Mapping, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path, variables

NAME = "granian"
REMEDY = "--blocking-threads 1 --runtime-mode mt, and --workers N for more throughput"
RUNS_ON = "a thread of its blocking pool, also if it has one"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("blocking_threads, runtime_threads and runtime_mode of the worker that loads the application", "startup"),
    ("the same, of the worker that the main thread waits for", "request"),
)
CALLS = (("granian.wsgi",),)

_MODULE, _WORKER = "granian.server.", "_spawn_wsgi_worker"
_A_POOL_FOR_EACH_RUNTIME_THREAD = {"st": True, "workers": True, "mt": False, "runtime": False, "auto": False}


def read_settings(settings: Mapping[str, Any], where: str = "granian's configuration") -> Optional[Reading]:
    """The capacity of a process from *settings*, by the names of `AbstractServer.__init__`; None if one is missing.

    ``backpressure`` bounds the connections to a pool, and thereby its requests where nothing but HTTP/1 is spoken.
    ``workers`` are given only where they are threads.
    """
    threads, runtimes = count(settings.get("blocking_threads")), count(settings.get("runtime_threads"))
    mode = _value(settings.get("runtime_mode"))
    if threads is None or runtimes is None or mode not in _A_POOL_FOR_EACH_RUNTIME_THREAD:
        return None
    evidence = "%s has blocking_threads %d, runtime_threads %d, runtime_mode %s" % (where, threads, runtimes, mode)
    backpressure = count(settings.get("backpressure"))
    if backpressure is not None and backpressure < threads and _value(settings.get("http")) == "1":
        threads, evidence = backpressure, "%s, backpressure %d with HTTP/1 alone" % (evidence, backpressure)
    pools = runtimes if _A_POOL_FOR_EACH_RUNTIME_THREAD[mode] else 1
    workers = count(settings.get("workers")) or 1
    return Reading(Source.SETTING, NAME, threads * pools * workers, evidence, REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The settings of the worker whose import of the application this is."""
    return _read(process, main=False)


def on_request(process: Process) -> Optional[Reading]:
    """The settings of the worker that runs the request in a thread of Rust's: they bound the pool of that thread."""
    return _read(process, main=True) if process.frame("granian.wsgi") else None


def _read(process: Process, main: bool) -> Optional[Reading]:
    frame = process.frame(_MODULE, _WORKER, "wrapped", main=main)
    if frame is not None:
        settings = _arguments(variables(frame)) if frame.f_code.co_name == "wrapped" else variables(frame)
        return read_settings(_renamed(settings), "granian's worker")
    server = process.look_up("self", _MODULE, "_serve", "_serve_loop", "_serve_with_reloader", main=main)
    if type(server).__module__ == "granian.server.mt" and _value(getattr_path(server, "interface")) == "wsgi":
        where = "each of granian's %s workers, all threads," % getattr_path(server, "workers")
        return read_settings(vars(server), where)
    return None


def _arguments(wrapped: Mapping[str, Any]) -> Dict[str, Any]:
    """The arguments that `wrapped` will hand to the worker's function: its own ``args`` are the last of them."""
    code, values = getattr_path(wrapped.get("target"), "__code__"), wrapped.get("args") or ()
    if getattr_path(code, "co_name") != _WORKER:
        return {}
    return dict(zip(reversed(code.co_varnames[:code.co_argcount]), reversed(values)))


def _renamed(settings: Dict[str, Any]) -> Dict[str, Any]:
    """*settings* of a worker, whatever its version called them, by the names of today."""
    mode = settings.get("runtime_mode", settings.get("threading_mode"))
    runtimes = settings.get("runtime_threads", settings.get("threads"))
    blocking = settings.get("blocking_threads", settings.get("pthreads"))
    if "pthreads" in settings and _value(mode) == "runtime":
        blocking = runtimes  # the runtime's own threads ran the application, measured with 1.0
    return {"blocking_threads": blocking, "runtime_threads": runtimes, "runtime_mode": mode,
            "http": settings.get("http_mode"), "backpressure": settings.get("backpressure")}


def _value(member: Any) -> Any:
    """The value of an enumeration's *member*, or *member* itself."""
    return getattr(member, "value", member)
