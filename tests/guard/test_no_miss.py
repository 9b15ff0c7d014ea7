"""No miss: two threads are let go together into a guarded application, round after round, as fast as they can switch.

``ROUNDS`` in the environment is how many of each policy; ``make test-no-miss`` makes 100,000.
"""

import os
import sys
import threading
from time import sleep as give_way

import pytest
from conftest import DEADLINE, new_environ, start_response


ROUNDS = int(os.environ.get("ROUNDS", "1500"))
LINGER = 25
"""In each of so many rounds who is inside stays there until the other has come: on one busy core they would never meet
otherwise, since a thread that has let the other run is back before the other wakes up."""
LONG = 10 ** 6
SPINS, NAP = 50, 1e-5
"""Who has spun so often in vain sleeps for a moment: on a busy machine the other has no core, and spinning keeps it
from getting one, since up to Python 3.10 `time.sleep(0)` gives up the GIL alone."""


@pytest.fixture(autouse=True)
def shortest_switch_interval(few_objects):
    """Threads of CPython take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


class Witness:
    """An application that knows for itself who was inside together: by what it appends as one comes and goes."""

    def __init__(self):
        self.trace = []

    def __call__(self, environ, start_response):
        self.trace.append(1)
        start_response("200 OK", [])
        for spins in range(environ["work"]):
            give_way(0 if spins < SPINS else NAP)
            if environ["work"] == LONG and environ["have_met"]():
                break
        self.trace.append(-1)
        return [b"x"]

    def most_inside(self):
        """How many were inside together since the last call."""
        inside = most = 0
        for step in self.trace:
            inside += step
            most = max(most, inside)
        assert inside == 0
        self.trace.clear()
        return most


class Rounds:
    """Two threads that enter *guard* together, as often as `rounds` says; *after* is called at the end of each."""

    def __init__(self, guard, after, rounds=ROUNDS):
        self.guard, self.after, self.rounds = guard, after, rounds
        self.enter_by = guard
        self.at = [0, 0]
        self.errors = []

    def run(self):
        threads = [threading.Thread(target=self.enter, args=(me,)) for me in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE + self.rounds / 10)
            assert not thread.is_alive()
        if self.errors:
            raise self.errors[0]

    def enter(self, me):
        try:
            for number in range(self.rounds):
                environ = new_environ(work=number % 4 if number % LINGER else LONG, have_met=lambda: self.have_met(me),
                                      section=me == 0)
                self.meet(me)
                self.enter_by(environ, start_response)
                self.meet(me)
                if me == 0:
                    self.after()
        except BaseException as error:
            self.errors.append(error)

    def have_met(self, me):
        """Whether the other has come too: it is or was inside, was turned away, or stands in line."""
        if self.errors or self.at[1 - me] > self.at[me]:
            return True
        return self.guard.app.trace.count(1) == 2 or bool(self.guard._group.queue.line)

    def meet(self, me):
        """A barrier that lets both go within a microsecond: each spins, and lets the other run, until it is as far."""
        self.at[me] += 1
        spins = 0
        while self.at[1 - me] < self.at[me] and not self.errors:
            give_way(0 if spins < SPINS else NAP)
            spins += 1


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_never_two_inside(guarded, policy, caplog):
    """Never two inside: under refuse one gets in at the most, under serialize one after the other."""
    witness = Witness()
    guard = guarded(witness, policy=policy)
    group = guard._group
    entered = []

    def after():
        entered.append(len(witness.trace) // 2)
        # Under refuse the later may prove the process threaded before the earlier has entered: then neither does.
        assert witness.most_inside() in ((0, 1) if policy == "refuse" else (1,))
        group.evidence.observed = ()  # each round begins with a process of which nothing is known
        if len(entered) % LINGER == 0:
            group.reports = []  # a report takes longer than a hundred rounds
        group.evidence.update_verdict()
        group._inspect()

    Rounds(guard, after).run()
    stats = guard.stats()
    assert (stats.in_flight, stats.requests + stats.refused) == (0, 2 * ROUNDS)
    assert (stats.requests, stats.peak) == (sum(entered), 1)
    assert sum(entered) and (policy == "refuse" or min(entered) == 2)
    assert policy == "serialize" or stats.refused >= ROUNDS // LINGER, "they did not collide: it tried nothing"


def test_every_true_overlap_is_seen(guarded):
    """Under log each round in which the application saw two inside is counted, and none twice."""
    witness = Witness()
    guard = guarded(witness, policy="log")
    guard._group.reports_kept = 1
    seen, truly = [0], []

    def after():
        overlaps = guard.stats().overlaps
        truly.append(witness.most_inside() - 1)
        assert truly[-1] <= overlaps - seen[0] <= 1
        seen[0] = overlaps

    Rounds(guard, after).run()
    stats = guard.stats()
    assert (stats.in_flight, stats.requests, stats.refused) == (0, 2 * ROUNDS, 0)
    assert sum(truly) >= ROUNDS // LINGER, "there was no overlap: it tried nothing"


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_section_and_a_request_are_never_inside_together(guarded, policy):
    """Both get in, one after the other, and the process stays single-threaded."""
    witness = Witness()
    guard = guarded(witness, policy=policy, serialize_timeout=DEADLINE)
    work = {"job": guard.inside("job", timeout=DEADLINE)}

    def app(environ, start_response):
        if environ["section"]:
            with work["job"]:
                return witness(environ, start_response)
        return guard(environ, start_response)

    def after():
        assert (len(witness.trace), witness.most_inside()) == (4, 1)

    rounds = Rounds(guard, after)
    rounds.enter_by = app
    rounds.run()
    stats = guard.stats()
    assert (stats.in_flight, stats.requests, stats.sections, stats.refused) == (0, ROUNDS, ROUNDS, 0)
    assert guard.verdict.status == "single-threaded" and not guard._ledger.sections and not guard._ledger.line
