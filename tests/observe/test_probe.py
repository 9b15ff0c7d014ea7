"""The live proof, against real servers."""

import itertools
import json
import socket
import threading
from contextlib import contextmanager

import pytest

from threadguard.observe import probe
from threadguard.observe.probe import Outcome, ProbeError, Prober, Seen
from threadguard.report import text

serving = pytest.importorskip("werkzeug.serving", reason="needs the package Werkzeug")
TOKEN = "t0ken"


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


@contextmanager
def served(app, threaded):
    """The URL of *app* behind a real server."""
    server = serving.make_server("127.0.0.1", 0, app, threaded=threaded, request_handler=Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield "http://127.0.0.1:%d" % server.server_port
    finally:
        server.shutdown()
        thread.join(60)
        server.server_close()


class Silent(serving.WSGIRequestHandler):
    def log(self, type, message, *args):
        return


@pytest.fixture
def checked(guarded):
    return guarded(hello, policy="log", health_path="/-/tg", health_token=TOKEN, server_threads=1)


@pytest.mark.parametrize("threaded, status", [(False, "single-threaded"), (True, "threaded")])
def test_probes_meet_where_the_server_is_threaded_and_nowhere_else(checked, threaded, status):
    """Whatever any setting says: here the operator claims one thread."""
    with served(checked, threaded) as url:
        done = []
        outcome = Prober(url + "/-/tg", TOKEN, hold=1.0 if threaded else 0.05).run(20, 8, done.append)
    assert outcome.status == status
    [seen] = outcome.processes.values()
    assert seen.requests == 20 and max(done) == 20
    assert bool(seen.met) is threaded


def test_the_application_itself_is_never_asked(guarded):
    """Only the probe endpoint is."""
    paths = []

    def app(environ, start_response):
        paths.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    with served(guarded(app, policy="log", server_threads=1), False) as url:
        with pytest.raises(ProbeError, match="there is no probe endpoint at /-/tg/probe"):
            Prober(url + "/-/tg", TOKEN).run(4, 2)
    assert set(paths) == {"/-/tg/probe"}


def test_a_wrong_token_is_said_to_be_wrong(checked):
    """Not that there is no endpoint."""
    with served(checked, False) as url, pytest.raises(ProbeError, match="the token is not the one"):
        Prober(url + "/-/tg", "other").run(4, 2)


@pytest.mark.parametrize("url", ["ftp://x/", "localhost:8000/-/tg", "http:///x", "", "http://[::1/x", "http://h:port/x",
                                 "http://h:99999/x"])
def test_what_is_no_url_is_named(url):
    """One clear error."""
    with pytest.raises(ProbeError, match="is no http or https URL"):
        Prober(url, TOKEN)


def test_nobody_there_is_one_clear_error():
    """Connection refused, without a traceback of sockets."""
    with served(hello, False) as url:
        gone = url
    with pytest.raises(ProbeError, match="no answer from 127.0.0.1:"):
        Prober(gone + "/-/tg", TOKEN).run(4, 2)


def answering(status, body=b"", **headers):
    """An application that always gives this answer."""
    def app(environ, start_response):
        start_response(status, list(headers.items()))
        return [body]
    return app


@pytest.mark.parametrize("app, message", [
    (answering("404 Not Found"), r"there is no probe endpoint at /-/tg/probe \(HTTP 404\)"),
    (answering("200 OK", b"<html>hello</html>"), r"there is no probe endpoint at /-/tg/probe \(HTTP 200\)"),
    (answering("200 OK", b"[1]"), "there is no probe endpoint"),
    (answering("200 OK", b'{"met": false, "pid": 1, "held": "x"}'), "there is no probe endpoint"),
    (answering("200 OK", b'{"met": false, "pid": 1, "held": 1%s}' % (b"0" * 400)), "there is no probe endpoint"),
    (answering("200 OK", b"[" * 60000), "there is no probe endpoint"),
    (answering("502 Bad Gateway", b"<html>"), r"\(HTTP 502\)"),
    (answering("302 Found", Location="https://site.example/-/tg/probe?hold=1"),
     "redirects to 'https://site.example/-/tg': give the URL that is behind it"),
], ids=["404", "HTML", "a list", "no number", "a number without end", "a list without end",
        "a proxy's error", "a redirect"])
def test_what_is_no_guard_is_one_clear_error(app, message):
    """Whatever answers there."""
    with served(app, False) as url, pytest.raises(ProbeError, match=message):
        Prober(url + "/-/tg", TOKEN).run(4, 2)


def test_a_server_without_tls_is_one_clear_error():
    """https where http is spoken."""
    with served(hello, False) as url, pytest.raises(ProbeError, match="no answer from 127.0.0.1:.*SSL"):
        Prober(url.replace("http:", "https:") + "/-/tg", TOKEN).run(4, 2)


def test_a_password_in_the_url_is_not_told():
    """An error goes to a log."""
    with pytest.raises(ProbeError) as caught:
        Prober("http://me:secret@nowhere.invalid/-/tg", TOKEN).run(4, 2)
    assert "secret" not in str(caught.value) and "no answer from nowhere.invalid: " in str(caught.value)


@pytest.mark.parametrize("token", ["a\nb", "a\0"])
def test_a_token_that_no_header_takes_is_an_error(token):
    """It is not shown either."""
    with pytest.raises(ProbeError, match="the token has a character that no header may have$"):
        Prober("http://h/-/tg", token)


@pytest.mark.parametrize("token", ["caf\xe9", "\u20ac", "voil\xe0", "\udce4\udcf6"])
def test_a_token_of_any_letters_is_taken(token, guarded):
    """As UTF-8, by the guard as well; one that is no UTF-8 as the bytes that it has."""
    guard = guarded(hello, health_path="/-/tg", health_token=token, server_threads=1)
    with served(guard, False) as url:
        assert Prober(url + "/-/tg", token, hold=0.01).run(2, 1).failures == []


@pytest.mark.parametrize("requests, concurrency", [(1, 1), (2, 2), (2, 16), (16, 1)])
def test_probes_that_are_never_two_at_once_prove_nothing(checked, requests, concurrency):
    """The first one is alone in any case: a threaded server is not cleared by it."""
    with served(checked, True) as url:
        outcome = Prober(url + "/-/tg", TOKEN, hold=0.01).run(requests, concurrency)
    [seen] = outcome.processes.values()
    assert (seen.met, outcome.luck(seen)) == (0, 1.0)


@pytest.mark.parametrize("processes, requests, sure", [
    pytest.param(1, 4, True, id="one process needs few"),
    pytest.param(4, 64, True, id="four processes and the default number"),
    pytest.param(16, 16, False, id="one request each says nothing"),
])
def test_how_sure_a_no_is(processes, requests, sure):
    """No two that met is an answer only where chance would have brought two together."""
    outcome = Outcome(min(16, requests))
    for pid in range(processes):
        each = requests // processes
        outcome.processes["h", pid] = Seen("h", pid, requests=each, held=each, verdict="single-threaded")
    assert (outcome.status == "single-threaded") is sure


def test_a_process_that_cannot_hold_is_not_cleared():
    """Under an event loop no probe is held: nothing was shown."""
    outcome = Outcome(16)
    outcome.processes["h", 1] = Seen("h", 1, requests=64, held=0, verdict="single-threaded")
    assert outcome.status == "unknown"


# -- what answers is not trusted

ANSWER = {"host": "h", "pid": 1, "met": False, "held": 0.1, "can_hold": True, "verdict": "single-threaded",
          "remedy": "threads = 1"}


def saying(**changes):
    """An application that always answers as a guard does, but for *changes*."""
    return answering("200 OK", json.dumps({**ANSWER, **changes}).encode())


@pytest.mark.parametrize("changes", [
    {"pid": 10 ** 30}, {"pid": -1}, {"pid": True}, {"met": 1}, {"held": "nan"}, {"held": -1}, {"held": None},
], ids=str)
def test_an_answer_with_a_value_that_no_guard_gives_is_none(changes):
    """Whatever is made of it would be wrong."""
    with served(saying(**changes), False) as url, pytest.raises(ProbeError, match="there is no probe endpoint"):
        Prober(url + "/-/tg", TOKEN).run(4, 2)


def test_the_texts_of_an_answer_are_escaped_and_cut():
    """They are printed: into a terminal, or a log where a line may be a command."""
    app = saying(host="x\n::stop-commands::\x1b[2J\u202e", remedy="r" * 5000, verdict="fine", can_hold="yes")
    with served(app, False) as url:
        [seen] = Prober(url + "/-/tg", TOKEN).run(2, 1).processes.values()
    assert seen.host == "x\\n::stop-commands::\\x1b[2J\\u202e"
    assert len(seen.remedy) < 300 and (seen.verdict, seen.held) == ("unknown", 0)


def slow_server(chunks):
    """A server that sends *chunks* to each connection, one every 50 ms, for ever if they have no end."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(connection):
        with connection:
            connection.recv(65536)
            try:
                for chunk in chunks():
                    connection.sendall(chunk)
                    if ended.wait(0.05):
                        return
            except OSError:
                return

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()

    @contextmanager
    def running():
        try:
            yield "http://127.0.0.1:%d/-/tg" % listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for thread in threads:
                thread.join(60)
    return running()


@pytest.mark.parametrize("chunks, message", [
    pytest.param(lambda: iter(lambda: b"", None), "not there at the deadline|timed out", id="never"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: b\r\n")),
                 "not there at the deadline|100 headers", id="headers that drip"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"[")),
                 "not there at the deadline|its answer has no end", id="a body that drips"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"[" * 50000)),
                 "its answer has no end", id="a body without end"),
])
def test_an_answer_that_never_ends_is_given_up(chunks, message):
    """At the deadline of the whole, or at the size that no answer has."""
    with slow_server(chunks) as url:
        with pytest.raises(ProbeError, match=message):
            Prober(url, TOKEN).run(4, 2, deadline=1)


def test_probes_that_are_late_have_failed():
    """The deadline is for all of them: what was answered by then counts."""
    first = threading.Lock()

    def chunks():
        answer = json.dumps(ANSWER).encode()
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
        yield answer if first.acquire(blocking=False) else b""
        while True:
            yield b""

    with slow_server(chunks) as url:
        outcome = Prober(url, TOKEN).run(6, 2, deadline=2)
    assert ([seen.requests for seen in outcome.processes.values()], len(outcome.failures)) == ([1], 5)
    assert outcome.status == "unknown" and "not there at the deadline" in outcome.failures[-1]


# -- how many processes there are


def test_fewer_processes_than_expected_are_not_cleared(checked):
    """However sure those are that answered; so many more probes are sent, and no more."""
    with served(checked, False) as url:
        outcome = Prober(url + "/-/tg", TOKEN, hold=0.01).run(8, 4, processes=3)
    assert (outcome.missing, outcome.status) == (2, "unknown")
    [seen] = outcome.processes.values()
    assert seen.requests == 8 * probe.ROUNDS


def test_as_many_processes_as_expected_are(checked):
    """No more probes are sent than were asked for."""
    with served(checked, False) as url:
        outcome = Prober(url + "/-/tg", TOKEN, hold=0.02).run(12, 6, processes=1)
    assert (outcome.missing, outcome.status, sum(seen.requests for seen in outcome.processes.values())) == (
        0, "single-threaded", 12)


def test_a_threaded_process_is_told_although_others_are_missing():
    """What is proved is proved."""
    outcome = Outcome(16, {("h", 1): Seen("h", 1, requests=9, met=2)}, expected=4)
    assert (outcome.status, outcome.missing) == ("threaded", 3)


def test_the_remedy_is_the_servers_own(guarded):
    """As the guard of that process knows it."""
    guard = guarded(hello, health_path="/-/tg", health_token=TOKEN)
    with served(guard, False) as url:
        [seen] = Prober(url + "/-/tg", TOKEN, hold=0.01).run(2, 1).processes.values()
    assert seen.remedy == text.one_line(guard._group.remedy) and "threaded" in seen.remedy
