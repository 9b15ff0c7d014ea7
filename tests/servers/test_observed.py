"""Tracers, profilers, finalizers and signals: who looks on, or cuts in, changes no count and accuses nobody."""

import faulthandler
import gc
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from contextlib import contextmanager

import pytest
from conftest import DEADLINE, Response, held_inside, in_thread, new_environ, start_response


def look_on(frame, event, argument):
    """What a debugger does: look at the variables of each frame."""
    len(frame.f_locals)
    return look_on


@contextmanager
def tracer(name):
    """``settrace`` or ``setprofile``, in this thread and in those that begin."""
    getattr(threading, name)(look_on)
    before = getattr(sys, "get" + name[3:])()
    getattr(sys, name)(look_on)
    try:
        yield
    finally:
        getattr(sys, name)(before)
        getattr(threading, name)(None)


@contextmanager
def monitoring():
    """What coverage does from Python 3.14 on, and debuggers from 3.12 on."""
    watch = getattr(sys, "monitoring", None) or pytest.skip("sys.monitoring came with Python 3.12")
    watch.use_tool_id(4, "looks on")
    watch.register_callback(4, watch.events.LINE, lambda code, line: None)
    watch.register_callback(4, watch.events.PY_YIELD, lambda code, offset, value: None)
    watch.set_events(4, watch.events.LINE | watch.events.PY_YIELD)
    try:
        yield
    finally:
        watch.set_events(4, 0)
        watch.free_tool_id(4)


@contextmanager
def collector():
    """Callbacks of the collector, and a collection at each allocation."""
    before = gc.get_threshold()
    gc.callbacks.append(look_at_phase)
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.callbacks.remove(look_at_phase)


def look_at_phase(phase, info):
    assert phase in ("start", "stop")


@contextmanager
def dumps():
    """faulthandler writes down all stacks, again and again; with the GIL, since without it Python itself may die."""
    enough = threading.Event()
    with tempfile.TemporaryFile() as file:
        def dump():
            while not enough.wait(0.001):
                faulthandler.dump_traceback(file)

        thread = threading.Thread(target=dump)
        thread.start()
        try:
            yield
        finally:
            enough.set()
            thread.join(DEADLINE)


OBSERVERS = {"settrace": lambda: tracer("settrace"), "setprofile": lambda: tracer("setprofile"),
             "monitoring": monitoring, "collector": collector, "faulthandler": dumps}


@pytest.mark.parametrize("observer", OBSERVERS)
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_who_looks_on_changes_nothing(guarded, gate, observer, policy):
    """Alone, streamed, nested, left unread and met: as many requests, overlaps and refusals as without."""
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/nested":
            return [Response(guard, new_environ(PATH_INFO="/stream")).body]
        if environ["PATH_INFO"] == "/held":
            return gate(environ, start_response)
        start_response("200 OK", [])
        return iter([b"one ", b"two"]) if environ["PATH_INFO"] == "/stream" else (chunk for chunk in [b"one ", b"two"])

    guard = guarded(app, policy=policy, **({"serialize_timeout": 0.1} if policy == "serialize" else {}))
    with OBSERVERS[observer]():
        for path in "/", "/stream", "/nested":
            for _ in range(3):
                assert Response(guard, new_environ(PATH_INFO=path)).body == b"one two" or path == "/nested"
        unread = guard(new_environ(), start_response)
        assert Response(guard).body == b"one two"
        del unread
        assert (guard.stats().in_flight, guard.stats().refused, guard.stats().overlaps) == (0, 0, 0)
        with held_inside(guard, gate):
            Response(guard)
    stats = guard.stats()
    assert (stats.in_flight, stats.refused, stats.overlaps) == (0, int(policy != "log"), int(policy == "log"))


def test_a_finalizer_may_close_another_request_s_body_in_the_wrong_thread(guarded):
    """The collector runs it wherever it likes: in the middle of another's request, under its locks."""
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"x"])

        def close(self):
            closed.append(threading.get_ident())

    def app(environ, start_response):
        start_response("200 OK", [])
        if environ["PATH_INFO"] == "/collects":
            gc.collect()
        return Body()

    class Holder:
        """Closes what it holds when it goes, as Django's and Werkzeug's responses may."""

        def __init__(self, body):
            self.body, self.me = body, self

        def __del__(self):
            self.body.close()

    guard = guarded(app, policy="log")
    gc.disable()
    try:
        in_thread(lambda: Holder(guard(new_environ(), start_response)) and None)
        assert guard.stats().in_flight == 1
        assert Response(guard, new_environ(PATH_INFO="/collects")).body == b"x"
    finally:
        gc.enable()
    assert closed[0] == threading.get_ident()
    assert (guard.stats().in_flight, guard.stats().requests) == (0, 2)


def test_a_callback_of_a_weak_reference_to_a_body_may_make_a_request(guarded):
    """It runs while the body goes, in the middle of the guard's own bookkeeping."""
    def app(environ, start_response):
        start_response("200 OK", [])
        yield b"x"

    guard = guarded(app)
    bodies = []
    body = guard(new_environ(), start_response)
    reference = weakref.ref(body, lambda _: bodies.append(Response(guard).body))
    next(body)
    del body
    assert (bodies, reference()) == ([b"x"], None)
    stats = guard.stats()
    assert (stats.in_flight, stats.requests, stats.refused, stats.overlaps) == (0, 2, 0, 0)


def test_a_signal_may_make_a_request_anywhere(guarded):
    """SIGCHLD's handler calls the guard in the middle of the guard: it is a nested call, or comes between two."""
    answers = []

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"x"]

    guard = guarded(app)
    before = signal.signal(signal.SIGCHLD, lambda number, frame: answers.append(Response(guard).body))
    try:
        children = [subprocess.Popen([sys.executable, "-S", "-c", ""]) for _ in range(5)]
        while any(child.poll() is None for child in children):
            assert Response(guard).body == b"x"
        for child in children:
            child.wait(DEADLINE)
    finally:
        signal.signal(signal.SIGCHLD, before)
    stats = guard.stats()
    assert answers and set(answers) == {b"x"}
    assert (stats.in_flight, stats.refused, stats.overlaps) == (0, 0, 0)
