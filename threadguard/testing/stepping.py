"""One interleaving of two requests: A up to its k-th line, then all of B, then the rest of A.

Each request runs in a thread of its own. A's thread counts its lines with `sys.settrace`; before the k-th it starts B
and waits for it. B may wait for a lock that A holds: then A goes on, as it would with a lock that works.

Or B is paused as well, and ends after A: what saves a state and restores it is whole again after all of B.
"""

import gc
import itertools
import os
import re
import sys
import sysconfig
import threading
from time import monotonic
from types import FrameType
from typing import Any, Callable, Dict, NamedTuple, Optional, Sequence, Tuple

from threadguard.process import stacks
from threadguard.testing.sending import WSGIApp, sent_request

Place = Tuple[int, int]
"""The lines before which A and B are paused. 0 for B: all of it runs while A is paused."""
Stack = Tuple[Tuple[str, int, str], ...]
IsStepped = Callable[[FrameType], bool]

BEFORE, AFTER = 0, sys.maxsize
"""Places of A where B does not come in between: before its call, and after its answer."""
_LOOK = 0.004
_PATIENCE = {True: 0.02, None: 0.25, False: float("inf")}
"""Seconds that B stands still before A goes on, by whether it waits for a lock. None: the system does not tell."""
_AT_ALL, _DEADLOCK = 1.0, 1.0
"""Seconds for B's answer, beside five times what it took alone; and that both stand still before they are given up."""

_paths = sysconfig.get_paths()
_STDLIB = tuple(os.path.join(_paths[name], "") for name in ("stdlib", "platstdlib"))
_SITE = tuple(os.path.join(_paths[name], "") for name in ("purelib", "platlib"))
_OWN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_HERE = os.path.join(os.getcwd(), "")
_NOT_THE_APPLICATION = frozenset((
    "waitress", "gunicorn", "cheroot", "granian", "uvicorn", "hypercorn", "a2wsgi", "twisted", "tornado", "gevent",
    "eventlet", "coverage", "pytest", "_pytest", "pluggy", "pydevd", "_pydevd_bundle", "debugpy"))


class NoAnswerError(RuntimeError):
    """A request had no answer in time: its thread is left behind."""


class Answer(NamedTuple):
    """What a request got. An exception is an answer as well, and may come after a part of the body."""

    status: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    raised: str


class Outcome(NamedTuple):
    """What came of one interleaving."""

    answers: Tuple[Answer, Answer]
    lines: Place
    """How many lines A and B had; of one that was paused only those until then."""
    at: Place
    """Where they were paused; 0 where not, as where A had fewer lines and B came after it."""
    stacks: Tuple[Stack, Stack]
    """The application's frames at the pauses, innermost first."""
    waited: str
    """Where one waited for what the other held, if it did: then the pause ended, and the answers tell nothing."""
    is_stuck: bool
    """Whether both wait for ever: their threads are left behind."""
    lost_tracer: bool
    """Whether the application set a trace function of its own."""


def stepped_code(within: Tuple[str, ...]) -> IsStepped:
    """Whether a frame's lines are counted: those of the packages *within*, by default of all but the standard library,
    servers, and tools that look at the tests."""
    known: Dict[Tuple[str, str], bool] = {}

    def is_stepped(frame: FrameType) -> bool:
        key = frame.f_code.co_filename, str(frame.f_globals.get("__name__"))
        if key not in known:
            module = key[1] + "."
            known[key] = any(module.startswith(one + ".") for one in within) if within else is_of_application(key[0])
        return known[key]

    return is_stepped


def is_of_application(file: str) -> bool:
    """Whether code of *file* is none of the standard library, of threadguard, of a server, or of a tool."""
    if file.startswith(("<frozen", _OWN)):
        return False
    for site in _SITE:
        if file.startswith(site):
            return re.split(r"[/\\.]", file[len(site):])[0] not in _NOT_THE_APPLICATION
    return not file.startswith(_STDLIB)


def words(frame: Tuple[str, int, str]) -> str:
    """Where *frame* of a stack is."""
    return "%s:%d in %s" % frame


