"""Refusal before the first request: a look at the threads that a server's own pool starts.

`waitress.serve`, cheroot, CherryPy and Paste are handed an application that is built and guarded already, and start
their threads afterwards; what others begin with, `servestart` knows. An exception raised where such a thread is
started ends the server. So from the construction of a guard to its first request `threading.Thread.start` is wrapped,
and looks who calls it: only the code of a pool in `POOLS` is of interest, its size is read from its own frame, and
only if that pool can be proved to run a guarded application is anything said. Whatever else starts a thread is none
of our business: reloaders, schedulers, executors, the helpers of the servers themselves, another server beside the
guarded one.

An audit hook cannot do this: CPython raises no event for a thread's start before 3.12, and a hook can never be removed
and costs every later event. The wrapper goes when the last watch ends. If another library has wrapped `Thread.start`
in the meantime, taking ours away would lose theirs: then ours stays beneath and passes the call on.
"""

import os
import threading
from dataclasses import replace
from functools import wraps
from types import FrameType
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from threadguard.servers import servestart
from threadguard.servers.handed import leads_straight
from threadguard.servers.judge import is_threaded
from threadguard.model import Reading
from threadguard.process.facts import Frames, calling, count, dig, module_of, variables
from threadguard.rules.reach import IsGuard
from threadguard.servers import cheroot, paste, waitress

Report = Callable[[Reading], None]

_CHERRYPY = "server.thread_pool = 1, server.thread_pool_max = 1; for more throughput start more processes"

_DEPTH = 16
"""How far out the pool's code may be from `Thread.start`, or waitress' server from its pool: six frames and more."""


class Pool(NamedTuple):
    """How to recognise the code of a server that starts its pool, and how to read it."""

    module: str
    functions: Sequence[str]
    read: Callable[[FrameType], Optional[Reading]]
    """The setting, from the frame of one of *functions*."""
    serves: Callable[[FrameType, Frames], List[Any]]
    """What leads to the application that the pool runs, from that frame and those around it."""


def _waitress(frame: FrameType) -> Optional[Reading]:
    # waitress/task.py `ThreadedTaskDispatcher.set_thread_count`, 1.4 to 3.0
    threads = count(variables(frame).get("count"))
    return None if threads is None else waitress.read_settings(threads, "this server's dispatcher, which starts now,")


def _waitress_application(frame: FrameType, around: Frames) -> List[Any]:
    # waitress/server.py `create_server`, `BaseWSGIServer.__init__`: a dispatcher for the application handed in
    server = next((one for one in around if module_of(one) == "waitress.server"), None)
    return [] if server is None else [variables(server).get("application")]


def _cheroot(frame: FrameType) -> Optional[Reading]:
    # cheroot/workers/threadpool.py `ThreadPool.start`
    pool = variables(frame).get("self")
    minimum = count(dig(pool, "min"))
    reading = cheroot.read_settings(minimum, "this server's ThreadPool, which starts now,") if minimum else None
    if reading and type(dig(pool, "server")).__module__.startswith("cherrypy."):
        return replace(reading, server="CherryPy", remedy=_CHERRYPY)
    return reading


def _cheroot_application(frame: FrameType, around: Frames) -> List[Any]:
    server = dig(variables(frame).get("self"), "server")
    return [dig(server, "wsgi_app"), dig(server, "gateway")]


def _paste(frame: FrameType) -> Optional[Reading]:
    # paste/httpserver.py `ThreadPool.__init__`, which starts the threads
    pool = variables(frame).get("self")
    return paste.read_settings(True, count(dig(pool, "nworkers")), dig(pool, "spawn_if_under"),
                               "this server's ThreadPool, which starts now,")


def _paste_application(frame: FrameType, around: Frames) -> List[Any]:
    server = next((one for one in around if "wsgi_application" in one.f_code.co_varnames
                   and module_of(one) == "paste.httpserver"), None)
    return [] if server is None else [variables(server).get("wsgi_application")]


