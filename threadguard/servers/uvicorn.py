"""uvicorn with ``--interface wsgi``: an executor of ten threads.

`Config.load` loads the application, today by `load_app`, and wraps it in `WSGIMiddleware`, a2wsgi's where that is
installed, with its default number of workers, for which uvicorn has no option (uvicorn/config.py, 0.11 to 0.54). On a
request the executor itself tells how many threads it has, by the sign that all pools have in common.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, arguments_of, count, getattr_path, local

NAME = "uvicorn"
REMEDY = ("--interface wsgi has no option for its threads: serve a2wsgi.WSGIMiddleware(application, workers=1) as an"
          " ASGI application, with --workers N for more throughput")
RUNS_ON = "a thread of its executor"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("interface, of the Config that loads the application", "startup"),
)
CALLS = (("uvicorn.middleware.wsgi", "wsgi"),)
DEFAULT = 10  # a2wsgi/wsgi.py and uvicorn/middleware/wsgi.py WSGIMiddleware.__init__, workers


def read_settings(interface: str = "auto", workers: Optional[int] = DEFAULT,
                  where: str = "uvicorn's configuration") -> Optional[Reading]:
    """The capacity with *interface*, where `WSGIMiddleware` has *workers* by default, None if that is not known.

    Any interface but ``wsgi`` says nothing: the application wraps itself, in a way that uvicorn does not know.
    """
    if interface != "wsgi":
        return None
    return Reading(Source.SETTING, NAME, workers, "%s has interface = 'wsgi', which makes %s threads" % (
        where, workers or "several"), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The setting of the Config whose import of the application this is."""
    frame = process.frame("uvicorn.config", "load_app", "load")
    if frame is None:
        return None
    workers = count(arguments_of(frame.f_globals.get("WSGIMiddleware")).get("workers"))
    interface = getattr_path(local(frame, "self"), "interface")
    return read_settings(str(interface), workers, "uvicorn's configuration")


def serves(process: Process) -> bool:
    """Whether the `WSGIMiddleware` that uvicorn itself put around the application runs the request.

    Where that is a2wsgi's, the Server in the main thread (uvicorn/server.py `Server.run`) tells whose idea it was.
    """
    if process.frame("uvicorn.middleware.wsgi", "wsgi"):
        return True
    interface = getattr_path(process.look_up("self", "uvicorn.server", "run", main=True), "config.interface")
    return interface == "wsgi" and process.frame("a2wsgi.wsgi", "wsgi") is not None
