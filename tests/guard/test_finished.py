"""When a response is finished: what DESIGN calls so, for each kind of body, on contexts that meet."""

import ctypes
import gc
import io
import os
import subprocess
import sys
import textwrap
import threading
from contextlib import suppress
from functools import partial

import pytest
from conftest import (
    DEADLINE, Chunks, Response, counts_references, in_thread, new_environ, returning, start_response, until,
    without_hooks,
)
from wsgiref.util import FileWrapper

from threadguard.guard import pending
from threadguard.process import stacks


class Work:
    """Code of the application that knows how many run it at once; *during* is what it waits for inside."""

    def __init__(self):
        self.inside = self.most = 0
        self.mutex = threading.Lock()
        self.entered, self.go = threading.Event(), threading.Event()

    def __call__(self, waits=False):
        with self.mutex:
            self.inside += 1
            self.most = max(self.most, self.inside)
        if waits:
            self.entered.set()
            assert self.go.wait(DEADLINE)
        with self.mutex:
            self.inside -= 1


class Raw(io.RawIOBase):
    """A raw file of the application's own."""

    def readable(self):
        return True

    def readinto(self, buffer):
        return 0


class Reader:
    """A file-like object of the application's, with what real files have and without."""

    def __init__(self, **attributes):
        self.left = [b"abc", b"def"]
        for name, value in attributes.items():
            setattr(self, name, value)

    def read(self, size=-1):
        return self.left.pop(0) if self.left else b""


class Holding:
    """An object with a real file in an attribute of its own, which it decrypts."""

    def __init__(self, name):
        setattr(self, name, io.BytesIO(b"x"))

    def read(self, size=-1):
        return b""


def detached():
    """A buffer whose raw file was taken away."""
    buffer = io.BufferedReader(io.BytesIO())
    buffer.detach()
    return buffer


def with_a_close(file, close=None):
    """*file* with a `close` of the application's, as Django's FileResponse sets it (core/handlers/wsgi.py)."""
    file.close = partial(type(file).close, file) if close is None else close
    return file


def over(file):
    """An application that answers with a file wrapper over what *file* makes."""
    return lambda environ, start_response: environ["wsgi.file_wrapper"](file())


def with_files(**changes):
    return new_environ(wsgi__file_wrapper=FileWrapper, **changes)


@pytest.mark.parametrize("file, expected", [
    pytest.param(io.BytesIO, 0, id="memory"),
    pytest.param(lambda: open(__file__, "rb"), 0, id="a buffered file"),
    pytest.param(lambda: open(__file__, "rb", buffering=0), 0, id="an unbuffered file"),
    pytest.param(lambda: open(__file__), 0, id="a text file"),
    pytest.param(lambda: io.BufferedReader(Raw()), 1, id="a buffer over a raw file of the application's"),
    pytest.param(type("Derived", (io.BytesIO,), {}), 1, id="a class of the application's"),
    pytest.param(lambda: with_a_close(open(__file__, "rb")), 1, id="a file with a close of the application's"),
    pytest.param(lambda: io.BufferedReader(with_a_close(open(__file__, "rb", buffering=0))), 1,
                 id="a buffer over such"),
    pytest.param(detached, 1, id="a buffer without a file"),
    pytest.param(lambda: Holding("file"), 1, id="an object with .file"),
    pytest.param(lambda: Holding("filelike"), 1, id="an object with .filelike"),
    pytest.param(lambda: Holding("_file"), 1, id="an object with ._file"),
])
def test_only_a_file_wrapper_over_a_real_file_is_finished_on_return(guarded, file, expected):
    """A layer counts for what is innermost, and what an object holds for nothing."""
    guard = guarded(over(file))
    body = guard(with_files(), start_response)
    assert guard.stats().in_flight == expected and type(body) is FileWrapper
    with suppress(ValueError):  # what is detached cannot be closed
        getattr(body, "close", list)()


class OfModWsgi:
    """A file wrapper in C that shows its file (mod_wsgi, src/server/wsgi_stream.c)."""

    __slots__ = ("filelike",)

    def __init__(self, file, size=8192):
        self.filelike = file