class Sending:
    """One request on its way, in a thread of its own.

    :param at: the line before which it is paused, by a call of *on_pause*. None: its lines are not counted.
    """

    def __init__(self, app: WSGIApp, request: Any, name: str, is_stepped: IsStepped, at: Optional[int],
                 on_pause: Callable[[], object]) -> None:
        self._app, self._is_stepped, self._at, self._on_pause = app, is_stepped, at, on_pause
        self.sent = sent_request(request)
        self.sent.environ["wsgi.multithread"] = True
        self.before: Callable[[], object] = bool
        self.after: Callable[[], object] = bool
        """What its thread does before the call, and after the answer."""
        self.lines = self.paused_at = 0
        self.stack: Stack = ()
        self.waits_for_ever = self.lost_tracer = False
        self.seconds = self.stood = self._since = 0.0
        self._seen: Any = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def _run(self) -> None:
        """Send it under the tracer. The one that was there, a debugger's or coverage's, comes back."""
        self.before()
        others, count, began = sys.gettrace(), itertools.count(1).__next__, monotonic()
        tracer = others if self._at is None else self._tracer(self._at, count, others)
        sys.settrace(tracer)
        try:
            self.sent.run(self._app)
        finally:
            self.lost_tracer = not self.paused_at and sys.gettrace() is not tracer
            sys.settrace(others)
            self.lines, self.seconds = count() - 1, monotonic() - began
        self.after()

    def _tracer(self, at: int, count: Callable[[], int], others: Any) -> Callable[[FrameType, str, Any], Any]:
        is_stepped = self._is_stepped

        def on_line(frame: FrameType, event: str, arg: Any) -> Any:  # runs for each line: a request may have 200,000
            if event == "line" and count() == at and not self.paused_at:
                sys.settrace(others)
                self.paused_at, self.stack = at, self._stack(frame)
                self._on_pause()
            return on_line

        return lambda frame, event, arg: on_line if is_stepped(frame) else None

    def answer(self) -> Answer:
        """What came, as far as it came."""
        sent, raised, body = self.sent, "", b""
        headers: Tuple[Tuple[str, str], ...] = ()
        if self.waits_for_ever:
            return Answer("", (), b"", "Deadlock: it waits for ever at %s" % self.place())
        try:
            body = b"".join(sent._chunks)
            headers = tuple((str(name), str(value)) for name, value in sent._headers)
            if sent._raised is not None:
                raise sent._raised
            if not sent._status:
                raise RuntimeError("the application answered without a call of start_response")
        except BaseException as error:  # noqa: B902  an answer
            raised = re.sub("0x[0-9a-fA-F]+", "0x…", "%s: %s" % (type(error).__name__, error))
        return Answer(str(sent._status), headers, body, raised)

    def _stack(self, frame: Optional[FrameType]) -> Stack:
        found = []
        while frame is not None:
            if self._is_stepped(frame):
                file = frame.f_code.co_filename
                found.append((file[len(_HERE):] if file.startswith(_HERE) else file, frame.f_lineno or 0,
                              frame.f_code.co_name))
            frame = frame.f_back
        return tuple(found)

    def place(self) -> str:
        """Where its thread stands: in the application's code, if it does at all."""
        stack = self._stack(stacks.tops().get(self.thread.ident or 0))
        return words(stack[0]) if stack else "no line of the application"

    def stands(self) -> Tuple[float, Optional[bool]]:
        """For how many seconds the thread has not moved, and whether it waits for a lock; None: the system tells not.
        """
        seen, in_lock = self._look()
        now = monotonic()
        if seen is None or seen != self._seen:
            self._seen, self._since = seen, now
        self.stood = max(self.stood, now - self._since)
        return now - self._since, in_lock

    def _look(self) -> Tuple[Any, Optional[bool]]:
        """What stays the same while the thread stands still: of Linux, that it sleeps and how often it went to sleep;
        elsewhere, where its stack stands, which may be read under a GIL alone."""
        try:
            task = "/proc/self/task/%d/" % (self.thread.native_id or 0)
            with open(task + "status") as status, open(task + "wchan") as wchan:
                seen = [line for line in status if line.startswith(("State:\tS", "voluntary_ctxt"))]
                waits_in = wchan.read()
            return (seen if len(seen) == 2 else None), "futex" in waits_in if waits_in.strip("0") else None
        except (OSError, AttributeError):  # another system, or the thread has just ended
            frame = sys._current_frames().get(self.thread.ident or 0) if stacks.runs_alone() else None
            return frame and (id(frame), frame.f_lasti), None


