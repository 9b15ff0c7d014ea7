"""Flask's ``flask run`` and ``Flask.run``: Werkzeug's server, threaded unless told otherwise.

`run_command` loads the application and hands ``with_threads`` to `run_simple` (flask/cli.py, 1.0 to 3.1). Before 2.2
its `DispatchingApp` may load the application in a thread of its own, while `run_command` goes on in the main thread;
with the reloader Werkzeug serves from such a thread as well. `Flask.run` (flask/app.py) is called on an application
that exists already, so that only its remedy can be given.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process

NAME = "Flask"
REMEDY = "flask run --without-threads, or app.run(threaded=False)" \
         "; while you develop, THREADGUARD_POLICY=serialize keeps the threads"
RUNS_ON = "the main thread, with --without-threads and --no-reload; else one for each connection, or the reloader's"
ON_MAIN = {NAME: "flask run --without-threads --no-reload, or app.run(threaded=False, use_reloader=False)"}
READS = (
    ("with_threads, of the flask run that loads the application", "startup"),
)
CALLS = ()


def read_settings(with_threads: bool = True, where: str = "flask run") -> Reading:
    """The capacity with ``--with-threads``, the default, or ``--without-threads``."""
    return Reading(Source.SETTING, NAME, None if with_threads else 1, "%s has with_threads=%r" % (where, with_threads),
                   REMEDY, unbounded=with_threads)


def at_startup(process: Process) -> Optional[Reading]:
    """The setting of the ``flask run`` whose import of the application this is."""
    with_threads = process.look_up("with_threads", "flask.cli", "run_command")
    if with_threads is None and process.frame("flask.cli", "_load_unlocked"):
        with_threads = process.look_up("with_threads", "flask.cli", "run_command", main=True)
    return None if with_threads is None else read_settings(bool(with_threads), "flask run")


def serves(process: Process) -> bool:
    """Whether Werkzeug runs the request and Flask started Werkzeug, in this thread or in the main thread."""
    if process.frame("werkzeug.serving", "run_wsgi") is None:
        return False
    return any(process.frame(module, function, main=main)
               for module, function in (("flask.cli", "run_command"), ("flask.app", "run")) for main in (False, True))