@pytest.mark.parametrize("server_s, mine, file, expected", [
    pytest.param(OfModWsgi, OfModWsgi, io.BytesIO, 0, id="in C, over a real file"),
    pytest.param(OfModWsgi, OfModWsgi, Reader, 1, id="in C, over a reader of the application's"),
    pytest.param(FileWrapper, type("Derived", (FileWrapper,), {}), io.BytesIO, 1, id="of a class of the application's"),
])
def test_a_file_wrapper_is_known_by_the_server_s_class(guarded, server_s, mine, file, expected):
    """A class that the application derives may run any code."""
    guard = guarded(returning(lambda: mine(file())))
    body = guard(new_environ(wsgi__file_wrapper=server_s), start_response)
    assert (type(body) is mine, guard.stats().in_flight) == (True, expected)
    del body
    gc.collect()
    assert guard.stats().in_flight == 0


def test_the_lines_of_a_file_are_chunks(guarded):
    """A server may iterate the file that it has wrapped: the response is inside until the last line was asked for."""
    lines = type("Lines", (Reader,), {"__iter__": lambda self: iter([b"a", b"b"])})
    guard = guarded(over(lines))
    body = guard(with_files(), start_response)
    iterator = iter(body.filelike)
    assert (next(iterator), guard.stats().in_flight) == (b"a", 1)
    assert (list(iterator), guard.stats().in_flight) == ([b"b"], 0)


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("attributes, steps", [
    pytest.param({}, [1, 1, 0], id="without close: at its end"),
    pytest.param({"close": lambda: None}, [1, 1, 1], id="with close: at its close"),
])
def test_a_file_wrapper_is_inside_until_its_close_or_its_end(guarded, policy, attributes, steps):
    """It is seen in what it wraps, and in the `close` that wsgiref and gunicorn bind; who keeps it does not count."""
    kept = []

    def app(environ, start_response):
        kept.append(environ["wsgi.file_wrapper"](Reader(**attributes)))
        return kept[0]

    guard = guarded(app, policy=policy)
    body = guard(with_files(), start_response)
    seen = [guard.stats().in_flight]
    next(body)
    seen.append(guard.stats().in_flight)
    assert list(body) == [b"def"]
    seen.append(guard.stats().in_flight)
    assert seen == steps
    getattr(body, "close", bool)()
    assert guard.stats().in_flight == 0 and kept


@pytest.mark.parametrize("of_the_file", [True, False])
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_the_close_that_an_application_gives_a_file_runs_beside_nothing(guarded, of_the_file):
    """Be it of the file, as Django's, or of the wrapper: the response is inside until it has returned."""
    seen, file = [], open(__file__, "rb")

    def close():
        seen.append(guard.stats().in_flight)
        io.BufferedReader.close(file) if of_the_file else body.filelike.close()
        seen.append(guard.stats().in_flight)

    def app(environ, start_response):
        if of_the_file:
            return environ["wsgi.file_wrapper"](with_a_close(file, close))
        return with_a_close(environ["wsgi.file_wrapper"](file), close)

    guard = guarded(app)
    body = guard(with_files(), start_response)
    body.close()
    assert (seen, guard.stats().in_flight, file.closed) == ([1, 1], 0, True)


class SlottedReader:
    """A file-like object that takes no weak reference."""

    __slots__ = ()

    def read(self, size=-1):
        return b""


class InC:
    """A file wrapper as a server in C has it: it shows the methods of its file, and takes no weak reference."""

    __slots__ = ("_read",)

    def __init__(self, file, size=8192):
        self._read = file.read

    @property
    def read(self):
        """The file's (bjoern/filewrapper.c `FileWrapper_GetAttrO`)."""
        return self._read


@counts_references
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("kind, inside", [(Reader, 0), (SlottedReader, 1)])
def test_a_file_wrapper_in_c_does_not_hold_the_turn_for_ever(guarded, policy, kind, inside):
    """It is finished when its file is gone; or when its context enters again, also where bodies interleave."""
    guard = guarded(over(kind), policy=policy)
    guard._ledger.note_interleaving(0)
    body = guard(new_environ(wsgi__file_wrapper=InC), start_response)
    assert type(body) is InC and guard.stats().in_flight == 1
    del body
    assert guard.stats().in_flight == inside
    assert guard(new_environ(wsgi__file_wrapper=InC), start_response) is not None
    assert guard.stats().refused == 0


