"""The live proof, against real servers."""

import threading
from contextlib import contextmanager

import pytest

from threadguard.probe import Outcome, ProbeError, Prober, Seen

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
        thread.join(10)
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
        outcome = Prober(url + "/-/tg", TOKEN, hold=0.05).run(20, 8, done.append)
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


@pytest.mark.parametrize("url", ["ftp://x/", "localhost:8000/-/tg", "http:///x", ""])
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
