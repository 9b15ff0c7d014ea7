"""What `race` found, in words and as data."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from threadguard.model import Finding
from threadguard.report import text as report
from threadguard.testing.stepping import Answer, Outcome

_AROUND = 24
_REMEDY = ("let one request at a time into each process, with ThreadGuard(app); or keep what is shared from here on in"
           " the request, or behind a lock")

Answers = Tuple[Answer, Answer]


@dataclass
class Difference:
    """One kind of wrong answer."""

    side: str
    """``A`` or ``B``: whose answer it is."""
    should: Answer
    did: Answer
    seen: List[Outcome] = field(default_factory=list)
    """The outcomes that had it, by their places."""
    times: int = 0
    """How often it happened when it was tried again, of *replays*."""
    replays: int = 0

    @property
    def kind(self) -> Tuple[str, str, str]:
        """What the wrong answers of one kind have in common: the side, the status and the exception's name."""
        return self.side, self.did.status, self.did.raised.partition(":")[0]

    def words(self) -> str:
        """What it was instead of what it should have been."""
        return "; ".join(_compared(self.should, self.did))


def differences(right: Sequence[Answers], answers: Answers) -> List[Difference]:
    """What is wrong in *answers*, compared with the pair of *right* that is most like it."""
    nearest = max(right, key=lambda pair: [one == other for one, other in zip(pair, answers)].count(True))
    return [Difference(side, should, did) for side, should, did in zip("AB", nearest, answers) if should != did]


def _compared(should: Answer, did: Answer) -> List[str]:
    found = []
    if should.raised != did.raised:
        found.append("%s instead of %s" % (_raised(did), _raised(should)))
    if should.status != did.status:
        found.append("status %r instead of %r" % (did.status, should.status))
    for name in sorted({name for name, _ in set(should.headers) ^ set(did.headers)}):
        found.append("header %s is %s instead of %s" % (name, _values(did, name), _values(should, name)))
    if not found and should.headers != did.headers:
        found.append("the headers came in another order")
    if should.body != did.body:
        same = next((at for at, (one, other) in enumerate(zip(should.body, did.body)) if one != other),
                    min(len(should.body), len(did.body)))
        part = slice(max(0, same - _AROUND), same + _AROUND)
        found.append("body %r instead of %r, at byte %d" % (did.body[part], should.body[part], same))
    return found


def _raised(answer: Answer) -> str:
    return "raises %s" % report.escaped(answer.raised) if answer.raised else "an answer"


def _values(answer: Answer, name: str) -> str:
    return ", ".join(repr(value) for header, value in answer.headers if header == name) or "missing"


@dataclass
class PairReport:
    """What came of pausing *a* while *b* ran."""

    a: str
    b: str
    indexes: Tuple[int, int]
    """Which of the given requests they are."""
    lines: int = 0
    tried: int = 0
    alone: Optional[Answers] = None
    waited: Dict[int, str] = field(default_factory=dict)
    """Where one waited for what the other held, by the line before which A was paused."""
    drifts: List[str] = field(default_factory=list)
    """When the answers that they get alone were found to have changed."""
    differences: List[Difference] = field(default_factory=list)
    problem: str = ""

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        if not self.problem and any(one.times for one in self.differences):
            return 1
        return 3 if self.problem or self.differences or self.drifts else 0

    def request(self, side: str) -> str:
        """The request of *side*, with what it got alone."""
        place = "AB".index(side)
        name, answer = (self.a, self.b)[place], self.alone and self.alone[place]
        return name + (" (%s, %d bytes%s)" % (answer.status or "no status", len(answer.body), answer.raised and ", "
                                              + _raised(answer)) if answer else "")

    def finding(self, one: Difference, again: str) -> Finding:
        """*one* as a TG308, with the way to try it *again*."""
        first, last = one.seen[0], one.seen[-1]
        (file, line, function), *callers = first.stack
        lines = [one.words(), "%s was paused in %s, before line %d of its %d" % (
            self.a, function, first.at, self.lines)]
        lines += ["called from %s:%d in %s" % frame for frame in callers]
        if first.is_both:
            lines.append("%s was paused at the same line, until the other had ended" % self.b)
        if last.at != first.at:
            lines.append("it went wrong at %d places, the last before line %d, at %s:%d in %s" % (
                len(one.seen), last.at, *last.stack[0]))
        if one.replays:
            lines.append("tried again it happened %d of %d times: %s" % (one.times, one.replays, again))
        wrong, other, paused = (self.a, self.b, "it") if one.side == "A" else (self.b, "it", self.a)
        return Finding("TG308", "%s is answered wrongly when %s runs while %s is paused here" % (wrong, other, paused),
                       "\n           ".join(lines), _REMEDY, file, line)

    def summary(self) -> str:
        """What was tried."""
        if self.problem:
            return "cannot compare: %s" % self.problem
        lines = ["%s, paused at %d of its %d lines while %s ran: %s" % (
            self.request("A"), self.tried, self.lines, self.request("B"),
            "answered wrongly" if self.differences else "nothing found")]
        if self.waited:
            lines.append("  at %d of these one waited for what the other held, such as at %s: there is no pause" % (
                len(self.waited), next(iter(self.waited.values()))))
        if self.drifts:
            lines.append("  alone they are answered otherwise than before, noticed %s (of %d times): a clock, or state"
                         " that a pause has changed for good" % (self.drifts[0], len(self.drifts)))
        return "\n".join(lines)


class RaceReport:
    """What `race` found."""

    def __init__(self) -> None:
        self.pairs: List[PairReport] = []
        """One for each two requests, as A and B and as B and A."""
        self.again: Callable[[PairReport, int], str] = lambda pair, at: "at=%d" % at
        """How to try one pause of a pair again."""

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        statuses = [pair.status for pair in self.pairs]
        return 1 if 1 in statuses else max(statuses, default=0)

    @property
    def findings(self) -> List[Finding]:
        """A `threadguard.Finding` TG308 for each kind of wrong answer."""
        return [pair.finding(one, self.again(pair, one.seen[0].at)) for pair in self.pairs for one in pair.differences]

    def __str__(self) -> str:
        return "\n".join([report.text_of(one) for one in self.findings] + [pair.summary() for pair in self.pairs])

    def as_dict(self) -> Dict[str, Any]:
        """The report as plain data, for JSON."""
        return {"version": 1, "status": self.status, "pairs": [{
            "a": pair.a, "b": pair.b, "lines": pair.lines, "tried": pair.tried, "waited": len(pair.waited),
            "problem": pair.problem, "drifts": pair.drifts, "wrong": [{
                "code": "TG308", "wrong": one.side, "what": one.words(), "at": [seen.at for seen in one.seen],
                "stack": one.seen[0].stack, "last_stack": one.seen[-1].stack, "happened": one.times, "of": one.replays,
                "again": self.again(pair, one.seen[0].at)} for one in pair.differences],
        } for pair in self.pairs]}
