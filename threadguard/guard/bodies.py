"""Response bodies: which are finished when the application returns, and a wrapper for those that must be watched.

A body that can be handed out as it is, is: a list, a generator (its end shows in ``gi_frame``), a file wrapper (servers
know it by its identity). Every other iterable is wrapped, and keeps its length if it has one: without ``__len__``
waitress and wsgiref turn ``Content-Length`` into chunks.
"""

import io
import weakref
from types import GeneratorType
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Type

from threadguard.process import contexts
from threadguard.guard.ledger import Ledger


def is_file_wrapper(body: Any, environ: Dict[str, Any]) -> bool:
    """Whether *body* is what the server's ``wsgi.file_wrapper`` made: it must reach the server as it is.

    gunicorn, waitress and wsgiref offer a class; uWSGI a function that returns the file itself and compares pointers
    later (plugins/python/wsgi_handlers.c `py_uwsgi_sendfile`).
    """
    wrapper = environ.get("wsgi.file_wrapper") if isinstance(environ, dict) else None
    if isinstance(wrapper, type):
        return isinstance(body, wrapper)
    return wrapper is not None and hasattr(body, "read")


def runs_no_code(body: Any, environ: Dict[str, Any]) -> bool:
    """Whether no code of the application is left to run when it has returned *body*.

    So it is for a plain list or tuple, for a file wrapper over a real file, and for what is no iterable of chunks at
    all (None, a str), which the server shall judge.
    """
    kind = type(body)
    if kind is list or kind is tuple:
        return True
    if kind is GeneratorType:
        return False
    if body is None or not (hasattr(kind, "__iter__") or hasattr(kind, "__getitem__")):
        return True
    if issubclass(kind, _PLAIN):
        return _is_plain(body, kind)
    return is_file_wrapper(body, environ) and _is_real_file(body)


_PLAIN = (list, tuple, str, bytes)


def _is_plain(body: Any, kind: type) -> bool:
    """Whether *body*, of a class derived from one of `_PLAIN`, is iterated as that is, and has nothing to close.

    Some servers know it by its class: granian a list, to send a Content-Length, uWSGI a bytes, to send it whole.
    """
    base: Any = next(base for base in _PLAIN if issubclass(kind, base))
    return getattr(kind, "__iter__", None) is base.__iter__ and not hasattr(body, "close")


def _is_real_file(body: Any) -> bool:
    """Whether *body*, or the file that it wraps, is one of `io`'s own, over a descriptor or in memory."""
    for name in ("filelike", "file", "_file"):  # gunicorn, wsgiref, mod_wsgi; werkzeug, waitress; tempfile
        body = getattr(body, name, body)
    return isinstance(body, io.IOBase) and type(body).__module__ in ("io", "_io")


class Watch(NamedTuple):
    """What is looked at before each chunk, where others may go on meanwhile: first what is cheap."""

    inside: Dict[int, Any]
    """Who is inside, by ticket."""
    ticket: int
    look: Callable[[int], object]
    """Called with the ticket where it is not inside alone."""


