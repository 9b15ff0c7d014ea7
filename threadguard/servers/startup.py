"""How servers begin: refusal before the first request, for servers that are handed an application that is guarded.

`waitress.serve`, cheroot, `wsgiref` and many more are given the application after the guard was built. `STARTS` has a
row for each: the method by which such a server begins, how the setting is read there, and what it was handed. From the
construction of a guard until the server has shown itself on a request, these methods are wrapped, in modules that are
loaded now and in those that come. Only a server that leads to a guarded application is told of, and only if it is
threaded; what the report raises comes out of the server's own call and ends that server.

An audit hook cannot do this: it can never be removed, and costs every later event. A wrapper goes when nothing watches
any more. If another library has wrapped the method in the meantime, ours stays beneath and passes the call on.
"""

import os
import threading
from functools import partial, wraps
from types import ModuleType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import (arguments_of, calling, count, getattr_path, is_instance, loaded, module_of,
                                       variables)
from threadguard.process.loading import Awaiting
from threadguard.servers import (a2wsgi, cheroot, eventlet, gevent, paste, tornado, twisted, waitress, werkzeug,
                                 wsgiref)
from threadguard.servers.judge import is_threaded
from threadguard.servers.main_thread import never_runs_on_main
from threadguard.servers.reach import leads_to_a_guard
from threadguard.servers.unknown import IsGuard

Report = Callable[[Reading], None]
Arguments = Dict[str, Any]


class Start(NamedTuple):
    """How a server begins to serve, and how to read it."""

    module: str
    kind: str
    method: str
    read: Callable[[Any, Arguments], Optional[Reading]]
    """The setting, from the object whose method is called, and the arguments of the call."""
    serves: Callable[[Any], List[Any]]
    """The applications that it was handed."""
    is_built: bool = False
    """Whether the object is looked at after the method, which builds it, and not before."""
    ends: Callable[[], bool] = lambda: True
    """Whether an error ends the server, and leaves no port that is open and never answers."""
    after_error: Callable[[Any], None] = lambda server: None
    """What has to be done to the server then, since its method was not run."""


# -- how each is read -----------------------------------------------------------------------------------------------

_NEAR, _FAR = 16, 200
"""How many frames out the server's own code may be, and the code that started all of it."""


def _attributes(*names: str) -> Callable[[Any], List[Any]]:
    return lambda server: [getattr_path(server, name) for name in names]


def _local_of_a_caller(module: str, name: str) -> Callable[[Any], List[Any]]:
    """The variable *name* of the functions of *module* that have called."""
    return lambda server: [variables(frame).get(name) for frame in calling(_NEAR) if module_of(frame) == module]


def _waitress(dispatcher: Any, arguments: Arguments) -> Optional[Reading]:
    # waitress/task.py `ThreadedTaskDispatcher.set_thread_count`, 1.4 to 3.0; 0 at the end
    threads = count(arguments.get("count"))
    return threads and waitress.read_settings(threads, "this server's dispatcher, which starts now,") or None


def _paste(pool: Any, arguments: Arguments) -> Optional[Reading]:
    # paste/httpserver.py `ThreadPool.__init__`, which starts the threads
    return paste.read_settings(True, count(arguments.get("nworkers")), arguments.get("spawn_if_under"),
                               "this server's ThreadPool, which starts now,")


_SOCKETSERVERS: Dict[str, Any] = {
    "werkzeug.serving": werkzeug, "paste.httpserver": paste, "wsgiref.simple_server": wsgiref,
}
_NO_MIXIN = "a server class without ThreadingMixIn; for more throughput start more processes"


def _socketserver(server: Any, arguments: Arguments) -> Optional[Reading]:
    """That a `BaseServer` starts a thread for each connection; None if it does not.

    socketserver.py `ThreadingMixIn.process_request` starts a thread, in which `process_request_thread` handles the
    connection. A class that replaces one of the two may do anything: put the connection into a pool, or take a lock.
    """
    import socketserver  # loaded, as the server is one of its own

    kind, mixin = type(server), socketserver.ThreadingMixIn
    if not is_instance(server, mixin) or any(
            getattr(kind, name) is not getattr(mixin, name) for name in ("process_request", "process_request_thread")):
        return None
    known = next((_SOCKETSERVERS[base.__module__] for base in kind.__mro__ if base.__module__ in _SOCKETSERVERS), None)
    evidence = "%s.%s, which begins to serve, is a ThreadingMixIn: it starts a thread for each connection" % (
        kind.__module__, kind.__qualname__)
    return Reading(Source.SETTING, "the server" if known is None else known.NAME, None, evidence,
                   _NO_MIXIN if known is None else known.REMEDY, unbounded=True)


