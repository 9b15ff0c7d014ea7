"""Each finding once, repeats summed up at most once a minute; the form of a record, and handlers that misbehave."""

import logging
import threading
from contextlib import suppress

import pytest
from conftest import DEADLINE, Response, held_inside, in_threads, new_environ

from threadguard.model import Finding
from threadguard.report import text as report
from threadguard.report.log import FIELDS, FindingLog


def facts():
    return {"verdict": "threaded", "server": "waitress", "capacity": 4, "group": "default"}


def new_log(clock=lambda: 0.0):
    log = FindingLog(facts, clock)
    log.note_guard()
    return log


def test_repeats_are_summed_up_at_most_once_a_minute(caplog):
    """Never a line per request, and none of them is lost."""
    now = [0.0]
    log = new_log(lambda: now[0])
    for second in (1, 30, 59.9):
        now[0] = second
        log.count_repeat("TG301")
    assert caplog.text == ""
    now[0] = 61
    log.count_repeat("TG301")
    assert [record.getMessage() for record in caplog.records] == ["TG301 again, 4 times since the last report of it"]
    now[0] = 62
    log.count_repeat("TG301")
    assert len(caplog.records) == 1
    now[0] = 121
    log.count_repeat("TG303")
    assert [record.repeats for record in caplog.records] == [4, 1, 1]


def test_of_many_that_find_a_minute_over_one_sums_up(caplog):
    """However many threads ask at that moment, no repeat is reported twice."""
    now, threads, begin = [0.0], 4, threading.Barrier(4)
    log = new_log(lambda: now[0])

    def count():
        begin.wait(DEADLINE)
        log.count_repeat("TG301")

    for minute in range(1, 101):
        now[0] = minute * 61.0
        in_threads(*[lambda: count() for _ in range(threads)])
        assert len(caplog.records) <= minute
    now[0] += 61
    log.count_repeat("TG301")
    assert sum(record.repeats for record in caplog.records) == 100 * threads + 1


def test_an_exception_that_strikes_as_a_minute_is_over_ends_no_summary_for_ever(caplog):
    """A signal's handler may raise between any two calls: the next minute sums up what this one did not."""
    now = [0.0]
    log = new_log(lambda: now[0])
    now[0] = 61
    log._summaries.setdefault(1, (61.0,))  # struck right after it
    log.count_repeat("TG301")
    assert caplog.text == ""
    now[0] = 122
    log.count_repeat("TG301")
    assert [record.repeats for record in caplog.records] == [2]


def test_a_finding_is_logged_once(caplog):
    """What two sources say alike, settings and then threads, or a second measurement, is one; another one is news."""
    log = new_log()
    for code, sentence, evidence in (("TG101", "four at once", "the settings"), ("TG201", "four at once", "its pool"),
                                     ("TG201", "four at once", "its pool, again"), ("TG101", "two at once", "")):
        log.log_once(logging.ERROR, Finding(code, sentence, evidence))
    assert [text.splitlines()[0] for text in caplog.messages] == ["TG101 four at once", "TG101 two at once"]


def test_one_of_many_threads_logs_a_finding(caplog):
    """They may find it at the same moment."""
    log, begin = new_log(), threading.Barrier(8)

    def find():
        begin.wait(DEADLINE)
        for number in range(50):
            log.log_once(logging.ERROR, Finding("TG101", "number %d" % number))

    in_threads(*[lambda: find() for _ in range(8)])
    assert sorted(record.getMessage() for record in caplog.records) == sorted(
        "TG101 number %d" % number for number in range(50))


def test_all_records_of_a_code_have_the_same_message_and_differ_in_arguments(caplog):
    """Sentry and others group by it; the text is the one form of a finding."""
    now = [0.0]
    log = new_log(lambda: now[0])
    findings = [Finding("TG101", "one"), Finding("TG101", "two", "100 %", "change %s", "a.ini", 3)]
    for finding in findings:
        log.log_once(logging.ERROR, finding)
    now[0] = 61
    log.count_repeat("TG101")
    log.log_once(logging.ERROR, Finding("TG102", "other"))
    assert [record.getMessage() for record in caplog.records][:2] == [report.text_of(finding) for finding in findings]
    assert len({record.msg for record in caplog.records[:3]}) == 1
    assert caplog.records[3].msg != caplog.records[0].msg


