"""Small applications, each with state of one kind: shared by requests where it must not be, and as it should be.

Each answers with the path it was asked for. A racy one takes the path from something that requests share; the right one
of the same kind gives each request its own, or holds a lock.
"""

import contextvars
import locale
import os
import sqlite3
import tempfile
import threading
from typing import Any, Callable, Dict, Iterable, List

Environ = Dict[str, Any]
Start = Callable[..., Any]
RACY: Dict[str, Callable[..., Iterable[bytes]]] = {}
RIGHT: Dict[str, Callable[..., Iterable[bytes]]] = {}


def answer(start_response: Start, text: str) -> List[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [text.encode()]


def racy(app: Any) -> Any:
    RACY[app.__name__] = app
    return app


def right(app: Any) -> Any:
    RIGHT[app.__name__] = app
    return app


@racy
def module_global(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global current
    current = environ["PATH_INFO"]
    greeting = "hello"
    return answer(start_response, greeting + current)


@racy
def environment(environ: Environ, start_response: Start) -> Iterable[bytes]:
    os.environ["CURRENT_PATH"] = environ["PATH_INFO"]
    text = "from the environment: "
    return answer(start_response, text + os.environ["CURRENT_PATH"])


@racy
def process_locale(environ: Environ, start_response: Start) -> Iterable[bytes]:
    before = locale.setlocale(locale.LC_CTYPE)
    try:
        locale.setlocale(locale.LC_CTYPE, "C" if environ["PATH_INFO"] == "/a" else "C.UTF-8")
        text = locale.setlocale(locale.LC_CTYPE)
    finally:
        locale.setlocale(locale.LC_CTYPE, before)
    return answer(start_response, text)


@racy
def file_mask(environ: Environ, start_response: Start) -> Iterable[bytes]:
    before = os.umask(0o077 if environ["PATH_INFO"] == "/a" else 0o022)
    name = os.path.join(tempfile.gettempdir(), "race-umask-%d-%d" % (os.getpid(), threading.get_ident()))
    try:
        os.close(os.open(name, os.O_CREAT | os.O_WRONLY, 0o666))
        mode = os.stat(name).st_mode
        os.unlink(name)
    finally:
        os.umask(before)
    return answer(start_response, oct(mode))


@racy
def working_directory(environ: Environ, start_response: Start) -> Iterable[bytes]:
    before = os.getcwd()
    os.chdir("/" if environ["PATH_INFO"] == "/a" else tempfile.gettempdir())
    try:
        names = os.path.abspath("page")
    finally:
        os.chdir(before)
    return answer(start_response, names)


_shared = sqlite3.connect(":memory:", check_same_thread=False)
_shared.execute("create table asked (path text)")


@racy
def sqlite_connection(environ: Environ, start_response: Start) -> Iterable[bytes]:
    _shared.execute("delete from asked")
    _shared.execute("insert into asked values (?)", (environ["PATH_INFO"],))
    rows = _shared.execute("select path from asked order by path").fetchall()
    _shared.rollback()
    return answer(start_response, repr(rows))


class Page:
    path = ""

    def render(self) -> str:
        return "page " + self.path


@racy
def class_attribute(environ: Environ, start_response: Start) -> Iterable[bytes]:
    Page.path = environ["PATH_INFO"]
    return answer(start_response, Page().render())


_cache: Dict[str, str] = {}


@racy
def module_cache(environ: Environ, start_response: Start) -> Iterable[bytes]:
    if _cache.get("key") != environ["PATH_INFO"]:
        _cache["key"] = environ["PATH_INFO"]
        _cache["value"] = "made for " + environ["PATH_INFO"]
    return answer(start_response, _cache["value"])


@racy
def generator_body(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global streamed
    streamed = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begin "
    yield streamed.encode()


class ClosingBody:
    """Says in `close` whose request it was, and raises if that is another's."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __iter__(self) -> Any:
        return iter([self.path.encode()])

    def close(self) -> None:
        expected = self.path
        if closing != expected:
            raise LookupError("closed for %s" % closing)


@racy
def closed_body(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global closing
    closing = environ["PATH_INFO"]
    start_response("200 OK", [])
    return ClosingBody(environ["PATH_INFO"])


@racy
def order_of_writes(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global written
    written = environ["PATH_INFO"]
    write = start_response("200 OK", [])
    write(b"written ")
    write(written.encode())
    return []


@racy
def raised(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global user
    user = environ["PATH_INFO"]
    if environ["PATH_INFO"] == "/b":
        user = None
    if environ["PATH_INFO"] == "/a":
        return answer(start_response, "hello " + user.strip("/"))
    return answer(start_response, "nobody")


_lock = threading.Lock()


@right
def pure_function(environ: Environ, start_response: Start) -> Iterable[bytes]:
    words = ["hello", environ["PATH_INFO"]]
    return answer(start_response, " ".join(words))


@right
def with_lock(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global guarded
    with _lock:
        guarded = environ["PATH_INFO"]
        text = "hello "
        text += guarded
    return answer(start_response, text)


_again = threading.RLock()
_condition = threading.Condition()
_busy = False


@right
def with_reentrant_lock(environ: Environ, start_response: Start) -> Iterable[bytes]:
    with _again:
        os.environ["CURRENT_PATH"] = environ["PATH_INFO"]
        with _again:
            text = os.environ["CURRENT_PATH"]
    return answer(start_response, text)


@right
def with_condition(environ: Environ, start_response: Start) -> Iterable[bytes]:
    global _busy, conditional
    with _condition:
        while _busy:
            _condition.wait()
        _busy = True
    conditional = environ["PATH_INFO"]
    text = "after the wait "
    text += conditional
    with _condition:
        _busy = False
        _condition.notify()
    return answer(start_response, text)


_semaphore = threading.BoundedSemaphore()


@right
def with_semaphore(environ: Environ, start_response: Start) -> Iterable[bytes]:
    with _semaphore:
        before = os.getcwd()
        os.chdir("/" if environ["PATH_INFO"] == "/a" else tempfile.gettempdir())
        names = os.path.abspath("page")
        os.chdir(before)
    return answer(start_response, names)


_local = threading.local()


@right
def thread_local(environ: Environ, start_response: Start) -> Iterable[bytes]:
    _local.path = environ["PATH_INFO"]
    text = "local "
    return answer(start_response, text + _local.path)


_variable: "contextvars.ContextVar[str]" = contextvars.ContextVar("path")


@right
def context_variable(environ: Environ, start_response: Start) -> Iterable[bytes]:
    _variable.set(environ["PATH_INFO"])
    text = "context "
    return answer(start_response, text + _variable.get())


@right
def own_connection(environ: Environ, start_response: Start) -> Iterable[bytes]:
    own = sqlite3.connect(":memory:")
    own.execute("create table asked (path text)")
    own.execute("insert into asked values (?)", (environ["PATH_INFO"],))
    rows = own.execute("select path from asked").fetchall()
    own.close()
    return answer(start_response, repr(rows))


class OwnPage:
    def __init__(self, path: str) -> None:
        self.path = path

    def render(self) -> str:
        return "page " + self.path


@right
def instance_attribute(environ: Environ, start_response: Start) -> Iterable[bytes]:
    page = OwnPage(environ["PATH_INFO"])
    return answer(start_response, page.render())


_by_path: Dict[str, str] = {}


@right
def cache_by_path(environ: Environ, start_response: Start) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    if path not in _by_path:
        _by_path[path] = "made for " + path
    return answer(start_response, _by_path[path])


@right
def own_generator(environ: Environ, start_response: Start) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"begin "
    yield path.encode()


@right
def session_of_both(environ: Environ, start_response: Start) -> Iterable[bytes]:
    """The answer tells the state that the request before has left: which depends on the order, and on nothing else."""
    global session
    with _lock:
        before, session = globals().get("session"), environ["PATH_INFO"]
    return answer(start_response, "before: %s" % before)
