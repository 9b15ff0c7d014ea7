"""What goes out to the server is what the application returned, as far as a server can tell."""

import io
import threading
import weakref
from contextlib import suppress
from wsgiref.util import FileWrapper
from wsgiref.validate import validator

import pytest
from conftest import DEADLINE, Response, counts_references, new_environ, start_response

from threadguard.guard import bodies
from threadguard.guard.ledger import Ledger


class Sized:
    """An iterable with a length."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def __len__(self):
        return len(self.chunks)

    def __iter__(self):
        return iter(self.chunks)


class Odd(list):
    """A list that runs code when it is iterated."""

    def __iter__(self):
        yield b"odd"


class Plain(list):
    """A list by another name."""


class PlainBytes(bytes):
    """Bytes by another name."""


class ClosingList(list):
    """A list that wants to be closed."""

    closed = False

    def close(self):
        self.closed = True


class ByIndex:
    """The oldest protocol of iteration."""

    def __getitem__(self, index):
        return [b"a", b"b"][index]


def in_a_generator(chunks):
    for chunk in chunks:
        yield chunk


def returning(body):
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return body
    return app


def returning_anew(make):
    """An application that answers each request with a body of its own."""
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return make()
    return app


@pytest.mark.parametrize("body", [
    pytest.param([b"a"], id="a list"), pytest.param((b"a",), id="a tuple"), pytest.param([], id="an empty list"),
    pytest.param((chunk for chunk in [b"a"]), id="a generator"),
    pytest.param(Plain([b"a"]), id="a class of list"), pytest.param(PlainBytes(b"a"), id="a class of bytes"),
])
def test_lists_tuples_and_generators_are_handed_out_as_they_are(guarded, body):
    """They cost nothing per chunk."""
    assert guarded(returning(body))(new_environ(), start_response) is body


def test_a_list_that_wants_to_be_closed_is_inside_until_it_is(guarded):
    """Its close may run any code."""
    body = ClosingList([b"a"])
    guard = guarded(returning(body))
    wrapped = guard(new_environ(), start_response)
    assert guard.stats().in_flight == 1
    wrapped.close()
    assert body.closed and guard.stats().in_flight == 0


class Reluctant:
    """An iterable that cannot be iterated."""

    def __iter__(self):
        raise ValueError("not today")


class ReluctantIterator(Reluctant):
    """One that says it is an iterator."""

    def __next__(self):
        raise AssertionError("not asked")


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
@pytest.mark.parametrize("body", [Reluctant(), ReluctantIterator()], ids=["an iterable", "an iterator"])
def test_what_iter_raises_is_raised_by_iter(guarded, policy, body):
    """granian asks for an iterator before it sends the status, and answers an error there with 500."""
    guard = guarded(returning(body), policy=policy)
    wrapped = guard(new_environ(), start_response)
    with pytest.raises(ValueError, match="not today"):
        iter(wrapped)
    assert guard.stats().in_flight == 0


def test_what_iter_calls_is_nested(guarded):
    """Code that runs while the body is asked for an iterator is the request's own."""
    class Asking:
        def __iter__(self):
            return iter([Response(guard, new_environ(PATH_INFO="/inner")).body])

    guard = guarded(lambda environ, start: returning(
        [b"inner"] if environ["PATH_INFO"] == "/inner" else Asking())(environ, start))
    assert Response(guard).body == b"inner"
    assert guard.stats().overlaps == 0 and guard.verdict.status == "single-threaded"


class Calling:
    """An iterable, or an iterator, that calls *act* for each of two chunks."""

    def __init__(self, act):
        self.act, self.left = act, [b"a", b"b"]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.act()
        return self.left.pop(0)


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
@pytest.mark.parametrize("take", [list, next], ids=["by a loop", "by next()"])
def test_what_a_chunk_calls_is_nested(guarded, policy, take):
    """Whoever asks for the chunk: the body that makes it stays inside."""
    seen = []

    def call():
        Response(guard, new_environ(PATH_INFO="/inner"))
        seen.append(guard.stats().in_flight)

    guard = guarded(lambda environ, start: returning(
        [b"inner"] if environ["PATH_INFO"] == "/inner" else Calling(call))(environ, start), policy=policy)
    body = guard(new_environ(), start_response)
    take(body)
    assert seen[0] == 1 and set(seen) == {1}


@pytest.mark.parametrize("make", [lambda chunks: map(bytes, chunks), in_a_generator], ids=["a map", "a generator"])
def test_an_abandoned_body_that_goes_on_in_its_loop_is_seen_under_serialize(guarded, make):
    """The turn was another's meanwhile: they interleave, whichever chunk it is."""
    guard = guarded(returning_anew(lambda: make([b"a", b"b", b"c"])), policy="serialize")
    if make is in_a_generator:  # the first one is handed out as it is; from the second on all are watched
        kept = [guard(new_environ(), start_response)]
        guard(new_environ(), start_response)
        kept.clear()
    abandoned = iter(guard(new_environ(), start_response))
    assert next(abandoned) == b"a"
    later = guard(new_environ(), start_response)
    assert next(abandoned) == b"b"
    assert guard.stats().overlaps == 1
    del later
    assert next(abandoned) == b"c"
    assert guard.stats().overlaps == 1


