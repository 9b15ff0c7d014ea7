"""Whose stack is looked at: everybody's under the GIL; without it only that of who sleeps."""

import _thread
import gc
import sys
import threading
import time
import weakref
from contextlib import contextmanager

import pytest
from conftest import DEADLINE, counts_references, forked_without_hooks, without_hooks

from threadguard.process import facts as process, stacks
from threadguard.process.facts import Process

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells which threads sleep")
gil = pytest.mark.skipif(not stacks.runs_alone(), reason="this Python runs without the GIL")
no_gil = pytest.mark.skipif(stacks.runs_alone(), reason="this Python has a GIL, and it is on")


@contextmanager
def thread(target):
    """A thread that runs *target* until the end of the block; its identifier."""
    started, end = threading.Event(), threading.Event()
    one = threading.Thread(target=lambda: (started.set(), target(end)), daemon=True)
    one.start()
    assert started.wait(DEADLINE)
    try:
        yield one.ident
    finally:
        end.set()
        one.join(DEADLINE)


def sleep(end):
    end.wait(DEADLINE)


def run(end):
    while not end.is_set():
        pass


def is_seen(ident, looks):
    """Whether one of the *looks* shows the thread."""
    return any(ident in stacks.tops() for _ in looks)


def until_the_deadline():
    """Looks for as long as a thread on a busy machine may need to fall asleep."""
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        yield time.sleep(0.01)


@gil
@pytest.mark.parametrize("does", [sleep, run])
def test_under_the_gil_everybody_is_seen(does):
    """Nobody else runs meanwhile: all of them can be looked at, those that would like to run too."""
    with thread(does) as ident:
        assert {ident, threading.get_ident()} <= set(stacks.tops())


@linux
def test_without_the_gil_who_sleeps_is_seen(monkeypatch):
    """Threads that wait for work, as a server's pool does before the first request, are what the readers look for."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    with thread(sleep) as ident:
        assert is_seen(ident, until_the_deadline())


@pytest.mark.parametrize("gil", [True, False])
def test_i_am_seen_where_i_ask(monkeypatch, gil):
    """One's own stack stands still whatever the others do, and begins with the one who asks."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: gil, raising=False)
    assert stacks.tops()[threading.get_ident()] is sys._getframe()


def test_nobody_sees_the_collector_off():
    """CPython 3.11 must not collect while a frame is looked at: a thread that saw it off would not see to that."""
    seen = set()
    sys.setprofile(lambda frame, event, argument: seen.add((event, gc.isenabled())))
    try:
        process.variables(stacks.tops()[threading.get_ident()])
        stacks.caller_of(sys._getframe())
    finally:
        sys.setprofile(None)
    assert ("c_return", True) in seen and {is_on for _, is_on in seen} == {True}


@counts_references
@pytest.mark.parametrize("gil", [True, False])
def test_who_asks_is_not_kept_alive(monkeypatch, gil):
    """What the caller holds goes when it ends, without a collection: a body that hangs on would count as inside."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: gil, raising=False)

    def ask():
        thing = Thing()
        stacks.tops()
        return weakref.ref(thing)

    gc.disable()
    try:
        assert ask()() is None
    finally:
        gc.enable()


class Thing:
    """It can be referred to weakly."""


def test_a_process_does_not_count_its_own_thread_among_the_others():
    """Whoever compares the others with its own would find itself as a sibling."""
    with Process() as mine:
        assert mine.ident not in mine.others


def test_where_the_system_does_not_tell_nobody_else_is_seen(monkeypatch):
    """On another system than Linux nothing says who sleeps: then only one's own stack is safe."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    monkeypatch.setattr(stacks, "_sleepers", lambda: {})
    with thread(sleep):
        assert set(stacks.tops()) == {threading.get_ident()}


def deep(number, act):
    return deep(number - 1, act) if number else act()


def look_at_all(end=None):
    """Look at every stack, often, from as many threads as may get the stacks of those that are gone."""
    for _ in range(200):
        for frame in stacks.tops().values():
            while frame is not None:
                frame = stacks.caller_of(frame)


@without_hooks
def test_a_thread_that_threading_does_not_know_stays_behind_at_a_fork_too():
    """`_thread` counts it for ever."""
    begun, end = threading.Event(), threading.Event()
    _thread.start_new_thread(lambda: begun.set() or end.wait(DEADLINE), ())
    assert begun.wait(DEADLINE)
    try:
        assert forked_without_hooks(lambda: not stacks.is_safe())
    finally:
        end.set()


@without_hooks
def test_after_a_fork_without_hooks_nobody_looks_at_threads_that_are_gone():
    """Their states stay, and their frames lie in memory that the C library gives to new threads."""
    def child():
        threads = [threading.Thread(target=look_at_all) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join(DEADLINE)
        return True

    with thread(lambda end: max([1, 2], key=lambda _: deep(20, lambda: end.wait(DEADLINE)) or 0)):
        assert all(forked_without_hooks(child) for _ in range(5))
    assert threading.get_ident() in stacks.tops()


@no_gil
def test_without_the_gil_who_runs_is_not_seen():
    """A frame that ends while one reads it crashes the process."""
    with thread(run) as ident:
        assert not is_seen(ident, range(10))


def test_a_look_at_all_objects_does_not_disturb_another_thread_s_look_at_stacks():
    """The collector shows a tuple that is still being filled; whoever holds it then makes growing it fail."""
    held = []

    def frames():
        for number in range(100):
            if number == 5:
                held.append(gc.get_objects())
            yield sys._getframe()

    assert len(process.as_tuple(frames())) == 100


@gil
def test_a_stack_that_was_torn_is_looked_at_again():
    """A generator that is put to sleep while one walks out from it has no callers any more: its thread has others."""
    asleep = (one for one in "x")
    with thread(sleep) as ident:
        frames = process._stack_of(ident, asleep.gi_frame)
        assert frames[-1].f_code.co_name == "_bootstrap"
