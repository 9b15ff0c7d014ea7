"""a2wsgi's `WSGIMiddleware`, under any ASGI server: an executor with as many threads as it has ``workers``.

The executor is made with the middleware, ten threads unless told otherwise (a2wsgi/wsgi.py `WSGIMiddleware.__init__`,
1.0 to 1.10), and the middleware is given the application. On a request the executor tells its size by itself, by the
sign that all pools have in common; the body is iterated and closed in the same call.
"""

from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import count, getattr_path

NAME = "a2wsgi"
REMEDY = "a2wsgi.WSGIMiddleware(application, workers=1), and more processes of the ASGI server for more throughput"
RUNS_ON = "a thread of its executor"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("workers, of a WSGIMiddleware that is built with the guarded application while an ASGI server loads it",
     "startup"),
)
CALLS = (("a2wsgi.wsgi", "wsgi"),)


def of_middleware(middleware: Any) -> Optional[Reading]:
    """The executor of *middleware*, a WSGIMiddleware that was just built."""
    workers = count(getattr_path(middleware, "executor._max_workers"))
    evidence = "the WSGIMiddleware being built has workers = %r" % workers
    return None if workers is None else Reading(Source.SETTING, NAME, workers, evidence, REMEDY)
