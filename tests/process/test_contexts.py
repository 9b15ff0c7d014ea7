"""Greenlets, event loops and threads: who is a context of its own, and how it waits."""

import asyncio
import importlib.util
import subprocess
import sys
import textwrap
import threading

import pytest
from conftest import DEADLINE, Response, in_chunks, new_environ, start_response

from threadguard.process import contexts

greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet")


def run(program, *needs):
    """Run *program* in a Python of its own, where gevent or eventlet may patch what they like."""
    for package in needs:
        if importlib.util.find_spec(package) is None:  # not imported here: eventlet hooks into every fork
            pytest.skip("needs the package %s" % package)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", textwrap.dedent(program)], timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True)
    assert done.returncode == 0, done.stdout
    return done.stdout


HEADER = """
import sys
def environ(path="/"):
    return {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.multithread": False}
def start(status, headers, exc_info=None):
    seen.append(status[:3])
seen = []
"""


class Lazy:
    """A proxy that is asked too early, as Django's settings are."""

    @property
    def __class__(self):
        raise RuntimeError("not configured")


def switching(environ, start_response):
    """An application that lets the others of its thread go on."""
    greenlet.getcurrent().parent.switch()
    start_response("200 OK", [])
    return [b"x"]


def test_a_greenlet_is_a_context_of_its_own(guarded):
    """Two of one thread inside at once are an overlap, also where nothing is patched. Its report asks no object what it
    is: a proxy would load what it stands for, or raise into the request."""
    lazy, guard = [Lazy()], guarded(switching, policy="log")
    both = [greenlet.greenlet(guard), greenlet.greenlet(guard)]
    for one in both:
        one.switch(new_environ(), start_response)
    assert guard.stats().overlaps == 1
    for one in both:
        one.switch()
    assert guard.stats().in_flight == 0
    assert lazy and "greenlet (waiting)" in guard._group.reports[0].evidence


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("policy, expected", [("refuse", "['503', '200']"), ("log", "['200', '200']")])
def test_patched_greenlets_collide(when, policy, expected):
    """gevent's patching fakes get_ident(); the guard may be imported before it or after it."""
    patch = "from gevent import monkey; monkey.patch_all()\n"
    guard = "from threadguard import ThreadGuard\n"
    out = run(HEADER + (guard + patch if when == "before" else patch + guard) + """
import gevent, logging
logging.disable(logging.CRITICAL)
def app(environ, start_response):
    gevent.sleep(0.05)
    start_response("200 OK", [])
    return [b"x"]
guard = ThreadGuard(app, policy=%r, server_threads=1)
guard.verdict
gevent.joinall([gevent.spawn(guard, environ(), start) for _ in range(2)], timeout=60)
print(seen, guard.stats().in_flight, guard.verdict.status)
""" % policy, "gevent")
    assert out.strip() == expected + " 0 threaded"


@pytest.mark.parametrize("hub, program", [
    pytest.param("gevent", """
        import gevent
        def both(f): gevent.joinall([gevent.spawn(f) for _ in range(3)], timeout=60, raise_error=True)
        nap = gevent.sleep
        """, id="gevent"),
    pytest.param("eventlet", """
        import eventlet
        def both(f): [thread.wait() for thread in [eventlet.spawn(f) for _ in range(3)]]
        nap = eventlet.sleep
        """, id="eventlet"),
])
def test_under_serialize_greenlets_wait_with_their_hub_s_own_primitive(hub, program):
    """A plain lock would stop the hub, and with it the request that holds the turn."""
    out = run(HEADER + textwrap.dedent(program) + """
from threadguard import ThreadGuard
import logging
logging.disable(logging.CRITICAL)
inside = []
def app(environ, start_response):
    inside.append(1)
    nap(0.02)
    assert len(inside) == 1
    inside.pop()
    start_response("200 OK", [])
    return [b"x"]
guard = ThreadGuard(app, policy="serialize", serialize_timeout=60)
both(lambda: guard(environ(), start))
print(seen, guard.stats().in_flight, guard.stats().peak)
""", hub)
    assert out.strip() == "['200', '200', '200'] 0 1"


def test_under_serialize_a_greenlet_of_an_unknown_hub_is_told_to_come_again(guarded):
    """Where any waiting would stop the holder the answer is 503 with Retry-After at once."""
    answers, guard = [], guarded(switching, policy="serialize", serialize_timeout=30)
    holder = greenlet.greenlet(guard)
    holder.switch(new_environ(), start_response)
    other = greenlet.greenlet(lambda: answers.append(Response(guard)))
    other.switch()
    assert answers[0].status == "503 Service Unavailable"
    assert dict(answers[0].headers)["Retry-After"] == "30"
    holder.switch()


