"""Werkzeug's development server: a thread for each request, a process for each, or neither.

`run_simple` and `make_server` choose the server's class by ``threaded`` and ``processes`` (werkzeug/serving.py, the
same from 1.0 to 3.1), and are given the application, so nothing can be read while it is built. The class of a threaded
server is a `socketserver.ThreadingMixIn`, which shows as it begins and on a request, as with every server of that kind;
of the others ``wsgi.multithread`` is right. ``processes=N`` forks a process for each request (`ForkingWSGIServer`).
"""

NAME = "Werkzeug"
REMEDY = "threaded=False, and processes=N for more throughput" \
         "; while you develop, THREADGUARD_POLICY=serialize keeps the threads"
RUNS_ON = "the thread that calls run_simple, with the reloader another one; with threaded=True, one for each connection"
ON_MAIN = {NAME: "run_simple without use_reloader and threaded, called on the main thread"}
"""werkzeug/_reloader.py `run_with_reloader` lets a thread of its own serve."""
READS = (("whether the server that starts with the guarded application is a ThreadingMixIn", "startup"),)
CALLS = (("werkzeug.serving", "run_wsgi"),)
