"""Prove that an application is not thread-safe, every time, with the line: see `race`.

What is compared with: the answers that the same two requests get one after the other, in both orders, in the same kinds
of threads. Only what no order gives is wrong, so an application whose second answer depends on the first is no race.
"""

import os
import threading
import time
from dataclasses import asdict, dataclass, field
from importlib import import_module
from itertools import permutations
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple
from unittest import mock

from threadguard.guard.middleware import ThreadGuard
from threadguard.model import Finding
from threadguard.report import text
from threadguard.testing.sending import SentRequest, WSGIApp
from threadguard.testing.stepping import Answer, Outcome, Stack, Stepper

REPLAYS = 10
_ROUNDS = 6
_one_at_a_time = threading.Lock()
_AROUND = 24
_REMEDY = ("let one request at a time into each process, with ThreadGuard(app); or keep what is shared from here on in"
           " the request, or behind a lock")

Answers = Tuple[Answer, Answer]
Kind = Tuple[str, str, str]
"""Of a wrong answer: the side, ``A`` or ``B``, its status, and the type of its exception."""


class CannotCompareError(RuntimeError):
    """There is no answer to compare with: alone the requests get another one each time, or fail."""


def race(app: WSGIApp, *requests: Any, within: Iterable[str] = (), points: Optional[int] = 200,
         at: Optional[int] = None, ignore_headers: Iterable[str] = (),
         normalize: Optional[Callable[[bytes], bytes]] = None, timeout: float = 30.0,
         progress: Callable[[int, int], object] = lambda done, total: None) -> "RaceReport":
    """Send *requests* in pairs: A is paused before one of its lines, all of B runs, A goes on; then the next line.

    :param requests: WebOb requests, objects of Werkzeug's `EnvironBuilder`, environs, paths. Each is A once to each
        other one's B. A single one meets itself.
    :param within: names of packages whose lines are counted. By default all but the standard library and servers.
    :param points: before how many of its lines, evenly spread from the first to the last, A is paused. None: before
        each.
    :param at: pause the first request before this line, and no other.
    :param ignore_headers: names of headers that are not compared.
    :param normalize: makes of a body what is compared, for what differs each time: a token, a time.
    :param timeout: seconds for one request.
    :param progress: called with the number of places done, and of all.
    :raises TypeError: for a request of no kind that is known, and for a *normalize* that fails.
    :raises ValueError: for numbers that are not allowed, for a package that is not there, and where threads are
        greenlets.

    Guards of `ThreadGuard` on the way let the requests pass, and do not count them.
    """
    _check(requests, tuple(within), [points, at])

    def normalized(body: bytes) -> bytes:
        try:
            return b"" + normalize(body) if normalize is not None else body
        except Exception as error:  # noqa: B902  the user's own
            raise TypeError("normalize makes no bytes of bytes: %s: %s" % (type(error).__name__, error)) from error

    stepper = Stepper(app, tuple(within), {name.lower() for name in ignore_headers}, normalized, timeout)
    pairs = [_Pair(stepper, requests, a, b) for a, b in list(permutations(range(len(requests)), 2)) or [(0, 0)]]
    report = RaceReport()
    with _one_at_a_time, mock.patch.object(ThreadGuard, "__call__", _let_pass()):
        for pair in pairs[:at and 1]:
            report.pairs.append(pair)
            try:
                pair.run(points, at, progress)
            except CannotCompareError as error:
                pair.problem = str(error)
            except TimeoutError as error:
                pair.problem = str(error)
                break
    return report


def assert_no_race(app: WSGIApp, *requests: Any, **options: Any) -> "RaceReport":
    """Fail, with the report as the message, if `race` finds one or cannot compare. It takes the same arguments."""
    __tracebackhide__ = True
    report = race(app, *requests, **options)
    if report.status:
        raise AssertionError(str(report))
    return report


