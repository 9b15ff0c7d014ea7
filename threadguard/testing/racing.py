"""Prove that an application is not thread-safe, every time, with the line: see `race`.

What is compared with: the answers that the same two requests get one after the other, in both orders, in the same kinds
of threads. Only what no order gives is wrong, so an application whose second answer depends on the first is no race.
"""

import math
import threading
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence, Set, Tuple, Union

from threadguard import ThreadGuard
from threadguard.testing.race_report import CannotCompareError, Difference, PairReport, RaceReport, differences
from threadguard.testing.sending import WSGIApp, sent_request
from threadguard.testing.stepping import AFTER, BEFORE, Answer, NoAnswerError, Outcome, Place, Stepper
from threadguard.testing.stepping import stepped_code, words

REPLAYS = 10
_WARMING_UP, _TRIES = 5, 2
_A_FIRST, _B_FIRST = (AFTER, 0), (BEFORE, 0)
_ORDERS = (_A_FIRST, _B_FIRST, _A_FIRST)
_MORE_ORDERS = (_A_FIRST, _A_FIRST, _B_FIRST, _B_FIRST, _A_FIRST)
"""From each state that one order leaves behind, both orders."""
_one_at_a_time = threading.Lock()

Answers = Tuple[Answer, Answer]


def race(app: WSGIApp, *requests: Any, within: Iterable[str] = (), points: Optional[int] = 200,
         at: Union[int, Place, None] = None, ignore_headers: Iterable[str] = (),
         normalize: Optional[Callable[[bytes], bytes]] = None, timeout: float = 60.0,
         progress: Callable[[int, int], object] = lambda done, total: None) -> RaceReport:
    """Send *requests* in pairs: A is paused before one of its lines, all of B runs, A goes on; then the next line.

    :param requests: WebOb requests, objects of Werkzeug's `EnvironBuilder`, environs, paths. Each is A once to each
        other one's B. A single one meets itself.
    :param within: names of packages whose lines are counted. By default all but the standard library and servers.
    :param points: before how many of its lines, evenly spread, A is paused. None: before each.
    :param at: pause the first request before this line, and no other; or the first and the second before these two.
    :param ignore_headers: names of headers that are not compared.
    :param normalize: makes of a body what is compared, for what differs each time: a token, a time.
    :param timeout: seconds for one pair of requests.
    :param progress: called with the number of places done, and of all.
    :raises TypeError: for a request of no kind that is known, and for a *normalize* that fails.
    :raises ValueError: for numbers that are not allowed, and where threads are greenlets.

    Guards of `ThreadGuard` on the way let the requests pass, and do not count them.
    """
    only = None if at is None else (at, 0) if isinstance(at, int) else at
    for number in (points, *(at if isinstance(at, tuple) else (at,))):
        if number is not None and number < 1:
            raise ValueError("points and at count from 1; %r is not allowed" % (number,))
    if threading.get_ident.__module__ != "_thread":
        raise ValueError("race needs threads, and here a library has put greenlets in their place (monkey patching)")
    if not requests:
        raise TypeError("race takes one request or more")
    names = [sent_request(request).environ for request in requests]
    stepper = Stepper(app, stepped_code(tuple(within)), timeout)
    compared = _comparison(frozenset(name.lower() for name in ignore_headers), normalize)
    places = range(len(requests))
    report = RaceReport()
    with _one_at_a_time, _guards_let_pass():
        pairs: List[_Pair] = []
        for a, b in [(a, b) for a in places for b in places if a != b or len(requests) == 1][:only and 1]:
            if any(one.problem and one.indexes == (b, a) != (a, b) for one in report.pairs):
                continue
            pairs.append(_Pair(stepper, requests[a], requests[b], PairReport.of(names, a, b), compared, progress))
            report.pairs.append(pairs[-1].report)
            if not pairs[-1].attempt(lambda pair: pair.run(points, only)):
                pairs.pop()
            if report.pairs[-1].is_over:
                return report
        began = int(time.time())
        while pairs and report.status == 0 and int(time.time()) == began:  # an answer may tell the second
            time.sleep(0.02)
        for pair in pairs:
            pair.attempt(lambda pair: pair.ask_again("at the end"))
    return report


def assert_no_race(app: WSGIApp, *requests: Any, **options: Any) -> RaceReport:
    """Fail, with the report as the message, if `race` finds one or cannot compare. It takes the same arguments."""
    __tracebackhide__ = True
    report = race(app, *requests, **options)
    if report.status:
        raise AssertionError(str(report))
    return report


def _comparison(ignored: Iterable[str], normalize: Optional[Callable[[bytes], bytes]]) -> Callable[[Answer], Answer]:
    """A function that makes of an answer what is compared of it."""
    def compared(answer: Answer) -> Answer:
        try:
            body = normalize(answer.body) if normalize is not None else answer.body
        except Exception as error:  # noqa: B902  the user's own
            raise TypeError("normalize raised %s: %s" % (type(error).__name__, error)) from error
        if not isinstance(body, bytes):
            raise TypeError("normalize makes bytes of bytes, and it gave %r" % type(body).__name__)
        headers = tuple(header for header in answer.headers if header[0].lower() not in ignored)
        return answer._replace(headers=headers, body=body)

    return compared


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

    def __init__(self, stepper: Stepper, a: Any, b: Any, report: PairReport, compared: Callable[[Answer], Answer],
                 progress: Callable[[int, int], object]) -> None:
        self._stepper, self._a, self._b, self.report = stepper, a, b, report
        self._compared, self._progress = compared, progress
        self._right: Set[Answers] = set()
        self._lines = 0, 0
        self._settles = False
        """Whether it matters what ran before: then each pause begins where A and then B have left off."""

    def attempt(self, action: "Callable[[_Pair], object]") -> bool:
        """Whether *action* came to its end. Otherwise the report says why not."""
        try:
            action(self)
        except (CannotCompareError, NoAnswerError) as error:
            self.report.problem, self.report.is_over = str(error), isinstance(error, NoAnswerError)
        return not self.report.problem

    def run(self, points: Optional[int], only: Optional[Place]) -> None:
        """Try all places, and make the report. Two pauses are tried where one finds nothing."""
        self._warm_up()
        self._learn()
        lines, of_b = self._lines
        if only is not None and (only[0] > lines or only[1] > of_b):
            raise ValueError("%s has %d lines and %s has %d: there is no line %s" % (
                self.report.a, lines, self.report.b, of_b, " and ".join(str(line) for line in only if line)))
        single = [(line, 0) for line in _spread(lines, points or lines)]
        self._try_all([only] if only is not None else single)
        if only is not None and not (self.report.differences or self.report.waited):
            self._try_all([only])  # its number may have led elsewhere, see `_replay`
        if only is None and not self.report.differences:
            self._try_all(_grid(lines, of_b, points or lines * of_b))
        for difference in [] if self.report.is_over else self.report.differences:
            if only is None and not difference.first.at[1]:
                self._narrow(difference, [line for line, _ in single])
            self._replay(difference)

    def _send(self, at: Place) -> Outcome:
        outcome = self._stepper.run(self._a, self._b, at)
        a, b = outcome.answers
        return outcome._replace(answers=(self._compared(a), self._compared(b)))

    def _paused(self, at: Place) -> Outcome:
        """The outcome with pauses; before it both run alone, if it matters what ran before."""
        if self._settles:
            self._send(_A_FIRST)
        return self._send(at)

    def _alone(self, order: Place) -> Answers:
        outcome = self._send(order)
        self._lines = outcome.lines
        if outcome.lost_tracer:
            raise CannotCompareError("the lines of %s cannot be counted: the application sets a trace function of its"
                                     " own (sys.settrace), or raises exceptions in its thread from another" % (
                                         self.report.a))
        return outcome.answers

    def _warm_up(self) -> None:
        """Let both run until they have as many lines as the time before: what is loaded and cached is there then."""
        before: List[Place] = []
        for _ in range(_WARMING_UP):
            now = []
            for order in (_A_FIRST, _B_FIRST):
                self._alone(order)
                now.append(self._lines)
            if now == before:
                return
            before = now

    def _learn(self) -> None:
        """What is right: the answers in each order. Raises `CannotCompareError` if they differ each time."""
        found, lines = [], set()
        for order in _ORDERS:
            found.append(self._alone(order))
            lines.add(self._lines)
        if len(set(found)) > 1:  # the order matters, or it is not the same twice
            found += [self._alone(order) for order in _MORE_ORDERS]
            for order in _MORE_ORDERS:
                self._must_be_among(set(found), self._alone(order))
        self._right = set(found)
        self._settles = len(self._right) > 1 or len(lines) > 1
        if self._settles:
            self._alone(_A_FIRST)
        self.report.lines, self.report.alone = self._lines[0], found[0]
        if not self.report.lines:
            raise CannotCompareError("no line of %s was counted: only code that is not Python, of the standard library,"
                                     " or of other packages than were asked for ran" % self.report.a)
        if all(answer.raised for answer in found[0]):
            raise CannotCompareError("both requests fail also alone: %s" % self.report.alone_words())

    def _must_be_among(self, right: Set[Answers], answers: Answers) -> None:
        wrong = ["%s: %s" % (self.report.name(one.side), one.words()) for one in differences(right, answers)]
        if wrong:
            raise CannotCompareError(
                "the answers differ already when the requests run one after the other: %s\n  remedy:  leave out what"
                " differs each time, such as a token or a time: --normalize, --ignore-header" % "; ".join(wrong))

    def ask_again(self, when: str) -> bool:
        """Whether the requests still get the same answers alone. If not, what is right is learned anew."""
        if {self._alone(order) for order in (_A_FIRST, _B_FIRST)} <= self._right:
            return True
        self.report.drifts.append(when)
        self._learn()
        return False

    def _try_all(self, places: Sequence[Place]) -> None:
        """Try *places*. Where B waits before its line, it does so before each later one; and where A waits for what B
        holds at its line, it does so from each earlier line of its own: places come from A's last line on."""
        blocked_a: Set[int] = set()
        blocked_b: Set[int] = set()
        for done, (at, at_b) in enumerate(places):
            self._progress(done, len(places))
            if at in blocked_a or at_b in blocked_b or self.report.is_over:
                continue
            outcome = self._try((at, at_b))
            if outcome.waited and at_b:
                (blocked_b if outcome.at[1] else blocked_a).add(at_b if outcome.at[1] else at)
        self._progress(len(places), len(places))

    def _try(self, at: Place) -> Outcome:
        outcome = self._paused(at)
        self.report.tried += 1
        if outcome.waited:
            self.report.waited[outcome.waited] = self.report.waited.get(outcome.waited, 0) + 1
        self.report.is_over = outcome.is_stuck
        if not outcome.is_stuck and self.report.has_new(self._wrong(outcome)) and not self.ask_again(
                "after A was paused at " + words(outcome.stacks[0][0])):
            outcome = self._paused(at)
        for difference in self._wrong(outcome):
            self.report.add(difference, outcome)
        return outcome

    def _wrong(self, outcome: Outcome) -> List[Difference]:
        """What no order gives. Where one waited for the other there was no pause to speak of."""
        has_waited = outcome.waited and not outcome.is_stuck
        return [] if has_waited or not outcome.at[0] else differences(self._right, outcome.answers)

    def _narrow(self, found: Difference, places: Sequence[int]) -> None:
        """Find the first line of the window, between the places that were tried: the one before it wrote."""
        right = max((place for place in places if place < found.first.at[0]), default=0)
        while found.first.at[0] - right > 1:
            middle = (found.first.at[0] + right) // 2
            for outcome in (self._paused((middle, 0)) for _ in range(_TRIES)):
                if found in self._wrong(outcome):
                    found.first = outcome
                    break
            else:
                right = middle

    def _replay(self, found: Difference) -> None:
        """Try whether it happens each time that A is paused at the same place: a line's number may lead elsewhere where
        an application does more now and then, such as to look whether a file has changed."""
        for outcome in (self._paused(found.first.at) for _ in range(_TRIES * REPLAYS)):
            if outcome.stacks == found.first.stacks:
                found.replays += 1
                found.times += found in self._wrong(outcome)
            if found.replays == REPLAYS:
                break
        if found.times < REPLAYS:  # is it the race that comes and goes, or what the answers say in any case?
            for order in _MORE_ORDERS + _MORE_ORDERS:
                self._must_be_among(self._right, self._alone(order))


def _spread(lines: int, points: int) -> List[int]:
    """*points* of the numbers from 1 to *lines*, evenly spread, the first and the last among them."""
    if points >= lines:
        return list(range(1, lines + 1))
    return sorted({1 + (lines - 1) * number // max(points - 1, 1) for number in range(points)})


def _grid(lines: int, lines_of_b: int, points: int) -> List[Place]:
    """At most *points* pairs of lines, evenly spread, from the last line of A on."""
    of_b = _spread(lines_of_b, max(math.isqrt(points), points // lines))
    of_a = _spread(lines, points // max(len(of_b), 1))
    return [(line, other) for line in reversed(of_a) for other in of_b]
