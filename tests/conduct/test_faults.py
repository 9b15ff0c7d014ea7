"""What goes wrong on real servers, and that the guard's count is 0 after it and a thousand good requests are served."""

import http.client
import json
import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from rig import BIN, Child, get
from rows.apache import GROUP, NEEDS, PATH, RUN, conf

HERE = Path(__file__).parent
OWN = {name: (HERE / name).read_text() for name in ("faulty.py", "serve.py")}
GOOD = 1000
SERVERS = {
    "gunicorn": "{bin}/gunicorn --workers 1 --timeout 3 --bind 127.0.0.1:{port} faulty",
    "uWSGI": "{bin}/uwsgi --http-socket 127.0.0.1:{port} --master --processes 1 --need-app --die-on-term --harakiri 3"
             " --disable-logging --module faulty",
    "waitress": "{py} serve.py waitress {port}",
    "cheroot": "{py} serve.py cheroot {port}",
    "gevent": "{py} serve.py gevent {port}",
    "mod_wsgi": RUN,
}
MASTERS = ("gunicorn", "uWSGI")
"""Servers with a process that starts a killed worker anew, reloads, and ends one that takes too long."""


def started(server):
    """A child that serves the application under fire."""
    files = dict(OWN)
    if server == "mod_wsgi":
        if not all(os.path.exists(need) for need in (NEEDS[0], "/usr/lib/apache2/modules/mod_wsgi.so")):
            pytest.skip("needs apache2 and libapache2-mod-wsgi-py3")
        lines = "WSGIDaemonProcess x processes=1 threads=1 %s\n%s" % (PATH, GROUP)
        files["httpd.conf"] = conf("event", lines)
        files["app.wsgi"] = "from faulty import application\n"
        return Child(RUN, files, staged=True)
    program = SERVERS[server].split()[0].replace("{bin}", str(BIN))
    if program != "{py}" and shutil.which(program) is None:
        pytest.skip("needs %s" % program)
    return Child(SERVERS[server], files)


def stats(port):
    """The counts, as soon as the server answers again."""
    deadline, tick = time.monotonic() + 30, threading.Event()
    while True:
        try:
            status, _, body = get(port, "/stats", timeout=10)
            assert status == 200, body
            return json.loads(body)
        except (OSError, http.client.HTTPException):
            assert time.monotonic() < deadline, "it never answered again"
            tick.wait(0.1)


def settled(port):
    """The counts once nobody is inside, or after ten seconds."""
    deadline, tick = time.monotonic() + 10, threading.Event()
    found = stats(port)
    while found["in_flight"] and time.monotonic() < deadline:
        tick.wait(0.1)
        found = stats(port)
    return found


def assert_unharmed(port):
    """A thousand good requests are served, nobody is inside, nobody was accused."""
    for _ in range(GOOD):
        assert get(port, "/good")[::2] == (200, b"hello")
    found = settled(port)
    assert (found["in_flight"], found["refused"], found["overlaps"], found["peak"]) == (0, 0, 0, 1)
    assert found["status"] == "single-threaded"


def hang_up(port, request, read=0):
    """Send *request*, read so many bytes of the answer, and be gone with a reset."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        client.sendall(request)
        while read > 0:
            got = len(client.recv(min(read, 65536)))
            read -= got or read


def line(path):
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("server", SERVERS)
def test_faults_of_application_and_client(server):
    """Exceptions before and after start_response, in the body and in close(); clients that go away at any point."""
    with started(server) as child:
        child.first(stats)
        for path in "/before", "/after", "/body", "/close", "/generator", "/stream":
            for _ in range(3):
                try:
                    get(child.port, path)
                except (OSError, http.client.HTTPException):
                    pass  # how a server ends such a response is its own affair
        half = b"POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + b"x" * 1000
        for _ in range(3):
            hang_up(child.port, half)
            hang_up(child.port, line(b"/generator"))
            hang_up(child.port, line(b"/generator"), 100000)
            hang_up(child.port, line(b"/stream"), 100000)
        assert settled(child.port)["in_flight"] == 0
        assert_unharmed(child.port)


@pytest.mark.parametrize("server", MASTERS)
@pytest.mark.parametrize("fault", ["killed", "reloaded", "timed out"])
def test_faults_of_the_worker(server, fault):
    """Killed inside a request, reloaded, or ended for taking too long: the next worker begins with nobody inside."""
    with started(server) as child:
        first = child.first(stats)["pid"]
        inside = threading.Thread(target=hang_up, args=(child.port, line(b"/generator"), 10 ** 6), daemon=True)
        inside.start()
        if fault == "killed":
            os.kill(first, signal.SIGKILL)
        elif fault == "reloaded":
            os.kill(child.process.pid, signal.SIGHUP)
        else:
            hang_up(child.port, line(b"/hang"), 1)
        deadline, tick = time.monotonic() + 20, threading.Event()
        while stats(child.port)["pid"] == first and time.monotonic() < deadline:
            tick.wait(0.1)
        assert stats(child.port)["pid"] != first
        assert_unharmed(child.port)
