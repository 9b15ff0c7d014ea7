"""Response bodies: which are finished when the application returns, and a wrapper for those that are not.

A body that can be handed out as it is, is: a list, a generator (its end shows in ``gi_frame``), a file wrapper (servers
know it by its identity). Every other one is wrapped. The wrapper is an `itertools.chain`, so a chunk costs no Python
code: it gives `chain` the chunks of the body first, and is asked for more at their end.
"""

import weakref
from functools import partial
from itertools import chain
from types import CodeType, GeneratorType
from typing import Any, Callable, Dict, Iterable, Iterator, Optional, Tuple

from threadguard.guard import files
from threadguard.guard.ledger import Ledger
from threadguard.guard.pending import PendingResponse
from threadguard.process import contexts, stacks

_PLAIN: Tuple[Any, ...] = (list, tuple, str, bytes)
"""A class derived from one of them has nothing left to run if it is iterated as that is, and has nothing to close. Some
servers know it by its class: granian a list, to send a Content-Length, uWSGI a bytes, to send it whole."""


def is_finished_on_return(body: Any, environ: Dict[str, Any]) -> bool:
    """Whether no code of the application is left to run when it has returned *body*.

    So it is for a plain list or tuple, for a file wrapper over a real file, and for what is no iterable of chunks at
    all (None, a str), which the server shall judge.
    """
    kind: Any = type(body)
    if kind is list or kind is tuple:
        return True
    if kind is GeneratorType:
        return False
    for base in _PLAIN:
        if issubclass(kind, base):
            return kind.__iter__ is base.__iter__ and not hasattr(body, "close")
    if files.is_file_wrapper(body, environ):
        return files.is_over_real_file(body, environ)
    return body is None or not (hasattr(kind, "__iter__") or hasattr(kind, "__getitem__"))


def track_body(ledger: Ledger, ticket: int, environ: Dict[str, Any], body: Iterable[bytes],
               before_chunk: Optional[Callable[[PendingResponse], object]] = None,
               serializes: bool = False) -> Iterable[bytes]:
    """*body* as it goes to the server; *ticket* stays inside until it is finished.

    *before_chunk* is called before each chunk where one context may have several bodies in work: under an event loop,
    in uWSGI's async mode, whose environ has ``x-wsgiorg.fdevent.readable`` (uWSGI's plugins/python/wsgi_subhandler.c),
    and, if it *serializes*, from the moment a context has entered again with an unfinished body.
    """
    is_kept = contexts.event_loop_runs() or "x-wsgiorg.fdevent.readable" in environ
    is_watched = before_chunk is not None and (is_kept or serializes and ledger.leaves_bodies)
    pending = PendingResponse(ledger, ticket, environ, is_kept, is_watched)
    pending.serializes = serializes
    pending.before_chunk = before_chunk if is_watched or serializes else None
    if type(body) is GeneratorType:
        if not is_watched:
            pending.follow(body)
            ledger.follow(pending)
            return body
    elif files.is_file_wrapper(body, environ):
        files.track(pending, body, environ)
        ledger.follow(pending)
        return body
    wrapped: Iterable[bytes] = wrap(body, pending)
    pending.follow(wrapped)
    ledger.follow(pending)
    return wrapped


def wrap(body: Any, pending: PendingResponse) -> Any:
    """*body* as one that tells *pending* of its end: iterator or iterable as it is, and with a length if it has one."""
    # A generator is finished when its frame is gone, whatever its `close` is for.
    pending.closes = type(body) is not GeneratorType and hasattr(body, "close")
    is_sized = _has_length(body)
    if not hasattr(type(body), "__next__"):
        return (SizedIterableBody if is_sized else IterableBody)(body, pending)
    wrapper = (SizedIteratorBody if is_sized else IteratorBody).of(Course(body, pending))
    wrapper._body = body
    if pending.is_watched:
        wrapper.watch()
    return wrapper


def _has_length(body: Any) -> bool:
    """Whether *body* answers `len`: a proxy's class has ``__len__`` whatever it stands for."""
    if not hasattr(type(body), "__len__"):
        return False
    try:
        len(body)
    except Exception:  # noqa: B902  the body's own
        return False
    return True


class Course:
    """The course of an iteration, for `chain`: it gives the chunks of *body* first, and then tells of their end."""

    __slots__ = ("body", "chunks", "source", "pending", "is_begun", "_is_given")

    def __init__(self, body: Any, pending: PendingResponse) -> None:
        self.body = body
        self.chunks: Any = None
        """The iterator that the body has given."""
        self.source: Any = None
        """What makes the chunks; None before and after."""
        self.pending = pending
        self.is_begun = self._is_given = False

    def begin(self) -> Any:
        """Ask the body for its iterator, as a server does: an error there makes another page than one in a chunk."""
        __traceback_hide__ = True  # noqa: F841
        try:
            self.is_begun = True
            self.chunks = iter(self.body)
            self.source = _source(self.chunks)
            return self.chunks
        except BaseException:
            self.pending.end()
            raise

    def __iter__(self) -> "Course":
        return self

    def __next__(self) -> Any:
        __traceback_hide__ = True  # noqa: F841
        if not self._is_given:
            if not self.is_begun:
                self.begin()
            self._is_given = True
            return self.source
        self.source = None
        self.pending.iteration_ended()
        raise StopIteration


