"""What is known of the server: at startup, on a request, from the operator."""

import sys
import threading
import time

import pytest
from conftest import DEADLINE, Response, new_environ

from threadguard.servers import readers, unknown
from threadguard.servers.evidence import Evidence
from threadguard.servers.origin import Origin
from threadguard.model import Finding, Reading, Source
from threadguard.process.facts import Process


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


def answers(capacity, source=Source.SETTING, **more):
    readings = {"a": Reading(source, "a", capacity, "read", "change it", **more)}
    return readers.Answers(readings, (), Origin.SERVER if source is Source.POOL else Origin.PLAIN)


@pytest.mark.parametrize("startup, request_, status", [(4, 1, "single-threaded"), (1, 4, "threaded")])
def test_the_request_s_answer_replaces_startup_s_in_both_directions(startup, request_, status):
    """And both are reported."""
    evidence = Evidence(answers(startup))
    evidence.request = answers(request_, Source.POOL)
    evidence.update_verdict()
    assert evidence.verdict.status == status
    assert evidence.verdict.findings[1].sentence.startswith("at startup, a lets ")


def test_what_startup_alone_could_read_stays():
    """A reader that says nothing on the request has not taken anything back."""
    evidence = Evidence(answers(4))
    evidence.request = readers.Answers({"wsgi.multithread": Reading(Source.DECLARED, "x", 1, "flag")}, ())
    evidence.update_verdict()
    assert evidence.verdict.capacity == 4


def test_a_reading_that_a_later_request_invalidates_is_made_again(guarded, monkeypatch):
    """Embedded mod_wsgi serves one connection by HTTP/1.1 and is entered by HTTP/2 on the next."""
    asked = []

    def on_request(environ, is_guard, is_server_known):
        asked.append(environ["SERVER_PROTOCOL"])
        by_http2 = environ["SERVER_PROTOCOL"] == "HTTP/2.0"
        return answers(4 if by_http2 else 1, Source.POOL,
                       invalidated_by=None if by_http2 else lambda later: later["SERVER_PROTOCOL"] == "HTTP/2.0")

    monkeypatch.setattr(readers, "on_request", on_request)
    guard = guarded(hello)
    for _ in range(3):
        assert Response(guard, new_environ(SERVER_PROTOCOL="HTTP/1.1")).body == b"hello"
    assert Response(guard, new_environ(SERVER_PROTOCOL="HTTP/2.0")).status == "503 Service Unavailable"
    assert asked == ["HTTP/1.1", "HTTP/1.1", "HTTP/2.0"]


def test_a_pool_of_one_is_read_again_on_the_2nd_4th_and_8th_request(guarded, monkeypatch):
    """A second server may start after the first has served, as CherryPy's do; later nothing is looked at any more."""
    asked = []

    def on_request(environ, is_guard, is_server_known):
        asked.append(environ["number"])
        return answers(1, Source.POOL)

    monkeypatch.setattr(readers, "on_request", on_request)
    guard = guarded(hello)
    for number in range(1, 40):
        assert Response(guard, new_environ(number=number)).body == b"hello"
    assert asked == [1, 2, 4, 8]


def test_each_new_way_is_looked_at_until_the_server_has_shown_itself(guarded, monkeypatch):
    """A warm-up says nothing of the server, so what comes otherwise is read, however many calls have come before."""
    asked = []

    def on_request(environ, is_guard, is_server_known):
        asked.append(environ["number"])
        return readers.Answers({}, ())

    monkeypatch.setattr(readers, "on_request", on_request)
    guard = guarded(hello)
    for number in range(6):
        Response(guard, new_environ(number=number))
    (lambda: Response(guard, new_environ(number="another way")))()
    assert asked == [0, 1, 3, "another way"]


@pytest.mark.parametrize("said, read", [(1, 4), (4, 1), (2, 4)])
def test_the_operator_s_number_overrules_what_is_read_and_the_contradiction_stays(said, read):
    """It is a way out of a wrong judgement, and the report tells that the server says otherwise."""
    evidence = Evidence(answers(read), said)
    assert evidence.verdict.capacity == said
    assert [finding.code for finding in evidence.verdict.findings] == ["TG103", "TG107"]
    assert evidence.verdict.findings[1].sentence.startswith("server_threads = %d is contradicted: a lets " % said)


def test_the_operator_s_number_that_agrees_is_the_only_finding():
    """One cause is one finding."""
    assert [finding.code for finding in Evidence(answers(4), 4).verdict.findings] == ["TG103"]


def test_only_what_was_observed_overrules_the_operator():
    """Then the report says that the number is wrong."""
    evidence = Evidence(server_threads=1)
    evidence.observed = (Finding("TG301", "two requests were inside", "seen"),)
    evidence.update_verdict()
    assert evidence.verdict.status == "threaded"
    assert [finding.code for finding in evidence.verdict.findings] == ["TG301", "TG103", "TG107"]
    assert evidence.verdict.findings[2].sentence == "server_threads = 1 is contradicted: two requests were inside"


def test_a_contradiction_is_logged_once_at_warning(guarded, monkeypatch, caplog):
    """And requests are served."""
    monkeypatch.setattr(readers, "on_request", lambda *args: answers(4, Source.POOL))
    guard = guarded(hello, server_threads=1)
    for _ in range(3):
        assert Response(guard).status == "200 OK"
    assert [(record.levelname, "TG107" in record.getMessage()) for record in caplog.records] == [("WARNING", True)]