def _has_shut_down(server: Any) -> None:
    """`BaseServer.shutdown` waits for the end of a loop that never began, if it is not told (socketserver.py)."""
    tell = getattr_path(server, "_BaseServer__is_shut_down.set")
    if callable(tell):
        tell()


def _only(read: Callable[[Any], Optional[Reading]]) -> Callable[[Any, Arguments], Optional[Reading]]:
    """A reader that needs the object alone."""
    return lambda server, arguments: read(server)


def _a2wsgi(middleware: Any) -> Optional[Reading]:
    """A bridge that was built where no ASGI server loads the application may be there for another day."""
    loads = _is_under("uvicorn.", "hypercorn.", "daphne.", "granian.")
    return a2wsgi.of_middleware(middleware) if loads else None


# -- where an error ends the server ---------------------------------------------------------------------------------

def _in_main_context() -> bool:
    """An error elsewhere ends that thread, or that greenlet, and the process goes on."""
    current = getattr_path(loaded("greenlet"), "getcurrent")
    is_child = current is not None and current().parent is not None
    return not is_child and threading.current_thread() is threading.main_thread()


def _is_under(*packages: str) -> bool:
    """Whether one of *packages* is on the stack: it imports the application's modules, or runs a reactor."""
    return any((module_of(frame) + ".").startswith(packages) for frame in calling(_FAR))


_OF_A_CHEROOT = _only(cheroot.of_pool), _attributes("server.wsgi_app", "server.gateway")
STARTS: Tuple[Start, ...] = (
    Start("waitress.task", "ThreadedTaskDispatcher", "set_thread_count", _waitress,
          _local_of_a_caller("waitress.server", "application")),
    Start("cheroot.workers.threadpool", "ThreadPool", "start", *_OF_A_CHEROOT),
    Start("wsgiserver", "ThreadPool", "start", *_OF_A_CHEROOT),
    Start("paste.httpserver", "ThreadPool", "__init__", _paste,
          _local_of_a_caller("paste.httpserver", "wsgi_application")),
    # The port is open by then: outside of the main thread, and its main greenlet, nothing would answer there.
    Start("socketserver", "BaseServer", "serve_forever", _socketserver,
          _attributes("app", "application", "wsgi_application", "RequestHandlerClass"), ends=_in_main_context,
          after_error=_has_shut_down),
    Start("gevent.baseserver", "BaseServer", "start", _only(gevent.of_server), _attributes("application", "_handle"),
          ends=_in_main_context),
    Start("eventlet.wsgi", "Server", "__init__", _only(eventlet.of_server), _attributes("app"), is_built=True,
          ends=_in_main_context),
    # A reactor logs what its pool raises and goes on; a pool that has started keeps the process alive.
    Start("twisted.python.threadpool", "ThreadPool", "start", _only(twisted.of_pool), twisted.applications_of,
          ends=lambda: not _is_under("twisted.internet.")),
    Start("twisted.web.wsgi", "WSGIResource", "__init__", _only(twisted.of_resource), _attributes("_application"),
          is_built=True, ends=lambda: False),
    Start("tornado.wsgi", "WSGIContainer", "__init__", _only(tornado.of_container),
          _attributes("wsgi_application"), is_built=True),
    Start("a2wsgi.wsgi", "WSGIMiddleware", "__init__", _only(_a2wsgi), _attributes("app"), is_built=True),
)
"""How a server begins, a row for each."""


def _of_thread(thread: threading.Thread) -> Tuple[Optional[Start], Any]:
    """The server that *thread*, which is about to start, will let begin: its target is such a method.

    It is not running yet, so an error comes to what starts it, and ends that.
    """
    target = getattr(thread, "_target", None)
    server, name = getattr(target, "__self__", None), getattr(target, "__name__", None)
    kinds = [(kind.__module__, kind.__qualname__) for kind in type(server).__mro__]
    for start in STARTS:
        if name == start.method and not start.is_built and (start.module, start.kind) in kinds:
            return start._replace(ends=lambda: True), server
    return None, None


# -- the watch ------------------------------------------------------------------------------------------------------

def _is_none(thing: object) -> bool:
    return False


