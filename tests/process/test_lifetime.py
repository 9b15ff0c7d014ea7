"""Threads end when they end, and not while they run C: as those of uWSGI and mod_wsgi do between two chunks."""

import _thread
import sys
import threading
from collections import deque
from itertools import chain

import pytest
from conftest import (
    DEADLINE, Response, counts_references, in_chunks, in_thread, new_environ, returning, start_response, until,
)

from threadguard.process import contexts


class ThreadOfC:
    """A thread that nobody made with `threading`: it calls *first* and then has no frame until it shall end."""

    def __init__(self, first):
        self.first, self.result = first, None
        self.called, self.ended = threading.Event(), threading.Event()
        self.end = _thread.allocate_lock()
        self.end.acquire()

    def __enter__(self):
        ended = (self.ended.set() for _ in range(1))
        _thread.start_new_thread(deque, (chain(map(self.call, [None]), iter(self.end.acquire, True), ended),))
        assert self.called.wait(DEADLINE)
        return self

    def call(self, _):
        self.result = self.first()
        self.ident = _thread.get_ident()
        self.called.set()

    def __exit__(self, *exc):
        self.end.release()
        assert self.ended.wait(DEADLINE)


BODIES = {"generator": in_chunks, "iterable": returning(lambda: map(bytes, [b"one ", b"two"]))}


@counts_references
@pytest.mark.parametrize("app", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("policy, expected", [("refuse", (1, 1, 0)), ("serialize", (1, 1, 0)), ("log", (2, 0, 1))])
def test_a_body_of_a_thread_that_runs_c_is_not_abandoned(guarded, app, policy, expected):
    """Between two chunks the thread has no frame: whoever comes then meets a request that is inside."""
    timeout = {"serialize_timeout": 0.1} if policy == "serialize" else {}
    guard = guarded(app, policy=policy, **timeout)
    with ThreadOfC(lambda: guard(new_environ(), start_response)) as inside:
        until(lambda: inside.ident not in sys._current_frames())
        Response(guard)
        stats = guard.stats()
        assert (stats.requests, stats.refused, stats.overlaps) == expected
        inside.result = None
    assert guard.stats().in_flight == 0


def test_a_thread_that_threading_did_not_make_ends_with_its_state():
    """Where it runs on it is alive, and so is the thread that made the interpreter."""
    with ThreadOfC(contexts.my_life) as other:
        assert other.result.made_by is None
        assert contexts.is_alive(other.result._replace(number=0))
    until(lambda: not contexts.is_alive(other.result))
    assert contexts.my_life().made_by is None and contexts.is_alive(contexts.my_life()._replace(number=0))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells by number which threads run")
def test_a_thread_without_a_state_is_asked_for_by_its_number():
    """As long as Linux has a thread of that number the body may go on."""
    mine = contexts.my_life()
    assert mine.number == threading.get_native_id()
    stateless = mine._replace(sentinel=lambda: None, made_by=None)
    assert contexts.is_alive(stateless)
    assert not contexts.is_alive(stateless._replace(number=1 if threading.get_native_id() != 1 else 2))
    assert not contexts.is_alive(stateless._replace(number=0))


def test_a_thread_of_threading_is_dead_as_soon_as_it_was_joined():
    """Also while the system still has it, and though its object lives on."""
    thread = threading.Thread(target=lambda: found.append(contexts.my_life()))
    found = []
    thread.start()
    thread.join(DEADLINE)
    assert found[0].made_by() is thread
    assert not contexts.is_alive(found[0])
    assert in_thread(lambda: contexts.is_alive(contexts.my_life()))
