"""What was found to be right is told as well: one record of the level INFO for a process."""

import logging
import threading
from urllib.request import urlopen
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from conftest import DEADLINE, Response, hello, new_environ


@pytest.fixture
def told(caplog):
    """The records of the level INFO, as text."""
    caplog.set_level(logging.INFO, "threadguard")
    return lambda: [record.getMessage() for record in caplog.records if record.levelname == "INFO"]


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_what_was_found_to_be_right_is_told_once_and_why(guarded, policy, told):
    """Silence is not the only sign of health: one record for a process, when it is known."""
    guard = guarded(hello, policy=policy, server_threads=1)
    assert [text.splitlines() for text in told()] == [
        ["TG103 the server, as the operator says, lets one request at a time into each process",
         "  because: option server_threads = 1"]]
    for _ in range(3):
        Response(guard)
    assert len(told()) == 1


def test_what_a_request_shows_to_be_right_is_told_then(guarded, told):
    """Nothing is known at startup here."""
    guard = guarded(hello)
    assert told() == []
    for _ in range(3):
        Response(guard)
    assert [text.partition(" ")[0] for text in told()] == ["TG204"]


class Silent(WSGIRequestHandler):
    """Logs nothing."""

    def log_message(self, *arguments):
        return


def test_what_is_known_better_later_is_not_told_again(guarded, told):
    """The flag said it, then the server itself shows it: it is one piece of news."""
    guard = guarded(hello, health_path="/-/tg")
    Response(guard)
    with make_server("127.0.0.1", 0, guard, handler_class=Silent) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        for _ in range(4):
            urlopen("http://127.0.0.1:%d" % server.server_port, timeout=DEADLINE).close()
        server.shutdown()
        thread.join(DEADLINE)
    assert guard.verdict.findings[0].code == "TG200"
    assert [text.partition(" ")[0] for text in told()] == ["TG204"]


def test_what_is_not_right_is_not_told_to_be(guarded, told):
    """Threaded, or not known."""
    Response(guarded(hello, policy="log", group="a"), new_environ(wsgi__multithread=True))
    environ = new_environ()
    del environ["wsgi.multithread"]
    Response(guarded(hello, group="b"), environ)
    assert told() == []