_NO_CHUNK = object()
_EMPTY: Tuple[Iterable[Any], ...] = [], (), "", b"", {}, set(), range(0)
_RUN_NO_CODE = tuple(type(iter(empty)) for empty in _EMPTY)


def _source(chunks: Any) -> Any:
    """*chunks* as something of which can be told whether it makes a chunk at this moment.

    A generator tells; a method written in Python shows on the stack, in this thread and, where there is a GIL, in
    others. What runs code in C, as a `map` does, or in a greenlet, is iterated by a generator.
    """
    kind = type(chunks)
    if kind is GeneratorType or kind in _RUN_NO_CODE:
        return chunks
    method: Any = getattr(kind, "__next__", None)
    if type(getattr(method, "__code__", None)) is CodeType and hasattr(kind, "__iter__"):  # PyPy's own have another
        if stacks.runs_alone() and not contexts.current().greenlet:
            contexts.makes_a_chunk(method)
            return chunks
    return _in_a_generator(chunks if hasattr(kind, "__iter__") else iter(chunks.__next__, _NO_CHUNK))


def _in_a_generator(chunks: Iterator[bytes]) -> Iterator[bytes]:
    __traceback_hide__ = True  # noqa: F841
    for chunk in chunks:
        yield chunk


class Chunks(chain):  # type: ignore[type-arg]
    """One iteration over a body."""

    _course: Course
    _pending: PendingResponse
    _held: object = None
    """The wrapper that is iterated: it is not gone meanwhile."""

    @classmethod
    def of(cls, course: Course, held: object = None) -> Any:
        """The chunks of *course*."""
        chunks: Any = cls.from_iterable(course)
        chunks._course, chunks._pending, chunks._held = course, course.pending, held
        course.pending.iterations.append(weakref.ref(chunks))
        return chunks

    @property
    def source(self) -> Any:
        """What makes the chunks; None before and after."""
        return self._course.source

    def watch(self) -> None:
        """Look around before each chunk from now on."""
        self.__class__ = _WATCHED.get(type(self), type(self))

    def __getattr__(self, name: str) -> Any:
        """What the iterator of the body has: agents keep that, and close it."""
        value = getattr(self.__dict__["_course"].chunks, name)
        return partial(self._close, value) if name == "close" else value

    @contexts.makes_a_chunk
    def _close(self, close: Callable[[], object]) -> None:
        __traceback_hide__ = True  # noqa: F841
        try:
            self._pending.call(close)
        finally:
            if not self._pending.is_running():
                self._course.source = None
                self._pending.iteration_ended()


@contexts.makes_a_chunk
def _watched_next(self: Any) -> Any:
    """A chunk, once it was looked whether another body of this context is in work."""
    __traceback_hide__ = True  # noqa: F841
    pending = self._pending
    try:
        pending.maker = contexts.current()
        if not pending.is_over:
            pending.before_chunk(pending)
        return chain.__next__(self)
    finally:
        pending.maker = None


class WatchedChunks(Chunks):
    """One that looks around before each chunk."""

    __next__ = _watched_next


class _Wrapper:
    """A body that tells of its end."""

    _body: Any
    _pending: PendingResponse

    @contexts.makes_a_chunk
    def close(self) -> None:
        """Close the application's body, once."""
        __traceback_hide__ = True  # noqa: F841
        if not self._pending.is_closed:
            self._pending.close(getattr(self._body, "close", None))

    def __getattr__(self, name: str) -> Any:
        if name == "__len__":  # a proxy has one, whatever it stands for
            raise AttributeError(name)
        return getattr(self.__dict__["_body"], name)


class IteratorBody(_Wrapper, Chunks):
    """A body that is its own iterator."""

    @contexts.makes_a_chunk
    def __iter__(self) -> Any:
        __traceback_hide__ = True  # noqa: F841
        if self._course.is_begun:
            return self
        chunks = self._course.begin()
        return self if chunks is self._body else _iteration(self, self._course)


class SizedIteratorBody(IteratorBody):
    """One with a length."""

    def __len__(self) -> int:
        return len(self._body)


class WatchedIteratorBody(IteratorBody):
    """One that looks around before each chunk."""

    __next__ = _watched_next


class WatchedSizedIteratorBody(SizedIteratorBody):
    """One that looks around before each chunk."""

    __next__ = _watched_next


_WATCHED: Dict[type, Any] = {
    Chunks: WatchedChunks, IteratorBody: WatchedIteratorBody, SizedIteratorBody: WatchedSizedIteratorBody}


class IterableBody(_Wrapper):
    """A body that can be iterated again, also while it is being iterated: it ends with the last iteration.

    gevent adds up the lengths of the chunks while it sends the first (gevent/pywsgi.py `WSGIHandler.finalize_headers`).
    """

    def __init__(self, body: Any, pending: PendingResponse) -> None:
        self._body, self._pending = body, pending

    @contexts.makes_a_chunk
    def __iter__(self) -> Any:
        __traceback_hide__ = True  # noqa: F841
        course = Course(self._body, self._pending)
        course.begin()
        return _iteration(self, course)


class SizedIterableBody(IterableBody):
    """One with a length."""

    def __len__(self) -> int:
        return len(self._body)


def _iteration(wrapper: Any, course: Course) -> Any:
    return (WatchedChunks if course.pending.is_watched else Chunks).of(course, held=wrapper)
