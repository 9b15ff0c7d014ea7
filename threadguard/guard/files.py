"""File wrappers: they reach the server as they are, and their end is seen in what they wrap.

Servers know a file wrapper by its class (gunicorn, waitress, wsgiref) or by its pointer (uWSGI), and may read it where
they like: waitress reads a file that can seek in its main thread, while its worker has gone on to the next request
(waitress/buffers.py `ReadOnlyFileBasedBuffer`, waitress/channel.py `_flush_some`). Over a real file that is no code of
the application. Over anything else a `StandIn` takes the file's place inside the wrapper.
"""

import io
from functools import partial
from typing import Any, Dict, Iterator

from threadguard.guard.pending import PendingResponse
from threadguard.process import contexts

_LAYERS: Dict[type, str] = {io.BufferedReader: "raw", io.BufferedRandom: "raw", io.TextIOWrapper: "buffer"}
"""What `io` puts around a file, and the attribute that leads inwards."""


def is_file_wrapper(body: Any, environ: Dict[str, Any]) -> bool:
    """Whether *body* is what the server's ``wsgi.file_wrapper`` made: it must reach the server as it is.

    gunicorn, waitress and wsgiref offer a class; uWSGI a function that returns the file itself and compares pointers
    later (plugins/python/wsgi_handlers.c `py_uwsgi_sendfile`).
    """
    wrapper = environ.get("wsgi.file_wrapper") if isinstance(environ, dict) else None
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return wrapper is not None and hasattr(body, "read")


def is_over_real_file(body: Any, environ: Dict[str, Any]) -> bool:
    """Whether *body*, a file wrapper, wraps nothing but a real file: no code of the application reads that."""
    if not isinstance(environ["wsgi.file_wrapper"], type):
        return _is_real_file(body)
    if type(body) is not environ["wsgi.file_wrapper"]:
        return False  # a class that the application derived
    if _is_in_c(body):
        return _is_real_file(getattr(body, "filelike", None))
    files = _files_of(body)
    return bool(files) and all(map(_is_real_file, files.values())) and _close_of_its_own(body, files) is None


def _is_in_c(wrapper: Any) -> bool:
    """Whether *wrapper* is mod_wsgi's, which is written in C and shows its file (src/server/wsgi_stream.c)."""
    return hasattr(type(wrapper), "filelike")


def _is_real_file(file: Any) -> bool:
    """Whether *file* is one of `io`'s own, over a descriptor or in memory: a layer counts for what is innermost.

    Not if the application has put a function of its own into it: Django ends a response in the ``close`` of the file
    (django/core/handlers/wsgi.py `WSGIHandler.__call__`).
    """
    try:
        while type(file) in _LAYERS and not _has_functions(file):
            file = getattr(file, _LAYERS[type(file)])
    except ValueError:  # detached
        return False
    return type(file) in (io.FileIO, io.BytesIO) and not _has_functions(file)


def _has_functions(file: Any) -> bool:
    return any(map(callable, vars(file).values()))


def _files_of(wrapper: Any) -> Dict[str, Any]:
    """The attributes of *wrapper*, one written in Python, that are files."""
    return {name: value for name, value in getattr(wrapper, "__dict__", {}).items() if hasattr(value, "read")}


def _close_of_its_own(wrapper: Any, files: Dict[str, Any]) -> Any:
    """The ``close`` that the application has put into *wrapper*, None where there is none but the *files*'."""
    close = getattr(wrapper, "__dict__", {}).get("close")
    return None if any(close == getattr(file, "close", None) for file in files.values()) else close


def track(pending: PendingResponse, wrapper: Any, environ: Dict[str, Any]) -> None:
    """Let *pending* see the end of *wrapper*: by stand-ins for its files, or else by its death.

    What is written in C lets no file be exchanged, nor does uWSGI, whose wrapper is the file itself: they stay inside
    until they are gone, or until their context enters again.
    """
    in_c = _is_in_c(wrapper)
    for thing in (wrapper, wrapper.filelike if in_c else _file_behind(wrapper)):
        try:
            pending.follow(thing)
            break
        except TypeError:  # it takes no weak reference
            continue
    files = {} if in_c or not isinstance(environ["wsgi.file_wrapper"], type) else _files_of(wrapper)
    close = _close_of_its_own(wrapper, files)
    pending.closes = close is not None or any(hasattr(file, "close") for file in files.values())
    pending.is_read_elsewhere = bool(files)
    for name, file in files.items():
        _exchange(pending, wrapper, name, file)
    if close is not None:
        wrapper.close = partial(pending.close, close)


def _file_behind(wrapper: Any) -> Any:
    """The file whose method a *wrapper* in C hands out as its own (bjoern/filewrapper.c `FileWrapper_GetAttrO`)."""
    return getattr(getattr(wrapper, "read", None), "__self__", None)


def _exchange(pending: PendingResponse, wrapper: Any, name: str, file: Any) -> None:
    """Put a stand-in in the place of *file*, and of its methods that *wrapper* bound when it was made.

    gunicorn's and wsgiref's wrappers keep the ``close`` of the file (gunicorn/http/wsgi.py, wsgiref/util.py).
    """
    stand_in = (IterableStandIn if hasattr(type(file), "__iter__") else StandIn)(file, pending)
    for other, value in list(vars(wrapper).items()):
        method = getattr(value, "__name__", None) if getattr(value, "__self__", None) is file else other
        if other == name:
            setattr(wrapper, name, stand_in)
        elif callable(value) and isinstance(method, str) and getattr(file, method, None) == value:
            setattr(wrapper, other, getattr(stand_in, method))


class StandIn:
    """What a file wrapper reads instead of *file*: it has all that the file has, and tells of its end and `close`."""

    def __init__(self, file: Any, pending: PendingResponse) -> None:
        self._file, self._pending, self._is_sought = file, pending, False

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.__dict__["_file"], name)
        if name in ("close", "seek"):
            return self._close if name == "close" else self._seek
        return partial(self._call, value) if callable(value) else value

    @contexts.makes_a_chunk
    def _call(self, method: Any, *arguments: Any, **keywords: Any) -> Any:
        __traceback_hide__ = True  # noqa: F841
        self._pending.ended_at = None
        return self._pending.call(method, *arguments, **keywords)

    def read(self, *arguments: Any, **keywords: Any) -> Any:
        """Read the file; an empty answer is its end, for a server that does not seek in it."""
        __traceback_hide__ = True  # noqa: F841
        chunk = self._call(self._file.read, *arguments, **keywords)
        if not chunk and 0 not in arguments[:1]:
            self._pending.is_read_elsewhere = self._is_sought
            self._pending.end()
        return chunk

    def _seek(self, *arguments: Any) -> Any:
        __traceback_hide__ = True  # noqa: F841
        self._is_sought = True
        return self._call(self._file.seek, *arguments)

    @contexts.makes_a_chunk
    def _close(self, *arguments: Any) -> Any:
        __traceback_hide__ = True  # noqa: F841
        return self._pending.close(partial(self._file.close, *arguments))


class IterableStandIn(StandIn):
    """One for a file that can be iterated."""

    def __iter__(self) -> Iterator[Any]:
        return _lines(self)


def _lines(stand_in: StandIn) -> Iterator[Any]:
    __traceback_hide__ = True  # noqa: F841
    chunks = iter(stand_in._file)
    while True:
        try:
            chunk = stand_in._call(chunks.__next__)
        except StopIteration:
            break
        yield chunk
    stand_in._pending.end()
