"""Each finding once, repeats summed up at most once a minute."""

import logging

import pytest
from conftest import Response, new_environ

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


class FullDisk(logging.Handler):
    """A handler that does not keep its errors to itself."""

    def emit(self, record):
        raise OSError("no space left")


class Broken(logging.Filter):
    """A filter that raises."""

    def filter(self, record):
        raise OSError("no space left")


@pytest.fixture(params=["a handler", "a filter"])
def broken_log(request):
    """The logger with a handler or a filter that raises."""
    log, handler, broken = logging.getLogger("threadguard"), FullDisk(), Broken()
    log.addHandler(handler) if request.param == "a handler" else log.addFilter(broken)
    yield
    log.removeHandler(handler)
    log.removeFilter(broken)


def test_what_a_handler_raises_is_shown_and_goes_no_further(broken_log, capsys):
    """As it is with the handlers of the standard library."""
    Telling().once(logging.ERROR, [Finding("TG101", "one")])
    assert capsys.readouterr().err.endswith("OSError: no space left\n")


@pytest.mark.parametrize("policy, status", [("log", "200"), ("refuse", "503"), ("serialize", "200")])
def test_a_broken_log_costs_no_request(broken_log, guarded, policy, status):
    """Nobody would have met it without the guard."""
    guard = guarded(lambda environ, start: (start("200 OK", []), [b"x"])[1], policy=policy)
    assert Response(guard, new_environ(wsgi__multithread=True)).status.startswith(status)
    assert guard.stats().in_flight == 0
