"""gevent.pywsgi: a greenlet for each connection, bounded only where the server was given a pool.

``spawn`` of `WSGIServer` becomes ``server.pool``: None for the default and for raw greenlets, else a `Pool` whose
``size`` bounds the connections (gevent/baseserver.py `BaseServer.set_spawn`, 1.1 to 26). With ``spawn=None`` the hub
itself runs the request, and nothing else runs meanwhile (`BaseServer.do_handle`). ``wsgi.multithread`` is False
throughout. Patched or not makes no difference: greenlets switch wherever something of gevent's waits.
"""

from dataclasses import replace
from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path

NAME = "gevent"
REMEDY = ("not a server for an application that must be single-threaded: use one with processes, such as gunicorn"
          " --worker-class sync --threads 1 --workers N; or policy serialize")
RUNS_ON = "a greenlet of the thread that serves"
READS = (
    ("spawn, of the server that starts with the guarded application", "startup"),
    ("the pool of the server whose greenlet runs the request (spawn)", "request"),
)
CALLS = (("gevent.pywsgi", "run_application"),)


def read_settings(pool_size: Optional[int] = None, where: str = "gevent's WSGIServer") -> Reading:
    """The capacity of a server whose greenlets come from a pool of *pool_size*, None standing for no bound."""
    evidence = "no pool for its greenlets" if pool_size is None else "a pool of %d greenlet(s)" % pool_size
    return Reading(Source.SETTING, NAME, pool_size, "%s has %s" % (where, evidence), REMEDY,
                   unbounded=pool_size is None)


def of_server(server: Any) -> Optional[Reading]:
    """The bound of *server*, a `BaseServer` about to start; None where its ``spawn`` is none of gevent's own."""
    spawn, size = getattr(server, "_spawn", None), _pool_size(server)
    if size == 0 or (size is None and getattr(spawn, "__name__", None) not in ("spawn", "spawn_raw")):
        return None
    return read_settings(size, "the %s that starts now" % type(server).__name__)


def on_request(process: Process) -> Optional[Reading]:
    """The bound of the server that handles the connection. The remedy is left to whoever drives that server."""
    if process.frame("gevent.baseserver", "do_handle"):
        return Reading(Source.POOL, NAME, 1, "the hub itself runs the request (spawn=None), and nothing beside it")
    size = _pool_size(getattr_path(process.look_up("self", "gevent.pywsgi", "handle"), "server"))
    if size == 0:
        return None
    reading = read_settings(size, "the WSGIServer of the request")
    return replace(reading, source=Source.POOL if size else Source.STRUCTURE, remedy="")


def _pool_size(server: Any) -> Optional[int]:
    """The size of the pool of *server*, None where nothing bounds it, 0 where it is not known."""
    pool = getattr(server, "pool", 0)
    if pool is None:
        return None
    size = getattr(pool, "size", 0)
    return None if size is None else count(size) or 0
