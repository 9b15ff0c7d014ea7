"""An application whose greenlets are struck: by a Timeout or a kill, in line, in a call, in a body, in a log handler.

What strikes a request that is asked for with /timed comes after so many seconds; /kill strikes all that are under way.
"""

import json
import logging
import os
import time

from threadguard import ThreadGuard

if os.environ["STRUCK_BY"] == "gevent":
    from gevent import Timeout, getcurrent, kill, sleep
else:
    from eventlet import Timeout, getcurrent, kill, sleep

state = {"hold": False, "logging": False}
under_way = set()


def pause_while(name):
    deadline = time.monotonic() + 60
    while state[name] and time.monotonic() < deadline:
        sleep(0.002)


class SlowHandler(logging.Handler):
    """A handler that lets the others run, as one does that writes to a socket."""

    def emit(self, record):
        state["logging"] = state["hold"] = True
        pause_while("hold")


def held():
    yield b"x"
    pause_while("hold")
    yield b"y"


def app(environ, start_response):
    where = environ["PATH_INFO"].rpartition("/")[2]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if where == "call":
        state["hold"] = True
        pause_while("hold")
    if where == "body":
        state["hold"] = True
        return held()
    if where == "short":
        sleep(0.001)
    return [b"hello"]


guard = ThreadGuard(app, policy=os.environ["STRUCK_POLICY"], serialize_timeout=float(os.environ["STRUCK_TIMEOUT"]))


def struck(environ, start_response):
    """The guard, as one of those who can be killed calls it."""
    me = getcurrent()
    under_way.add(me)
    try:
        body = guard(environ, start_response)
        try:
            yield from body
        finally:
            getattr(body, "close", bool)()
    finally:
        under_way.discard(me)


def timed(environ, start_response):
    """The guard, called by somebody who waits for so many seconds."""
    with Timeout(float(environ["QUERY_STRING"])):
        yield from struck(environ, start_response)


def told(environ, start_response):
    """The counts, and who waits."""
    found = dict(vars(guard.stats()), line=len(guard._group.queue.line), status=guard.verdict.status, **state)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(found).encode()]


def kill_all(environ, start_response):
    for greenlet in list(under_way):
        kill(greenlet)
    return told(environ, start_response)


def release(environ, start_response):
    state["hold"] = False
    return told(environ, start_response)


def log_slowly(environ, start_response):
    logging.getLogger("threadguard").addHandler(SlowHandler())
    return told(environ, start_response)


PATHS = {"stats": told, "kill": kill_all, "release": release, "timed": timed, "log": log_slowly}


def application(environ, start_response):
    return PATHS.get(environ["PATH_INFO"].split("/")[1], struck)(environ, start_response)