class Stepper:
    """Sends two requests, and pauses them. It learns from runs without a pause how long they take, and stand still."""

    def __init__(self, app: WSGIApp, is_stepped: IsStepped, timeout: float) -> None:
        self.app, self.is_stepped, self.timeout = app, is_stepped, timeout
        self._seconds = self._stood = 0.0

    def run(self, a: Any, b: Any, at: Place) -> Outcome:
        """Send *a*, paused before the line *at*, and *b* meanwhile. Without garbage collection: what that runs of the
        application would be lines of A once, and not the next time."""
        collects = gc.isenabled()
        gc.disable()
        try:
            return _Run(self, a, b, *at).outcome()
        finally:
            if collects:
                gc.enable()

    def watch(self, one: Sending, is_over: Callable[[], bool]) -> bool:
        """Wait until *is_over*, or until *one* stands still, or takes much longer than it does alone. Whether it is."""
        end = monotonic() + _AT_ALL + 5 * self._seconds
        one.thread.join(_LOOK / 4)
        while not is_over():
            stood, in_lock = one.stands()
            if stood > _PATIENCE[in_lock] + 3 * self._stood or monotonic() > end:
                return False
            one.thread.join(_LOOK)
        return True

    def watch_alone(self, one: Sending) -> None:
        """Let *one* come to its end, and learn how long it takes and how long it stands still."""
        while one.thread.is_alive() and not one.sent.is_given_up:
            one.thread.join(_LOOK)
            one.stands()
        self._seconds, self._stood = max(self._seconds, one.seconds), max(self._stood, one.stood)

    def are_stuck(self, ones: Sequence[Sending]) -> bool:
        """Whether all of *ones* wait for a lock, and have done so for too long."""
        stand = [one.stands() for one in ones if one.thread.is_alive()]
        return len(stand) == len(ones) and all(
            in_lock is not False and stood > _DEADLOCK + 3 * self._stood for stood, in_lock in stand)


class _Run:
    def __init__(self, stepper: Stepper, a: Any, b: Any, at: int, at_b: int) -> None:
        self._stepper, self._waited, self._a_is_over = stepper, "", threading.Event()
        counts_b = at_b or (AFTER if at in (BEFORE, AFTER) else None)
        self._a = Sending(stepper.app, a, "threadguard-race-a", stepper.is_stepped, at, self._send_b)
        self._b = Sending(stepper.app, b, "threadguard-race-b", stepper.is_stepped, counts_b, self._a_is_over.wait)
        self._a.before = self._send_b if at == BEFORE else self._a.before
        self._a.after = self._send_b_late

    def outcome(self) -> Outcome:
        """Run both to their ends."""
        a, b = ones = self._a, self._b
        is_stuck, end = False, monotonic() + self._stepper.timeout
        a.thread.start()
        try:
            for one in ones:
                while one.thread.is_alive() and not is_stuck:
                    if b.paused_at and not self._a_is_over.is_set():
                        self._let_a_end()
                    one.thread.join(0.05)
                    is_stuck = bool(self._waited) and self._stepper.are_stuck(ones)
                    if monotonic() > end:
                        raise NoAnswerError("no answer after %g seconds: the first request is at %s, the second"
                                            " at %s" % (self._stepper.timeout, a.place(), b.place()))
        finally:
            a.waits_for_ever = b.waits_for_ever = is_stuck
            a.sent.is_given_up = b.sent.is_given_up = True
            self._a_is_over.set()
        return Outcome((a.answer(), b.answer()), (a.lines, b.lines), (a.paused_at, b.paused_at), (a.stack, b.stack),
                       self._waited, is_stuck, a.lost_tracer)

    def _send_b(self) -> None:
        """In A's thread, which is paused."""
        b = self._b
        b.thread.start()
        if not self._a.paused_at:
            self._stepper.watch_alone(b)
        elif not self._stepper.watch(b, lambda: bool(b.paused_at) or not b.thread.is_alive()):
            self._waited = b.place()

    def _send_b_late(self) -> None:
        if self._b.thread.ident is None:
            self._send_b()

    def _let_a_end(self) -> None:
        """B is paused as well: now it is for A to come to its end."""
        if not self._stepper.watch(self._a, lambda: not self._a.thread.is_alive()):
            self._waited = self._a.place()
        self._a_is_over.set()
