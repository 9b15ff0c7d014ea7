"""Counting by many at once, without a lock."""

import sys
import threading

import pytest

from threadguard.process import tally
from threadguard.process.tally import Tally


def test_reading_a_tally_does_not_count():
    """However often it is read, it says how often something was added."""
    counted = Tally()
    seen = [counted.total(), counted.total()]
    counted.add()
    seen += [counted.total(), counted.total()]
    counted.add()
    assert seen + [counted.total()] == [0, 0, 1, 1, 2]


@pytest.mark.parametrize("new_count", [tally.new_count, tally._Count])
def test_each_number_is_drawn_once(request, new_count):
    """Threads that draw while they read how many were drawn: the shortest switch interval loses none."""
    interval = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    sys.setswitchinterval(1e-6)
    numbers, drawn = new_count(), []

    def work():
        for number in range(2000):
            drawn.append(next(numbers))
            if number % 100 == 0:
                tally.drawn(numbers)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(drawn) == list(range(8000)) and tally.drawn(numbers) == 8000
