"""One interleaving of two requests: A up to one of its lines, then all of B, then the rest of A.

Each request runs in a thread of its own, and `Stepper` lets one of them run at a time. A's lines are counted with
`sys.settrace`. B may wait for a lock that A holds: then A goes on, as it does where a lock works.

What saves a state and restores it is whole again after all of B. So B can be paused as well, where it comes to the line
at which A is, until A has ended.
"""

import itertools
import os
import re
import sys
import sysconfig
import threading
from time import monotonic
from types import FrameType
from typing import Any, Callable, Dict, NamedTuple, Optional, Tuple

from threadguard.process import stacks
from threadguard.testing.sending import SentRequest, WSGIApp

Stack = Tuple[Tuple[str, int, str], ...]
IsStepped = Callable[[FrameType], bool]

_LOOK = 0.004
_LOCKED, _STANDING, _SLOW = 0.02, 0.25, 1.0
"""Seconds without an answer of B after which A goes on: where B stands still in a lock, where it stands still and the
system does not tell why, and where it moves. They are beside what B took alone, three and five times."""

_paths = sysconfig.get_paths()
_STDLIB = tuple(os.path.join(_paths[name], "") for name in ("stdlib", "platstdlib"))
_SITE = tuple(os.path.join(_paths[name], "") for name in ("purelib", "platlib"))
_OWN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_HERE = os.path.join(os.getcwd(), "")
_NOT_THE_APPLICATION = frozenset((
    "waitress", "gunicorn", "cheroot", "granian", "uvicorn", "hypercorn", "a2wsgi", "twisted", "tornado", "gevent",
    "eventlet", "coverage", "pytest", "_pytest", "pluggy", "pydevd", "_pydevd_bundle", "debugpy"))


class NoAnswerError(RuntimeError):
    """A request had no answer in time: its thread is left behind in the application."""


class Answer(NamedTuple):
    """What a request got. An exception is an answer as well, and may come after a part of the body."""

    status: str
    headers: Tuple[Tuple[str, str], ...]
    body: bytes
    raised: str


class Outcome(NamedTuple):
    """What came of one interleaving."""

    answers: Tuple[Answer, Answer]
    lines: int
    """How many lines A had, where it was not paused."""
    at: int
    stack: Stack
    """Before which of its lines A was paused, and the application's frames there, innermost first; empty if it had
    fewer lines."""
    is_both: bool
    """Whether B was to be paused as well."""
    waited: str
    """Where one waited for what the other held, if it did: then the pause ended, and the answers tell nothing."""


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


class Stepper:
    """Sends two requests, and pauses them. It learns from runs without a pause how long they take, and stand still.

    :param compared: makes of an answer what is compared of it.
    """

    def __init__(self, app: WSGIApp, is_stepped: IsStepped, compared: Callable[[Answer], Answer],
                 timeout: float) -> None:
        self._app, self._is_stepped, self._compared, self._timeout = app, is_stepped, compared, timeout
        self._seconds = self._stood = 0.0

    def run(self, a: Any, b: Any, at: int = 0, is_both: bool = False) -> Outcome:
        """Send *a*, paused before its line *at*, and *b* meanwhile; with 0 one after the other. Raises `NoAnswerError`.
        """
        count = itertools.count(1).__next__
        first = _Sending(self._app, a, self._is_stepped, lambda frame: count() == at)
        second = _Sending(self._app, b, self._is_stepped, first.is_paused_at if is_both else None)
        try:
            waited = self._interleave(first, second)
            if not (first.ends.is_set() and second.ends.is_set()):
                raise NoAnswerError("no answer after %g seconds: one request is at %s, the other at %s" % (
                    self._timeout, first.where(), second.where()))
        finally:
            for one in (first, second):
                one.sent.is_given_up = True
                one.goes_on.set()
        if not at:
            self._seconds = max(self._seconds, first.seconds, second.seconds)
            self._stood = max(self._stood, first.stood, second.stood)
        answers = self._compared(first.answer()), self._compared(second.answer())
        return Outcome(answers, count() - 1, at, first.stack, is_both, waited)

    def _interleave(self, a: "_Sending", b: "_Sending") -> str:
        """Let each run in its turn. Returns where one waited for what the other held, if it did."""
        waited = ""
        a.thread.start()
        if not self._wait(a, a.halts):
            return waited
        b.thread.start()
        if a.stack and not self._wait(b, b.halts, is_brief=True):
            waited = b.where()
        a.goes_on.set()
        if b.stack and not self._wait(a, a.ends, is_brief=True):
            waited = a.where()
        b.goes_on.set()
        if self._wait(a, a.ends):
            self._wait(b, b.ends)
        return waited

    def _wait(self, one: "_Sending", event: threading.Event, is_brief: bool = False) -> bool:
        """Wait for *event* of *one*; briefly: until it stands still, or takes much longer than it does alone."""
        end = monotonic() + (_SLOW + 5 * self._seconds if is_brief else self._timeout)
        while not event.wait(_LOOK):
            stands, patience = one.stands()
            if monotonic() > end or is_brief and stands > patience + 3 * self._stood:
                return event.is_set()
        return True


