"""cheroot, and CherryPy, which serves through it: a pool of worker threads that share one queue.

A pool starts ``min`` threads and no more: nothing in cheroot or CherryPy calls `ThreadPool.grow` after the start, so
that ``max`` bounds nothing by itself (cheroot/workers/threadpool.py, 6.5 to 11.1). ``numthreads`` of
cheroot/wsgi.py `Server`, ``--threads`` on the command line and CherryPy's ``server.thread_pool`` all become ``min``.
cheroot's command loads the application while it parses its arguments (cheroot/cli.py `main`), before it has seen those
that follow, so the arguments are parsed once more, by the same table.
"""

import argparse
from dataclasses import replace
from typing import Any, Mapping, NoReturn, Optional, Sequence, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path

NAME = "cheroot"
REMEDY = "numthreads=1, max=1, or --threads 1 --max-threads 1; for more throughput start more processes"
RUNS_ON = "a thread of its pool, also if it has one"
NEVER_ON_MAIN = {NAME: "", "CherryPy": "", "wsgiserver": ""}
READS: Tuple[Tuple[str, str], ...] = (
    ("--threads, where cheroot's command is on the stack", "startup"),
    ("the pool of the worker thread that runs the request (server.requests)", "request"),
)
CALLS: Tuple[Tuple[str, ...], ...] = (("cheroot.wsgi", "respond"), ("wsgiserver", "respond"))
DEFAULT = 10  # cheroot/wsgi.py `Server.__init__`, numthreads

_COPY = "wsgiserver"
"""A package that is a copy of cheroot in one module, 1.3, with the same names."""

_CHERRYPY = "server.thread_pool = 1, server.thread_pool_max = 1; for more throughput start more processes"


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ValueError(message)


def read_settings(numthreads: Optional[int] = None, where: str = "the configuration of cheroot") -> Optional[Reading]:
    """The capacity of a server with *numthreads*, where None stands for a setting that is missing.

    *where* names the place of the setting, as the subject of a sentence.
    """
    if numthreads is None:
        return Reading(Source.SETTING, NAME, DEFAULT,
                       "%s sets no numthreads, and cheroot's default is %d" % (where, DEFAULT), REMEDY)
    threads = count(numthreads or 1)  # cheroot/wsgi.py `Server.__init__`: numthreads or 1
    if threads is None:
        return None
    return Reading(Source.SETTING, NAME, threads, "%s sets numthreads = %r" % (where, numthreads), REMEDY)


def parse_threads(arguments: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> Optional[int]:
    """``--threads`` among *arguments*, by cheroot's own table of *options* (`_arg_spec`), None where it is absent.

    The types of the table are left out: they import the application and change the directory.

    :raises ValueError: the arguments are none that cheroot would take.
    """
    parser = _Parser(add_help=False)
    for name, spec in options.items():
        parser.add_argument(name, **{key: spec[key] for key in spec.keys() & {"dest"}})
    numthreads = parser.parse_args(list(arguments)).numthreads
    return None if numthreads is None else int(numthreads)


def at_startup(process: Process) -> Optional[Reading]:
    """``--threads`` of the cheroot command whose import of the application this is."""
    main = process.frame("cheroot.cli", "main")
    options = main.f_globals.get("_arg_spec") if main is not None else None
    if not isinstance(options, dict):
        return None
    reading = read_settings(parse_threads(process.argv[1:], options), "the command line of cheroot")
    return reading and replace(reading, on_stack=True)


def on_request(process: Process) -> Optional[Reading]:
    """The size of the pool whose worker thread runs the request."""
    worker = process.look_up("self", "cheroot.workers.threadpool", "run") or process.look_up("self", _COPY, "run")
    server = getattr_path(worker, "server")
    minimum = count(getattr_path(server, "requests.min"))
    if minimum is None:
        return None
    alive = sum(thread.is_alive() for thread in getattr_path(server, "requests._threads") or ())
    evidence = "the pool of this request starts with min = %d, and %d of its threads are alive" % (minimum, alive)
    return _called(Reading(Source.POOL, NAME, max(minimum, alive), evidence, on_stack=True), server)


def of_pool(pool: Any) -> Optional[Reading]:
    """The size of *pool*, a `ThreadPool` about to start."""
    minimum = count(getattr_path(pool, "min"))
    reading = read_settings(minimum, "this server's ThreadPool, which starts now,") if minimum else None
    return reading and _called(reading, getattr_path(pool, "server"))


def _called(reading: Reading, server: Any) -> Reading:
    """*reading* under the name of what *server* is part of."""
    if type(server).__module__.startswith("cherrypy."):
        return replace(reading, server="CherryPy", remedy=_CHERRYPY)
    return replace(reading, server=_COPY) if type(server).__module__ == _COPY else reading


def serves(process: Process) -> bool:
    """Whether a worker thread of cheroot runs the request."""
    return any(process.frame(module, "run") for module in ("cheroot.workers.threadpool", _COPY))
