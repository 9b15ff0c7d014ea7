"""The application that tells the truth: it holds requests inside and reports how many were inside at once.

It runs inside the server under test, beside nothing but the standard library and threadguard, and answers each
request with JSON: what was measured, what the flag said, and what the guard says about it. It needs no server's help:

    /first                     answers at once: the first lonely request
    /hold?with=gevent:sleep    stays inside until others come, or a bounded time is over, waiting with that function
    /stream?with=...           the same while the body is iterated: one empty chunk for each look

Environment: TRUTH_TOKEN is echoed (no other server answers for this one), TRUTH_MARK is a file that gets a line for
each entry, TRUTH_COMPANY is how many seconds the first one inside waits for others, TRUTH_OPTIONS holds the guard's
options as JSON, or ``off`` for no guard at all.
"""

import _thread
import dataclasses
import gc
import importlib
import itertools
import json
import logging
import os
import sys
import time
import weakref
from urllib.parse import parse_qs

ENOUGH = 8
ALONE, QUICK, SETTLE = float(os.environ.get("TRUTH_COMPANY", "1")), 0.05, 0.4
"""Seconds: how long the first holder waits for company, how long once one waited in vain, and how long for more."""
LOOKS = 100
"""So many looks count as a second at the least: a machine that lets nobody run brings no company either."""


class Inside:
    """How many requests are inside this process, and how many ever were at once."""

    def __init__(self):
        self.lock = _thread.allocate_lock()
        self.now = self.peak = self.lonely = 0

    def enter(self):
        with self.lock:
            self.now += 1
            self.peak = max(self.peak, self.now)

    def leave(self):
        with self.lock:
            self.now -= 1
            self.lonely += self.peak == 1

    def looks(self):
        """Yield as long as the request has to stay inside."""
        start = time.monotonic()
        patience = QUICK if self.lonely else ALONE
        for look in itertools.count():
            spent = min(time.monotonic() - start, look / LOOKS)
            if self.peak >= ENOUGH or spent > (SETTLE if self.peak > 1 else patience):
                return
            yield


class Log(logging.Handler):
    """Keeps what the guard logs, before a request and on one, and prints it where nobody else does."""

    def __init__(self):
        super().__init__()
        self.lines = {"startup": [], "request": []}

    def emit(self, record):
        line = "%s %s" % (record.levelname, record.getMessage())
        self.lines["request" if on_request() else "startup"].append(line)
        if not logging.getLogger().handlers:
            print(line, file=sys.stderr, flush=True)


def on_request():
    """Whether a guard's ``__call__`` is on this stack."""
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "__call__" and frame.f_globals.get("__name__") == "threadguard.guard.middleware":
            return True
        frame = frame.f_back
    return False


INSIDE, LOG, BUILT, JOBS, LOOK = Inside(), Log(), [], [], _thread.allocate_lock()
logging.getLogger("threadguard").addHandler(LOG)


def guarded(app, options=None):
    """*app* behind a guard, or bare if the options, as JSON, are ``off``."""
    options = options or os.environ.get("TRUTH_OPTIONS", '{"policy": "log"}')
    if options == "off":
        return app
    from threadguard import ThreadGuard

    guard = ThreadGuard(app, **json.loads(options))
    BUILT.append((weakref.ref(guard), plain(guard.verdict)))
    return guard


def the_guard():
    """The guard of this process and what it said when it was built, which nobody saw where PasteDeploy built it.

    That one is looked for once: who holds all objects for a moment can break a tuple that another thread is building.
    The references are weak: the bare application, served beside the guarded one, must not lead to the guard.
    """
    with LOOK:
        if not BUILT and os.environ.get("TRUTH_OPTIONS") != "off":
            found = [thing for thing in gc.get_objects() if type(thing).__name__ == "ThreadGuard"]
            BUILT.extend((weakref.ref(thing), None) for thing in found)
    return (BUILT[0][0](), BUILT[0][1]) if BUILT else (None, None)


def plain(thing):
    """A dataclass as JSON takes it."""
    return json.loads(json.dumps(dataclasses.asdict(thing)))


def report(environ):
    """Everything there is to tell."""
    guard, startup = the_guard()
    return {
        "pid": os.getpid(), "peak": INSIDE.peak, "flag": repr(environ.get("wsgi.multithread")),
        "software": environ.get("SERVER_SOFTWARE"), "startup": startup,
        "verdict": plain(guard.verdict) if guard else None, "stats": plain(guard.stats()) if guard else None,
        "log": LOG.lines, "jobs": JOBS, "token": os.environ.get("TRUTH_TOKEN"),
        "python": "%d.%d" % sys.version_info[:2],
    }


def pause_of(environ):
    """The function that waits in the way of this server: ``time:sleep`` unless the request names another."""
    module, _, name = parse_qs(environ.get("QUERY_STRING", "")).get("with", ["time:sleep"])[0].partition(":")
    return getattr(importlib.import_module(module), name)


def application(environ, start_response):
    """Report, and before that stay inside if asked to."""
    mark()
    path = environ.get("PATH_INFO", "")
    if path.endswith("/first"):
        run_a_job()
    if path.endswith("/stream"):
        start_response("200 OK", [("Content-Type", "application/json")])
        return stream(environ)
    if path.endswith("/hold"):
        hold(pause_of(environ))
    body = json.dumps(report(environ)).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]


def hold(pause):
    """Stay inside while the application is called."""
    INSIDE.enter()
    for _ in INSIDE.looks():
        pause(0.01)
    INSIDE.leave()


def stream(environ):
    """Stay inside while the body is iterated."""
    INSIDE.enter()
    for _ in INSIDE.looks():
        yield b" "
        time.sleep(0.005)
    INSIDE.leave()
    yield json.dumps(report(environ)).encode()


def run_a_job():
    """Under refuse: a thread of the application's own enters a section, once, beside the requests that follow.

    `threading` would wait for it to start, and uWSGI without enable-threads lets none run while it waits.
    """
    guard = the_guard()[0]
    if guard is not None and guard.policy == "refuse" and not JOBS:
        JOBS.append("begun")
        _thread.start_new_thread(job, (guard,))


def job(guard):
    """Work that is no request."""
    with guard.inside("a job"):
        time.sleep(0.1)
        JOBS.append("done")


def mark():
    """Leave a line for each entry."""
    path = os.environ.get("TRUTH_MARK")
    if path:
        with open(path, "a") as file:
            file.write("%d\n" % os.getpid())


def app_factory(global_conf, **settings):
    """For PasteDeploy: the bare application; the ini file puts the guard in front."""
    return application
