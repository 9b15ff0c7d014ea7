"""Each finding once, repeats summed up at most once a minute."""

import logging

import pytest
from conftest import Response, held_inside, new_environ

from threadguard.model import Finding
from threadguard.report.log import Telling


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


class Caller(logging.Handler):
    """A handler that calls the application."""

    def __init__(self, app):
        super().__init__()
        self.app, self.statuses = app, []

    def emit(self, record):
        self.statuses.append(Response(self.app, new_environ(wsgi__multithread=True)).status)


@pytest.fixture
def calling():
    """A function that lets the logger call an application."""
    log, handlers = logging.getLogger("threadguard"), []

    def calling(app):
        handlers.append(Caller(app))
        log.addHandler(handlers[0])
        return handlers[0]

    yield calling
    for handler in handlers:
        log.removeHandler(handler)


def test_a_handler_that_calls_the_application_is_refused_too(guarded, gate, calling):
    """It is called for a request that is refused, and so is not nested in one that is inside."""
    guard = guarded(gate)
    with held_inside(guard, gate):
        caller = calling(guard)
        assert Response(guard).status.startswith("503")
    assert caller.statuses == ["503 Service Unavailable"] and gate.entered == ["/held"]
    assert guard.stats().refused == 2 and guard.stats().requests == 1


def test_a_handler_that_calls_the_application_at_the_first_reading_is_refused_too(guarded, gate, calling):
    """What it is told is that the process is threaded."""
    guard = guarded(gate)
    caller = calling(guard)
    assert Response(guard, new_environ(wsgi__multithread=True)).status.startswith("503")
    assert caller.statuses == ["503 Service Unavailable"] and gate.entered == []
