"""Werkzeug's own server in the background of a test: single-threaded, or with a thread for each connection.

Werkzeug's server and request handler serve; only the loop that accepts connections is this module's, for two reasons.
A connection is not served before it has sent something: browsers open spare ones, and one of them would stop a
single-threaded server for ever. And it can be stopped at once, with everything that it opened: socketserver's looks
twice a second whether it shall stop, and leaves the threads of open connections behind.

No pytest is needed: the fixture ``threadguard_server`` has `serve` as ``threadguard_server``.
"""

import importlib
import logging
import selectors
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import Any, Callable, Dict, Iterator, List

from threadguard.errors import StillInside

__all__ = ["BackgroundServer", "serve"]

log = logging.getLogger("threadguard.testserver")

_HOST = "127.0.0.1"
_LEVELS = {"error": logging.ERROR, "warning": logging.WARNING}


def _make_server(app: Callable[..., Any], threaded: bool) -> Any:
    serving = importlib.import_module("werkzeug.serving")

    # Werkzeug would set the protocol in its own class, for every later server of this process.
    handler = type("RequestHandler", (serving.WSGIRequestHandler,), {
        "protocol_version": "HTTP/1.1" if threaded else "HTTP/1.0",
        "log_request": lambda *args: None,
        "log": lambda handler, kind, message, *args: _log(kind, message, *args)})
    server = serving.make_server(_HOST, 0, app, threaded=threaded, request_handler=handler)
    server.log = _log
    return server


def _log(kind: str, message: str, *args: Any) -> None:
    log.log(_LEVELS.get(kind, logging.DEBUG), message.rstrip("\n"), *args)


class BackgroundServer:
    """An application that is served on a free port of the loopback interface, until `stop`.

    :param app: the WSGI application.
    :param threaded: a thread for each connection; by default all requests are served one after the other, in one.
    """

    def __init__(self, app: Callable[..., Any], threaded: bool = False) -> None:
        if not callable(app):
            raise TypeError("a server serves a WSGI application, which is callable; %r is not" % (app,))
        self.app = app
        self.threaded = threaded
        self._server = _make_server(app, threaded)
        self.port: int = self._server.server_address[1]
        """The port that it has."""
        self.url: str = "http://%s:%d" % (_HOST, self.port)
        """Where it is reached, without a slash at the end."""
        self._bell, self._wait = socket.socketpair()
        self._is_stopping = False
        self._handlers: Dict[threading.Thread, socket.socket] = {}
        self._acceptor = threading.Thread(
            target=self._accept, name="threadguard_server %d" % self.port, daemon=True)
        self._acceptor.start()

    def __repr__(self) -> str:
        return "<%s %s%s>" % (type(self).__name__, self.url, ", threaded" if self.threaded else "")

    def _accept(self) -> None:
        """Serve each connection that has something to read, until the bell rings."""
        with self._wait, selectors.DefaultSelector() as selector:
            selector.register(self._wait, selectors.EVENT_READ)
            selector.register(self._server.socket, selectors.EVENT_READ)
            while not self._is_stopping:
                for key, _ in selector.select():
                    if not self._is_stopping:
                        self._step(selector, key.fileobj)
            for key in list(selector.get_map().values()):
                if key.fileobj not in (self._wait, self._server.socket):
                    self._server.shutdown_request(key.fileobj)

    def _step(self, selector: selectors.BaseSelector, ready: Any) -> None:
        if ready is self._server.socket:
            with suppress(OSError):  # it is gone already
                connection, address = self._server.get_request()
                selector.register(connection, selectors.EVENT_READ, address)
        elif self.threaded:
            for thread in [thread for thread in self._handlers if not thread.is_alive()]:
                del self._handlers[thread]
            arguments = ready, selector.unregister(ready).data
            thread = threading.Thread(target=self._server.process_request_thread, args=arguments, daemon=True)
            self._handlers[thread] = ready
            thread.start()
        else:
            self._serve(ready, selector.unregister(ready).data)

    def _serve(self, connection: socket.socket, address: Any) -> None:
        """Serve one connection here, as socketserver's `_handle_request_noblock` does."""
        self._handlers[threading.current_thread()] = connection
        try:
            self._server.process_request(connection, address)
        except Exception:
            self._server.handle_error(connection, address)
            self._server.shutdown_request(connection)
        finally:
            self._handlers.clear()

    def stop(self, timeout: float = 10.0) -> None:
        """Stop, and close what is open. Stopping twice does no harm.

        Raises `threadguard.StillInside`, a `TimeoutError`, if the application holds a request for longer than *timeout*
        seconds.
        """
        if self._is_stopping:
            return
        self._is_stopping = True
        self._bell.close()
        threads = self._hang_up(time.monotonic() + timeout)
        self._server.server_close()
        if threads:
            raise StillInside("%r was stopped, but after %g seconds a request is still inside the application, in %s"
                              % (self, timeout, ", ".join(thread.name for thread in threads)))

    def _hang_up(self, end: float) -> List[threading.Thread]:
        """Let each connection end after the request that it is in; the threads that have not ended at *end*."""
        alive = [self._acceptor]
        while alive and time.monotonic() < end:
            _shut(self._handlers, socket.SHUT_RD)
            alive[0].join(0.1)
            alive = self._alive()
        _shut(self._handlers, socket.SHUT_RDWR)
        return self._alive()

    def _alive(self) -> List[threading.Thread]:
        return [thread for thread in {self._acceptor, *list(self._handlers)} if thread.is_alive()]


def _shut(handlers: Dict[threading.Thread, socket.socket], how: int) -> None:
    for connection in list(handlers.values()):
        with suppress(OSError):  # the other side, or its own handler, was quicker
            connection.shutdown(how)


@contextmanager
def serve(app: Callable[..., Any], threaded: bool = False) -> Iterator[BackgroundServer]:
    """A `BackgroundServer` for the length of a block."""
    server = BackgroundServer(app, threaded)
    try:
        yield server
    finally:
        server.stop()
