"""hypercorn with a WSGI application: the event loop's default executor, which has no setting.

Workers load the application by ``config.application_path`` (hypercorn/asyncio/run.py `asyncio_worker`, trio/run.py
`trio_worker`, utils.py `load_application`, 0.14 to 0.18). The prefix ``wsgi:`` says what it is; without one hypercorn
looks at it later, when it is loaded, and it may as well be an ASGI application that wraps this one in its own way. The
default executor has min(32, CPUs + 4) threads, trio's limiter 40: never one.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, getattr_path

NAME = "hypercorn"
REMEDY = ("hypercorn has no setting for the threads of WSGI: serve a2wsgi.WSGIMiddleware(application, workers=1) as an"
          " ASGI application, with --workers N for more throughput")
RUNS_ON = "a thread of the event loop's executor"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("the prefix wsgi: of the application's path, in the Config of the worker that loads it", "startup"),
)
CALLS = (("hypercorn.app_wrappers", "run_app"),)


def read_settings(application_path: str, where: str = "hypercorn's configuration") -> Optional[Reading]:
    """The capacity that *application_path* implies, None without the prefix ``wsgi:``."""
    if not application_path.startswith("wsgi:"):
        return None
    return Reading(Source.SETTING, NAME, None, "%s names %r, which runs in the event loop's default executor"
                   % (where, application_path), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The path of the application that hypercorn imports."""
    path = getattr_path(process.look_up("config", "hypercorn."), "application_path")
    return read_settings(path, "hypercorn's configuration") if isinstance(path, str) else None
