"""asgiref's `WsgiToAsgi`, under any ASGI server: one thread for all, or one thread for each context.

It runs the application through `sync_to_async`. Thread-sensitive calls share one executor of one thread, so that one
request runs at a time although ``wsgi.multithread`` is True. Inside a `ThreadSensitiveContext`, which Django opens for
each request, each context has an executor of its own: also of one thread, but there are as many of them as requests
(asgiref/sync.py `SyncToAsync.__call__`, 3.3 to 3.13). So the size of the executor alone would acquit it. Before 3.3
the event loop's default executor runs the application, and its size tells.
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, getattr_path

NAME = "asgiref"
REMEDY = "await WsgiToAsgi(application) outside of any ThreadSensitiveContext; more processes for more throughput"
RUNS_ON = "a thread of an executor of one; under async_to_sync, the thread that called that"
NEVER_ON_MAIN = {NAME: ""}
READS = (
    ("whether all contexts share the executor that runs the request", "request"),
)
CALLS = (("asgiref.wsgi", "run_wsgi_app"),)


def on_request(process: Process) -> Optional[Reading]:
    """Whose executor the thread of the request belongs to."""
    call = process.look_up("self", "asgiref.sync", "thread_handler")
    reference = process.look_up("executor_reference", "concurrent.futures.thread", "_worker")
    executor = reference() if callable(reference) else None
    if call is None or executor is None or process.frame("asgiref.current_thread_executor"):
        return None  # a CurrentThreadExecutor lends the thread of a server that is judged for itself
    if executor is getattr_path(call, "single_thread_executor"):
        evidence = "asgiref's sync_to_async runs all requests in one thread (single_thread_executor)"
        return Reading(Source.POOL, NAME, 1, evidence, REMEDY)
    private = getattr_path(call, "context_to_thread_executor") or {}
    if any(executor is other for other in list(private.values())):
        evidence = "asgiref's sync_to_async runs each ThreadSensitiveContext in a thread of its own"
        return Reading(Source.POOL, NAME, None, evidence, REMEDY, unbounded=True)
    return None