class _Sending:
    """One request, in a thread of its own, that is paused before the first line for which *is_place* is true."""

    def __init__(self, app: WSGIApp, request: Any, is_stepped: IsStepped,
                 is_place: Optional[Callable[[FrameType], bool]]) -> None:
        self._app, self._is_stepped, self._is_place = app, is_stepped, is_place
        self.sent = SentRequest(request)
        self.sent.environ["wsgi.multithread"] = True
        self.halts, self.ends, self.goes_on = threading.Event(), threading.Event(), threading.Event()
        """That it is paused or at its end; that it is at its end; and that it need not pause any more."""
        self._place: Tuple[Any, Any] = None, None
        self.stack: Stack = ()
        self.seconds = self.stood = self._since = 0.0
        self._seen: Any = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        """Send it under the tracer. The one that was there, a debugger's or coverage's, comes back."""
        others, began = sys.gettrace(), monotonic()
        sys.settrace(self._tracer(self._is_place, others) if self._is_place is not None else others)
        try:
            self.sent.run(self._app)
        finally:
            sys.settrace(others)
            self.seconds = monotonic() - began
            self.ends.set()
            self.halts.set()

    def _tracer(self, is_place: Callable[[FrameType], bool], others: Any) -> Callable[[FrameType, str, Any], Any]:
        def on_line(frame: FrameType, event: str, arg: Any) -> Any:  # runs for each line: a request may have 200,000
            if event == "line" and not self.stack and is_place(frame):
                sys.settrace(others)
                self._place, self.stack = (frame.f_code, frame.f_lineno), self._stack(frame)
                self.halts.set()
                self.goes_on.wait()
            return on_line

        return lambda frame, event, arg: on_line if self._is_stepped(frame) else None

    def is_paused_at(self, frame: FrameType) -> bool:
        """Whether it is paused where *frame* is."""
        return self._place == (frame.f_code, frame.f_lineno)

    def answer(self) -> Answer:
        """What came."""
        sent, raised, body = self.sent, "", b""
        headers: Tuple[Tuple[str, str], ...] = ()
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

    def where(self) -> str:
        """Where its thread stands: in the application's code, if it does at all."""
        stack = self._stack(stacks.tops().get(self.thread.ident or 0))
        return "%s:%d in %s" % stack[0] if stack else "no line of the application"

    def stands(self) -> Tuple[float, float]:
        """For how many seconds the thread has not moved, and how many are too many.

        Linux tells that it sleeps, how often it went to sleep, and in what. Elsewhere its stack stands still; that may
        be read under a GIL alone.
        """
        seen: Any = None
        now, patience = monotonic(), _STANDING
        try:
            task = "/proc/self/task/%d/" % (self.thread.native_id or 0)
            with open(task + "status") as status, open(task + "wchan") as wchan:
                lines = [line for line in status if line.startswith(("State:\tS", "voluntary_ctxt"))]
                seen = lines if len(lines) == 2 else None
                patience = _LOCKED if "futex" in wchan.read() else _STANDING
        except (OSError, AttributeError):  # another system, or the thread has just ended
            frame = sys._current_frames().get(self.thread.ident or 0) if stacks.runs_alone() else None
            seen = frame and (id(frame), frame.f_lasti)
        if seen is None or seen != self._seen:
            self._seen, self._since = seen, now
        self.stood = max(self.stood, now - self._since)
        return now - self._since, patience
