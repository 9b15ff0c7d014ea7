"""Real servers under fire: how each is started, what a client does to them, and what must be true afterwards."""

import http.client
import json
import shutil
import socket
import threading
import time
from pathlib import Path

import pytest
from needs import missing
from rig import BIN, OLD, Child, get
from rows.apache import GROUP, NEEDS, PATH, RUN, conf

HERE = Path(__file__).parent
GOOD = 1000
SERVERS = {
    "gunicorn": "{bin}/gunicorn --workers <processes> --threads <threads> --timeout <limit> --bind 127.0.0.1:{port}"
                " <app>",
    "uWSGI": "{bin}/uwsgi --http-socket 127.0.0.1:{port} --master --processes <processes> --threads <threads>"
             " --need-app --die-on-term --harakiri <limit> --socket-timeout 300 --listen 100 --disable-logging"
             " --module <app>",
    "waitress": "{py} serve.py waitress {port} <threads> <app>",
    "cheroot": "{py} serve.py cheroot {port} <threads> <app>",
    "gevent": "{py} serve.py gevent {port} <threads> <app>",
    "eventlet": "{py} serve.py eventlet {port} <threads> <app>",
    "gunicorn -k gevent": "{bin}/gunicorn -k gevent --workers 1 --bind 127.0.0.1:{port} <app>",
    "gunicorn 23 -k eventlet": "{bin}/gunicorn -k eventlet --workers 1 --bind 127.0.0.1:{port} <app>",
    "mod_wsgi": RUN,
}
TABLE = ("gunicorn", "uWSGI", "waitress", "cheroot", "gevent", "mod_wsgi")
"""The servers of the fault table."""


def started(server, app="faulty", threads=1, limit=300, processes=1, **variables):
    """A child that serves *app*; a request may take *limit* seconds, where the server ends those that take longer."""
    files = {path.name: path.read_text() for path in HERE.glob("*.py") if path.name in ("serve.py", app + ".py")}
    command = SERVERS[server]
    for place, value in (("threads", threads), ("limit", limit), ("app", app), ("processes", processes)):
        command = command.replace("<%s>" % place, str(value))
    if server == "mod_wsgi":
        return mod_wsgi(files, app, threads, limit, variables)
    python = "old" if "23" in server else "new"
    if python == "old" and not OLD[python]:
        pytest.skip("needs tests/live/requirements-old.txt: make test-conduct installs it")
    program = command.split()[0].replace("{bin}", str(BIN))
    if program != "{py}" and python == "new" and shutil.which(program) is None:
        pytest.skip("needs %s" % program)
    return Child(command, files, env=variables, python=python)


def mod_wsgi(files, app, threads, limit, variables):
    """Apache with one daemon process of mod_wsgi."""
    why = missing(NEEDS)
    if why:
        pytest.skip(why)
    daemon = "WSGIDaemonProcess x processes=1 threads=%d request-timeout=%d %s\n" % (threads, limit, PATH)
    lines = daemon + GROUP + "WSGIPassAuthorization On\n"
    lines += "WSGIApplicationGroup %{GLOBAL}\n"  # else one for each port that a client names
    files["httpd.conf"] = conf("event", lines).replace("Timeout 60\n", "Timeout 300\n")
    files["app.wsgi"] = "import os\nos.environ.update(%r)\nfrom %s import application\n" % (variables, app)
    return Child(RUN, files, staged=True)


def stats(port):
    """The counts, as soon as the server answers again: Apache says 500 where a daemon of mod_wsgi ends meanwhile."""
    deadline, tick, status = time.monotonic() + 60, threading.Event(), None
    while time.monotonic() < deadline:
        try:
            status, _, body = get(port, "/stats", timeout=10)
            if status == 200:
                return json.loads(body)
        except (OSError, http.client.HTTPException):
            tick.wait(0.1)
    raise AssertionError("it never answered again, but for %s" % status)


def until(port, right, seconds=60):
    """The counts, as soon as they are *right*, or after so many seconds."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while True:
        found = stats(port)
        if right(found) or time.monotonic() > deadline:
            return found
        tick.wait(0.05)


def settled(port):
    """The counts once nobody is inside."""
    return until(port, lambda found: not found["in_flight"])


def assert_serves(port):
    """A thousand good requests are served, and then nobody is inside. The counts."""
    for _ in range(GOOD):
        answer = quick(port, line(b"/good"))
        assert answer.split(b" ")[1] == b"200" and b"hello" in answer, answer
    found = settled(port)
    assert found["in_flight"] == 0
    return found


def assert_unharmed(port):
    """A thousand good requests are served, nobody is inside, nobody was accused."""
    found = assert_serves(port)
    assert (found["refused"], found["overlaps"], found["peak"]) == (0, 0, 1)
    assert found["status"] == "single-threaded"


def line(path):
    """A GET of *path*."""
    return b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


def quick(port, request):
    """All that the server answers until it closes the connection: http.client takes longer than the server."""
    answer = b""
    with socket.create_connection(("127.0.0.1", port), 60) as client:
        client.sendall(request)
        while True:
            got = client.recv(65536)
            if not got:
                return answer
            answer += got


def hanging(port, request, read=0):
    """A connection that has sent *request*, and of which so many bytes of the answer were read; closed, it is reset."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.settimeout(60)
    client.connect(("127.0.0.1", port))
    client.sendall(request)
    while read > 0:
        got = len(client.recv(min(read, 65536)))
        read -= got or read
    return client


def hang_up(port, request, read=0):
    """Send *request*, read so many bytes of the answer, and be gone with a reset."""
    hanging(port, request, read).close()


def ask(port, path, timeout=3):
    """Ask for what may fail: how a server ends such a response is its own affair, also if it does not."""
    try:
        return get(port, path, timeout=timeout)[0]
    except (OSError, http.client.HTTPException):
        return None
