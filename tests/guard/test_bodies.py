"""What goes out to the server is what the application returned, as far as a server can tell."""

import io
import threading
from contextlib import suppress
from functools import partial
from wsgiref.validate import validator

import pytest
from conftest import DEADLINE, Chunks, Response, new_environ, returning, start_response


class Sized:
    """An iterable with a length."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def __len__(self):
        return len(self.chunks)

    def __iter__(self):
        return iter(self.chunks)


class Proxy(Sized):
    """One whose class has a length, whatever it stands for."""

    def __len__(self):
        raise TypeError("object of type 'generator' has no len()")


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

    def close(self):
        """It may run any code."""


class ByIndex:
    """The oldest protocol of iteration."""

    def __getitem__(self, index):
        return [b"a", b"b"][index]


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


def in_a_generator(chunks):
    for chunk in chunks:
        yield chunk


@pytest.mark.parametrize("body", [
    pytest.param([b"a"], id="a list"), pytest.param((b"a",), id="a tuple"), pytest.param([], id="an empty list"),
    pytest.param((chunk for chunk in [b"a"]), id="a generator"),
    pytest.param(Plain([b"a"]), id="a class of list"), pytest.param(PlainBytes(b"a"), id="a class of bytes"),
])
def test_lists_tuples_and_generators_are_handed_out_as_they_are(guarded, body):
    """They cost nothing per chunk."""
    assert guarded(returning(lambda: body))(new_environ(), start_response) is body


@pytest.mark.parametrize("make, content, length", [
    pytest.param(Odd, b"odd", 0, id="a list with code of its own"),
    pytest.param(ByIndex, b"ab", None, id="an object with __getitem__"),
    pytest.param(lambda: {b"k": 1}, b"k", 1, id="a dict"),
    pytest.param(partial(map, bytes.upper, [b"a"]), b"A", None, id="a map"),
    pytest.param(zip, b"", None, id="a zip"),
    pytest.param(lambda: iter([b"a", b"b"]), b"ab", None, id="a list iterator"),
    pytest.param(MakesBare, b"ab", None, id="one whose iterator is not iterable"),
    pytest.param(partial(Sized, b"a", b"b"), b"ab", 2, id="a body with a length"),
    pytest.param(partial(Proxy, b"a"), b"a", None, id="a proxy that has no length"),
    pytest.param(partial(ClosingList, [b"a"]), b"a", 1, id="a list that wants to be closed"),
    pytest.param(partial(Chunks, [b"a"]), b"a", None, id="an iterator that wants to be closed"),
])
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_other_bodies_are_inside_until_their_end_or_their_close(guarded, policy, make, content, length):
    """They take no weak reference, or run code. A length they have if the application's body answers for it: without
    one Content-Length turns into chunks on some servers, and waitress answers 500 if asking for it raises."""
    guard = guarded(returning(make), policy=policy)
    body = guard(new_environ(), start_response)
    assert (len(body) if hasattr(body, "__len__") else None) == length
    assert guard.stats().in_flight == 1
    assert b"".join(body) == content
    assert guard.stats().in_flight == hasattr(make(), "close")
    body.close()
    assert guard.stats().in_flight == 0


class Reluctant:
    """An iterable that cannot be iterated."""

    def __iter__(self):
        raise ValueError("not today")


class ReluctantIterator(Reluctant):
    """One that says it is an iterator."""

    def __next__(self):
        raise AssertionError("not asked")


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
@pytest.mark.parametrize("make", [Reluctant, ReluctantIterator], ids=["an iterable", "an iterator"])
def test_what_iter_raises_is_raised_by_iter(guarded, policy, make):
    """granian asks for an iterator before it sends the status, and answers an error there with 500."""
    guard = guarded(returning(make), policy=policy)
    body = guard(new_environ(), start_response)
    with pytest.raises(ValueError, match="not today"):
        iter(body)
    assert guard.stats().in_flight == 0


@pytest.mark.parametrize("make", [lambda chunks: map(bytes, chunks), Chunks, in_a_generator],
                         ids=["a map", "an iterator", "a generator"])
def test_an_abandoned_body_that_goes_on_in_its_loop_is_seen_under_serialize(guarded, make):
    """The turn was another's meanwhile: they interleave, whichever chunk it is."""
    guard = guarded(returning(lambda: make([b"a", b"b", b"c"])), policy="serialize")
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


def test_a_body_may_be_iterated_while_it_is_iterated(guarded):
    """gevent's pywsgi adds up the lengths of a sized body's chunks while it sends the first."""
    guard = guarded(returning(partial(Sized, b"one ", b"two")))
    body = guard(new_environ(), start_response)
    sent = []
    for chunk in body:
        assert sum(len(each) for each in body) == 7
        assert guard.stats().in_flight == 1
        sent.append(chunk)
    assert sent == [b"one ", b"two"]
    assert guard.stats().in_flight == 0


def test_a_wrapped_body_shows_what_the_inner_one_has(guarded):
    """Frameworks put attributes on their responses."""
    body = Sized(b"a")
    body.status_code = 200
    assert guarded(returning(lambda: body))(new_environ(), start_response).status_code == 200


def test_a_file_itself_comes_back_where_the_server_wraps_with_a_function(guarded):
    """uWSGI's wsgi.file_wrapper returns the file and compares pointers later."""
    file = io.BytesIO(b"content")
    guard = guarded(returning(lambda: file))
    assert guard(new_environ(wsgi__file_wrapper=lambda f, size=0: f), start_response) is file
    assert guard.stats().in_flight == 0


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


class Again:
    """An iterable of the chunks of another, with a close."""

    def __init__(self, chunks):
        self.chunks = chunks

    def __iter__(self):
        return self.chunks

    def close(self):
        pass


@pytest.mark.parametrize("take", [list, next], ids=["list", "next"])
@pytest.mark.parametrize("make", [Chunks, in_a_generator, lambda chunks: Again(Chunks(chunks))],
                         ids=["iterator", "generator", "iterable"])
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_body_that_another_thread_closes_is_inside_until_its_chunk_is_made(guarded, policy, make, take):
    """The application's code still runs: nobody else may run beside it."""
    inside, go, bodies = threading.Event(), threading.Event(), []

    def slow():
        inside.set()
        assert go.wait(DEADLINE)
        yield b"slow"

    guard = guarded(returning(lambda: make(slow())), policy=policy)

    def serve():
        bodies.append(guard(new_environ(), start_response))
        take(bodies[0] if hasattr(bodies[0], "__next__") else iter(bodies[0]))

    server = threading.Thread(target=serve)
    server.start()
    assert inside.wait(DEADLINE)
    with suppress(ValueError):  # "generator already executing", as without a guard
        bodies[0].close()
    while_it_is_made = guard.stats().in_flight
    go.set()
    server.join(DEADLINE)
    assert not server.is_alive()
    bodies[0].close()
    assert (while_it_is_made, guard.stats().in_flight) == (1, 0)
