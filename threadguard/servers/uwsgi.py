"""uWSGI: its cores, which are the threads or the async cores of a process.

``uwsgi.cores`` is what one process runs at once: ``threads``, or ``async`` (which ``gevent`` sets) where threads is 1
(core/init.c `sanitize_args`, plugins/python/python_plugin.c `init_uwsgi_embedded_module`). ``wsgi.multithread`` looks
at threads alone, so it is False under gevent and async (plugins/python/wsgi_subhandler.c). ``enable-threads`` only lets
the application start threads of its own, and ``uwsgi.has_threads`` is always 1. The same in 2.0.18, 2.0.21 and 2.0.31.
"""

from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path, loaded

NAME = "uWSGI"
REMEDY = "threads = 1 or absent, no gevent, no async, need-app = true, and processes = N for more throughput"
RUNS_ON = "the main thread of each worker; with threads=N, others as well"
ON_MAIN = {NAME: "threads = 1 or absent, in uWSGI's configuration: then every request runs on the main thread"}
"""Core 0 is the main thread, each other one a thread of its own (core/loop.c `uwsgi_loop_cores_run`)."""
READS = (
    ("uwsgi.cores and uwsgi.loop, of the module that uWSGI embeds", "startup"),
    ("the same; uwsgi.core and x-wsgiorg.fdevent.readable in the environ", "request"),
)
CALLS = ()
HAS_NO_FRAMES = True


def cores(threads: int = 1, async_cores: int = 1) -> int:
    """What uWSGI makes of the options ``threads`` and ``async`` (or ``gevent``), as `sanitize_args` does."""
    return threads if threads > 1 else max(async_cores, 1)


def read_settings(cores: Optional[int], loop: Optional[str] = None,
                  where: str = "uWSGI's configuration") -> Optional[Reading]:
    """The capacity of a process with that many *cores* and that *loop* engine (``gevent``, None for uWSGI's own)."""
    if count(cores) is None:
        return None
    server = "uWSGI's %s loop" % loop if loop else NAME
    return Reading(Source.SETTING, server, cores, "%s has cores = %r (set by threads or async) and loop = %r" % (
        where, cores, loop), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The cores that every worker of this uWSGI has."""
    module: Any = loaded("uwsgi")
    # The real one is made inside the uWSGI binary (`PyImport_AddModule`): it has no file, and version is bytes.
    if getattr(module, "__file__", None) is not None or not isinstance(getattr_path(module, "version"), bytes):
        return None
    loop = getattr_path(module, "loop")
    name = loop.decode() if isinstance(loop, bytes) else loop
    return read_settings(getattr_path(module, "cores"), name, "the uwsgi module")


def on_request(process: Process) -> Optional[Reading]:
    """The cores, or what the environ betrays of them; nothing if uWSGI did not make the environ."""
    if not serves(process):
        return None
    reading = at_startup(process)
    if reading is None or reading.capacity == 1:
        for key in ("x-wsgiorg.fdevent.readable", "uwsgi.core"):  # there only if async, or cores, is more than 1
            if key in (process.environ or {}):
                return Reading(Source.POOL, NAME, None, "%s is in the environ" % key, REMEDY)
    return reading


def serves(process: Process) -> bool:
    """Whether uWSGI made the environ of the request."""
    return "uwsgi.version" in (process.environ or {})
