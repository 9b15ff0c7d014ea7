"""Each finding once, repeats summed up at most once a minute."""

import logging

from threadguard.model import Finding
from threadguard.telling import Telling


def test_repeats_are_summed_up_at_most_once_a_minute(caplog):
    """Never a line per request, and none of them is lost."""
    now = [0.0]
    telling = Telling(lambda: now[0])
    for second in (1, 30, 59.9):
        now[0] = second
        telling.again("TG301")
    assert caplog.text == ""
    now[0] = 61
    telling.again("TG301")
    assert [record.getMessage() for record in caplog.records] == ["TG301 again, 4 times since the last report of it"]
    now[0] = 62
    telling.again("TG301")
    assert len(caplog.records) == 1


def test_a_finding_is_told_once(caplog):
    """Another one is news."""
    telling, first, second = Telling(), Finding("TG101", "one"), Finding("TG101", "two")
    telling.once(logging.ERROR, [first, first])
    telling.once(logging.ERROR, [first, second])
    assert [record.getMessage() for record in caplog.records] == ["TG101 one", "TG101 two"]


def test_a_code_is_told_once(caplog):
    """Whatever its evidence says the second time."""
    telling = Telling()
    telling.once_by_code(logging.WARNING, Finding("TG305", "x", "first"))
    telling.once_by_code(logging.WARNING, Finding("TG305", "x", "second"))
    assert len(caplog.records) == 1
