"""Refusal before the first request: a look at servers that begin to serve an application they were handed.

`poolstart` sees the threads that a pool starts. Where the first thread or greenlet starts with the first connection,
it is the server's own way of beginning that tells: `STARTS` names a method for each, and how what it begins is read.
From the construction of a guard to its first request these methods are wrapped, in modules that are loaded now and in
those that come. Only a server that leads to a guarded application is told of. The wrapper goes when nobody watches; if
another library has wrapped the method in the meantime, it stays beneath and passes the call on.
"""

import threading
from functools import wraps
from types import ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from threadguard.servers.handed import leads_straight
from threadguard.servers.judge import is_threaded
from threadguard.process.loading import Awaiting
from threadguard.model import Reading
from threadguard.process.facts import calling, dig, is_a, loaded, module_of
from threadguard.rules.reach import IsGuard
from threadguard.servers import a2wsgi, eventlet, gevent, socketserver, tornado, twisted

Look = Callable[["Start", Any], None]
"""Told of a server that begins, and of the way in which it does."""


class Start(NamedTuple):
    """How a server begins to serve, and how to read it."""

    module: str
    kind: str
    method: str
    read: Callable[[Any], Optional[Reading]]
    """The setting, from the object whose method is called."""
    serves: Callable[[Any], List[Any]]
    """The applications that it was handed."""
    is_built: bool = False
    """Whether the object is looked at after the method, which builds it, and not before."""
    ends: Callable[[], bool] = lambda: True
    """Whether an error ends the server, and leaves no port that nobody serves."""
    after_error: Callable[[Any], None] = lambda server: None
    """What has to be done to the server then, since its method was not run."""


def _in_main_context() -> bool:
    """An error elsewhere ends that thread, or that greenlet, and the process goes on."""
    current = dig(loaded("greenlet"), "getcurrent")
    is_child = current is not None and current().parent is not None
    return not is_child and threading.current_thread() is threading.main_thread()


def _under(*packages: str) -> bool:
    """Whether one of *packages* is on the stack: it imports the application's modules, or runs a reactor."""
    return any((module_of(frame) + ".").startswith(packages) for frame in calling(_DEPTH))


_DEPTH = 200


def _under_asgi(middleware: Any) -> Optional[Reading]:
    """A bridge that was built where no ASGI server loads the application may be there for another day."""
    return a2wsgi.of_middleware(middleware) if _under("uvicorn.", "hypercorn.", "daphne.", "granian.") else None


def _has_shut_down(server: Any) -> None:
    """`BaseServer.shutdown` waits for the end of a loop that never began, if nobody says so (socketserver.py)."""
    say_so = dig(server, "_BaseServer__is_shut_down.set")
    if callable(say_so):
        say_so()


def _attributes(*names: str) -> Callable[[Any], List[Any]]:
    return lambda server: [dig(server, name) for name in names]


STARTS: Tuple[Start, ...] = (
    # The port is open by then: outside of the main thread, and its main greenlet, nobody would answer there.
    Start("socketserver", "BaseServer", "serve_forever", socketserver.of_server,
          _attributes("app", "application", "wsgi_application", "RequestHandlerClass"), ends=_in_main_context,
          after_error=_has_shut_down),
    Start("gevent.baseserver", "BaseServer", "start", gevent.of_server, _attributes("application", "_handle"),
          ends=_in_main_context),
    Start("eventlet.wsgi", "Server", "__init__", eventlet.of_server, _attributes("app"), is_built=True,
          ends=_in_main_context),
    # A reactor logs what its pool raises and goes on; a pool that has started keeps the process alive.
    Start("twisted.python.threadpool", "ThreadPool", "start", twisted.of_pool, twisted.applications_of,
          ends=lambda: not _under("twisted.internet.")),
    Start("twisted.web.wsgi", "WSGIResource", "__init__", twisted.of_resource, _attributes("_application"),
          is_built=True, ends=lambda: False),
    Start("tornado.wsgi", "WSGIContainer", "__init__", tornado.of_container, _attributes("wsgi_application"),
          is_built=True),
    Start("a2wsgi.wsgi", "WSGIMiddleware", "__init__", _under_asgi, _attributes("app"), is_built=True),
)


def read(start: Start, server: Any, is_guard: IsGuard) -> Optional[Reading]:
    """What *server* is set to as it begins by *start*, if it is threaded and runs what *is_guard* knows."""
    reading = start.read(server)
    if reading is None or not is_threaded(reading):
        return None
    return reading if leads_straight(start.serves(server), is_guard) else None


def beginning(thread: threading.Thread) -> Tuple[Optional[Start], Any]:
    """The server that *thread*, which is about to start, will let begin: its target is such a method."""
    target = getattr(thread, "_target", None)
    server, name = getattr(target, "__self__", None), getattr(target, "__name__", None)
    for start in STARTS:
        if name == start.method and not start.is_built and _is_of(server, start):
            return start._replace(ends=lambda: True), server  # it is not running yet: whoever starts it learns of it
    return None, None


def _is_of(server: Any, start: Start) -> bool:
    return any((kind.__module__, kind.__qualname__) == (start.module, start.kind) for kind in type(server).__mro__)


class Methods:
    """The methods of `STARTS`, wrapped until `end`; *look* is told of each call and may raise."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self._restore: List[Callable[[], None]] = []
        by_module: Dict[str, List[Start]] = {}
        for start in STARTS:
            by_module.setdefault(start.module, []).append(start)
        self._starts = by_module
        self._awaiting = Awaiting(set(by_module), self._loaded)

    def end(self) -> None:
        """Put everything back as it was."""
        self._awaiting.end()
        while self._restore:
            self._restore.pop()()

    def _loaded(self, module: ModuleType) -> None:
        for start in self._starts[module.__name__]:
            kind = getattr(module, start.kind, None)
            if is_a(kind, type) and callable(vars(kind).get(start.method)):
                self._wrap(start, kind)

    def _wrap(self, start: Start, kind: Any) -> None:
        original = vars(kind)[start.method]

        @wraps(original)
        def method(server: Any, *args: Any, **kwargs: Any) -> Any:
            if not start.is_built:
                self.look(start, server)
            result = original(server, *args, **kwargs)
            if start.is_built:
                self.look(start, server)
            return result

        def restore() -> None:
            if vars(kind).get(start.method) is method:
                setattr(kind, start.method, original)

        setattr(kind, start.method, method)
        self._restore.append(restore)
