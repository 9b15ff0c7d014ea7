"""What is known of the server: at startup, on a request, from the operator."""

import http.client
import sys
import threading
import time
from contextlib import contextmanager
from wsgiref.simple_server import make_server

import pytest
from conftest import DEADLINE, Response, new_environ

from threadguard import rules
from threadguard.servers import readers
from threadguard.servers.evidence import Evidence
from threadguard.model import Finding, Reading, Source
from threadguard.process.facts import Process


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


def answers(capacity, source=Source.SETTING, **more):
    return readers.Answers({"a": Reading(source, "a", capacity, "read", "change it", **more)}, ())


@pytest.mark.parametrize("startup, request_, status", [(4, 1, "single-threaded"), (1, 4, "threaded")])
def test_the_request_s_answer_replaces_startup_s_in_both_directions(startup, request_, status):
    """And both are reported."""
    evidence = Evidence(answers(startup))
    evidence.request = answers(request_, Source.POOL)
    evidence.weigh()
    assert evidence.verdict.status == status
    assert evidence.verdict.findings[1].sentence.startswith("at startup, a lets ")


def test_what_startup_alone_could_read_stays():
    """A reader that says nothing on the request has not taken anything back."""
    evidence = Evidence(answers(4))
    evidence.request = readers.Answers({"wsgi.multithread": Reading(Source.DECLARED, "x", 1, "flag")}, ())
    evidence.weigh()
    assert evidence.verdict.capacity == 4


def test_the_grounds_are_what_was_observed_or_what_decides():
    """That is what is logged."""
    evidence = Evidence(answers(4))
    assert [finding.code for finding in evidence.grounds] == ["TG101"]
    evidence.observed = (Finding("TG301", "seen"),)
    evidence.weigh()
    assert [finding.code for finding in evidence.grounds] == ["TG301"]


def test_a_reading_that_a_later_request_withdraws_is_made_again(guarded, monkeypatch):
    """Embedded mod_wsgi serves one connection by HTTP/1.1 and is entered by HTTP/2 on the next."""
    asked = []

    def on_request(environ, is_guard):
        asked.append(environ["SERVER_PROTOCOL"])
        by_http2 = environ["SERVER_PROTOCOL"] == "HTTP/2.0"
        return answers(4 if by_http2 else 1, Source.POOL,
                       withdrawn_by=None if by_http2 else lambda later: later["SERVER_PROTOCOL"] == "HTTP/2.0")

    monkeypatch.setattr(readers, "on_request", on_request)
    guard = guarded(hello)
    for _ in range(3):
        assert Response(guard, new_environ(SERVER_PROTOCOL="HTTP/1.1")).body == b"hello"
    assert Response(guard, new_environ(SERVER_PROTOCOL="HTTP/2.0")).status == "503 Service Unavailable"
    assert asked == ["HTTP/1.1", "HTTP/1.1", "HTTP/2.0"]


def test_a_pool_of_one_is_read_again_on_the_2nd_4th_and_8th_request(guarded, monkeypatch):
    """A second server may start after the first has served, as CherryPy's do; later nothing is looked at any more."""
    asked = []

    def on_request(environ, is_guard):
        asked.append(environ["number"])
        return answers(1, Source.POOL)

    monkeypatch.setattr(readers, "on_request", on_request)
    guard = guarded(hello)
    for number in range(1, 40):
        assert Response(guard, new_environ(number=number)).body == b"hello"
    assert asked == [1, 2, 4, 8]


def test_a_second_server_that_starts_after_the_first_has_served_is_seen(guarded):
    """Each of the two serves one at a time, and both together two."""
    guard = guarded(hello, policy="log")
    with serving(guard) as first:
        get(first)
        assert guard.verdict.status == "single-threaded"
        with serving(guard):
            get(first)
            assert guard.verdict.status == "threaded"


@contextmanager
def serving(app):
    """A wsgiref server in a thread; gives its port."""
    with make_server("127.0.0.1", 0, app) as server:
        started = threading.Event()
        server.service_actions = started.set  # called by its loop
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            assert started.wait(DEADLINE)
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(DEADLINE)


def get(port):
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    connection.request("GET", "/")
    assert connection.getresponse().read() == b"hello"
    connection.close()


def test_a_reader_that_raises_is_a_finding_and_nothing_else(guarded, monkeypatch, caplog):
    """It never breaks the application and never counts as single."""
    class Broken:
        NAME, REMEDY, READS = "broken", "", ()

        def at_startup(self, process):
            raise AttributeError("moved in version 9")

        on_request = serves = at_startup

    monkeypatch.setattr(readers, "SERVERS", (Broken(),))
    guard = guarded(hello)
    assert Response(guard).body == b"hello"
    assert [finding.code for finding in guard.verdict.findings] == ["TG204", "TG402"]
    assert "the reader for broken failed" in caplog.text and "AttributeError: moved in version 9" in caplog.text
    assert len(caplog.records) == 1


def test_what_came_while_a_request_was_looked_at_is_looked_at_too(monkeypatch):
    """A server may be starting its threads: the first look knows only of those that were there."""
    looks, over = [], [True, False]
    monkeypatch.setattr(rules, "RULES", (lambda process, is_guard: looks.append(process),))
    monkeypatch.setattr(rules.RULES[0], "__name__", "rule")
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
    monkeypatch.setattr(rules, "RULES", (lambda process, is_guard: reading,))
    monkeypatch.setattr(rules.RULES[0], "__name__", "rule")
    evidence = Evidence()
    evidence.request = readers.on_request({}, lambda thing: False)
    evidence.weigh()
    assert evidence.verdict.findings[0] == Finding(
        "TG202", "a lets any number of requests at once into each process", "maximum is without limit", "change it")
    assert (evidence.verdict.capacity, evidence.verdict.unbounded) == (None, True)
