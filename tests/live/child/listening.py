"""A listening socket that serves WSGI: the least that a launch recipe made at home needs."""

import io
import socket
import socketserver
import sys


class Server:
    """A listening socket, the application, and one request on one connection."""

    def __init__(self, app, port, threaded=False, processes=False):
        self.app, self.threaded, self.processes = app, threaded, processes
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(64)

    def accept(self):
        return self.socket.accept()[0]

    def answer(self, connection):
        """Read a request, call the application, write the response, close."""
        try:
            with connection.makefile("rb") as file:
                line = file.readline().decode("latin-1").split()
                while file.readline().strip():
                    pass
            if line:
                connection.sendall(self.respond(*line))
        finally:
            connection.close()

    def respond(self, method, target, protocol):
        head = []
        path, _, query = target.partition("?")
        body = self.app({
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": protocol, "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.threaded, "wsgi.multiprocess": self.processes, "wsgi.run_once": False,
        }, lambda status, headers, exc_info=None: head.append((status, headers)))
        try:
            data = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        status, headers = head[-1]
        lines = ["HTTP/1.0 " + status] + ["%s: %s" % header for header in headers] + ["", ""]
        return "\r\n".join(lines).encode("latin-1") + data


def serving(app, threaded):
    """A server without a socket of its own, for those who bring the connections."""
    core = Server.__new__(Server)
    core.app, core.threaded, core.processes = app, threaded, False
    return core


def socketserver_class(bases, app, threaded):
    """A socketserver whose handler serves WSGI."""
    core = serving(app, threaded)

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            core.answer(self.request)

    settings = {"allow_reuse_address": True, "daemon_threads": True}
    return type("Mine", (*bases, socketserver.TCPServer), settings), Handler