class Bare:
    """An iterator that cannot be asked for an iterator: enough for a loop over whose it is."""

    def __init__(self):
        self.left = [b"a", b"b"]

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


class MakesBare:
    """An iterable that makes one."""

    def __iter__(self):
        return Bare()


def test_an_iterator_need_not_be_iterable(guarded):
    """A loop over a body asks for an iterator once, and then only for chunks."""
    guard = guarded(returning(MakesBare()))
    assert b"".join(guard(new_environ(), start_response)) == b"ab"
    assert guard.stats().in_flight == 0


def test_a_body_with_a_length_keeps_it(guarded):
    """Without it Content-Length turns into chunks on some servers."""
    body = guarded(returning(Sized(b"a", b"b")))(new_environ(), start_response)
    assert len(body) == 2
    assert list(body) == [b"a", b"b"]


def test_a_body_may_be_iterated_while_it_is_iterated(guarded):
    """gevent's pywsgi adds up the lengths of a sized body's chunks while it sends the first."""
    guard = guarded(returning(Sized(b"one ", b"two")))
    body = guard(new_environ(), start_response)
    sent = []
    for chunk in body:
        assert sum(len(each) for each in body) == 7
        assert guard.stats().in_flight == 1
        sent.append(chunk)
    assert sent == [b"one ", b"two"]
    assert guard.stats().in_flight == 0


def test_a_body_without_a_length_gets_none(guarded):
    """A server must not take a stream for a sequence."""
    body = guarded(returning(iter([b"a"])))(new_environ(), start_response)
    assert not hasattr(body, "__len__")


@pytest.mark.parametrize("body, expected", [
    pytest.param(Odd(), b"odd", id="a list with code of its own"),
    pytest.param(ByIndex(), b"ab", id="an object with __getitem__"),
    pytest.param({b"k": 1}, b"k", id="a dict"),
    pytest.param(map(bytes.upper, [b"a"]), b"A", id="a map"),
    pytest.param(zip(), b"", id="a zip"),
    pytest.param(iter([b"a", b"b"]), b"ab", id="a list iterator"),
])
def test_other_iterables_are_wrapped_and_leave_at_their_end(guarded, body, expected):
    """They take no weak reference, or run code."""
    guard = guarded(returning(body))
    wrapped = guard(new_environ(), start_response)
    assert guard.stats().in_flight == 1
    assert b"".join(wrapped) == expected
    assert guard.stats().in_flight == 0


def test_a_wrapped_body_shows_what_the_inner_one_has(guarded):
    """Frameworks put attributes on their responses."""
    body = Sized(b"a")
    body.status_code = 200
    assert guarded(returning(body))(new_environ(), start_response).status_code == 200


def test_a_file_wrapper_comes_back_itself(guarded, tmp_path):
    """Servers know it by its class; over a real file no code of the application is left to run."""
    (tmp_path / "file").write_bytes(b"content")
    with (tmp_path / "file").open("rb") as file:
        wrapper = FileWrapper(file)
        guard = guarded(returning(wrapper))
        assert guard(new_environ(**{"wsgi__file_wrapper": FileWrapper}), start_response) is wrapper
        assert guard.stats().in_flight == 0


def test_a_file_itself_comes_back_where_the_server_wraps_with_a_function(guarded):
    """uWSGI's wsgi.file_wrapper returns the file and compares pointers later."""
    file = io.BytesIO(b"content")
    guard = guarded(returning(file))
    assert guard(new_environ(wsgi__file_wrapper=lambda f, size=0: f), start_response) is file
    assert guard.stats().in_flight == 0


class Reader:
    """A file-like object that runs the application's code."""

    def read(self, size=-1):
        return b""


@counts_references
@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_file_wrapper_over_the_application_s_own_reader_is_inside(guarded, policy):
    """It comes back itself all the same, and is inside until nobody holds it any more."""
    mine = [FileWrapper(Reader())]  # in a list: a frame that is traced (coverage) may keep a copy of its variables
    guard = guarded(lambda environ, start: returning(held.pop())(environ, start), policy=policy)
    held = list(mine)
    itself = guard(new_environ(wsgi__file_wrapper=FileWrapper), start_response) is mine[0]
    assert itself
    assert guard.stats().in_flight == 1
    mine.clear()
    assert guard.stats().in_flight == 0
    held = [FileWrapper(Reader())]
    assert Response(guard, new_environ(wsgi__file_wrapper=FileWrapper)).status == "200 OK"


def test_write_reaches_the_server(guarded):
    """The callable that start_response gives is the server's own."""
    def app(environ, start_response):
        write = start_response("200 OK", [])
        write(b"written ")
        return [b"returned"]

    assert Response(guarded(app)).body == b"written returned"


