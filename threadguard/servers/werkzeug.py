"""Werkzeug's development server: a thread for each request, a process for each, or neither.

`run_simple` and `make_server` choose the server's class by ``threaded`` and ``processes`` (werkzeug/serving.py, the
same from 1.0 to 3.1). They are given the application, so it is built while they run only where something loads it
late. On a request nothing more is needed: the class of a threaded server is a `socketserver.ThreadingMixIn`, which
every server has in common, and of the others ``wsgi.multithread`` is right.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process

NAME = "Werkzeug"
REMEDY = "threaded=False, and processes=N for more throughput" \
         "; while you develop, THREADGUARD_POLICY=serialize keeps the threads"
RUNS_ON = "the thread that calls run_simple, with the reloader another one; with threaded=True, one for each connection"
ON_MAIN = {NAME: "run_simple without use_reloader and threaded, called on the main thread"}
"""werkzeug/_reloader.py `run_with_reloader` lets a thread of its own serve."""
READS = (
    ("threaded, of a run_simple or make_server on the stack", "startup"),
)
CALLS = (("werkzeug.serving", "run_wsgi"),)


def at_startup(process: Process) -> Optional[Reading]:
    """The setting of the server that is being started around the application.

    ``processes=N`` forks a process for each request (`ForkingWSGIServer`) and leaves one request in each.
    """
    threaded = process.look_up("threaded", "werkzeug.serving", "run_simple", "make_server")
    if threaded is None:
        return None
    return Reading(Source.SETTING, NAME, None if threaded else 1,
                   "the call of werkzeug.serving on the stack has threaded=%r" % threaded, REMEDY,
                   unbounded=bool(threaded))
