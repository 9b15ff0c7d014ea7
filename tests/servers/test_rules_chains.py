"""What code asks, of what, and what it compares: read from bytecode, which is another in each Python."""

import itertools
import os

import pytest

from threadguard.process.facts import a_few
from threadguard.rules.chains import MISSING, chains_called, chains_in, iterated, length_compared, value_of
from threadguard.rules.code import loops


def asks(pool, jobs):
    ",".join(jobs)
    f"{jobs}".join(jobs)
    os.path.join("a")
    pool.queue.get()
    pool.start().join()
    return pool.work


def test_a_text_is_left_out_and_what_a_call_gave_is_no_variable():
    """What a text is asked for waits for nothing; what a call gave is not known."""
    assert {chain for chain in chains_in(asks.__code__) if "join" in chain} == {("os", "path", "join"), ("", "join")}


def test_what_is_called_is_told_from_what_is_handed_on():
    """A method that is only returned is not called."""
    assert ("pool", "queue", "get") in chains_called(asks.__code__)
    assert ("pool", "work") in chains_in(asks.__code__) - chains_called(asks.__code__)


def test_a_chain_that_leads_nowhere_is_missing():
    """Nothing is raised for it."""
    assert value_of(("os", "path", "join"), {"os": os}, {}) is os.path.join
    assert value_of(("os", "nowhere", "join"), {"os": os}, {}) is MISSING
    assert value_of(("nothing", "x"), {}, {}) is MISSING


class Pool:
    n = 4
    threads = []

    def first(self):
        return len(self.threads) < self.n

    def last(self):
        return self.n > len(self.threads)

    def number(self):
        return len(self.threads) >= 8

    def text(self):
        return len(self.threads) < "4" or len(self.threads) < None

    def item(self):
        return len(self.threads) < self.settings["n"]

    def other(self):
        return self.n > 3 or str(self.threads) == self.n


@pytest.mark.parametrize("method, found", [
    (Pool.first, [(("self", "threads"), ("self", "n"))]),
    (Pool.last, [(("self", "threads"), ("self", "n"))]),
    (Pool.number, [(("self", "threads"), 8)]),
    (Pool.item, [(("self", "threads"), ("self", "settings", "[]n"))]),
    (Pool.text, []),
    (Pool.other, []),
])
def test_what_a_length_is_compared_with(method, found):
    """On whichever side it stands; a number in the code counts too."""
    assert list(length_compared(method.__code__)) == found


def test_a_few_of_many():
    """Of a collection with a million entries no more is looked at than some."""
    assert a_few(itertools.count()) == list(range(16))
    changing = {1: 1, 2: 2}
    assert a_few(changing.setdefault(key + 2, key) for key in changing) == []


def goes_over(pool, number):
    for one in pool.threads:
        one.start()
    for _ in range(number):
        work()
    for _ in range(1, number):
        work()
    for _ in range(4):
        work()


def work():
    pass


def test_what_a_loop_goes_over():
    """A list by its chain, a range by its number; of anything else it is not known."""
    found = iterated(goes_over.__code__)
    assert [found[start] for start, _ in sorted(loops(goes_over.__code__))] == [
        (False, ("pool", "threads")), (True, ("number",)), (False, ()), (True, 4)]