POOLS: Tuple[Pool, ...] = (
    Pool("waitress.task", ("set_thread_count",), _waitress, _waitress_application),
    Pool("cheroot.workers.threadpool", ("start",), _cheroot, _cheroot_application),
    Pool("paste.httpserver", ("__init__",), _paste, _paste_application),
)
_FUNCTIONS: Dict[Tuple[str, str], Pool] = {(pool.module, name): pool for pool in POOLS for name in pool.functions}


def read(frames: Frames, is_guard: IsGuard) -> Optional[Reading]:
    """The setting of the pool whose start is on *frames* (innermost first), if it runs what *is_guard* knows."""
    for place, frame in enumerate(frames):
        pool = _FUNCTIONS.get((module_of(frame), frame.f_code.co_name))
        if pool is not None:
            reading = pool.read(frame)
            if reading is None or not is_threaded(reading):
                return None
            leads = leads_straight(pool.serves(frame, frames[place:]), is_guard)
            return replace(reading, on_stack=True) if leads else None
    return None


class _Watch(NamedTuple):
    """Somebody who watches."""

    is_guard: IsGuard
    report: Report
    tell: Report


class _Hook:
    """One wrapper around `Thread.start`, the wrappers of `servestart`, and those who watch through them."""

    def __init__(self) -> None:
        self.watches: List[_Watch] = []
        self.original = original = threading.Thread.start

        @wraps(original)
        def start(thread: threading.Thread) -> None:
            if self.watches:
                self.look(thread)
            elif threading.Thread.start is self.start:  # whoever had wrapped this one has taken theirs away
                self.remove()
            original(thread)

        self.start = start
        setattr(threading.Thread, "start", start)
        self.methods = servestart.Methods(self.begins)

    def look(self, thread: threading.Thread) -> None:
        """Tell each watch of a pool, or of a server, that it has to know of, once."""
        how, server = servestart.beginning(thread)
        if how is not None:
            self.begins(how, server)
        frames = calling(_DEPTH)
        if any((module_of(frame), frame.f_code.co_name) in _FUNCTIONS for frame in frames):
            for watch in list(self.watches):
                reading = read(frames, watch.is_guard)
                if reading is not None:
                    watch.report(reading)

    def begins(self, how: servestart.Start, server: Any) -> None:
        """Tell each watch of *server*, which begins to serve, if it has to know of it."""
        for watch in list(self.watches):
            reading = servestart.read(how, server, watch.is_guard)
            if reading is not None:
                try:
                    (watch.report if how.ends() else watch.tell)(reading)
                except BaseException:
                    how.after_error(server)
                    raise

    def remove(self) -> bool:
        """Put everything back as it was; False if somebody has wrapped `Thread.start` again, on top of this."""
        self.methods.end()
        if threading.Thread.start is not self.start:
            return False
        setattr(threading.Thread, "start", self.original)
        return True


_hook: Optional[_Hook] = None
_mutex = threading.Lock()


def watch(is_guard: IsGuard, report: Report, tell: Optional[Report] = None) -> Callable[[], None]:
    """Look at pools that servers start, and at servers that begin, until the function that is returned is called.

    :param is_guard: whether an object is a guard of the group that watches.
    :param report: is given the reading when such a pool starts its first thread, and again at each further one. What it
        raises comes out of the server's call, and no thread is started.
    :param tell: is given it instead, and raises nothing, where an error would leave a port that nobody serves.
    """
    global _hook
    mine = _Watch(is_guard, report, tell or report)
    with _mutex:
        if _hook is None:
            _hook = _Hook()
        hook = _hook
        hook.watches.append(mine)

    def stop() -> None:
        global _hook
        with _mutex:
            if mine in hook.watches:
                hook.watches.remove(mine)
            if not hook.watches and _hook is hook:
                hook.remove()
                _hook = None

    return stop


def _afresh() -> None:
    """In a forked child nobody is left to release the mutex that another thread held."""
    global _mutex
    _mutex = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_afresh)