class Watch(NamedTuple):
    """One group that watches."""

    is_guard: IsGuard
    """Whether an object is a guard of the group."""
    report: Report
    """Is given the reading when such a server begins. What it raises comes out of the server's call."""
    tell: Report
    """Is given it instead, and raises nothing, where an error would leave a port that never answers."""
    is_bound_to_main: IsGuard
    """Whether an object is such a guard whose option ``thread`` is ``main``."""

    def read(self, start: Start, server: Any, arguments: Arguments) -> Optional[Reading]:
        """What *server* is set to as it begins by *start*, if it is threaded and runs a guard of the group.

        A single-threaded one is told of if it never runs requests on the main thread, and a guard is bound to that.
        """
        reading = start.read(server, arguments)
        if reading is None or not (is_threaded(reading) or never_runs_on_main(reading)):
            return None
        wanted = self.is_guard if is_threaded(reading) else self.is_bound_to_main
        return reading if leads_to_a_guard(start.serves(server), wanted) else None


class _Wrappers:
    """The methods of `STARTS`, and `Thread.start`, wrapped for as long as there are watches."""

    def __init__(self) -> None:
        self.watches: List[Watch] = []
        self._restore: List[Callable[[], None]] = []
        self._wrap(threading.Thread, "start", self._thread_starts)
        self._awaiting = Awaiting({start.module for start in STARTS}, self._loaded)

    def end(self) -> None:
        """Put everything back as it was."""
        self._awaiting.end()
        while self._restore:
            self._restore.pop()()

    def _loaded(self, module: ModuleType) -> None:
        for start in STARTS:
            kind = getattr(module, start.kind, None) if start.module == module.__name__ else None
            if is_instance(kind, type) and callable(vars(kind).get(start.method)):
                self._wrap(kind, start.method, partial(self._tell, start), start.is_built)

    def _wrap(self, kind: Any, name: str, look: Callable[[Any, Arguments], None], is_built: bool = False) -> None:
        is_own = name in vars(kind)  # gevent's patching puts a Thread in place that inherits it
        original = getattr(kind, name)

        @wraps(original)
        def method(server: Any, *args: Any, **kwargs: Any) -> Any:
            if not self.watches:
                restore()  # what had been wrapped around this one has gone meanwhile
                return original(server, *args, **kwargs)
            if not is_built:
                look(server, arguments_of(original, (server, *args), kwargs))
            result = original(server, *args, **kwargs)
            if is_built:
                look(server, {})
            return result

        def restore() -> None:
            if vars(kind).get(name) is method:
                if is_own:
                    setattr(kind, name, original)
                else:
                    delattr(kind, name)

        setattr(kind, name, method)
        self._restore.append(restore)

    def _thread_starts(self, thread: Any, arguments: Arguments) -> None:
        start, server = _of_thread(thread)
        if start is not None:
            self._tell(start, server, {})

    def _tell(self, start: Start, server: Any, arguments: Arguments) -> None:
        """Tell each watch of *server*, which begins by *start*, if it has to know of it."""
        for watch in list(self.watches):
            reading = watch.read(start, server, arguments)
            if reading is not None:
                try:
                    (watch.report if start.ends() else watch.tell)(reading)
                except BaseException:
                    start.after_error(server)
                    raise


_wrappers: Optional[_Wrappers] = None
_mutex = threading.RLock()
"""For use again in the same thread: the end of a guard ends its watch, and the collector may find one at any time."""


def watch(is_guard: IsGuard, report: Report, tell: Optional[Report] = None,
          is_bound_to_main: IsGuard = _is_none) -> Callable[[], None]:
    """Look at servers that begin, until the function that is returned is called; the arguments are those of `Watch`."""
    global _wrappers
    mine = Watch(is_guard, report, tell or report, is_bound_to_main)
    with _mutex:
        while _wrappers is None or mine not in _wrappers.watches:  # the last one of them may go meanwhile
            _wrappers = _wrappers or _Wrappers()
            _wrappers.watches.append(mine)

    def stop() -> None:
        global _wrappers
        with _mutex:
            if _wrappers is not None and mine in _wrappers.watches:
                _wrappers.watches.remove(mine)
            if _wrappers is not None and not _wrappers.watches:
                ended, _wrappers = _wrappers, None
                ended.end()

    return stop


def _reset_after_fork() -> None:
    """In a forked child: the mutex is new, as the thread that held the old one is not there to release it."""
    global _mutex
    _mutex = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
