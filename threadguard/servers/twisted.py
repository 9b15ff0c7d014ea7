"""Twisted's web server: `WSGIResource` runs the application in a thread pool that grows as it is needed.

`_WSGIResponse.run` holds the pool it was started in (twisted/web/wsgi.py, 13 to 26); ``pool.max`` bounds it
(twisted/python/threadpool.py `ThreadPool`), and until several requests came at once no second thread is there to be
seen. ``twist web --wsgi`` and ``twistd web --wsgi`` load the application and then make a pool of the default size, for
which they have no option (twisted/web/tap.py `Options.opt_wsgi`).
"""

from dataclasses import replace
from typing import Any, List, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, default_of, getattr_path, instances

NAME = "Twisted"
REMEDY = ("WSGIResource(reactor, ThreadPool(minthreads=1, maxthreads=1), application), which twist web --wsgi has no"
          " option for; for more throughput start more processes")
RUNS_ON = "a thread of its pool"
NEVER_ON_MAIN = {NAME: ""}
READS: Tuple[Tuple[str, str], ...] = (
    ("the default size of the pool that twist web --wsgi makes", "startup"),
    ("the size of the pool that starts and that a WSGIResource with the guarded application has, or the other way"
     " round", "startup"),
    ("the size of the pool that runs the request (ThreadPool.max)", "request"),
)
CALLS: Tuple[Tuple[str, ...], ...] = (("twisted.web.wsgi", "run"),)


def read_settings(maxthreads: int, where: str = "the ThreadPool of Twisted's WSGIResource") -> Reading:
    """The capacity of a pool of at most *maxthreads*; *where* names the pool, as the subject of a sentence."""
    return Reading(Source.SETTING, NAME, maxthreads, "%s has room for %d thread(s)" % (where, maxthreads), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The pool that ``twist web --wsgi`` makes as soon as it has loaded the application."""
    option = process.frame("twisted.web.tap", "opt_wsgi")
    if option is None:
        return None
    maxthreads = count(default_of(getattr_path(option.f_globals.get("threadpool"), "ThreadPool"), "maxthreads"))
    if maxthreads is None:
        return None
    return replace(read_settings(maxthreads, "the ThreadPool that web --wsgi makes by itself"), on_stack=True)


def of_pool(pool: Any) -> Optional[Reading]:
    """The bound of *pool*, a `ThreadPool` about to start."""
    return _of_maximum(getattr_path(pool, "max"), "this ThreadPool, which starts now,")


def applications_of(pool: Any) -> List[Any]:
    """The applications that *pool* runs, of those whose resource is there already."""
    resources = instances("twisted.web.wsgi", "WSGIResource")
    return [getattr_path(resource, "_application") for resource in resources
            if getattr_path(resource, "_threadpool") is pool]


def of_resource(resource: Any) -> Optional[Reading]:
    """The bound of the pool that *resource*, just built, uses; None where it has not started and may yet be changed."""
    pool = getattr_path(resource, "_threadpool")
    maximum = getattr_path(pool, "max") if getattr_path(pool, "started") else None
    return _of_maximum(maximum, "the ThreadPool of this WSGIResource")


def _of_maximum(maximum: Any, where: str) -> Optional[Reading]:
    maxthreads = count(maximum)
    return None if maxthreads is None else replace(read_settings(maxthreads, where), on_stack=True)


def on_request(process: Process) -> Optional[Reading]:
    """The bound of the pool that runs the request."""
    maxthreads = count(getattr_path(process.look_up("self", "twisted.web.wsgi", "run"), "threadpool.max"))
    if maxthreads is None:
        return None
    return replace(read_settings(maxthreads, "the ThreadPool of this request"), source=Source.POOL, on_stack=True)
