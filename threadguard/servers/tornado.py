"""tornado's `WSGIContainer`: on the event loop's own thread, or in an executor.

Without an executor the container calls the application on the loop's thread, one call after the other. Since 6.3
`handle_request` goes back to the loop between two chunks of a body, so that streamed bodies take turns although no two
calls overlap; before, `__call__` took the whole body at once (tornado/wsgi.py, 5.1 to 6.6). With an executor the size
of the executor bounds it, by the sign that all pools have in common.
"""

from types import FunctionType
from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path, is_instance
from threadguard.servers.unknown import job_of

NAME = "tornado"
REMEDY = ("not a server for an application that must be single-threaded, as streamed bodies take turns even without an"
          " executor: use one with processes, such as gunicorn --worker-class sync --threads 1 --workers N; or policy"
          " serialize")
RUNS_ON = "the thread of the event loop; with an executor, a thread of that"
READS = (
    ("the executor of a WSGIContainer that is built with the guarded application", "startup"),
    ("whether the WSGIContainer calls the application on the event loop's own thread", "request"),
)
CALLS = (("tornado.wsgi", "__call__", "handle_request"),)


def of_container(container: Any) -> Optional[Reading]:
    """The executor of *container*, a WSGIContainer that was just built; None without one that tells its size."""
    workers = count(getattr_path(container, "executor._max_workers"))
    evidence = "the WSGIContainer being built has an executor of %s threads" % workers
    return None if workers is None else Reading(Source.SETTING, NAME, workers, evidence, REMEDY)


def on_request(process: Process) -> Optional[Reading]:
    """One call at a time where the container's own frame calls the application; else its executor tells."""
    frame = process.frame("tornado.wsgi", "__call__", "handle_request")
    if frame is None:
        return None
    streams = ", which lets streamed bodies take turns," if frame.f_code.co_name == "handle_request" else ""
    evidence = "the WSGIContainer of this request%s calls the application on the event loop's thread" % streams
    return Reading(Source.SETTING, NAME, 1, evidence, REMEDY)


def serves(process: Process) -> bool:
    """Whether a WSGIContainer called the application, by itself or through an executor.

    An executor's thread has nothing of tornado's on its stack but ``start_response``, an argument of the job: a
    function of tornado/wsgi.py `WSGIContainer.handle_request`.
    """
    if process.frame("tornado.wsgi", "__call__", "handle_request"):
        return True
    job = job_of(process.stack) or ()
    return any(is_instance(argument, FunctionType) and argument.__module__ == "tornado.wsgi" for argument in job)
