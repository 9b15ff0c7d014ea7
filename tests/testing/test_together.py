"""Requests that are sent together: at the same moment, in any form, with their responses in order."""

import io
import sys
import threading

import pytest
import webob
from conftest import DEADLINE
from werkzeug.test import EnvironBuilder, TestResponse

from threadguard.guard.group import Group
from threadguard.testing import sending, together
from threadguard.testing.sending import Entrance


def echo(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Query", environ["QUERY_STRING"])])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ["PATH_INFO"].encode(), b" ", environ["wsgi.input"].read()]


def body_of(response):
    return getattr(response, "body", None) or response.data


PLAIN = {"REQUEST_METHOD": "POST", "PATH_INFO": "/plain", "QUERY_STRING": "q", "wsgi.input": io.BytesIO(b"sent")}


@pytest.mark.parametrize("request_, kind, body, query", [
    pytest.param("/path?q", webob.Response, b"GET /path ", "q", id="a path"),
    pytest.param(PLAIN, webob.Response, b"POST /plain sent", "q", id="an environ"),
    pytest.param({"PATH_INFO": "/short"}, webob.Response, b"GET /short ", "", id="an environ that is not complete"),
    pytest.param(webob.Request.blank("/webob?q", POST=b"sent"), webob.Response, b"POST /webob sent", "q",
                 id="a WebOb request"),
    pytest.param(EnvironBuilder("/werkzeug?q", method="PUT", data=b"sent"), TestResponse, b"PUT /werkzeug sent", "q",
                 id="a Werkzeug EnvironBuilder")])
def test_each_kind_of_request_has_a_response_of_its_kind(request_, kind, body, query):
    """Whatever makes requests in a test suite can be sent, and is answered in its own words."""
    [response] = together(echo, [request_])
    assert isinstance(response, kind)
    assert (response.status_code, body_of(response), response.headers["X-Query"]) == (200, body, query)


def test_a_response_is_of_the_class_of_the_request():
    """A WebOb request with a `ResponseClass` of its own gets that one, as WebTest's does."""
    class Response(webob.Response):
        pass

    class Request(webob.Request):
        ResponseClass = Response

    [response] = together(echo, [Request.blank("/")])
    assert type(response) is Response


@pytest.mark.parametrize("app, requests, threads, error, message", [
    (pytest.fail, ["/", 42], None, TypeError, "^together sends WebOb requests, .*; 42 is none of these$"),
    (pytest.fail, ["/"], 0, ValueError, "^together sends from 1 thread or more, not from 0$"),
    (pytest.fail, ["/"], -1, ValueError, "^together sends from 1 thread or more, not from -1$"),
    (pytest.fail, "/path", None, TypeError, "^together takes a list of requests; .* is one request$"),
    (pytest.fail, {"PATH_INFO": "/path"}, None, TypeError, "^together takes a list of requests; .* is one request$"),
    (lambda environ, start_response: [b"body"], ["/a"], None, RuntimeError,
     "^the application answered GET /a without a call of start_response$"),
])
def test_wrong_use_is_named(app, requests, threads, error, message):
    """Before anything is sent: a path would be sent letter by letter."""
    with pytest.raises(error, match=message):
        together(app, requests, threads=threads)


class Meeting:
    """Requests that wait for each other inside."""

    def __init__(self, number):
        self.barrier = threading.Barrier(number)
        self.threads = set()

    def __call__(self, environ, start_response):
        self.barrier.wait(DEADLINE)
        self.threads.add(threading.get_ident())
        return echo(environ, start_response)


def test_all_are_inside_at_the_same_time():
    """Each request has a thread of its own, and all of them are inside together."""
    meeting = Meeting(5)
    responses = together(meeting, ["/%d" % number for number in range(5)])
    assert [response.body for response in responses] == [b"GET /%d " % number for number in range(5)]
    assert len(meeting.threads) == 5 and threading.get_ident() not in meeting.threads


def test_the_same_request_may_be_sent_twice():
    """Two copies of one request are two requests, each with a body to read."""
    request = webob.Request.blank("/", POST=b"sent")
    responses = together(Meeting(2), [request, request])
    assert [response.body for response in responses] == [b"POST / sent"] * 2


@pytest.mark.parametrize("number, threads, from_caller", [
    (5, 2, [False] * 4 + [True]), (2, 1, [True, True]), (0, None, [])])
def test_a_number_of_threads_makes_lots(number, threads, from_caller):
    """With threads=2 two are sent together, then the next two; one alone is sent in the caller's thread."""
    counts = []

    def app(environ, start_response):
        counts.append(threading.current_thread() is threading.main_thread())
        return echo(environ, start_response)

    responses = together(app, ["/%d" % each for each in range(number)], threads=threads)
    assert [response.body for response in responses] == [b"GET /%d " % each for each in range(number)]
    assert counts == from_caller


def test_the_interpreter_switches_often_while_they_are_sent():
    """The switch interval is the shortest for the requests, and then what it was; also with one sender in another."""
    before = sys.getswitchinterval()
    seen = []

    def app(environ, start_response):
        seen.append(sys.getswitchinterval())
        return echo(environ, start_response)

    def sender(environ, start_response):
        together(app, ["/inner", "/inner"])
        return app(environ, start_response)

    together(sender, ["/a", "/b"])
    assert sys.getswitchinterval() == before
    assert len(seen) == 6 and max(seen) < before / 100


@pytest.mark.usefixtures("few_objects")
@pytest.mark.parametrize("policy, code, last", [("log", "TG301", 200), ("refuse", "TG302", 503)])
def test_the_guard_sees_them_together_every_time(guarded, policy, code, last):
    """Behind an `Entrance` a request waits for the others: an application that answers at once collides too."""
    guard = guarded(Entrance(echo), policy=policy)
    for _ in range(50):
        guard.join(group := Group("of this turn"))
        responses = together(guard, ["/a", "/b"], patience=DEADLINE)
        assert [finding.code for finding in group.reports] == [code]
        assert max(response.status_code for response in responses) == last


def test_one_that_never_comes_in_is_not_waited_for(guarded):
    """A request that something in front of the guard answers leaves the others' way free at once."""
    guard = guarded(Entrance(echo), policy="log")

    def front(environ, start_response):
        return echo(environ, start_response) if environ["PATH_INFO"] == "/front" else guard(environ, start_response)

    responses = together(front, ["/front", "/a", "/front", "/b"], patience=DEADLINE * 100, timeout=DEADLINE)
    assert [response.body for response in responses] == [b"GET /front ", b"GET /a ", b"GET /front ", b"GET /b "]
    assert guard.stats().overlaps == 1


def test_behind_a_guard_that_serialises_no_request_waits_for_the_others(guarded):
    """The guard keeps them out."""
    guard = guarded(Entrance(echo, waits=False), policy="serialize", serialize_timeout=DEADLINE)
    responses = together(guard, ["/a", "/b", "/c"], patience=DEADLINE * 100, timeout=DEADLINE)
    assert [response.status_code for response in responses] == [200] * 3


def test_patience_ends(guarded):
    """Where a lock keeps the others out, the one inside goes on after *patience* seconds."""
    lock = threading.Lock()
    guard = guarded(Entrance(echo), policy="log")

    def locked(environ, start_response):
        with lock:
            return guard(environ, start_response)

    responses = together(locked, ["/a", "/b"], patience=0.01, timeout=DEADLINE)
    assert [response.body for response in responses] == [b"GET /a ", b"GET /b "]
    assert guard.stats().overlaps == 0


def test_what_the_application_raises_comes_out():
    """The exception of the first request that has one is raised, after all have ended."""
    def app(environ, start_response):
        if environ["PATH_INFO"] != "/a":
            raise RuntimeError(environ["PATH_INFO"])
        return echo(environ, start_response)

    with pytest.raises(RuntimeError, match="^/b$"):
        together(app, ["/a", "/b", "/c"])


def test_one_that_is_stuck_is_named_with_its_stack():
    """After *timeout* seconds the requests without an answer are told, and where they stand."""
    gate = threading.Event()

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/stuck":
            gate.wait(DEADLINE)
        return echo(environ, start_response)

    for seconds in 0.2, 2, 20:
        with pytest.raises(TimeoutError) as raised:
            together(app, ["/a", "/stuck"], timeout=seconds)
        lines = str(raised.value).splitlines()
        if lines[0].startswith("1 of ") and "    gate.wait(DEADLINE)" in lines:
            break  # on a busy machine neither may have come so far
    gate.set()
    assert lines[0] == "1 of the requests sent together had no answer after %g seconds:" % seconds
    assert lines[1].startswith("GET /stuck, in ")
    assert "    gate.wait(DEADLINE)" in lines


def test_every_way_to_answer_is_understood():
    """write(), a generator, close(), and an error after the first bytes: as PEP 3333 has them."""
    closed = []

    class Body:
        def __iter__(self):
            return iter([b"two"])

        def close(self):
            closed.append(True)

    def writes(environ, start_response):
        start_response("404 Not Found", [])(b"one ")
        return Body()

    def replaces(environ, start_response):
        start_response("200 OK", [])
        try:
            raise RuntimeError("too late?")
        except RuntimeError:
            start_response("500 Oh", [("X-Replaced", "yes")], sys.exc_info())
        yield b"no: "
        try:
            raise RuntimeError("too late")
        except RuntimeError:
            start_response("500 Oh", [], sys.exc_info())

    [written] = together(writes, ["/"])
    assert (written.status, written.body, closed) == ("404 Not Found", b"one two", [True])
    with pytest.raises(RuntimeError, match="^too late$"):
        together(replaces, ["/"])


def test_no_thread_is_left():
    """When the responses are there, so are the threads' ends."""
    before = set(threading.enumerate())
    together(Meeting(3), ["/"] * 3)
    assert set(threading.enumerate()) <= before
    assert sending._switching._users == 0
