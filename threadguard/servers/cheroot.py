"""cheroot, and CherryPy, which serves through it: a pool of worker threads that share one queue.

A pool starts ``min`` threads and no more: nothing in cheroot or CherryPy calls `ThreadPool.grow` after the start, so
that ``max`` bounds nothing by itself (cheroot/workers/threadpool.py, 6.5 to 11.1). ``numthreads`` of
cheroot/wsgi.py `Server`, ``--threads`` on the command line and CherryPy's ``server.thread_pool`` all become ``min``.
cheroot's command loads the application while it parses its arguments (cheroot/cli.py `main`), before it has seen those
that follow, so they are looked through once more: those that the parser was given, as the application may have put its
own into ``sys.argv`` meanwhile.
"""

import argparse
import sys
from dataclasses import replace
from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path

NAME = "cheroot"
REMEDY = "numthreads=1, max=1, or --threads 1 --max-threads 1; for more throughput start more processes"
RUNS_ON = "a thread of its pool, also if it has one"
NEVER_ON_MAIN = {NAME: "", "CherryPy": "", "wsgiserver": ""}
READS = (
    ("--threads, where cheroot's command is on the stack", "startup"),
    ("the pool of the worker thread that runs the request (server.requests)", "request"),
)
CALLS = (("cheroot.wsgi", "respond"), ("wsgiserver", "respond"))
DEFAULT = 10  # cheroot/wsgi.py `Server.__init__`, numthreads

_COPY = "wsgiserver"
"""A package that is a copy of cheroot in one module, 1.3, with the same names."""

_CHERRYPY = "server.thread_pool = 1, server.thread_pool_max = 1; for more throughput start more processes"


def read_settings(numthreads: Optional[int] = None, where: str = "the configuration of cheroot") -> Optional[Reading]:
    """The capacity of a server with *numthreads*, where None stands for a setting that is missing."""
    if numthreads is None:
        return Reading(Source.SETTING, NAME, DEFAULT,
                       "%s sets no numthreads, and cheroot's default is %d" % (where, DEFAULT), REMEDY)
    threads = count(numthreads or 1)  # cheroot/wsgi.py `Server.__init__`: numthreads or 1
    if threads is None:
        return None
    return Reading(Source.SETTING, NAME, threads, "%s sets numthreads = %r" % (where, numthreads), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """``--threads`` of the cheroot command whose import of the application this is."""
    if process.frame("cheroot.cli", "main") is None:
        return None
    parser = argparse.ArgumentParser(add_help=False)  # it takes abbreviations, as cheroot's does
    parser.add_argument("--threads", nargs="?")
    # argparse.py: the second one has them from Python 3.13 on
    given = process.look_up("args", "argparse", "parse_known_args", "_parse_known_args2") or sys.argv[1:]
    threads = parser.parse_known_args(given)[0].threads
    return read_settings(None if threads is None else int(threads), "the command line of cheroot")


def on_request(process: Process) -> Optional[Reading]:
    """The size of the pool whose worker thread runs the request."""
    worker = process.look_up("self", "cheroot.workers.threadpool", "run") or process.look_up("self", _COPY, "run")
    pool = getattr_path(worker, "server.requests")
    minimum = count(getattr_path(pool, "min"))
    if minimum is None:
        return None
    alive = sum(thread.is_alive() for thread in getattr_path(pool, "_threads") or ())
    evidence = "the pool of this request starts with min = %d, and %d of its threads are alive" % (minimum, alive)
    return _named(Reading(Source.POOL, NAME, max(minimum, alive), evidence, REMEDY), pool)


def of_pool(pool: Any) -> Optional[Reading]:
    """The size of *pool*, a `ThreadPool` about to start."""
    minimum = count(getattr_path(pool, "min"))
    reading = read_settings(minimum, "this server's ThreadPool, which starts now,") if minimum else None
    return reading and _named(reading, pool)


def _named(reading: Reading, pool: Any) -> Reading:
    """*reading* under the name of what the server of *pool* is part of."""
    module = type(getattr_path(pool, "server")).__module__
    if module.startswith("cherrypy."):
        return replace(reading, server="CherryPy", remedy=_CHERRYPY)
    return replace(reading, server=_COPY) if module == _COPY else reading
