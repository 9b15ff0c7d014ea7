"""eventlet.wsgi: a greenlet for each connection, out of a pool.

`server` takes ``max_size`` (1024 by default) or ``custom_pool`` and spawns each connection in that `GreenPool`
(eventlet/wsgi.py `server`). The pool is found from the greenlet: it is linked to its end (eventlet/greenpool.py
`GreenPool.spawn`, 0.24 to 0.41).
"""

from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, calling, count, getattr_path, module_of, variables

NAME = "eventlet"
REMEDY = ("not a server for an application that must be single-threaded: use one with processes, such as gunicorn"
          " --worker-class sync --threads 1 --workers N; or policy serialize")
RUNS_ON = "a greenlet of the thread that serves"
READS = (
    ("max_size or the size of custom_pool, of the eventlet.wsgi.server that starts with the guarded application",
     "startup"),
    ("the size of the GreenPool that runs the request (max_size, custom_pool)", "request"),
)
CALLS = (("eventlet.wsgi", "handle_one_response"),)
DEFAULT = 1024  # eventlet/wsgi.py DEFAULT_MAX_SIMULTANEOUS_REQUESTS


def of_server(server: Any) -> Optional[Reading]:
    """The bound of *server*, an eventlet.wsgi `Server`, by the arguments of the function that is building it."""
    frame = next((frame for frame in calling(_NEAR) if module_of(frame) == "eventlet.wsgi"
                  and frame.f_code.co_name == "server"), None)
    arguments = variables(frame) if frame is not None else {}
    pool = arguments.get("custom_pool")
    size = arguments.get("max_size") or DEFAULT if pool is None else getattr_path(pool, "size")
    return _reading(size, "the server that starts now") if arguments else None


_NEAR = 4
"""How far out eventlet.wsgi `server` may be from the `Server` that it builds."""


def on_request(process: Process) -> Optional[Reading]:
    """The bound of the pool whose greenlet handles the connection."""
    serves = process.frame("eventlet.wsgi", "handle_one_response") is not None
    return _reading(getattr_path(_pool(process), "size"), "the server of the request") if serves else None


def _reading(size: Any, where: str) -> Optional[Reading]:
    evidence = "%s has a pool of %r greenlet(s)" % (where, size)
    return None if count(size) is None else Reading(Source.SETTING, NAME, size, evidence, REMEDY)


def _pool(process: Process) -> Any:
    """The pool that is told when this greenlet ends."""
    links = getattr_path(process.look_up("self", "eventlet.greenthread", "main"), "_exit_funcs") or ()
    owners = (getattr_path(link[0], "__self__") for link in links)
    return next((owner for owner in owners if type(owner).__module__ == "eventlet.greenpool"), None)
