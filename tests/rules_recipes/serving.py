"""What the recipes share: the guarded application, a socket to listen on, and the simplest HTTP."""

import json
import socket
import sys
import threading
import time
from wsgiref.handlers import SimpleHandler

from threadguard import ThreadGuard
from threadguard.servers import readers
from threadguard.rules.code import in_one_loop, names_on_line
readers.SERVERS = ()  # nobody wrote a reader: the rules alone


PATIENCE = 30 if sys.argv[1].endswith("_threaded") else 0.5
"""Seconds that a request waits for a second one: where that is bound to come, a busy machine may take long."""


class Application:
    """Answers ``/`` with the verdict, and holds requests to ``/hold`` until another is inside as well."""

    def __init__(self):
        self.arrived = threading.Condition()
        self.inside = self.most = 0
        self.alone = False

    def __call__(self, environ, start_response):
        most = self.hold() if environ["PATH_INFO"] == "/hold" else self.most
        verdict = guard.verdict
        body = json.dumps({"most": most, "status": verdict.status, "capacity": verdict.capacity,
                           "declared_only": verdict.declared_only,
                           "findings": [[finding.code, finding.evidence] for finding in verdict.findings]}).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def hold(self):
        """Wait until a second request is inside; once one has waited in vain, none waits again."""
        with self.arrived:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.arrived.notify_all()
            if not self.alone:
                self.alone = not self.arrived.wait_for(lambda: self.most > 1, timeout=PATIENCE)
            self.inside -= 1
            return self.most


class Cooperative(Application):
    """The same among greenlets: it lets others run with *pause*, which is given seconds."""

    pause = None

    def hold(self):
        self.inside += 1
        self.most = max(self.most, self.inside)
        for _ in range(int(PATIENCE * 100)):
            if not self.alone and self.most < 2:
                self.pause(0.01)
        self.alone = self.most < 2
        self.inside -= 1
        return self.most


greenlets = sys.argv[1].startswith("greenlets.")
application = Cooperative() if greenlets else Application()
guard = ThreadGuard(application, policy="log", watch_pool_start=False)
flag = len(sys.argv) > 2 and sys.argv[2] == "True"


def listen(announced=True):
    """A socket that listens on a free port of loopback."""
    found = socket.socket()
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    found.bind(("127.0.0.1", 0))
    found.listen(16)
    if announced:
        announce(found.getsockname()[1])
    return found


WAITS = frozenset("accept accept_connection select poll epoll_wait get acquire wait recv recv_into read sleep".split())
"""What the loops of recipes wait in."""


def announce(*places):
    """Tell the caller where to send requests, given as ports or sockets, once the threads that are there wait for some.

    A second server whose thread has not come to its loop yet is none, and its first request comes too early for it.
    """
    end = time.monotonic() + 5
    while not greenlets and time.monotonic() < end and not all(map(has_come_to_wait, threading.enumerate())):
        threading.Event().wait(0.002)
    print(*(place.getsockname()[1] if hasattr(place, "getsockname") else place for place in places), flush=True)


def has_come_to_wait(thread):
    """Whether *thread*, if it is another one, is in a call that waits."""
    frame = sys._current_frames().get(thread.ident)
    if thread is threading.current_thread() or frame is None:
        return True
    if frame.f_globals.get("__name__") == "threading" and frame.f_code.co_name not in WAITS:
        return False
    names = frame.f_code.co_names if in_one_loop(frame) else names_on_line(frame)
    return frame.f_code.co_name in WAITS or not WAITS.isdisjoint(names)


def listen_twice():
    """Two sockets that listen, to be announced."""
    return listen(announced=False), listen(announced=False)


def environ_of(conn):
    """Read a request from *conn*: the environ of its first line."""
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = conn.recv(4096)
        if not chunk:
            raise ConnectionError("no request")
        data += chunk
    method, path, _ = data.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
    return {"REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "",
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": "HTTP/1.0"}


def answer(conn, app):
    """Serve the one request of *conn* with *app* and close it."""
    try:
        reply(conn, environ_of(conn), app)
    finally:
        conn.close()


def reply(conn, environ, app):
    """Run *app* on *environ* and write what it answers to *conn*."""
    with conn.makefile("wb") as out, conn.makefile("rb") as body:
        handler = SimpleHandler(body, out, sys.stderr, environ, multithread=flag, multiprocess=False)
        handler.run(app)
        out.flush()


def start(function, *args):
    """Start *function* in a thread that does not keep the process alive."""
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread
