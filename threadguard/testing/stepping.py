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
import threading
import traceback
from dataclasses import dataclass
from functools import lru_cache
from time import monotonic
from types import FrameType
from typing import Any, Callable, List, NamedTuple, Optional, Set, Tuple

from threadguard.process import stacks
from threadguard.testing.sending import SentRequest, WSGIApp

Stack = Tuple[Tuple[str, int, str], ...]
IsFrame = Callable[[FrameType], bool]

_LOOK = 0.004
_STANDING, _SLOW = 0.03 if sys.platform == "linux" else 0.25, 1.0
"""Seconds after which A goes on without an answer of B: since B stands still, beside three times what it does so alone;
and since it began, beside five times what it takes alone."""

_STDLIB = os.path.join(os.path.dirname(os.__file__), "")
_OWN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
_HERE = re.compile("^" + re.escape(os.path.join(os.getcwd(), "")))
_INSTALLED = re.compile(r".*[/\\](?:site|dist)-packages[/\\](\w+)")
_NOT_THE_APPLICATION = frozenset((
    "threadguard", "waitress", "gunicorn", "cheroot", "granian", "uvicorn", "hypercorn", "a2wsgi", "twisted", "tornado",
    "gevent", "eventlet", "coverage", "pytest", "_pytest", "pluggy", "pydevd", "_pydevd_bundle", "debugpy"))


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
    stack: Stack
    """The application's frames where A was paused, innermost first; empty if it had fewer lines."""
    waited: str
    """Where one waited for what the other held, if it did: then the pause ended, and the answers tell nothing."""


@lru_cache(maxsize=None)
def is_of_application(file: str, module: str = "", within: Tuple[str, ...] = ()) -> bool:
    """Whether code of *file* is none of the standard library, of threadguard, of a server, or of a tool; with *within*,
    whether *module* is of one of these packages."""
    if within:
        return any((module + ".").startswith(package + ".") for package in within)
    installed = _INSTALLED.match(file)
    if installed:
        return installed.group(1) not in _NOT_THE_APPLICATION
    return not file.startswith(("<frozen", _OWN, _STDLIB))


@dataclass
class Stepper:
    """Sends two requests to *app*, and pauses them. It learns from what is not paused how long requests take, and stand
    still. The parameters are those of `race`."""

    app: WSGIApp
    within: Tuple[str, ...]
    ignored: Set[str]
    normalize: Callable[[bytes], bytes]
    timeout: float
    _seconds: float = 0.0
    _stood: float = 0.0

    def is_stepped(self, frame: FrameType) -> bool:
        """Whether the lines of *frame* are counted."""
        return is_of_application(frame.f_code.co_filename, str(frame.f_globals.get("__name__")), self.within)

    def run(self, a: Any, b: Any, at: int = 0, is_both: bool = False) -> Outcome:
        """Send *a*, paused before its line *at*, and *b* meanwhile; with 0 one after the other.

        Raises `TimeoutError`: a request has no answer, and its thread is left behind in the application.
        """
        count = itertools.count(1).__next__
        first = _Sending(self, a, lambda frame: count() == at)
        at_the_same: IsFrame = lambda frame: first.place == (frame.f_code, frame.f_lineno)
        second = _Sending(self, b, at_the_same if is_both else None)
        waited = ""
        try:
            first.start()
            self._wait(first, first.halts)
            second.start()
            if first.stack and not self._wait(second, second.halts, is_brief=True):
                waited = second.where()
            first.goes_on.set()
            if second.stack and not self._wait(first, first.ends, is_brief=True):
                waited = first.where()
            second.goes_on.set()
            self._wait(first, first.ends)
            self._wait(second, second.ends)
        except TimeoutError:
            raise TimeoutError("no answer after %g seconds: one request is at %s, the other at %s" % (
                self.timeout, first.where(), second.where())) from None
        finally:
            for one in (first, second):
                one.sent.is_given_up = True
                one.goes_on.set()
        return Outcome((first.answer(), second.answer()), count() - 1, first.stack, waited)

    def _wait(self, one: "_Sending", event: threading.Event, is_brief: bool = False) -> bool:
        """Wait for *event* of *one*. Briefly: until it stands still, or takes much longer than alone; then it is false.
        """
        began = since = now = monotonic()
        place, stood = None, 0.0
        while not event.wait(_LOOK):
            now, before, place = monotonic(), place, _place(one)
            since = since if place is not None and place == before else now
            stood = max(stood, now - since)
            if is_brief and (now - since > _STANDING + 3 * self._stood or now - began > _SLOW + 5 * self._seconds):
                return event.is_set()
            if now - began > self.timeout:
                raise TimeoutError
        if not is_brief:
            self._seconds, self._stood = max(self._seconds, now - began), max(self._stood, stood)
        return True


