"""The fault table on real servers: after each fault and a thousand good requests nobody is inside, nor was accused."""

import os
import signal

import pytest
from fire import TABLE, ask, assert_unharmed, hang_up, hanging, line, settled, started, stats, until

HALF = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000
FORKED = "waitress", "cheroot", "gevent"
"""They have no workers of their own: serve.py forks one."""
WORKERS = {
    "stopped": {**dict.fromkeys(TABLE, ("worker", signal.SIGTERM)), "uWSGI": ("worker", signal.SIGHUP)},
    "killed": dict.fromkeys(TABLE, ("worker", signal.SIGKILL)),
    "reloaded": {**dict.fromkeys(TABLE, ("master", signal.SIGHUP)), "mod_wsgi": ("master", signal.SIGUSR1)},
    "timed out": dict.fromkeys(("gunicorn", "uWSGI", "mod_wsgi"), b"/hang"),
}
"""Whom to tell what, by fault and server; or what to ask for. Another worker is started then.

waitress, cheroot and gevent end no request that takes too long: waitress' channel_timeout and cheroot's timeout are for
connections on which nobody says anything. What a gevent.Timeout does is in test_struck.py.
"""


@pytest.mark.parametrize("server", TABLE)
def test_the_application_fails(server):
    """It raises before and after start_response, in the body, in close(); SystemExit too, which ends some servers."""
    with started(server) as child:
        child.first(stats)
        for path in "/before", "/exit", "/after", "/body", "/close", "/late":
            for _ in range(3):
                ask(child.port, path)
        assert settled(child.port)["in_flight"] == 0
        assert_unharmed(child.port)


@pytest.mark.parametrize("server", TABLE)
def test_the_client_hangs_up(server):
    """While sending, before it reads, while receiving a generator and another iterable, and between two chunks."""
    with started(server) as child:
        child.first(stats)
        for number in range(3):
            hang_up(child.port, HALF)
            for path in b"/generator", b"/stream":
                for read in 0, 1, 100000:
                    hang_up(child.port, line(path), read)
            gone = child.directory / ("gone%d" % number)
            hang_up(child.port, line(b"/pausing" + bytes(gone)), 1)
            gone.touch()
        assert settled(child.port)["in_flight"] == 0
        assert_unharmed(child.port)


@pytest.mark.parametrize("fault, server", [(fault, server) for fault in WORKERS for server in WORKERS[fault]])
def test_the_worker_ends(fault, server):
    """Inside a request: the worker that takes its place begins with nobody inside."""
    forks = {"FAULTY_FORKS": "1"} if server in FORKED else {}
    with started(server, limit=5 if fault == "timed out" else 300, **forks) as child:
        first = child.first(stats)["pid"]
        whom = WORKERS[fault][server]
        if isinstance(whom, bytes):
            ask(child.port, whom.decode())
        else:
            with hanging(child.port, line(b"/generator"), 1):
                os.kill(first if whom[0] == "worker" else child.process.pid, whom[1])
        assert until(child.port, lambda found: found["pid"] != first)["pid"] != first
        assert_unharmed(child.port)


@pytest.mark.parametrize("server", FORKED)
def test_the_server_stops_and_another_starts_in_the_process(server):
    """Inside a request: the process stays, and the next server finds nobody inside."""
    with started(server) as child:
        first = child.first(stats)["pid"]
        with hanging(child.port, line(b"/generator"), 1):
            os.kill(first, signal.SIGUSR1)
        found = until(child.port, lambda found: found["server"] == "2" and not found["in_flight"])
        assert (found["server"], found["pid"], found["in_flight"]) == ("2", first, 0)
        assert_unharmed(child.port)
