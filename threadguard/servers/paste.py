"""Paste's httpserver: the size of its thread pool, or none.

Without a pool every request gets a thread of its own (paste/httpserver.py `WSGIServer`, a ThreadingMixIn). A pool
also grows: when no thread is idle and fewer than ``spawn_if_under`` are busy with a request younger than
``hung_thread_limit`` (30 seconds), `ThreadPool.add_task` adds threads up to that number. ``spawn_if_under`` is 5
unless set and may not exceed the pool (`ThreadPool.__init__` asserts it). So a pool of one starts only with 1, which
lets a second request in beside one that takes longer than the limit, or with 0, which does not.
"""

from dataclasses import replace
from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path

NAME = "Paste's httpserver"
REMEDY = ("use_threadpool = true, threadpool_workers = 1, threadpool_spawn_if_under = 0;"
          " for more throughput start several instances behind a proxy")
RUNS_ON = "a thread of its pool, a new one after 100 requests (threadpool_max_requests); or one for each connection"
NEVER_ON_MAIN = {NAME: ""}
ON_ONE = {NAME: "threadpool_max_requests = 0, beside a pool of one: else a new thread takes over after 100 requests"}
"""paste/httpserver.py `ThreadPool.worker_thread_callback`."""
READS = (
    ("nworkers and spawn_if_under of the ThreadPool whose thread runs the request, or a thread for each request",
     "request"),
)
CALLS = (("paste.httpserver", "wsgi_execute"),)
WORKERS, SPAWN_IF_UNDER = 10, 5  # the defaults of paste/httpserver.py serve and ThreadPool.__init__


def read_settings(use_threadpool: bool = True, workers: Optional[int] = WORKERS,
                  spawn_if_under: Optional[int] = SPAWN_IF_UNDER,
                  where: str = "the configuration of Paste's httpserver") -> Optional[Reading]:
    """The capacity of a server with these settings, given with their defaults."""
    if not use_threadpool:
        return _threads_without_end("%s has use_threadpool = %r" % (where, use_threadpool))
    if count(workers) is None:
        return None
    evidence = "%s has threadpool_workers = %r and threadpool_spawn_if_under = %r" % (where, workers, spawn_if_under)
    if workers == spawn_if_under == 1:
        evidence += "; a request that takes longer than threadpool_hung_thread_limit lets one more in"
    return Reading(Source.SETTING, NAME, max(workers or 1, spawn_if_under or 0), evidence, REMEDY)


def on_request(process: Process) -> Optional[Reading]:
    """The pool whose thread runs the request, or that there is none."""
    pool = process.look_up("self", "paste.httpserver", "worker_thread_callback")
    if pool is not None:
        return read_settings(True, getattr_path(pool, "nworkers"), getattr_path(pool, "spawn_if_under"),
                             "the pool of this request")
    server = process.look_up("self", "socketserver", "process_request_thread")
    if type(server).__module__ != "paste.httpserver":
        return None
    return replace(_threads_without_end("it starts a thread for each request"), source=Source.STRUCTURE)


def _threads_without_end(evidence: str) -> Reading:
    return Reading(Source.SETTING, NAME, None, evidence, REMEDY, unbounded=True)
