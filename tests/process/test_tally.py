"""Counting by many at once, without a lock."""

import sys
import threading

from threadguard.process.tally import Tally


def test_reading_a_tally_does_not_count():
    """However often it is read, it says how often something was added."""
    tally = Tally()
    seen = [tally.total(), tally.total()]
    tally.add()
    seen += [tally.total(), tally.total()]
    tally.add()
    assert seen + [tally.total()] == [0, 0, 1, 1, 2]


def test_no_addition_is_lost(request):
    """Threads that add while another reads: the shortest switch interval loses none."""
    interval = sys.getswitchinterval()
    request.addfinalizer(lambda: sys.setswitchinterval(interval))
    sys.setswitchinterval(1e-6)
    tally = Tally()

    def work():
        for number in range(2000):
            tally.add()
            if number % 100 == 0:
                tally.total()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert tally.total() == 8000
