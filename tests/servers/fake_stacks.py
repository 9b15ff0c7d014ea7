"""Stacks of servers, real or fake, and what a reader finds below them.

A fake stack is made of functions in modules that carry a server's names and are on no list of loaded modules.
"""

import http.client
import textwrap
import threading
import time
from contextlib import contextmanager
from functools import partial
from types import ModuleType, SimpleNamespace

from threadguard.process import stacks
from threadguard.process.facts import Process
from threadguard.servers import origin

DEADLINE = 60


def module(name, source, **names):
    """A module called *name* that runs *source*, with *names* given to it."""
    made = ModuleType(name)
    vars(made).update(names)
    exec(compile(textwrap.dedent(source), name, "exec"), vars(made))
    return made


def below(look, *frames):
    """What *look* returns below *frames*, outermost first: each ``"module function"``, and its variables if it has any.

    Between them ``"in a thread"`` starts a thread, while the caller waits.
    """
    for frame in reversed(frames):
        place, variables = frame if isinstance(frame, tuple) else (frame, {})
        if place == "in a thread":
            look = partial(in_thread, look)
        else:
            name, function = place.split()
            source = "def %s(look, %s): return look()" % (function, ", ".join(variables))
            look = partial(getattr(module(name, source), function), look, **variables)
    return look()


def an_object(of, **attributes):
    """An object of a class of the module *of*."""
    return type("Something", (SimpleNamespace,), {"__module__": of})(**attributes)


def at_startup(reader):
    """What *reader* says of a guard that is built here: on the caller's stack."""
    with Process() as process:
        return getattr(reader, "at_startup", lambda process: None)(process)


def on_request(reader, environ=None):
    """What *reader* says of a request that is served here."""
    with Process({} if environ is None else environ) as process:
        return getattr(reader, "on_request", lambda process: None)(process)


def serves(reader, environ=None):
    """Whether *reader* takes a request that is served here for its server's."""
    with Process({} if environ is None else environ) as process:
        return origin.serves(reader, process)


def in_thread(function, *arguments):
    """The result of *function*, called in a thread of its own while the caller waits."""
    results, caller = [], threading.get_ident()

    def run():
        end = time.monotonic() + DEADLINE
        while caller not in stacks.tops() and time.monotonic() < end:
            time.sleep(0.001)  # without the GIL nobody may look at the caller until it sleeps
        results.append(function(*arguments))
    thread = threading.Thread(target=run)
    thread.start()
    thread.join(DEADLINE)
    assert results, "the thread did not come back"
    return results[0]


class Application:
    """A WSGI application that keeps what *look* returns on each request."""

    def __init__(self, look):
        self.look, self.seen = look, []

    def __call__(self, environ, start_response):
        self.seen.append(self.look())
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "2")])
        return [b"ok"]


@contextmanager
def running(serve, stop):
    """A thread in *serve* during the block; *stop* ends it."""
    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        stop()
        thread.join(DEADLINE)
        assert not thread.is_alive()


def get(port):
    """The status of a GET of ``/`` on *port*, over a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", "/")
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