def test_a_record_has_fields(caplog):
    """For who looks for a code, or writes JSON."""
    new_log().log_once(logging.ERROR, Finding("TG101", "one", "because", "threads = 1"))
    [record] = caplog.records
    plain = vars(logging.makeLogRecord({}))
    assert set(FIELDS) == set(vars(record)) - set(plain) - {"message", "asctime"}
    assert {name: getattr(record, name) for name in FIELDS} == {
        **facts(), "code": "TG101", "pid": record.process, "remedy": "threads = 1", "repeats": 0}
    assert (record.name, record.levelname, record.funcName) == ("threadguard", "ERROR", "write")
    assert record.pathname.endswith("log.py") and record.module == "log"


def test_an_overlap_says_in_fields_what_is_known(guarded, gate, caplog):
    """The verdict that it leads to, and the server that was found."""
    guard = guarded(gate, policy="log")
    with held_inside(guard, gate), held_inside(guard, gate):
        pass
    [record] = caplog.records
    assert (record.code, record.verdict, record.server, record.capacity) == ("TG301", "threaded", None, None)
    assert record.group == guard._group.name and record.pid == guard.stats().pid


def test_a_field_of_the_operator_s_own_stays(caplog):
    """A record factory may have a field of the name: logging itself would raise."""
    factory = logging.getLogRecordFactory()

    def with_server(*args, **options):
        record = factory(*args, **options)
        record.server = "web-1"
        return record

    logging.setLogRecordFactory(with_server)
    try:
        new_log().log_once(logging.ERROR, Finding("TG101", "one"))
    finally:
        logging.setLogRecordFactory(factory)
    [record] = caplog.records
    assert (record.server, record.code) == ("web-1", "TG101")


class Moves:
    """An application that stays inside, and is elsewhere each time it is looked for."""

    def __init__(self):
        self.inside, self.next, self.moved = threading.Semaphore(0), threading.Semaphore(0), threading.Semaphore(0)

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        self.inside.release()
        assert self.next.acquire(timeout=DEADLINE)
        self.moved.release()
        assert self.next.acquire(timeout=DEADLINE)
        return [b"x"]


def test_who_keeps_its_place_is_named_once_however_many_wait(guarded, caplog):
    """Wherever it stands meanwhile; another one is named as well."""
    app = Moves()
    guard = guarded(app, policy="serialize", serialize_timeout=0.05)
    for holder in range(2):
        thread = threading.Thread(target=lambda: Response(guard))
        thread.start()
        assert app.inside.acquire(timeout=DEADLINE)
        try:
            assert Response(guard).status.startswith("503")
            app.next.release()
            assert app.moved.acquire(timeout=DEADLINE)
            assert Response(guard).status.startswith("503")
        finally:
            app.next.release()
            thread.join(DEADLINE)
            assert not thread.is_alive()
    assert [record.code for record in caplog.records].count("TG304") == 2


@pytest.fixture(params=["a handler", "a filter"])
def broken_log(request):
    """The logger with a handler or a filter that raises."""
    def fail(record):
        raise OSError("no space left")

    log, handler = logging.getLogger("threadguard"), logging.Handler()
    handler.emit = fail
    log.addHandler(handler) if request.param == "a handler" else log.addFilter(fail)
    yield
    log.removeHandler(handler)
    log.removeFilter(fail)


def test_what_a_handler_raises_is_shown_and_goes_no_further(broken_log, capsys):
    """As it is with the handlers of the standard library."""
    new_log().log_once(logging.ERROR, Finding("TG101", "one"))
    assert capsys.readouterr().err.endswith("OSError: no space left\n")


@pytest.mark.parametrize("policy, status", [("log", "200"), ("refuse", "503"), ("serialize", "200")])
def test_a_broken_log_costs_no_request(broken_log, guarded, policy, status):
    """Nobody would have met it without the guard."""
    guard = guarded(lambda environ, start: (start("200 OK", []), [b"x"])[1], policy=policy)
    assert Response(guard, new_environ(wsgi__multithread=True)).status.startswith(status)
    assert guard.stats().in_flight == 0


@pytest.mark.parametrize("held", [True, False], ids=["at a collision", "at the first reading"])
def test_a_handler_that_calls_the_application_is_refused_too(guarded, gate, held):
    """It is called for a request that is refused, and so is not nested in one that is inside."""
    log, handler, statuses, guard = logging.getLogger("threadguard"), logging.Handler(), [], guarded(gate)
    handler.emit = lambda record: statuses.append(Response(guard, new_environ(wsgi__multithread=True)).status)
    with held_inside(guard, gate) if held else suppress():
        log.addHandler(handler)
        try:
            assert Response(guard, new_environ(wsgi__multithread=True)).status.startswith("503")
        finally:
            log.removeHandler(handler)
    assert statuses == ["503 Service Unavailable"] and gate.entered == ["/held"] * held
    assert (guard.stats().refused, guard.stats().requests) == (2, int(held))
