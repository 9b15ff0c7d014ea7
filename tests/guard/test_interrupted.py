"""An exception that strikes between any two bytecodes of the guard: nothing stays inside, and no lock stays taken.

A signal's handler, `PyThreadState_SetAsyncExc` and a greenlet's kill raise wherever the code stands. Here a trace
function raises at each bytecode of threadguard's own frames in turn, once in each run, until a run goes through.
``EVERY_OPCODE=1`` in the environment strikes at each; by default each of the longest paths is struck at every so many.
"""

import gc
import io
import os
import sys
import threading
import time
from wsgiref.util import FileWrapper

import pytest
from conftest import DEADLINE, Gate, held_inside, new_environ

import threadguard
from threadguard.guard import ledger
from threadguard.guard.ledger import FAST_PATH, NEVER, SAME_PROCESS

PACKAGE = os.path.dirname(threadguard.__file__)
MOST = 10 ** 6 if os.environ.get("EVERY_OPCODE") else 300
"""How many strikes a scenario gets at the most."""

pytestmark = [
    pytest.mark.skipif(sys.implementation.name != "cpython", reason="only CPython traces bytecodes"),
    # pytest before 8.4, the last for Python 3.8, takes the hook back that `unraisable` has put in its place.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


class Strike(BaseException):
    """What the trace function raises."""


class Striking:
    """Traces threadguard's frames during a call, and raises at one of their bytecodes."""

    def __init__(self, at):
        self.at, self.seen = at, 0

    def call(self, act):
        """Call *act*, which is struck."""
        before = sys.gettrace()
        sys.settrace(self.trace)
        try:
            act()
        except Strike as strike:
            strike.__traceback__ = strike.__context__ = None  # which hold frames, and those the request
        finally:
            sys.settrace(before)

    def trace(self, frame, event, argument):
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event in ("call", "line"):
            frame.f_trace_opcodes = True
        elif event == "opcode":
            self.seen += 1
            if self.seen == self.at:
                raise Strike
        return self.trace


class Chunks:
    """An iterator with a close."""

    def __init__(self):
        self.left = [b"a", b"b"]

    def __iter__(self):
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop()

    def close(self):
        """Nothing is left to do."""


class Reader:
    """A file of the application's own."""

    def __init__(self):
        self.file = io.BytesIO(b"content")

    def read(self, size=-1):
        return self.file.read(3)

    def close(self):
        self.file.close()


def failing(environ):
    raise ValueError


BODIES = {
    "list": lambda environ: [b"a"],
    "generator": lambda environ: (chunk for chunk in [b"a", b"b"]),
    "iterator": lambda environ: Chunks(),
    "map": lambda environ: map(bytes, [b"a"]),
    "file": lambda environ: environ["wsgi.file_wrapper"](Reader()),
    "error": failing,
}


def app(environ, start_response):
    start_response("200 OK", [])
    return BODIES[environ["body"]](environ)


def serve(guard, body):
    """One request, as a server treats it."""
    statuses = []
    environ = new_environ(body=body, wsgi__file_wrapper=FileWrapper)
    try:
        answer = guard(environ, lambda status, headers, exc_info=None: statuses.append(status))
        try:
            list(answer)
        finally:
            getattr(answer, "close", bool)()
    except ValueError:
        statuses.append("error")
    return statuses[-1]


def strike_each(act, check, in_thread=False, most=MOST):
    """Strike during *act*, at one bytecode after the other, and call *check* after each.

    *in_thread*: each in a thread of its own, since a strike in an ``except`` block leaves the exception in the thread.
    """
    def strike(at):
        striking = Striking(at)
        if in_thread:
            thread = threading.Thread(target=striking.call, args=(act,))
            thread.start()
            thread.join(DEADLINE)
            assert not thread.is_alive()
        else:
            striking.call(act)
        check()
        return striking.seen

    step = max(1, strike(0) // most)
    at = step
    while strike(at) >= at:
        at += step
    return at // step


@pytest.fixture(autouse=True)
def unraisable(monkeypatch):
    """What strikes in the callback of a weak reference raises nowhere."""
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: None)
    monkeypatch.setattr(ledger, "PATIENCE", 0.01)
    gc.freeze()
    yield
    gc.unfreeze()


def assert_well(guard, is_refused=False):
    """Nothing is inside, the line is empty, and another thread is served at once."""
    assert (guard.stats().in_flight, len(guard._group.queue.line)) == (0, 0)
    statuses, began = [], time.monotonic()
    thread = threading.Thread(target=lambda: statuses.append(serve(guard, "list")), daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert statuses == ["503 Service Unavailable" if is_refused else "200 OK"]
    return time.monotonic() - began


def be_settled(guard):
    """The server was read, and is not read again: that is another test's path."""
    serve(guard, "list")
    guard._group.read = lambda ticket, environ: False
    guard._ledger.needs_inspection(NEVER)


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("body", BODIES)
def test_a_strike_at_any_bytecode_leaves_nothing_behind(guarded, policy, body):
    """A request that is alone: its call, its body to the end, and its close()."""
    guard = guarded(app, policy=policy, watch_pool_start=False)
    be_settled(guard)
    assert strike_each(lambda: serve(guard, body), lambda: assert_well(guard), body == "error") > 20


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_strike_during_a_first_request_leaves_nothing_behind(guarded, policy):
    """It notices a fork without hooks, reads the server, and logs what it finds."""
    guard = guarded(app, policy=policy, server_threads=1, watch_pool_start=False)
    marks = guard._ledger.marks

    def first():
        marks[FAST_PATH] = marks[SAME_PROCESS] = 0
        serve(guard, "list")

    assert strike_each(first, lambda: assert_well(guard), most=MOST // 15) >= 20


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_strike_during_a_collision_leaves_nothing_behind(guarded, policy):
    """One that is refused, waits for its turn in vain, or is let pass and reported."""
    gate = Gate()
    guard = guarded(lambda environ, start: (gate if environ["PATH_INFO"] == "/held" else app)(environ, start),
                    policy=policy, serialize_timeout=0.001, watch_pool_start=False)
    guard._group.reports_kept = 1
    be_settled(guard)

    def collide():
        gate.open.clear()
        with held_inside(guard, gate):
            serve(guard, "list")

    def check():
        guard._policy.patience = guard._policy._timeout = DEADLINE
        assert_well(guard, is_refused=guard.verdict.status == "threaded" and policy == "refuse")
        guard._policy.patience = guard._policy._timeout = 0.001
        guard._group.evidence.observed, guard._ledger.inspect_from = (), NEVER
        guard._group.evidence.update_verdict()
        guard._ledger.set_fast_path()

    assert strike_each(collide, check) > 20


def test_a_strike_as_the_turn_is_handed_over_leaves_nothing_behind(guarded):
    """A request that waits gets the turn after all, or the next one does."""
    gate = Gate()
    guard = guarded(lambda environ, start: (gate if environ["PATH_INFO"] == "/held" else app)(environ, start),
                    policy="serialize", serialize_timeout=DEADLINE, watch_pool_start=False)
    be_settled(guard)

    def hand_over():
        gate.open.clear()
        with held_inside(guard, gate):
            threading.Timer(0.001, gate.open.set).start()
            serve(guard, "list")

    assert strike_each(hand_over, lambda: assert_well(guard)) > 5  # how far it comes differs


# -- sections


def assert_no_section(guard):
    """Nothing is announced or inside, and another thread gets the turn for a section and for a request at once."""
    assert_well(guard)
    assert guard.stats().sections_inside == 0
    entered = []

    def enter():
        with guard.inside("next", timeout=DEADLINE):
            entered.append(True)

    thread = threading.Thread(target=enter, daemon=True)
    thread.start()
    thread.join(DEADLINE)
    assert entered and not guard._ledger.sections and not guard._ledger.inside


def with_statement(guard):
    with guard.inside("job", timeout=0.001):
        serve(guard, "list")


def decorated(guard):
    @guard.inside("job", timeout=0.001)
    def job():
        serve(guard, "list")

    job()


SECTIONS = {"with": with_statement, "decorator": decorated}


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("kind", SECTIONS)
def test_a_strike_in_a_section_leaves_nothing_behind(guarded, policy, kind):
    """One that is alone: its announcement, its turn, a request by its owner, its end."""
    guard = guarded(app, policy=policy, server_threads=1)
    for _ in range(4):
        serve(guard, "list")
    assert strike_each(lambda: SECTIONS[kind](guard), lambda: assert_no_section(guard)) > 20


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_a_strike_in_a_section_that_waits_leaves_nothing_behind(guarded, policy):
    """In vain, for a request of another thread; under log it enters beside it, and that is reported."""
    gate = Gate()
    guard = guarded(lambda environ, start: (gate if environ["PATH_INFO"] == "/held" else app)(environ, start),
                    policy=policy, serialize_timeout=DEADLINE, watch_pool_start=False)
    guard._group.reports_kept = 1
    serve(guard, "list")

    def meet():
        gate.open.clear()
        with held_inside(guard, gate):
            try:
                with_statement(guard)
            except threadguard.Busy as busy:
                busy.__traceback__ = None

    assert strike_each(meet, lambda: assert_no_section(guard), in_thread=True) > 20


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_strike_as_a_section_gets_its_turn_leaves_nothing_behind(guarded, policy):
    """It waited for a request that has just left."""
    gate = Gate()
    guard = guarded(lambda environ, start: (gate if environ["PATH_INFO"] == "/held" else app)(environ, start),
                    policy=policy, serialize_timeout=DEADLINE, watch_pool_start=False)
    serve(guard, "list")

    def hand_over():
        gate.open.clear()
        with held_inside(guard, gate):
            threading.Timer(0.001, gate.open.set).start()
            with guard.inside("job", timeout=DEADLINE):
                serve(guard, "list")

    assert strike_each(hand_over, lambda: assert_no_section(guard)) > 20


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_strike_in_a_request_behind_a_section_leaves_nothing_behind(guarded, policy):
    """It gets the turn after it, or the next one does."""
    guard = guarded(app, policy=policy, serialize_timeout=DEADLINE, watch_pool_start=False)
    serve(guard, "list")

    def hand_over():
        entered, end = threading.Event(), threading.Event()

        def hold():
            with guard.inside("held", timeout=DEADLINE):
                entered.set()
                end.wait(DEADLINE)

        thread = threading.Thread(target=hold)
        thread.start()
        assert entered.wait(DEADLINE)
        threading.Timer(0.001, end.set).start()
        try:
            serve(guard, "list")
        finally:
            end.set()
            thread.join(DEADLINE)

    assert strike_each(hand_over, lambda: assert_no_section(guard)) > 20


@pytest.mark.parametrize("waits", [False, True])
def test_a_strike_in_a_section_of_a_task_leaves_nothing_behind(guarded, waits):
    """Its event loop goes on."""
    import asyncio
    gate = Gate()
    guard = guarded(lambda environ, start: (gate if environ["PATH_INFO"] == "/held" else app)(environ, start),
                    serialize_timeout=DEADLINE, watch_pool_start=False)
    serve(guard, "list")
    loop = asyncio.new_event_loop()

    async def job():
        async with guard.inside("job", timeout=DEADLINE):
            serve(guard, "list")

    def run():
        if not waits:
            return loop.run_until_complete(job())
        gate.open.clear()
        with held_inside(guard, gate):
            threading.Timer(0.001, gate.open.set).start()
            loop.run_until_complete(job())

    try:
        assert strike_each(run, lambda: assert_no_section(guard)) > 20
    finally:
        loop.close()