def _check(requests: Tuple[Any, ...], packages: Tuple[str, ...], numbers: List[Optional[int]]) -> None:
    """Refuse what is not allowed."""
    for number in numbers:
        if number is not None and number < 1:
            raise ValueError("points and at count from 1; %r is not allowed" % number)
    if threading.get_ident.__module__ != "_thread":
        raise ValueError("race needs threads, and here a library has put greenlets in their place (monkey patching)")
    if not requests:
        raise TypeError("race takes one request or more")
    for package in packages:
        try:
            import_module(package)
        except (ImportError, TypeError, ValueError) as error:
            raise ValueError("within %r: %s" % (package, error)) from None


def _let_pass() -> Callable[..., Iterable[bytes]]:
    """What every guard does during a race, whatever wraps it: hand on what comes in a thread that began meanwhile."""
    call, others = ThreadGuard.__call__, set(threading.enumerate())

    def let_pass(guard: ThreadGuard, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if threading.current_thread() in others:
            return call(guard, environ, start_response)
        return guard.app(environ, start_response)

    return let_pass


@dataclass
class Difference:
    """The wrong answers of one kind."""

    wrong: str
    """``A`` or ``B``: whose answer it is."""
    what: str
    """What it was instead of what it should have been."""
    kind: Kind
    is_both: bool
    """Whether B was paused as well."""
    stack: Stack
    last_stack: Stack = ()
    at: List[int] = field(default_factory=list)
    """Before which of its lines A was paused. The stacks are those of the first and the last, innermost frame first."""
    happened: int = 0
    of: int = 0
    """How often it happened when it was tried again, and how often it was tried."""
    again: str = ""
    code: str = "TG308"


def differences(right: Sequence[Answers], answers: Answers) -> Dict[Kind, str]:
    """What is wrong in *answers*, compared with the pair of *right* that is most like it."""
    nearest = max(right, key=lambda pair: [one == other for one, other in zip(pair, answers)].count(True))
    return {(side, did.status, did.raised.partition(":")[0]): _compared(did, should)
            for side, did, should in zip("AB", answers, nearest) if did != should}


def _compared(did: Answer, should: Answer) -> str:
    has, misses = set(did.headers) - set(should.headers), set(should.headers) - set(did.headers)
    parts = [("raised", did.raised, should.raised), ("status", did.status, should.status),
             ("headers", sorted(has), sorted(misses))]
    found = ["%s %r instead of %r" % part for part in parts if part[1] != part[2]]
    if did.body != should.body:
        same = len(os.path.commonprefix([did.body, should.body]))
        part = slice(max(0, same - _AROUND), same + _AROUND)
        found.append("body %r instead of %r, at byte %d" % (did.body[part], should.body[part], same))
    return "; ".join(found)


@dataclass
class PairReport:
    """What came of pausing *a* while *b* ran."""

    a: str
    b: str
    indexes: Tuple[int, int]
    """Which of the given requests they are."""
    alone: List[str] = field(default_factory=list)
    """Both, with what they get alone."""
    lines: int = 0
    tried: int = 0
    waited: Dict[int, str] = field(default_factory=dict)
    """Where one waited for what the other held, by the line before which A was paused."""
    drifts: List[str] = field(default_factory=list)
    """When the answers that they get alone were found to have changed."""
    wrong: List[Difference] = field(default_factory=list)
    problem: str = ""

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        if not self.problem and any(one.happened for one in self.wrong):
            return 1
        return 3 if self.problem or self.wrong or self.drifts else 0

    def finding(self, one: Difference) -> Finding:
        """*one* as a TG308."""
        (file, line, function), *callers = one.stack
        lines = [one.what, "%s was paused in %s, before line %d of its %d" % (self.a, function, one.at[0], self.lines)]
        lines += ["called from %s:%d in %s" % frame for frame in callers]
        if one.is_both:
            lines.append("%s was paused at the same line, until the other had ended" % self.b)
        if len(one.at) > 1:
            lines.append("it went wrong at %d places, the last before line %d, at %s:%d in %s" % (
                len(one.at), one.at[-1], *one.last_stack[0]))
        if one.of:
            lines.append("tried again it happened %d of %d times: %s" % (one.happened, one.of, one.again))
        wrong, other, paused = (self.a, self.b, "it") if one.wrong == "A" else (self.b, "it", self.a)
        return Finding(one.code, "%s is answered wrongly when %s runs while %s is paused here" % (wrong, other, paused),
                       "\n           ".join(lines), _REMEDY, file, line)

    def summary(self) -> str:
        """What was tried."""
        if self.problem:
            return "cannot compare: " + self.problem
        lines = ["%s, paused at %d of its %d lines while %s ran: %s" % (
            self.alone[0], self.tried, self.lines, self.alone[1],
            "answered wrongly" if self.wrong else "nothing found")]
        if self.waited:
            lines.append("  at %d of these one waited for what the other held, such as at %s: there is no pause" % (
                len(self.waited), next(iter(self.waited.values()))))
        if self.drifts:
            lines.append("  alone they are answered otherwise than before, noticed %s (of %d times): a clock, or state"
                         " that a pause has changed for good" % (self.drifts[0], len(self.drifts)))
        return "\n".join(lines)


@dataclass
class RaceReport:
    """What `race` found."""

    pairs: List[PairReport] = field(default_factory=list)
    """One for each two requests, as A and B and as B and A."""

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        statuses = [pair.status for pair in self.pairs]
        return 1 if 1 in statuses else max(statuses)

    @property
    def findings(self) -> List[Finding]:
        """A `threadguard.Finding` TG308 for each kind of wrong answer."""
        return [pair.finding(one) for pair in self.pairs for one in pair.wrong]

    def __str__(self) -> str:
        return "\n".join([text.text_of(one) for one in self.findings] + [pair.summary() for pair in self.pairs])

    def as_dict(self) -> Dict[str, Any]:
        """The report as plain data, for JSON."""
        return {"version": 1, "status": self.status, "pairs": [
            dict(asdict(pair), waited=len(pair.waited)) for pair in self.pairs]}


class _Pair(PairReport):
    """Two requests, the first of which is paused."""

    def __init__(self, stepper: Stepper, requests: Sequence[Any], a: int, b: int) -> None:
        super().__init__(str(SentRequest(requests[a])), str(SentRequest(requests[b])), (a, b))
        self._stepper, self._a, self._b = stepper, requests[a], requests[b]
        self._right: List[Answers] = []
        self._learned = 0.0

    def run(self, points: Optional[int], at: Optional[int], progress: Callable[[int, int], object]) -> None:
        """Try all places, and make the report. Both requests are paused where one pause finds nothing."""
        self._learn()
        if at and at > self.lines:
            raise ValueError("%s has %d lines: there is no line %d" % (self.a, self.lines, at))
        some = min(points or self.lines, self.lines)
        places = [at] if at else [1 + (self.lines - 1) * number // max(some - 1, 1) for number in range(some)]
        self.tried = len(places)
        for is_both in (False, True):
            left = [] if self.wrong else [place for place in places if place not in self.waited]
            for done, place in enumerate(left):
                progress(done + is_both * len(places), 2 * len(places))
                self._try(place, is_both)
        progress(1, 1)
        for one in self.wrong:
            if not at:
                self._narrow(one, max((place for place in places if place < one.at[0]), default=0))
            self._replay(one)
        if self.status == 0:
            time.sleep(max(0.0, int(self._learned) + 1 - time.time()))  # an answer may tell the second, also in words
            self._is_right_alone("at the end")

    def _ask(self) -> Tuple[List[Answers], List[int]]:
        """What both get alone, in each order and from each state that an order leaves, and how many lines A has."""
        there = [self._stepper.run(self._a, self._b) for _ in range(2)]
        back = [self._stepper.run(self._b, self._a) for _ in range(2)]
        return ([one.answers for one in there] + [(one.answers[1], one.answers[0]) for one in back],
                [one.lines for one in there])

    def _learn(self) -> None:
        """Ask until it is the same twice: then what is loaded and cached once is there. Raises `CannotCompareError` if
        the answers never are."""
        now = self._ask()
        for _ in range(_ROUNDS):
            before, now = now, self._ask()
            if now == before:
                break
        self._right, (self.lines, _), self._learned = *now, time.time()
        self.alone = ["%s (%s, %d bytes%s)" % (name, one.status or "no status", len(one.body),
                                               one.raised and ", raises " + text.escaped(one.raised))
                      for name, one in zip((self.a, self.b), self._right[0])]
        wrong = [what for right, did in zip(before[0], self._right) for what in differences([right], did).values()]
        if wrong:
            raise CannotCompareError(
                "the answers differ already when the requests run one after the other: %s\n  remedy:  leave out what"
                " differs each time, such as a token or a time: --normalize, --ignore-header" % wrong[0])
        if not self.lines:
            raise CannotCompareError("no line of %s was counted: only code that is not Python, of the standard library,"
                                     " or of other packages than were asked for ran" % self.a)
        if all(answer.raised for answer in self._right[0]):
            raise CannotCompareError("both requests fail also alone: %s; %s" % tuple(self.alone))

    def _is_right_alone(self, when: str) -> bool:
        """Whether the requests still get the same answers alone. If not, what is right is learned anew."""
        if all(answers in self._right for answers in self._ask()[0]):
            return True
        self.drifts.append(when)
        self._learn()
        return False

    def _pause(self, at: int, is_both: bool) -> Tuple[Outcome, Dict[Kind, str]]:
        """Pause A before its line *at*. What came of it, and what of that no order gives: nothing where one waited for
        the other, or A had fewer lines, as there was no pause to speak of."""
        outcome = self._stepper.run(self._a, self._b, at, is_both)
        is_right = outcome.waited or not outcome.stack or outcome.answers in self._right
        return outcome, {} if is_right else differences(self._right, outcome.answers)

    def _try(self, at: int, is_both: bool) -> None:
        """Pause A before its line *at*, and note what came of it."""
        outcome, wrong = self._pause(at, is_both)
        if outcome.waited:
            self.waited[at] = outcome.waited
        known = {one.kind: one for one in self.wrong}
        is_new = wrong.keys() - known.keys()
        if is_new and not self._is_right_alone("after A was paused at %s:%d in %s" % outcome.stack[0]):
            outcome, wrong = self._pause(at, is_both)
        for kind, what in wrong.items():
            if kind not in known:
                known[kind] = Difference(kind[0], what, kind, is_both, stack=outcome.stack)
                self.wrong.append(known[kind])
            known[kind].at.append(at)
            known[kind].last_stack = outcome.stack

    def _narrow(self, one: Difference, right: int) -> None:
        """Find the first line of the window, behind *right*, where it was not seen: the line before it wrote."""
        while one.at[0] - right > 1:
            middle = (one.at[0] + right) // 2
            outcome, wrong = self._pause(middle, one.is_both)
            if one.kind not in wrong:
                outcome, wrong = self._pause(middle, one.is_both)  # see `_replay`: the first may have led elsewhere
            if one.kind in wrong:
                one.at.insert(0, middle)
                one.stack = outcome.stack
            else:
                right = middle

    def _replay(self, one: Difference) -> None:
        """Try it again. A line's number may lead elsewhere where an application does more now and then, such as to look
        whether a file has changed: that does not count."""
        one.again = "at=%d" % one.at[0]
        for _ in range(2 * REPLAYS):
            outcome, wrong = self._pause(one.at[0], one.is_both)
            if outcome.stack == one.stack:
                one.of += 1
                one.happened += one.kind in wrong
            if one.of == REPLAYS:
                break