@pytest.mark.parametrize("names", [(), ("fileno", "seek", "tell", "name"), ("name",)])
def test_what_stands_in_for_a_file_answers_what_the_file_does(guarded, names):
    """A server chooses its way by that: sendfile, or a length."""
    guard = guarded(over(lambda: Reader(**{name: name for name in names})))
    file = guard(with_files(), start_response).filelike
    assert [name for name in ("fileno", "seek", "tell", "name", "close") if hasattr(file, name)] == list(names)


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_file_that_is_sought_may_be_read_in_another_thread(guarded, policy):
    """waitress' worker goes on to the next request while its main thread reads: that one is not to enter."""
    guard = guarded(lambda environ, start: [b"x"] if environ["PATH_INFO"] == "/" else over(lambda: Reader(
        seek=lambda place: None, close=lambda: None))(environ, start), policy=policy, serialize_timeout=0.05)
    body = guard(with_files(PATH_INFO="/file"), start_response)
    body.filelike.seek(0)
    assert body.filelike.read() == b"abc"
    assert Response(guard, with_files()).status == "503 Service Unavailable"
    in_thread(lambda: body.close() or True)
    assert guard.stats().in_flight == 0


def test_under_serialize_the_turn_passes_when_close_has_returned(guarded):
    """What Django's request_finished or a session's `remove` do there runs beside nothing."""
    work = Work()
    bodies = [Chunks([b"x"], lambda: work(waits=True)), Chunks([b"x"], work)]
    guard = guarded(lambda environ, start: (work(), bodies.pop(0))[1], policy="serialize", serialize_timeout=DEADLINE)

    def serve():
        body = guard(new_environ(), start_response)
        assert list(body) == [b"x"]
        body.close()

    threads = [threading.Thread(target=serve) for _ in range(2)]
    threads[0].start()
    assert work.entered.wait(DEADLINE)
    threads[1].start()
    until(lambda: guard._group.queue.line)
    threads[1].join(0.1)
    assert threads[1].is_alive() and guard.stats().requests == 1
    work.go.set()
    for thread in threads:
        thread.join(DEADLINE)
    assert (work.most, guard.stats().in_flight, guard.stats().requests) == (1, 0, 2)


def test_under_serialize_a_server_that_never_closes_locks_nothing_out(guarded, monkeypatch):
    """The turn passes a second after the end of the iteration, and no earlier."""
    guard = guarded(returning(Chunks), policy="serialize", serialize_timeout=DEADLINE)
    kept = guard(new_environ(), start_response)
    monkeypatch.setattr(pending, "GRACE", 0.2)
    list(kept)
    assert guard.stats().in_flight == 1
    assert in_thread(lambda: guard(new_environ(), start_response)) is not None
    assert guard.stats().requests == 2


def test_under_serialize_the_next_call_of_the_same_context_does_not_wait_for_a_close(guarded):
    """A server of one thread that closes nothing goes on at once."""
    guard = guarded(returning(Chunks), policy="serialize", serialize_timeout=DEADLINE)
    kept = []
    for _ in range(3):
        kept.append(guard(new_environ(), start_response))
        list(kept[-1])
    assert guard.stats().requests == 3 and guard.stats().in_flight == 1


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_an_iterator_stays_its_own_iterator(guarded, policy):
    """Agents keep `iter(body)` and close that: the application's close is reached."""
    chunks = Chunks()
    guard = guarded(returning(lambda: chunks), policy=policy)
    body = guard(new_environ(), start_response)
    assert iter(body) is body
    iter(body).close()
    assert chunks.closed == 1 and guard.stats().in_flight == 0


class Held:
    """A body whose iterator is another object, as a proxy's is."""

    def __init__(self, chunks, log):
        self.chunks, self.log = chunks, log

    def __iter__(self):
        return self.chunks

    def close(self):
        self.log.append("body")


def generated(log):
    try:
        yield b"x"
        yield b"y"
    finally:
        log.append("iterator")


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("has_next", [False, True])
@pytest.mark.parametrize("chunks", [
    lambda log: Chunks([b"x", b"y"], lambda: log.append("iterator")), generated], ids=["an iterator", "a generator"])
def test_the_iterator_of_a_body_can_be_closed_by_itself(guarded, policy, has_next, chunks):
    """Agents keep `iter(body)` and close that, and the body if they know it: each close is reached, as if unguarded."""
    log = []
    kind = type("HeldIterator", (Held,), {"__next__": None}) if has_next else Held
    guard = guarded(returning(lambda: kind(chunks(log), log)), policy=policy)
    body = guard(new_environ(), start_response)
    iterator = iter(body)
    assert next(iterator) == b"x"
    iterator.close()
    assert log == ["iterator"] and guard.stats().in_flight == 1
    body.close()
    assert log == ["iterator", "body"] and guard.stats().in_flight == 0
    iterator = iter(guard(new_environ(), start_response))
    iterator.close()
    del iterator
    gc.collect()
    assert guard.stats().in_flight == 0


