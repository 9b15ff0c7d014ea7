"""Turns: what the tests of the middleware do not reach."""

import pytest
from conftest import DEADLINE, new_environ

from threadguard.guard import queue as turns
from threadguard.guard.ledger import Ledger


@pytest.fixture
def line():
    """Turns of a ledger of their own."""
    return turns.Turns(Ledger())


def test_who_leaves_just_before_the_next_stands_in_line_is_not_waited_for(line, monkeypatch):
    """The holder saw nobody in line and woke nobody: the next must look once more before it waits to be woken."""
    holder = line.take({}, DEADLINE, stuck=lambda ticket: None)

    class NeverWoken:
        def __init__(self, environ):
            line.leave(holder)

        def wait(self, seconds):
            pytest.fail("waits, and nobody will wake it")

        def wake(self):
            pass

    monkeypatch.setattr(turns, "new_waiter", NeverWoken)
    assert line.take({}, DEADLINE, stuck=lambda ticket: None) is not None


def test_who_is_counted_before_it_stands_in_line_wakes_who_met_it(guarded, monkeypatch):
    """A request is inside for a moment before it stands in line; the first in line must not wait for the next slice."""
    guard = guarded(lambda environ, start_response: [], policy="serialize")
    environ, ticket = new_environ(), next(guard._ledger.tickets)
    guard._ledger.inside[ticket] = environ

    class Waits:
        woken = False

        def __init__(self, environ):
            pass

        def wait(self, seconds):
            guard._policy.answer(ticket, environ, None)
            if not self.woken:
                pytest.fail("waits, and nobody will wake it")

        def wake(self):
            self.woken = True

    monkeypatch.setattr(turns, "new_waiter", Waits)
    assert guard._group.queue.take({}, DEADLINE, stuck=lambda ticket: None) is not None


class Interrupted(BaseException):
    """What a signal's handler raises, or `PyThreadState_SetAsyncExc`."""


@pytest.mark.parametrize("name", ["_wait", "_step_out"])
def test_who_is_interrupted_as_its_waiting_begins_or_ends_leaves_the_line(line, monkeypatch, name):
    """Python looks for signals as each function begins: whoever stayed in line would let nobody in ever again."""
    holder = line.take({}, DEADLINE, stuck=lambda ticket: None)

    def interrupted(*args):
        monkeypatch.delattr(line, name)
        raise Interrupted

    monkeypatch.setattr(line, name, interrupted, raising=False)
    monkeypatch.setattr(line, "_wait", line._wait)
    with pytest.raises(Interrupted):
        line.take({}, 0.01, stuck=lambda ticket: None)
    assert not line._line
    line.leave(holder)
    assert line.take({}, DEADLINE, stuck=lambda ticket: None) is not None


class Clock:
    """Time that passes only while somebody waits."""

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
def test_nobody_waits_for_longer_than_the_timeout(line, monkeypatch, seconds):
    """Whoever holds the turn for ever: the waits of another add up to its timeout, and then it is told who is stuck."""
    clock, stuck = Clock(), []
    request = {}
    holder = line.take(request, seconds, stuck.append)
    monkeypatch.setattr(turns, "new_waiter", clock.waiter)
    monkeypatch.setattr(turns, "time", clock)
    assert line.take({}, seconds, stuck.append) is None
    assert sum(clock.waits) == pytest.approx(seconds) and min(clock.waits) > 0
    assert (stuck, len(line._line)) == ([holder], 0)
