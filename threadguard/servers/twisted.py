"""Twisted's web server: `WSGIResource` runs the application in a thread pool that grows as it is needed.

`_WSGIResponse.run` holds the pool it was started in (twisted/web/wsgi.py, 13 to 26); ``pool.max`` bounds it
(twisted/python/threadpool.py `ThreadPool`), and until several requests came at once no second thread is there to be
seen. ``twist web --wsgi`` and ``twistd web --wsgi`` load the application and then make a pool of the default size, for
which they have no option (twisted/web/tap.py `Options.opt_wsgi`).
"""

from typing import Any, List, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, arguments_of, count, getattr_path, instances

NAME = "Twisted"
REMEDY = ("WSGIResource(reactor, ThreadPool(minthreads=1, maxthreads=1), application), which twist web --wsgi has no"
          " option for; for more throughput start more processes")
RUNS_ON = "a thread of its pool"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("the default size of the pool that twist web --wsgi makes", "startup"),
    ("the size of the pool that starts and that a WSGIResource with the guarded application has, or the other way"
     " round", "startup"),
    ("the size of the pool that runs the request (ThreadPool.max)", "request"),
)
CALLS = (("twisted.web.wsgi", "run"),)


def read_settings(maxthreads: Any, where: str = "the ThreadPool of Twisted's WSGIResource") -> Optional[Reading]:
    """The capacity of a pool of at most *maxthreads*."""
    if count(maxthreads) is None:
        return None
    return Reading(Source.SETTING, NAME, maxthreads, "%s has room for %d thread(s)" % (where, maxthreads), REMEDY)


def at_startup(process: Process) -> Optional[Reading]:
    """The pool that ``twist web --wsgi`` makes as soon as it has loaded the application."""
    option = process.frame("twisted.web.tap", "opt_wsgi")
    kind = getattr_path(option.f_globals.get("threadpool"), "ThreadPool") if option is not None else None
    return read_settings(arguments_of(kind).get("maxthreads"), "the ThreadPool that web --wsgi makes by itself")


def of_pool(pool: Any) -> Optional[Reading]:
    """The bound of *pool*, a `ThreadPool` about to start."""
    return read_settings(getattr_path(pool, "max"), "this ThreadPool, which starts now,")


def applications_of(pool: Any) -> List[Any]:
    """The applications that *pool* runs, of those whose resource is there already."""
    return [getattr_path(resource, "_application") for resource in instances("twisted.web.wsgi", "WSGIResource")
            if getattr_path(resource, "_threadpool") is pool]


def of_resource(resource: Any) -> Optional[Reading]:
    """The bound of the pool that *resource*, just built, uses; None where it has not started and may yet be changed."""
    has_started = getattr_path(resource, "_threadpool.started")
    return read_settings(getattr_path(resource, "_threadpool.max") if has_started else None,
                         "the ThreadPool of this WSGIResource")


def on_request(process: Process) -> Optional[Reading]:
    """The bound of the pool that runs the request."""
    response = process.look_up("self", "twisted.web.wsgi", "run")
    return read_settings(getattr_path(response, "threadpool.max"), "the ThreadPool of this request")
