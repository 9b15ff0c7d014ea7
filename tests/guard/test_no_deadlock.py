"""Under serialize nothing waits for ever: each case ends in time, with 503 and Retry-After for who waited in vain."""

import gc
import threading
import urllib.error
import urllib.request
from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from conftest import DEADLINE, Response, hello, held_inside, in_chunks, in_thread, new_environ, start_response

from threadguard.guard import groups, queue as turns

TIMEOUT = 0.1


class ThreadingServer(ThreadingMixIn, WSGIServer):
    """wsgiref's server with a thread for each request."""

    daemon_threads = True


class Silent(WSGIRequestHandler):
    """It logs no request."""

    def log_message(self, format, *args):
        pass


@pytest.fixture
def serialized(guarded):
    """A guard under serialize that waits for a tenth of a second."""
    return lambda app: guarded(app, policy="serialize", serialize_timeout=TIMEOUT)


def assert_told_to_come_again(response):
    assert response.status == "503 Service Unavailable"
    assert dict(response.headers)["Retry-After"] == "1"


def test_an_application_that_calls_itself_over_http_ends(serialized):
    """The inner request is another context: it waits for the outer one, which waits for it, until the timeout."""
    inner = []

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        if environ["PATH_INFO"] == "/outer":
            try:
                urllib.request.urlopen("http://127.0.0.1:%d/inner" % server.server_port, timeout=DEADLINE)
            except urllib.error.HTTPError as error:
                with error:
                    inner.append((error.code, error.headers["Retry-After"]))
        return [b"outer"]

    guard = serialized(app)
    server = make_server("127.0.0.1", 0, guard, server_class=ThreadingServer, handler_class=Silent)
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            outer = urllib.request.urlopen("http://127.0.0.1:%d/outer" % server.server_port, timeout=DEADLINE)
            with outer:
                assert outer.read() == b"outer"
        finally:
            server.shutdown()
            thread.join(DEADLINE)
    assert inner == [(503, "1")]


def test_a_nested_call_does_not_wait_for_itself(serialized):
    """Ten levels deep, also while somebody else waits in line."""
    def app(environ, start_response):
        start_response("200 OK", [])
        if not environ["level"]:
            waiting.start()
            in_line.acquire(timeout=DEADLINE)
            return [b"!"]
        return [Response(guard, new_environ(level=environ["level"] - 1)).body + b"."]

    guard = serialized(app)
    in_line, waited = threading.Semaphore(0), []
    waiting = threading.Thread(target=lambda: (waited.append(Response(guard)), in_line.release()))
    assert Response(guard, new_environ(level=10)).body == b"!.........."
    waiting.join(DEADLINE)
    assert_told_to_come_again(waited[0])
    assert guard.stats().in_flight == 0


def test_a_body_in_a_garbage_cycle_gives_the_turn_back(guarded, monkeypatch):
    """Whoever is first in line has the collector look for it, after a while."""
    monkeypatch.setattr(turns, "_SLICE", 0.01)
    guard = guarded(in_chunks, policy="serialize")
    gc.disable()
    try:
        cycle = [guard(new_environ(), start_response)]
        cycle.append(cycle)
        del cycle
        assert in_thread(lambda: Response(guard)).body == b"one two"
    finally:
        gc.enable()


def test_no_collector_runs_for_who_waits_for_a_call(serialized, gate, monkeypatch):
    """A call in progress is no garbage: looking for it would cost every waiting request a collection."""
    monkeypatch.setattr(gc, "collect", lambda *args: pytest.fail("collected"))
    guard = serialized(gate)
    with held_inside(guard, gate):
        assert_told_to_come_again(Response(guard))


def test_groups_that_are_nested_in_opposite_order_do_not_wait_for_each_other(guarded, caplog):
    """Each would have its own turn and wait for the other's until the timeout: the later is told to come again."""
    entered, both = [], threading.Barrier(2, timeout=DEADLINE)

    def outer(inner):
        def app(environ, start_response):
            both.wait()
            return inner(environ, start_response)
        return app

    def inner(environ, start_response):
        entered.append(1)
        return hello(environ, start_response)

    options = {"policy": "serialize", "serialize_timeout": DEADLINE}
    first, second = guarded(inner, **options), guarded(inner, group="another of this test", **options)
    ways = [guarded(outer(second), **options), guarded(outer(first), group="another of this test", **options)]
    for guard in (first, second):
        Response(guard)
        guard._group.read = lambda ticket, environ: False
    entered.clear()
    answers = []
    threads = [threading.Thread(target=lambda way=way: answers.append(Response(way).status)) for way in ways]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(DEADLINE / 2)
            assert not thread.is_alive()
    finally:
        groups._groups.pop("another of this test")
    assert "503 Service Unavailable" in answers and len(entered) in (0, 1)
    assert "TG304 guards of two groups are nested in opposite order" in caplog.text


class Interrupted(BaseException):
    """What a gevent.Timeout, an eventlet kill or an alarm raises, wherever the code stands."""


class Interrupting:
    """A waiter that is struck by an exception while it waits."""

    def wait(self, seconds):
        raise Interrupted

    def wake(self):
        pass


def test_an_exception_that_strikes_while_waiting_leaves_the_line(serialized, gate, monkeypatch):
    """It comes through, and those behind are served."""
    guard = serialized(gate)
    with held_inside(guard, gate):
        monkeypatch.setattr(turns, "new_waiter", lambda environ: Interrupting())
        with pytest.raises(Interrupted):
            guard(new_environ(), start_response)
        monkeypatch.undo()
        assert not guard._group.queue.line
    assert Response(guard).body == b"let go"
    assert guard.stats().in_flight == 0


def test_many_threads_all_come_to_an_end(serialized):
    """Twenty threads with ten requests each: every one is served or told to come again, and the line is empty."""
    guard = serialized(in_chunks)
    statuses, start = [], threading.Barrier(20)

    def ask():
        start.wait(DEADLINE)
        for _ in range(10):
            statuses.append(Response(guard).status)

    threads = [threading.Thread(target=ask) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * DEADLINE)
        assert not thread.is_alive()
    stats = guard.stats()
    assert len(statuses) == 200 == stats.requests + stats.refused
    assert (stats.in_flight, stats.peak, stats.overlaps, len(guard._group.queue.line)) == (0, 1, 0, 0)
