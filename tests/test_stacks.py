"""Whose stack is looked at: everybody's under the GIL; without it only that of who sleeps."""

import sys
import threading
from contextlib import contextmanager

import pytest
from conftest import DEADLINE

from threadguard import stacks

LOOKS = 10
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


def is_seen(ident):
    """Whether one of some looks shows the thread: it may need a moment to fall asleep."""
    return any(ident in stacks.tops() for _ in range(LOOKS))


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
        assert is_seen(ident)


def test_without_the_gil_i_am_seen(monkeypatch):
    """One's own stack stands still whatever the others do."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    assert threading.get_ident() in stacks.tops()


def test_where_the_system_does_not_tell_nobody_else_is_seen(monkeypatch):
    """On another system than Linux nothing says who sleeps: then only one's own stack is safe."""
    monkeypatch.setattr(sys, "_is_gil_enabled", lambda: False, raising=False)
    monkeypatch.setattr(stacks, "_sleepers", lambda: {})
    with thread(sleep):
        assert set(stacks.tops()) == {threading.get_ident()}


@no_gil
def test_without_the_gil_who_runs_is_not_seen():
    """A frame that ends while one reads it crashes the process."""
    with thread(run) as ident:
        assert not is_seen(ident)