def test_exc_info_reaches_the_server(guarded):
    """So does the error that start_response is told of."""
    seen = []

    def app(environ, start_response):
        start_response("500 Oops", [], (ValueError, None, None))
        return []

    guarded(app)(new_environ(), lambda status, headers, exc_info=None: seen.append(exc_info))
    assert seen == [(ValueError, None, None)]


def lint_of(name):
    if name == "wsgiref":
        return validator
    if name == "paste":
        return pytest.importorskip("paste.lint", reason="needs the package Paste").middleware
    return pytest.importorskip("werkzeug.middleware.lint", reason="needs the package Werkzeug").LintMiddleware


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("name", ["wsgiref", "paste", "werkzeug"])
@pytest.mark.parametrize("make", [
    pytest.param(lambda: [b"a"], id="a list"), pytest.param(lambda: iter([b"a"]), id="an iterator"),
    pytest.param(lambda: Sized(b"a"), id="a sized body"), pytest.param(lambda: (c for c in [b"a"]), id="a generator"),
])
def test_lint_inside_and_outside_the_guard_stays_silent(guarded, policy, name, make):
    """What PEP 3333 asks of both sides holds (warnings are errors here)."""
    lint = lint_of(name)

    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "1")])
        return make()

    assert Response(lint(guarded(lint(app), policy=policy)), lint_environ()).body == b"a"


def lint_environ():
    return new_environ(QUERY_STRING="", SERVER_PORT="80", wsgi__input=io.BytesIO())


def test_a_body_that_is_left_half_way_goes_on_and_stays_inside(guarded):
    """Whoever takes one chunk, by a loop or by next(), may take the others later."""
    guard = guarded(lambda environ, start_response: iter([b"a", b"b", b"c", b"d"]))
    body = guard(new_environ(), start_response)
    for chunk in body:
        break
    seen = [chunk, next(body), guard.stats().in_flight, list(body), guard.stats().in_flight]
    assert seen == [b"a", b"b", 1, [b"c", b"d"], 0]


@pytest.mark.parametrize("error", [GeneratorExit, SystemExit, ValueError])
@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_an_error_in_a_chunk_ends_the_body(guarded, policy, error):
    """No code of the application is left to run, whatever it raised."""
    def chunks():
        yield b"a"
        raise error

    guard = guarded(lambda environ, start_response: map(bytes, chunks()), policy=policy)
    body = guard(new_environ(), start_response)
    with pytest.raises(error):
        list(body)
    assert guard.stats().in_flight == 0


class NotesLeaving(Ledger):
    """A ledger that notes which tickets leave."""

    def __init__(self):
        super().__init__()
        self.left = []

    def leave(self, ticket):
        super().leave(ticket)
        self.left.append(ticket)


@counts_references
def test_a_body_ends_only_once():
    """close() after the end does no harm."""
    ledger = NotesLeaving()
    body = bodies.track_body(ledger, 7, {}, iter([b"a"]))
    assert list(body) == [b"a"] and ledger.left == [7]
    body.close()
    gone = weakref.ref(body)
    del body
    assert gone() is None
    assert set(ledger.left) == {7}, "leaving twice does no harm"


def test_the_inner_close_comes_first():
    """The request is inside while the application's close() runs."""
    order = []

    class Inner:
        def __iter__(self):
            return iter(())

        def close(self):
            order.append("close")

    ledger = NotesLeaving()
    ledger.left = order
    bodies.track_body(ledger, 0, {}, Inner()).close()
    assert order[:2] == ["close", 0]


class Slow:
    """An iterator whose only chunk is made while *inside* is set, until it may *go*."""

    def __init__(self):
        self.inside, self.go, self.left = threading.Event(), threading.Event(), 1

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        self.left -= 1
        self.inside.set()
        assert self.go.wait(DEADLINE)
        return b"slow"

    def close(self):
        pass


class Again:
    """An iterable of the chunks of another, with a close."""

    def __init__(self, chunks):
        self.chunks = chunks

    def __iter__(self):
        return self.chunks

    def close(self):
        pass


@pytest.mark.parametrize("take", [list, next], ids=["list", "next"])
@pytest.mark.parametrize("make", [lambda slow: slow, in_a_generator, Again], ids=["iterator", "generator", "iterable"])
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_body_that_another_thread_closes_is_inside_until_its_chunk_is_made(guarded, policy, make, take):
    """The application's code still runs: nobody else may run beside it."""
    slow, bodies = Slow(), []
    guard = guarded(lambda environ, start_response: make(slow), policy=policy)

    def serve():
        bodies.append(guard(new_environ(), start_response))
        take(bodies[0] if hasattr(bodies[0], "__next__") else iter(bodies[0]))

    server = threading.Thread(target=serve)
    server.start()
    assert slow.inside.wait(DEADLINE)
    with suppress(ValueError):  # "generator already executing", as without a guard
        bodies[0].close()
    while_it_is_made = guard.stats().in_flight
    slow.go.set()
    server.join(DEADLINE)
    assert not server.is_alive()
    bodies[0].close()
    assert (while_it_is_made, guard.stats().in_flight) == (1, 0)
