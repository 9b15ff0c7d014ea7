"""The queue: what the tests of the middleware do not reach."""

import gc
import threading
from collections import deque

import pytest
from conftest import DEADLINE, Response, hello, in_thread, new_environ

from threadguard.guard import queue as queues
from threadguard.guard.ledger import ALONE, Ledger


@pytest.fixture
def queue():
    """The queue of a ledger of its own."""
    return queues.RequestQueue(Ledger())


def enter(queue):
    """A ticket that is inside."""
    ticket = next(queue._ledger.tickets)
    queue._ledger.inside[ticket] = REQUEST
    return ticket


REQUEST = {"PATH_INFO": "/inside"}


def test_what_leaves_just_before_the_next_stands_in_line_is_not_waited_for(queue, monkeypatch):
    """The holder saw an empty line and woke nothing: the next must look once more before it waits to be woken."""
    holder = enter(queue)

    class NeverWoken:
        def __init__(self, environ):
            queue._ledger.leave(holder)

        def wait(self, seconds):
            pytest.fail("waits, and nothing will wake it")

        def wake(self):
            pass

    monkeypatch.setattr(queues, "new_waiter", NeverWoken)
    assert queue.acquire({}, DEADLINE, log_stuck=lambda ticket: None) is not None


def test_a_request_that_is_counted_before_it_stands_in_line_wakes_the_one_that_met_it(guarded, monkeypatch):
    """A request is inside for a moment before it stands in line; the first in line must not wait for the next slice."""
    guard = guarded(lambda environ, start_response: [], policy="serialize")
    environ, ticket = new_environ(), next(guard._ledger.tickets)
    guard._ledger.inside[ticket] = environ

    class Waits:
        woken = False

        def __init__(self, environ):
            pass

        def wait(self, seconds):
            guard._policy.answer(ticket, environ, ALONE)
            if not self.woken:
                pytest.fail("waits, and nothing will wake it")

        def wake(self):
            self.woken = True

    monkeypatch.setattr(queues, "new_waiter", Waits)
    assert guard._group.queue.acquire({}, DEADLINE, log_stuck=lambda ticket: None) is not None


class Interrupted(BaseException):
    """What a signal's handler raises, or `PyThreadState_SetAsyncExc`."""


@pytest.mark.parametrize("name", ["_enter", "_slice", "leave"])
def test_a_request_that_is_interrupted_as_its_waiting_begins_or_ends_leaves_the_line(queue, monkeypatch, name):
    """Python looks for signals as each function begins: what stayed in line would let nothing in ever again."""
    holder = enter(queue)

    def interrupted(*args, **keywords):
        if not queue.line or strikes:
            return original(*args, **keywords)
        strikes.append(name)
        raise Interrupted

    original, strikes = getattr(queue, name), []
    monkeypatch.setattr(queue, name, interrupted)
    with pytest.raises(Interrupted):
        queue.acquire({}, 0.01, log_stuck=lambda ticket: None)
    gc.collect()
    assert not queue.line
    queue._ledger.leave(holder)
    assert queue.acquire({}, DEADLINE, log_stuck=lambda ticket: None) is not None


class Clock:
    """Time that passes only while a request waits."""

    def __init__(self):
        self.now, self.waits = 0.0, []

    def monotonic(self):
        return self.now

    def waiter(self, environ):
        return self

    def wait(self, seconds):
        self.waits.append(seconds)
        self.now += seconds

    def wake(self):
        pass


@pytest.mark.parametrize("seconds", [0.1, 0.5, 1.2, 30.0])
def test_nothing_waits_for_longer_than_the_timeout(queue, monkeypatch, seconds):
    """What holds the turn for ever: the waits of another add up to its timeout, and then it is said what is stuck."""
    clock, stuck = Clock(), []
    holder = enter(queue)
    monkeypatch.setattr(queues, "new_waiter", clock.waiter)
    monkeypatch.setattr(queues, "time", clock)
    assert queue.acquire({}, seconds, stuck.append) is None
    assert sum(clock.waits) == pytest.approx(seconds) and min(clock.waits) > 0
    assert (stuck, len(queue.line)) == ([holder], 0)


def test_a_line_that_changes_while_one_looks_at_it_is_looked_at_again(queue):
    """Without the GIL others come and go meanwhile, and `deque` raises what would be the request's."""
    class Changing(deque):
        def _changed(self, error, times=[]):
            times.append(error)
            if times.count(error) == 1:
                raise error("deque mutated")

        def __iter__(self):
            self._changed(RuntimeError)
            return super().__iter__()

        def remove(self, place):
            self._changed(IndexError)
            super().remove(place)

    holder = enter(queue)
    queue.line = queue._ledger.line = Changing()
    assert queue.acquire({}, 0) is None and not queue.line
    queue._ledger.leave(holder)
    assert queue.acquire({}, 0) is not None


def test_a_hand_over_between_a_greenlet_of_eventlet_and_a_thread_wakes_who_waits(guarded, monkeypatch):
    """Neither waits for its next slice, and the thread gets no hub of its own, in which it would wait from then on."""
    eventlet = pytest.importorskip("eventlet", reason="eventlet is not installed")
    monkeypatch.setattr(queues, "_SLICE", 2 * DEADLINE)
    guard, hubs = guarded(hello, policy="serialize", serialize_timeout=DEADLINE), eventlet.hubs._threadlocal
    entered, end = threading.Event(), threading.Event()

    def hold():
        with guard.inside("thread"):
            entered.set()
            assert end.wait(DEADLINE)
        ended.append(hasattr(hubs, "hub"))

    def main():
        greenlet = eventlet.spawn(lambda: Response(guard).status)
        while not guard._ledger.line:
            eventlet.sleep(0)
        end.set()
        return greenlet.wait()

    ended = []
    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(DEADLINE)
    assert in_thread(main) == "200 OK"
    thread.join(DEADLINE)
    assert ended == [False]


def test_a_group_that_is_made_while_another_looks_at_all_is_no_error(monkeypatch):
    """A set whose size changes cannot be gone through: it is begun anew."""
    rounds = []

    class Growing(list):
        def __iter__(self):
            rounds.append(len(rounds))
            if len(rounds) == 1:
                raise RuntimeError("Set changed size during iteration")
            return super().__iter__()

    monkeypatch.setattr(queues, "_queues", Growing(["one", "two"]))
    assert queues._all_queues() == ["one", "two"] and len(rounds) == 2