class Body:
    """A body that says when it ends: what iterators and iterables have in common.

    *at_end* is called once: after the inner ``close()``, at the end of the iteration or an exception in it, or when
    nobody holds the body any more.

    A ``for`` gets a generator, which takes a quarter of the time of a method that is called for each chunk, and which
    tells by itself whether it makes a chunk. It holds this body and is not held by it.
    """

    _is_closed = False
    _is_asked = False
    """Whether it makes a chunk, or begins to, outside of a generator of its own."""
    is_finished = False
    _at_end: Callable[[], object] = staticmethod(bool)  # whoever is interrupted before it has one tells nobody

    def __init__(self, body: Any, at_end: Callable[[], object], watch: Optional[Watch] = None):
        self._body = body
        self._at_end = at_end
        self._watch = watch
        self._iterations: "List[weakref.ref[Any]]" = []

    @property
    def is_running(self) -> bool:
        """Whether it makes a chunk at this moment."""
        return self._is_asked or any(getattr(each(), "gi_running", False) for each in list(self._iterations))

    @contexts.makes_a_chunk
    def __iter__(self) -> Iterator[bytes]:
        """Start at once, as the inner body does: a server answers an error here with another page than one later."""
        self._is_asked = True
        try:
            chunks = iter(self._body)
        except BaseException:
            self._end()
            raise
        finally:
            self._is_asked = False
            if self._is_closed:
                self._end_unless_running()
        iteration = self._chunks(chunks if hasattr(chunks, "__iter__") else iter(chunks.__next__, _NO_CHUNK))
        self._iterations.append(weakref.ref(iteration, self._iterations.remove))
        return iteration

    @contexts.makes_a_chunk
    def _chunks(self, chunks: Iterator[bytes]) -> Iterator[bytes]:
        """*chunks*, which the inner body makes, one by one: what stands in this loop is paid for each."""
        watch, is_left = self._watch, False
        inside, ticket, look = watch or _NO_WATCH
        self._begin()
        try:
            if watch is not None and not self.is_finished:
                look(ticket)
            for chunk in chunks:
                try:
                    yield chunk
                except BaseException:
                    is_left = True
                    raise
                if watch is not None and (len(inside) != 1 or ticket not in inside) and not self.is_finished:
                    look(ticket)
        finally:
            self._cease(is_left)

    def _begin(self) -> None:
        """An iteration begins."""

    def _cease(self, is_left: bool) -> None:
        """An iteration is over: at its end, by an exception, or because somebody *is_left* it half-way."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the inner body, once, and leave: as soon as no other thread makes a chunk of it any more."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                close()
        finally:
            self._end_unless_running()

    def _end_unless_running(self) -> None:
        if not self.is_running:
            self._end()

    def _end(self) -> None:
        if not self.is_finished:
            self.is_finished = True
            self._at_end()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_body"], name)

    def __del__(self) -> None:
        self._end()


_NO_CHUNK = object()
_NO_WATCH = Watch({}, 0, bool)


class IteratorBody(Body):
    """One that can be iterated once, as an iterator can: who leaves it half-way may go on with another."""

    _next: Optional[Callable[[], bytes]] = None

    def _cease(self, is_left: bool) -> None:
        if not is_left or self._is_closed:
            self._end()

    @contexts.makes_a_chunk
    def __next__(self) -> bytes:
        if self._watch is not None and not self.is_finished:
            self._watch.look(self._watch.ticket)
        self._is_asked = True
        try:
            if self._next is None:
                self._next = self._body.__next__
            return self._next()
        except BaseException:
            self._end()
            raise
        finally:
            self._is_asked = False
            if self._is_closed:
                self._end_unless_running()


class IterableBody(Body):
    """One that can be iterated again, also while it is being iterated: it ends with the last iteration.

    gevent adds up the lengths of the chunks while it sends the first (gevent/pywsgi.py `WSGIHandler.finalize_headers`).
    """

    _under_way = 0

    def _begin(self) -> None:
        self._under_way += 1

    def _cease(self, is_left: bool) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._end()


class SizedIterator(IteratorBody):
    """An iterator with a length."""

    def __len__(self) -> int:
        return len(self._body)


class SizedIterable(IterableBody):
    """An iterable with a length."""

    def __len__(self) -> int:
        return len(self._body)


_KINDS: Dict[Tuple[bool, bool], Type[Body]] = {
    (True, False): IteratorBody, (False, False): IterableBody,
    (True, True): SizedIterator, (False, True): SizedIterable}
"""Whether it is an iterator, whether it has a length."""


def wrap(body: Any, at_end: Callable[[], object], watch: Optional[Watch] = None) -> Body:
    """*body* as one that says when it ends: iterator or iterable as it is, and with its length if it has one."""
    kind = type(body)
    return _KINDS[hasattr(kind, "__next__"), hasattr(kind, "__len__")](body, at_end, watch)


def hand_out(ledger: Ledger, ticket: int, environ: Dict[str, Any], body: Iterable[bytes],
             at_end: Optional[Callable[[], object]] = None,
             before_chunk: Optional[Callable[[int], object]] = None) -> Iterable[bytes]:
    """*body* as it goes to the server, *ticket* staying inside until it is finished.

    *at_end*: wrap every iterable, and call this when it is finished as well. *before_chunk* is called with the ticket
    before each chunk where one context may have several bodies in work: under an event loop, and in uWSGI's async mode,
    whose environ has ``x-wsgiorg.fdevent.readable`` (uWSGI's plugins/python/wsgi_subhandler.c).
    """
    interleaves = contexts.event_loop_runs() or "x-wsgiorg.fdevent.readable" in environ
    if type(body) is GeneratorType:
        if at_end is None and not interleaves:
            ledger.follow(ticket, body)
            return body
    elif is_file_wrapper(body, environ):
        return _follow(ledger, ticket, body, at_end)

    def leave() -> None:
        ledger.leave(ticket)
        if at_end is not None:
            at_end()

    watched = before_chunk is not None and (interleaves or at_end is not None)
    wrapped = wrap(body, leave, Watch(ledger.inside, ticket, before_chunk) if watched and before_chunk else None)
    ledger.follow(ticket, wrapped, kept=interleaves)
    return wrapped


def _follow(ledger: Ledger, ticket: int, body: Iterable[bytes],
            at_end: Optional[Callable[[], object]]) -> Iterable[bytes]:
    """*body* as it is: its end is seen by a weak reference, or at once where it takes none."""
    try:
        ledger.follow(ticket, body)
        if at_end is not None:
            weakref.finalize(body, at_end).atexit = False
    except TypeError:
        ledger.leave(ticket)
        if at_end is not None:
            at_end()
    return body
