"""wsgiref of the standard library: one request after the other, unless a ThreadingMixIn is mixed into the server.

`make_server` is given the application, so nothing can be read at startup. On a request `ThreadingMixIn` is found by
the sign that all servers built on `socketserver` have in common; ``wsgi.multithread`` is False with it and without it
(wsgiref/simple_server.py `WSGIRequestHandler.handle`).
"""

from threadguard.process.facts import Process

NAME = "wsgiref"
REMEDY = "make_server without a ThreadingMixIn in its server_class; for more throughput start more processes"
RUNS_ON = "the thread that calls serve_forever"
ON_MAIN = {NAME: "serve_forever, called on the main thread"}
READS = ()
CALLS = (("wsgiref.handlers", "run"),)


def serves(process: Process) -> bool:
    """Whether the request handler of wsgiref, and not a copy of it such as Django's, runs the request."""
    return process.frame("wsgiref.simple_server", "handle") is not None
