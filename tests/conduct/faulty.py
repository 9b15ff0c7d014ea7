"""The application under fire: each path fails in its own way; /stats tells the guard's counts, and is not guarded."""

import gc
import json
import linecache
import os
import sys
import threading
import time

from threadguard import ThreadGuard


class Body:
    """A body that raises where it is told to."""

    def __init__(self, where, chunks):
        self.where, self.left = where, chunks

    def __iter__(self):
        return self

    def __next__(self):
        if self.where == "body":
            raise ValueError("on purpose")
        if not self.left:
            raise StopIteration
        self.left -= 1
        return b"x" * 65536

    def close(self):
        if self.where == "close":
            raise ValueError("on purpose")


def chunks(number):
    for _ in range(number):
        yield b"x" * 65536


def pausing(gone):
    """Two chunks, and between them a pause until the client has made the file *gone*."""
    yield b"x"
    for _ in range(1000):
        if os.path.exists(gone):
            break
        threading.Event().wait(0.01)
    yield from chunks(400)


met = []


def meet():
    """Stay inside until a second one has come, with the primitive of gevent's hub where that runs."""
    met.append(1)
    for _ in range(2000):
        if len(met) > 1:
            break
        (sys.modules["gevent"].sleep if "gevent" in sys.modules else time.sleep)(0.01)


def late():
    """A body that fails after its first chunk."""
    yield b"x"
    raise ValueError("on purpose")


def app(environ, start_response):
    where, _, rest = environ["PATH_INFO"].strip("/").partition("/")
    if where == "before":
        raise ValueError("on purpose")
    if where == "exit":
        raise SystemExit
    if where == "read":
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 20))
    if where == "meet":
        meet()
    if where == "hang":
        threading.Event().wait(60)
    start_response("200 OK", [("Content-Type", "application/octet-stream")])
    if where == "after":
        raise ValueError("on purpose")
    if where == "late":
        return late()
    if where == "pausing":
        return pausing("/" + rest)
    if where == "file":
        return environ.get("wsgi.file_wrapper", iter)(open(__file__, "rb"))
    if where == "generator":
        return chunks(int(rest or 400))
    if where in ("body", "close", "stream"):
        return Body(where, int(rest or 400) if where == "stream" else 1)
    return [b"hello"]


guard = ThreadGuard(app, policy=os.environ.get("FAULTY_POLICY", "refuse"), serialize_timeout=1,
                    health_path=os.environ.get("FAULTY_HEALTH"), health_token="token")


def what_it_holds():
    """What grows where something leaks: objects of Python, memory in bytes, descriptors.

    Without the lines of source that `linecache` keeps, of each file that a traceback in the log has passed through:
    gunicorn's own have 1,300, and a worker shows them when a client hangs up on it for the first time.
    """
    linecache.clearcache()
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return {"blocks": sys.getallocatedblocks(), "memory": pages * os.sysconf("SC_PAGE_SIZE"),
            "descriptors": len(os.listdir("/proc/self/fd"))}


def application(environ, start_response):
    if environ["PATH_INFO"] not in ("/stats", "/holds"):
        return guard(environ, start_response)
    start_response("200 OK", [("Content-Type", "application/json")])
    found = dict(vars(guard.stats()), status=guard.verdict.status, server=os.environ.get("FAULTY_SERVER"))
    return [json.dumps({**found, **what_it_holds()} if environ["PATH_INFO"] == "/holds" else found).encode()]