@pytest.mark.skipif(not stacks.runs_alone(), reason="without the GIL a generator of the guard makes the chunks")
def test_a_chunk_costs_no_python_code(guarded):
    """Beside the application's own."""
    guard = guarded(returning(lambda: Chunks([b"x", b"y"])))
    body = iter(guard(new_environ(), start_response))
    next(body)
    called = []
    sys.setprofile(lambda frame, event, argument: called.append(frame.f_code.co_name) if event == "call" else None)
    try:
        next(body)
    finally:
        sys.setprofile(None)
    assert called == ["__next__"]


def test_two_first_requests_after_a_fork_without_hooks_do_not_both_enter(guarded):
    """One starts the ledger anew while the other is inside already: it is not wiped away."""
    if os.name != "posix":
        pytest.skip("needs the fork of the C library")
    work = Work()
    guard = guarded(lambda environ, start: (work(waits=True), [b"x"])[1], policy="serialize", serialize_timeout=0.2)
    ledger = guard._ledger
    ledger.marks[0] = ledger.marks[1] = 0
    old = ledger.inside
    late = next(ledger.tickets)
    environ = new_environ()
    thread = threading.Thread(target=lambda: Response(guard))
    old[late] = environ  # it has entered, and has not looked yet
    thread.start()
    assert work.entered.wait(DEADLINE)
    assert len(old) > 1, "it would believe that it is alone"
    assert guard._inspect(late, environ) is not None
    work.go.set()
    thread.join(DEADLINE)
    assert work.most == 1


@without_hooks
def test_a_fork_is_noticed_by_one_of_two(guarded):
    """The child of a fork without hooks serves, and counts from nothing."""
    guard = guarded(returning(lambda: [b"x"]))
    Response(guard)
    pid = ctypes.PyDLL(None).fork()
    if pid == 0:
        status = 1
        try:
            threads = [threading.Thread(target=lambda: Response(guard)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(DEADLINE)
            stats = guard.stats()
            status = not (stats.requests + stats.refused == 2 and stats.in_flight == 0 and stats.pid == os.getpid())
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0


LATE = """
    import sys
    from threadguard import ThreadGuard
    assert "greenlet" not in sys.modules
    def stream():
        import greenlet
        yield b"x"
        yield b"y"
    guard = ThreadGuard(lambda environ, start: stream() if environ["PATH_INFO"] == "/s" else [b"ok"])
    seen = []
    def ask(path):
        return guard({"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.multithread": False}, lambda *a: seen.append(a))
    kept = ask("/s")
    next(kept)
    ask("/")
    print(guard.stats().refused, guard.verdict.status)
"""


def test_a_thread_stays_the_same_context_when_greenlets_come(guarded):
    """A module that a response loads may import greenlet; its thread's main greenlet is the thread."""
    pytest.importorskip("greenlet", reason="needs the package greenlet")
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(LATE)], stdout=subprocess.PIPE, timeout=DEADLINE,
                          universal_newlines=True)
    assert done.stdout.split() == ["0", "single-threaded"]


def chunks_of(guard):
    """Two bodies of one context that are in work by turns, as in the loop of a server in C."""
    bodies = [guard(new_environ(), start_response) for _ in range(3)]
    for body in bodies:
        next(body)
    return bodies


def test_once_bodies_interleave_they_hold_the_turn_under_serialize(guarded):
    """Whoever comes then is told to come again, at once: waiting would stop what is waited for."""
    guard = guarded(returning(lambda: map(bytes, [b"a", b"b"])), policy="serialize", serialize_timeout=DEADLINE)
    bodies = chunks_of(guard)
    assert guard.stats().overlaps == 1, "what was let in before is one finding"
    assert Response(guard).status == "503 Service Unavailable"
    for body in bodies:
        list(body)
    assert guard.stats().in_flight == 0 and guard(new_environ(), start_response) is not None


def test_a_client_that_hangs_up_does_not_keep_the_turn_where_bodies_interleave(guarded, caplog):
    """A body there that is not asked for a chunk for serialize_timeout loses the turn, which is said once."""
    guard = guarded(returning(lambda: map(bytes, [b"a", b"b"])), policy="serialize", serialize_timeout=0.05)
    bodies = chunks_of(guard)
    threading.Event().wait(0.1)
    assert guard(new_environ(), start_response) is not None
    assert caplog.text.count("no longer keeps others waiting") == 1 and bodies
