"""Prove that an application is not thread-safe, every time, with the line: see `race`.

What is compared with: the answers that the same two requests get one after the other, in both orders, in the same kinds
of threads. Only what no order gives is wrong, so an application whose second answer depends on the first is no race.
"""

import threading
import time
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple

from threadguard.guard.middleware import ThreadGuard
from threadguard.report import text
from threadguard.testing.race_report import Answers, Difference, PairReport, RaceReport, differences
from threadguard.testing.sending import SentRequest, WSGIApp
from threadguard.testing.stepping import Answer, NoAnswerError, Outcome, Stepper, stepped_code

REPLAYS = 10
_ROUNDS = 6
_one_at_a_time = threading.Lock()

Progress = Callable[[int, int], object]


class CannotCompareError(RuntimeError):
    """There is no answer to compare with: alone the requests get another one each time, or fail."""


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
    names = [_name(SentRequest(request).environ) for request in requests]

    def compared(answer: Answer) -> Answer:
        try:
            body = b"" + (normalize(answer.body) if normalize is not None else answer.body)
        except Exception as error:  # noqa: B902  the user's own
            raise TypeError("normalize makes no bytes of bytes: %s: %s" % (type(error).__name__, error)) from error
        return answer._replace(body=body, headers=tuple(one for one in answer.headers if one[0].lower() not in ignored))

    stepper, report = Stepper(app, stepped_code(packages), compared, timeout), RaceReport()
    places = range(len(requests))
    with _one_at_a_time, _guards_let_pass():
        for a, b in [(a, b) for a in places for b in places if a != b or len(requests) == 1][:at and 1]:
            if any(one.problem and one.indexes == (b, a) != (a, b) for one in report.pairs):
                continue
            pair = PairReport(names[a], names[b], (a, b))
            report.pairs.append(pair)
            try:
                _Pair(stepper, requests[a], requests[b], pair).run(points, at, progress)
            except CannotCompareError as error:
                pair.problem = str(error)
            except NoAnswerError as error:
                pair.problem = str(error)
                break
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
            import_module(package)
        except (ImportError, TypeError, ValueError) as error:
            raise ValueError("within %r: %s" % (package, error)) from None


def _name(environ: Dict[str, Any]) -> str:
    """Of a request, with its query: who reads the report has sent it."""
    query = environ.get("QUERY_STRING")
    return text.request_line(environ) + (text.escaped("?" + query) if query else "")


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

    def __init__(self, stepper: Stepper, a: Any, b: Any, report: PairReport) -> None:
        self._stepper, self._a, self._b, self._report = stepper, a, b, report
        self._right: List[Answers] = []

    def run(self, points: Optional[int], at: Optional[int], progress: Progress) -> None:
        """Try all places, and make the report. Both requests are paused where one pause finds nothing."""
        began, report = int(time.time()), self._report
        self._learn()
        if at is not None and at > report.lines:
            raise ValueError("%s has %d lines: there is no line %d" % (report.a, report.lines, at))
        places = [at] if at is not None else _spread(report.lines, points or report.lines)
        report.tried = len(places)
        for is_both in (False, True):
            left = [] if report.differences else [place for place in places if place not in report.waited]
            for done, place in enumerate(left):
                progress(done + is_both * len(places), 2 * len(places))
                self._try(place, is_both)
        progress(1, 1)
        for difference in report.differences:
            if at is None:
                self._narrow(difference, max((one for one in places if one < difference.seen[0].at), default=0))
            self._replay(difference)
        if report.status == 0:
            time.sleep(max(0.0, began + 1 - time.time()))  # an answer may tell the second
            self._is_right_alone("at the end")

    def _ask(self) -> List[Tuple[Answers, int]]:
        """What both get alone, in each order and from each state that an order leaves, and how many lines A has."""
        found: List[Tuple[Answers, int]] = []
        for is_a_first in (True, True, False, False):
            outcome = self._stepper.run(*(self._a, self._b) if is_a_first else (self._b, self._a))
            one, other = outcome.answers
            found.append(((one, other), outcome.lines) if is_a_first else ((other, one), found[0][1]))
        return found

    def _learn(self) -> None:
        """Ask until it is the same twice: then what is loaded and cached once is there. Raises `CannotCompareError` if
        the answers never are."""
        report, now = self._report, self._ask()
        for _ in range(_ROUNDS):
            before, now = now, self._ask()
            if now == before:
                break
        wrong = [one.words() for (right, _), (did, _) in zip(before, now) for one in differences([right], did)]
        if wrong:
            raise CannotCompareError(
                "the answers differ already when the requests run one after the other: %s\n  remedy:  leave out what"
                " differs each time, such as a token or a time: --normalize, --ignore-header" % wrong[0])
        self._right = [answers for answers, _ in now]
        report.alone, report.lines = now[0]
        if not report.lines:
            raise CannotCompareError("no line of %s was counted: only code that is not Python, of the standard library,"
                                     " or of other packages than were asked for ran" % report.a)
        if all(answer.raised for answer in report.alone):
            raise CannotCompareError("both requests fail also alone: %s; %s" % (
                report.request("A"), report.request("B")))

    def _is_right_alone(self, when: str) -> bool:
        """Whether the requests still get the same answers alone. If not, what is right is learned anew."""
        if all(answers in self._right for answers, _ in self._ask()):
            return True
        self._report.drifts.append(when)
        self._learn()
        return False

    def _wrong(self, outcome: Outcome) -> List[Difference]:
        """What no order gives. Where one waited for the other there was no pause to speak of."""
        if outcome.waited or not outcome.stack or outcome.answers in self._right:
            return []
        return differences(self._right, outcome.answers)

    def _try(self, at: int, is_both: bool) -> None:
        """Pause A before its line *at*, and note what came of it."""
        report, known = self._report, {one.kind: one for one in self._report.differences}
        outcome = self._stepper.run(self._a, self._b, at, is_both)
        if outcome.waited:
            report.waited[at] = outcome.waited
        is_new = any(one.kind not in known for one in self._wrong(outcome))
        if is_new and not self._is_right_alone("after A was paused at %s:%d in %s" % outcome.stack[0]):
            outcome = self._stepper.run(self._a, self._b, at, is_both)
        for difference in self._wrong(outcome):
            known.setdefault(difference.kind, difference).seen.append(outcome)
        report.differences = list(known.values())

    def _has(self, found: Difference, at: int) -> Tuple[bool, Outcome]:
        """Whether *found* comes of a pause before A's line *at*."""
        outcome = self._stepper.run(self._a, self._b, at, found.seen[0].is_both)
        return found.kind in [one.kind for one in self._wrong(outcome)], outcome

    def _narrow(self, found: Difference, right: int) -> None:
        """Find the first line of the window, behind *right*, where it was not seen: the line before it wrote."""
        while found.seen[0].at - right > 1:
            middle = (found.seen[0].at + right) // 2
            is_wrong, outcome = self._has(found, middle)
            if not is_wrong:
                is_wrong, outcome = self._has(found, middle)  # see `_replay`: the first time it may have led elsewhere
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


def _spread(lines: int, points: int) -> List[int]:
    """*points* of the numbers from 1 to *lines*, evenly spread, the first and the last among them."""
    if points >= lines:
        return list(range(1, lines + 1))
    return sorted({1 + (lines - 1) * number // max(points - 1, 1) for number in range(points)})