def test_a_hub_that_was_left_behind_is_not_waited_with():
    """gevent was used in this thread before: neither a greenlet of another hub nor an event loop waits with it."""
    out = run(HEADER + """
import asyncio, gevent, greenlet, time
gevent.sleep(0)
from threadguard import ThreadGuard
import logging
logging.disable(logging.CRITICAL)
def app(environ, start_response):
    start_response("200 OK", [])
    if greenlet.getcurrent().parent is not None:
        greenlet.getcurrent().parent.switch()
    yield b"one"
    yield b"two"
guard = ThreadGuard(app, policy="serialize", serialize_timeout=30)
began = time.monotonic()
holder = greenlet.greenlet(lambda: next(iter(guard(environ(), start))))
holder.switch()
greenlet.greenlet(lambda: guard(environ(), start)).switch()
holder.switch()
async def main():
    first = iter(guard(environ(), start))
    next(first)
    guard(environ(), start)
    list(first)
asyncio.run(main())
print(seen, time.monotonic() - began < 15)
""", "gevent")
    assert out.strip() == "['200', '503', '200', '503'] True"


def in_event_loop(function):
    async def main():
        return function()
    return asyncio.run(main())


def test_an_event_loop_is_seen_in_its_thread_only():
    """The thread's asynchronous generator hooks tell."""
    assert not contexts.event_loop_runs()
    assert in_event_loop(contexts.event_loop_runs)


def test_interleaved_bodies_are_an_overlap(guarded):
    """One thread, two unfinished bodies: the earlier is asked for a chunk while the later is inside."""
    guard = guarded(in_chunks, policy="log")

    def interleave():
        first, second = guard(new_environ(PATH_INFO="/1"), start_response), guard(new_environ(), start_response)
        chunks = [next(first)]
        assert guard.stats().overlaps == 1
        chunks += [next(second), next(first), next(second)]
        first.close(), second.close()
        return chunks

    assert in_event_loop(interleave) == [b"one ", b"one ", b"two", b"two"]
    assert guard.stats().overlaps == 1, "the same pair counts once"
    assert guard.stats().in_flight == 0
    assert guard.verdict.findings[0].code == "TG303"


def test_bodies_read_one_after_the_other_in_an_event_loop_do_not_interleave(guarded):
    """An event loop is no accusation."""
    guard = guarded(in_chunks)
    assert in_event_loop(lambda: [Response(guard).body for _ in range(3)]) == [b"one two"] * 3
    assert (guard.stats().overlaps, guard.stats().refused) == (0, 0)


def test_a_nested_body_in_an_event_loop_does_not_interleave(guarded):
    """A body that reads another one through the guard is one request."""
    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/outer":
            inner = guard(new_environ(), start_response)
            for chunk in inner:
                yield chunk
        yield b"!"

    guard = guarded(app)
    assert in_event_loop(lambda: Response(guard, new_environ(PATH_INFO="/outer")).body) == b"!!"
    assert guard.stats().overlaps == 0


def test_under_refuse_an_interleaving_refuses_what_comes_after(guarded):
    """It proves the process threaded; the request inside finishes normally."""
    guard = guarded(in_chunks)

    def interleave():
        first, second = guard(new_environ(), start_response), guard(new_environ(), start_response)
        next(first)
        return list(first) + list(second), Response(guard).status

    assert in_event_loop(interleave) == ([b"two", b"one ", b"two"], "503 Service Unavailable")


def test_under_serialize_an_event_loop_never_waits(guarded):
    """The second body of the same loop is refused at once, for waiting would stop the first."""
    guard = guarded(in_chunks, policy="serialize", serialize_timeout=30)

    def interleave():
        first = guard(new_environ(), start_response)
        next(first)
        second = Response(guard).status
        return second, list(first), Response(guard).status

    assert in_event_loop(interleave) == ("503 Service Unavailable", [b"two"], "200 OK")


def test_a_thread_is_named_and_found():
    """A report shows where a call stands in another thread."""
    parked, go = threading.Event(), threading.Event()

    def standing_here():
        parked.set()
        go.wait(DEADLINE)

    thread = threading.Thread(target=standing_here, name="worker-7")
    thread.start()
    try:
        assert parked.wait(DEADLINE)
        place = contexts.find(lambda frame: frame.f_code is standing_here.__code__)
    finally:
        go.set()
        thread.join(DEADLINE)
    assert place.context == "thread worker-7"
    assert "go.wait(DEADLINE)" in "".join(place.stack)


def test_what_cannot_be_found_is_said_to_be_nowhere():
    """A report does without a stack where there is none any more."""
    assert contexts.find(lambda frame: False) is contexts.NOWHERE
