"""Turns: what the tests of the middleware do not reach."""

import pytest
from conftest import DEADLINE, new_environ

from threadguard import turns
from threadguard.ledger import Ledger


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
    assert guard._group.turns.take({}, DEADLINE, stuck=lambda ticket: None) is not None
