"""waitress: the number of its task threads.

Every thread of a `ThreadedTaskDispatcher` (waitress/task.py) runs one request at a time, and all sockets of one
`create_server` share the dispatcher (waitress/server.py). ``wsgi.multithread`` is True even with one thread
(waitress/task.py `WSGITask.get_environment`). The attributes are the same in 1.4.0, 1.4.4, 2.0.0,
2.1.2, 3.0.0 and 3.0.2.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path

NAME = "waitress"
REMEDY = "threads = 1 (waitress-serve --threads=1); for more throughput start several instances behind a proxy"
RUNS_ON = "a thread of its pool, also if it has one"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("threads, of the arguments of waitress-serve or of waitress.serve() on the stack", "startup"),
    ("the threads of the dispatcher that the channel of the request belongs to", "request"),
)
CALLS = (("waitress.channel", "service"),)
DEFAULT = 4  # waitress/adjustments.py Adjustments.threads


def read_settings(threads: Optional[int] = None, where: str = "waitress' configuration") -> Optional[Reading]:
    """The capacity of a server with *threads*, where None stands for a setting that is missing."""
    if threads is None:
        return Reading(Source.SETTING, NAME, DEFAULT,
                       "%s sets no threads, and waitress' default is %d" % (where, DEFAULT), REMEDY)
    if count(threads) is None:
        return None
    return Reading(Source.SETTING, NAME, threads, "%s sets threads = %r" % (where, threads), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The arguments of the command or the call on the stack: both keep them in a dict named kw."""
    # waitress/runner.py run parses its command line first, imports the application then and serves it with **kw.
    for module, function, where in (("waitress.runner", "run", "the command line of waitress-serve"),
                                    ("waitress", "serve", "the call of waitress.serve()")):
        settings = process.look_up("kw", module, function)
        if isinstance(settings, dict):
            threads = settings.get("threads")
            return read_settings(None if threads is None else int(threads), where)
    return None


def on_request(process: Process) -> Optional[Reading]:
    """The threads that the dispatcher of the request has started: all of them before the port opened."""
    server = getattr_path(process.look_up("self", "waitress.channel", "service"), "server")
    # A set of numbers: ThreadedTaskDispatcher.set_thread_count.
    threads = getattr_path(server, "task_dispatcher.threads")
    if not isinstance(threads, (set, dict)) or not threads:
        return None
    evidence = "the dispatcher that runs this request has %d thread(s); threads = %r was asked for" % (
        len(threads), getattr_path(server, "adj.threads"))
    return Reading(Source.POOL, NAME, len(threads), evidence, REMEDY)