class _Sending(threading.Thread):
    """A request that is paused before the first line for which *is_place* is true, in a thread of its own."""

    def __init__(self, stepper: Stepper, request: Any, is_place: Optional[IsFrame]) -> None:
        super().__init__(daemon=True)
        self._stepper, self._is_place = stepper, is_place
        self.sent = SentRequest(request)
        self.sent.environ["wsgi.multithread"] = True
        self.halts, self.ends, self.goes_on = threading.Event(), threading.Event(), threading.Event()
        """That it is paused or at its end; that it is at its end; and that it need not pause any more."""
        self.place: Tuple[Any, ...] = ()
        self.stack: Stack = ()

    def run(self) -> None:
        """Send it under the tracer. The one that was there, a debugger's or coverage's, comes back."""
        others, is_place = sys.gettrace(), self._is_place or (lambda frame: False)

        def on_line(frame: FrameType, event: str, arg: Any) -> Any:  # runs for each line: a request may have 200,000
            if event == "line" and not self.stack and is_place(frame):
                sys.settrace(others)
                self.place, self.stack = (frame.f_code, frame.f_lineno), self._stack(frame)
                for each, _ in traceback.walk_stack(frame):
                    if each.f_trace is on_line:  # before 3.10 a frame that is traced stays at its last line of these
                        each.f_trace = None
                self.halts.set()
                self.goes_on.wait()
            return None if self.stack else on_line

        def on_call(frame: FrameType, event: str, arg: Any) -> Any:
            return on_line if self._stepper.is_stepped(frame) else None

        sys.settrace(on_call if self._is_place is not None else others)
        try:
            self.sent.run(self._stepper.app)
        finally:
            sys.settrace(others)
            self.ends.set()
            self.halts.set()

    def answer(self) -> Answer:
        """What came, as far as it is compared."""
        sent, raised, body = self.sent, "", b""
        headers: List[Tuple[str, str]] = []
        try:
            body = b"".join(sent._chunks)
            headers = [(str(name), str(value)) for name, value in sent._headers]
            if sent._raised is not None:
                raise sent._raised
            if not sent._status:
                raise RuntimeError("the application answered without a call of start_response")
        except BaseException as error:  # noqa: B902  an answer
            raised = re.sub("0x[0-9a-fA-F]+", "0x…", "%s: %s" % (type(error).__name__, error))
        kept = tuple(sorted(pair for pair in headers if pair[0].lower() not in self._stepper.ignored))
        return Answer(str(sent._status), kept, self._stepper.normalize(body), raised)

    def _stack(self, innermost: FrameType) -> Stack:
        return tuple((_HERE.sub("", frame.f_code.co_filename), line, frame.f_code.co_name)
                     for frame, line in traceback.walk_stack(innermost) if self._stepper.is_stepped(frame))

    def where(self) -> str:
        """Where its thread stands: in the application's code, if it does at all."""
        frame = stacks.tops().get(self.ident or 0)
        stack = self._stack(frame) if frame is not None else ()
        return "%s:%d in %s" % stack[0] if stack else "no line of the application"


def _place(thread: threading.Thread) -> Any:
    """Where *thread* stands, or None while it runs. Linux tells that it sleeps, and how often it went to sleep.
    Elsewhere its stack tells, which may be read under a GIL alone."""
    try:
        with open("/proc/self/task/%d/status" % (thread.native_id or 0)) as status:
            found = [line for line in status if line.startswith(("State:\tS", "voluntary_ctxt"))]
        return found if len(found) == 2 else None
    except (OSError, AttributeError):  # another system, or the thread has just ended
        frame = stacks.tops().get(thread.ident or 0) if stacks.runs_alone() else None
        return frame and (id(frame), frame.f_lasti)
