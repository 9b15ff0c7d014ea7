"""Repeats are counted, and summed up at most once a minute."""

import logging

from threadguard.repeats import Repeats


def test_repeats_are_summed_up_at_most_once_a_minute(caplog):
    """Never a line per request, and none of them is lost."""
    now = [0.0]
    repeats = Repeats(logging.getLogger("threadguard"), lambda: now[0])
    for second in (1, 30, 59.9):
        now[0] = second
        repeats.count("TG301")
    assert caplog.text == ""
    now[0] = 61
    repeats.count("TG301")
    assert [record.getMessage() for record in caplog.records] == ["TG301 again, 4 times since the last report of it"]
    now[0] = 62
    repeats.count("TG301")
    assert len(caplog.records) == 1
