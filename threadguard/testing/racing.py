"""Prove that an application is not thread-safe, every time, with the line: see `race`.

What is compared with: the answers that the same two requests get one after the other, in both orders, in the same kinds
of threads. Only what no order gives is wrong, so an application whose second answer depends on the first is no race.
"""

import sys
import threading
import time
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from threadguard import ThreadGuard
from threadguard.report import text
from threadguard.testing.race_report import Answers, Difference, PairReport, RaceReport, differences
from threadguard.testing.sending import WSGIApp, sent_request
from threadguard.testing.stepping import Answer, Outcome, Stepper, stepped_code

REPLAYS = 10
_ROUNDS = 6
_A_FIRST = (True, True, False, False)
"""The orders in which both are asked alone: each order from each state that an order leaves behind."""
_one_at_a_time = threading.Lock()

Progress = Callable[[int, int], object]


class CannotCompareError(RuntimeError):
    """There is no answer to compare with: alone the requests get none, or another one each time."""


def race(app: WSGIApp, *requests: Any, within: Iterable[str] = (), points: Optional[int] = 200,
         at: Optional[int] = None, ignore_headers: Iterable[str] = (),
         normalize: Optional[Callable[[bytes], bytes]] = None, timeout: float = 30.0,
         progress: Progress = lambda done, total: None) -> RaceReport:
    """Send *requests* in pairs: A is paused before one of its lines, all of B runs, A goes on; then the next line.

    :param requests: WebOb requests, objects of Werkzeug's `EnvironBuilder`, environs, paths. Each is A once to each
        other one's B. A single one meets itself.
    :param within: names of packages whose lines are counted. By default all but the standard library and servers.
    :param points: before how many of its lines, evenly spread, A is paused. None: before each.
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
    packages, ignored = tuple(within), frozenset(name.lower() for name in ignore_headers)
    _check(requests, packages, [points, at])
    names = [_name(sent_request(request).environ) for request in requests]
    stepper, report = Stepper(app, stepped_code(packages), timeout), RaceReport()
    pairs: List[_Pair] = []
    places = range(len(requests))
    with _one_at_a_time, _guards_let_pass():
        began = time.time()
        for a, b in [(a, b) for a in places for b in places if a != b or len(requests) == 1][:at and 1]:
            if any(one.problem and one.indexes == (b, a) != (a, b) for one in report.pairs):
                continue
            pair = _Pair(stepper, requests[a], requests[b], PairReport(names[a], names[b], (a, b)),
                         lambda answer: _compared(answer, ignored, normalize))
            pairs.append(pair)
            report.pairs.append(pair.report)
            pair.attempt(lambda: pair.run(points, at, progress))
            if pair.report.is_over:
                return report
        if report.status == 0:
            time.sleep(max(0.0, int(began) + 1 - time.time()))  # an answer may tell the second
            for pair in pairs:
                pair.attempt(lambda: pair.ask_again("at the end"))
    return report


def assert_no_race(app: WSGIApp, *requests: Any, **options: Any) -> RaceReport:
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
            is_there = package in sys.modules or find_spec(package) is not None
        except (ImportError, ValueError):
            is_there = False
        if not is_there:
            raise ValueError("within: there is no package %r" % package)


def _name(environ: Dict[str, Any]) -> str:
    """Of a request, with its query: who reads the report has sent it."""
    query = environ.get("QUERY_STRING")
    return text.request_line(environ) + (text.escaped("?" + query) if query else "")


def _compared(answer: Answer, ignored: Iterable[str], normalize: Optional[Callable[[bytes], bytes]]) -> Answer:
    """What is compared of *answer*."""
    try:
        body = normalize(answer.body) if normalize is not None else answer.body
    except Exception as error:  # noqa: B902  the user's own
        raise TypeError("normalize raised %s: %s" % (type(error).__name__, error)) from error
    if not isinstance(body, bytes):
        raise TypeError("normalize makes bytes of bytes, and it gave %r" % type(body).__name__)
    return answer._replace(body=body, headers=tuple(one for one in answer.headers if one[0].lower() not in ignored))


@contextmanager
def _guards_let_pass() -> Iterator[None]:
    """Every `ThreadGuard` hands on what comes in a thread that began meanwhile, whatever wraps the guard."""
    call, others = ThreadGuard.__call__, set(threading.enumerate())

    def let_pass(guard: ThreadGuard, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if threading.current_thread() in others:
            return call(guard, environ, start_response)
        return guard.app(environ, start_response)

    setattr(ThreadGuard, "__call__", let_pass)
    try:
        yield
    finally:
        setattr(ThreadGuard, "__call__", call)


class _Pair:
    """Two requests, the first of which is paused."""

    def __init__(self, stepper: Stepper, a: Any, b: Any, report: PairReport,
                 compared: Callable[[Answer], Answer]) -> None:
        self._stepper, self._a, self._b, self.report, self._compared = stepper, a, b, report, compared
        self._right: List[Answers] = []
        self._settles = False
        """Whether it matters what ran before: then each pause begins where A and then B have left off."""

    def attempt(self, action: Callable[[], object]) -> None:
        """Do *action*, and let the report say where nothing can be compared."""
        try:
            action()
        except CannotCompareError as error:
            self.report.problem = str(error)

    def run(self, points: Optional[int], at: Optional[int], progress: Progress) -> None:
        """Try all places, and make the report. Both requests are paused where one pause finds nothing."""
        self._learn()
        lines = self.report.lines
        if at is not None and at > lines:
            raise ValueError("%s has %d lines: there is no line %d" % (self.report.a, lines, at))
        places = [at] if at is not None else _spread(lines, points or lines)
        self.report.tried = len(places)
        for is_both in (False, True):
            for done, place in enumerate(places if not self.report.differences else []):
                progress(done + is_both * len(places), 2 * len(places))
                self._try(place, is_both)
                if self.report.is_over:
                    return
        progress(1, 1)
        for difference in list(self.report.differences):
            if at is None:
                self._narrow(difference, max((one for one in places if one < difference.seen[0].at), default=0))
            self._replay(difference)

    def _ask(self) -> List[Tuple[Answers, int]]:
        """What both get alone, in each order and from each state that an order leaves, and how many lines A has."""
        found = []
        for a_is_first in _A_FIRST:
            outcome = self._send() if a_is_first else self._stepper.run(self._b, self._a)
            if outcome.is_over:
                self.report.is_over = True
                raise CannotCompareError("; ".join(one.raised for one in outcome.answers if one.raised))
            if not a_is_first:
                b, a = outcome.answers
                outcome = outcome._replace(answers=(self._compared(a), self._compared(b)), lines=found[0][1])
            found.append((outcome.answers, outcome.lines))
        return found

    def _learn(self) -> None:
        """Ask until it is the same twice: then what is loaded and cached once is there. Raises `CannotCompareError` if
        the answers never are."""
        now = self._ask()
        for _ in range(_ROUNDS):
            before, now = now, self._ask()
            if now == before:
                break
        else:
            wrong = [one.words() for (right, _), (answers, _) in zip(before, now) for one in differences([right], answers)]
            if wrong:
                raise CannotCompareError(
                    "the answers differ already when the requests run one after the other: %s\n  remedy:  leave out what"
                    " differs each time, such as a token or a time: --normalize, --ignore-header" % wrong[0])
        self._right = [answers for answers, _ in now]
        self._settles = now != now[:1] * len(now)
        self.report.alone, self.report.lines = now[1]
        if not self.report.lines:
            raise CannotCompareError("no line of %s was counted: only code that is not Python, of the standard library,"
                                     " or of other packages than were asked for ran" % self.report.a)
        if all(answer.raised for answer in self.report.alone):
            raise CannotCompareError("both requests fail also alone: %s; %s" % (
                self.report.request("A"), self.report.request("B")))

    def ask_again(self, when: str) -> bool:
        """Whether the requests still get the same answers alone. If not, what is right is learned anew."""
        if all(answers in self._right for answers, _ in self._ask()):
            return True
        self.report.drifts.append(when)
        self._learn()
        return False

    def _send(self, at: int = 0, is_both: bool = False) -> Outcome:
        """The outcome with a pause; before it both run alone, if it matters what ran before."""
        if at and self._settles:
            self._stepper.run(self._a, self._b)
        outcome = self._stepper.run(self._a, self._b, at, is_both)
        a, b = outcome.answers
        return outcome._replace(answers=(self._compared(a), self._compared(b)))

    def _wrong(self, outcome: Outcome) -> List[Difference]:
        """What no order gives. Where one waited for the other there was no pause to speak of."""
        has_waited = outcome.waited and not outcome.is_over
        return [] if has_waited or not outcome.stack else differences(self._right, outcome.answers)

    def _try(self, at: int, is_both: bool) -> None:
        """Pause A before its line *at*, and note what came of it."""
        outcome = self._send(at, is_both)
        known = {one.kind: one for one in self.report.differences}
        self.report.is_over = outcome.is_over
        if outcome.waited:
            self.report.waited[outcome.waited] = self.report.waited.get(outcome.waited, 0) + 1
        if not outcome.is_over and any(one.kind not in known for one in self._wrong(outcome)) and not self.ask_again(
                "after A was paused at %s:%d in %s" % outcome.stack[0]):
            outcome = self._send(at, is_both)
        for difference in self._wrong(outcome):
            known.setdefault(difference.kind, difference).seen.append(outcome)
        self.report.differences = list(known.values())

    def _has(self, found: Difference, at: int) -> Tuple[bool, Outcome]:
        """Whether *found* comes of a pause before A's line *at*."""
        outcome = self._send(at, found.seen[0].is_both)
        return found.kind in [one.kind for one in self._wrong(outcome)], outcome

    def _narrow(self, found: Difference, right: int) -> None:
        """Find the first line of the window, behind *right*, where it was not seen: the line before it wrote."""
        while found.seen[0].at - right > 1:
            middle = (found.seen[0].at + right) // 2
            is_wrong, outcome = self._has(found, middle)
            if is_wrong:
                found.seen.insert(0, outcome)
            else:
                right = middle

    def _replay(self, found: Difference) -> None:
        """Try it again. A line's number may lead elsewhere where an application does more now and then, such as to look
        whether a file has changed: that does not count."""
        for _ in range(2 * REPLAYS):
            is_wrong, outcome = self._has(found, found.seen[0].at)
            if outcome.stack == found.seen[0].stack:
                found.replays += 1
                found.times += is_wrong
            if found.replays == REPLAYS:
                break
        if not found.times:
            self.report.differences.remove(found)
            self.report.drifts.append("once, when A was paused at %s:%d in %s" % found.seen[0].stack[0])


def _spread(lines: int, points: int) -> List[int]:
    """*points* of the numbers from 1 to *lines*, evenly spread, the first and the last among them."""
    if points >= lines:
        return list(range(1, lines + 1))
    return sorted({1 + (lines - 1) * number // max(points - 1, 1) for number in range(points)})
