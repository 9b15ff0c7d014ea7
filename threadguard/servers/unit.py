"""NGINX Unit: the option ``threads`` of the application, told by ``wsgi.multithread``.

Nothing of the option reaches Python but the flag, and that is exact: it is set from it, once (src/python/
nxt_python_wsgi.c `nxt_python_create_environ`: ``c->threads > 1``). That is after the application was loaded, and the
threads are started later still (nxt_python.c `nxt_python_start`, `nxt_python_ready_handler`). The file in the directory
of Unit's state is no way round: it is written only once the application has been loaded with the new configuration
(nxt_controller.c `nxt_controller_conf_handler`), so whoever reads it in between reads the configuration before.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process

NAME = "Unit"
REMEDY = '"threads": 1, and "processes": N for more throughput'
RUNS_ON = "the main thread of each process; with threads=N, others as well"
READS = (
    ("wsgi.multithread, which Unit sets from its option threads", "request"),
)
CALLS = ()
HAS_NO_FRAMES = True


def read_settings(threads: int = 1, where: str = "Unit's configuration") -> Optional[Reading]:
    """The capacity of an application with the option *threads*."""
    return Reading(Source.SETTING, NAME, threads, '%s has "threads": %r' % (where, threads), REMEDY)


def on_request(process: Process) -> Optional[Reading]:
    """What the flag says, which under Unit is the setting."""
    flag = (process.environ or {}).get("wsgi.multithread")
    if not serves(process) or not isinstance(flag, bool):
        return None
    evidence = "wsgi.multithread is %r, and Unit sets it from its option threads" % flag
    return Reading(Source.POOL, NAME, None if flag else 1, evidence, REMEDY)


def serves(process: Process) -> bool:
    """Whether Unit made the environ of the request."""
    return str((process.environ or {}).get("SERVER_SOFTWARE")).startswith("Unit/")