def test_a_number_that_is_given_later_is_weighed_at_once(guarded, monkeypatch):
    """The guard that gives it is built, and the others of the group let their requests in."""
    monkeypatch.setattr(readers, "on_request", lambda *args: answers(4, Source.POOL))
    guard = guarded(hello)
    assert Response(guard).status == "503 Service Unavailable"
    guarded(hello, server_threads=1)
    assert Response(guard).status == "200 OK"


def test_one_cause_is_told_once(guarded, monkeypatch, caplog):
    """The setting at startup, and the pool that the request shows, are one server of four threads."""
    monkeypatch.setattr(readers, "at_startup", lambda: answers(4))
    monkeypatch.setattr(readers, "on_request", lambda *args: answers(4, Source.POOL))
    guard = guarded(hello, policy="log")
    for _ in range(3):
        Response(guard)
    assert [record.getMessage()[:5] for record in caplog.records] == ["TG101"]
    assert [finding.code for finding in guard.verdict.findings] == ["TG201"]


def test_another_number_is_told_as_well(guarded, monkeypatch, caplog):
    """Then the setting was not the cause, or not alone."""
    monkeypatch.setattr(readers, "at_startup", lambda: answers(4))
    monkeypatch.setattr(readers, "on_request", lambda *args: answers(10, Source.POOL))
    Response(guarded(hello, policy="log"))
    assert [record.getMessage()[:5] for record in caplog.records] == ["TG101", "TG201"]


def test_a_reader_that_raises_is_a_finding_and_nothing_else(guarded, monkeypatch, caplog):
    """It never breaks the application and never counts as single."""
    class Broken:
        NAME, REMEDY, READS, CALLS = "broken", "", (), ()

        def at_startup(self, process):
            raise AttributeError("moved in version 9")

        on_request = serves = at_startup

    monkeypatch.setattr(readers, "SERVERS", (Broken(),))
    guard = guarded(hello)
    assert Response(guard).body == b"hello"
    assert [finding.code for finding in guard.verdict.findings] == ["TG204", "TG402"]
    assert "the reader for broken failed" in caplog.text and "AttributeError: moved in version 9" in caplog.text
    assert len(caplog.records) == 1


@pytest.mark.parametrize("flag, code, status", [(False, "TG204", "single-threaded"), (True, "TG203", "threaded")])
def test_a_look_at_the_process_that_raises_is_a_finding_too(monkeypatch, guarded, flag, code, status):
    """Then the server's own word is all there is."""
    def broken(environ=None):
        raise RuntimeError("a stack that was torn")

    monkeypatch.setattr(readers, "Process", broken)
    guard = guarded(hello, policy="log")
    assert Response(guard, new_environ(wsgi__multithread=flag)).body == b"hello"
    assert [finding.code for finding in guard.verdict.findings] == [code, "TG402"] and guard.verdict.status == status


def test_a_reading_that_another_thread_forgets_meanwhile_is_made_again(monkeypatch):
    """The server of an earlier reading was shut down, and two requests of the next one found that at once."""
    monkeypatch.setattr(readers, "on_request", lambda environ, is_guard, is_known: answers(4, Source.POOL))
    evidence = Evidence()
    with monkeypatch.context() as patched:
        patched.setattr(Evidence, "update_verdict", lambda self: setattr(self, "request", None))
        evidence.read(1, {}, lambda thing: False)
    assert evidence.is_due(2, {})
    evidence.read(2, {}, lambda thing: False)
    assert evidence.verdict.capacity == 4


def test_what_came_while_a_request_was_looked_at_is_looked_at_too(monkeypatch):
    """A server may be starting its threads: the first look knows only of those that were there."""
    looks, over = [], [True, False]
    monkeypatch.setattr(unknown, "SIGNS", (lambda process: looks.append(process),))
    monkeypatch.setattr(unknown.SIGNS[0], "__name__", "sign")
    monkeypatch.setattr(Process, "is_over", lambda process: over.pop(0))
    readers.on_request({}, lambda thing: False)
    assert len(looks) == 2


def test_a_moment_is_over_when_a_thread_has_come():
    """On a free-threaded Python that is seen once it sleeps."""
    begun, end = threading.Event(), threading.Event()
    with Process() as process:
        assert not process.is_over()
        thread = threading.Thread(target=lambda: (begun.set(), end.wait(DEADLINE)))
        thread.start()
        try:
            assert begun.wait(DEADLINE)
            deadline = time.monotonic() + DEADLINE
            while not process.is_over():
                assert time.monotonic() < deadline
        finally:
            end.set()
            thread.join(DEADLINE)


@pytest.mark.parametrize("bound", [sys.maxsize, 2 ** 31 - 1])
def test_a_bound_that_no_process_reaches_is_told_as_none(bound, monkeypatch):
    """flup's pool has `sys.maxsize` by default."""
    reading = Reading(Source.POOL, "a", bound, "maximum is %d" % bound, "change it")
    monkeypatch.setattr(unknown, "SIGNS", (lambda process: reading,))
    monkeypatch.setattr(unknown.SIGNS[0], "__name__", "sign")
    evidence = Evidence()
    evidence.request = readers.on_request({}, lambda thing: False)
    evidence.update_verdict()
    assert evidence.verdict.findings[0] == Finding(
        "TG202", "a lets any number of requests at once into each process", "maximum is without limit", "change it")
    assert (evidence.verdict.capacity, evidence.verdict.unbounded) == (None, True)
