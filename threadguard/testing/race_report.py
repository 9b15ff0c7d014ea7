"""What `race` found, in words and as data."""

from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Sequence, Set, Tuple

from threadguard.model import Finding
from threadguard.report import text as report
from threadguard.testing.stepping import Answer, Outcome, words

_AROUND = 24
_REMEDY = ("let one request at a time into each process, with ThreadGuard(app); or keep what is shared from here on in"
           " the request, or behind a lock")


class CannotCompareError(RuntimeError):
    """There is no answer to compare with: alone the requests get another one each time."""


@dataclass(eq=False)
class Difference:
    """One kind of wrong answer: what came of the first and the last place where it was seen."""

    kind: str
    side: str
    """``A``, ``B``, or ``both`` where each answer is possible, but not together."""
    should: Answer
    did: Answer
    first: Outcome = field(init=False)
    last: Outcome = field(init=False)
    count: int = 0
    times: int = 0
    """How often it happened when it was tried again, of *replays*."""
    replays: int = 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Difference) and (self.kind, self.side) == (other.kind, other.side)

    def words(self) -> str:
        """What it was instead of what it should have been."""
        return "; ".join(_compared(self.should, self.did)) or "an answer that only the other order of the two gives"


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


def _kind(should: Answer, did: Answer) -> str:
    """What the wrong answers of one kind have in common."""
    parts = [part for part, one, other in zip(("status", "headers", "body"), should, did) if one != other]
    return " ".join(parts + [did.status] * ("status" in parts) + [did.raised.partition(":")[0]])


def differences(right: Set[Tuple[Answer, Answer]], answers: Tuple[Answer, Answer]) -> List[Difference]:
    """What of *answers* is in none of *right*."""
    found = []
    for side, did in enumerate(answers):
        known = sorted({pair[side] for pair in right}, key=lambda one: len(_compared(one, did)))
        if did not in known:
            found.append(Difference(_kind(known[0], did), "AB"[side], known[0], did))
    return found or [Difference("order", "both", answers[0], answers[0])] * (answers not in right)


def _number(count: int, noun: str) -> str:
    return "%d %s%s" % (count, noun, "s" * (count != 1))


@dataclass
class PairReport:
    """What came of pausing *a* while *b* ran."""

    a: str
    b: str
    indexes: Tuple[int, int]
    """Which of the given requests they are."""
    lines: int = 0
    tried: int = 0
    alone: Optional[Tuple[Answer, Answer]] = None
    waited: Dict[str, int] = field(default_factory=dict)
    """How often one waited for what the other held, by the place where it did."""
    drifts: List[str] = field(default_factory=list)
    """When the answers that they get alone were found to have changed."""
    differences: List[Difference] = field(default_factory=list)
    problem: str = ""
    is_over: bool = False
    """Whether a thread is stuck in the application: nothing more can be sent in this process."""

    @classmethod
    def of(cls, environs: Sequence[Dict[str, Any]], a: int, b: int) -> "PairReport":
        """Of these two of the requests, with their queries: who reads the report has sent them."""
        lines = ["%s%s" % (report.request_line(one), report.escaped("?" + one["QUERY_STRING"])
                           if one.get("QUERY_STRING") else "") for one in (environs[a], environs[b])]
        return cls(lines[0], lines[1], (a, b))

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        if not self.problem and any(one.times or self.is_over for one in self.differences):
            return 1
        return 3 if self.problem or self.drifts or self.differences else 0

    def name(self, side: str) -> str:
        """The request of *side*."""
        return {"A": self.a, "B": self.b}.get(side, "%s and %s together" % (self.a, self.b))

    def has_new(self, found: List[Difference]) -> bool:
        """Whether one of *found* is of a kind that was not seen yet."""
        return any(one not in self.differences for one in found)

    def add(self, found: Difference, outcome: Outcome) -> None:
        """Count *found*, which came of *outcome*."""
        known = next((one for one in self.differences if one == found), found)
        known.last = outcome
        known.count += 1
        if known is found:
            self.differences.append(known)
            known.first = outcome

    def finding(self, one: Difference, again: str) -> Finding:
        """*one* as a TG308, with the way to try it *again*."""
        first, last = one.first, one.last
        innermost, *callers = first.stacks[0]
        lines = [one.words(), "%s was paused before line %d of its %d, at %s" % (
            self.a, first.at[0], self.lines, words(innermost))]
        lines += ["called from " + words(frame) for frame in callers[:12]]
        if first.at[1]:
            lines.append("%s was paused too, until the other had ended, before its line %d at %s" % (
                self.b, first.at[1], words(first.stacks[1][0])))
        elif last.at != first.at:
            lines.append("it went wrong at %d of the %d places tried, the last before line %d, at %s" % (
                one.count, self.tried, last.at[0], words(last.stacks[0][0])))
        if one.replays:
            lines.append("tried again it happened %d of %d times: %s" % (one.times, one.replays, again))
        sentence = "%s is answered wrongly when %s runs while %s is paused here" % (
            self.name(one.side), *((self.b, "it") if one.side == "A" else ("it", self.a)))
        return Finding("TG308", sentence, "\n           ".join(lines), _REMEDY, *innermost[:2])

    def alone_words(self) -> str:
        """What both got alone."""
        return "; ".join("%s: %s, %s%s" % (
            request, one.status or "no status", _number(len(one.body), "byte"), one.raised and ", " + _raised(one))
            for request, one in zip((self.a, self.b), self.alone or ()))

    def summary(self) -> str:
        """What was tried."""
        if self.problem:
            return "cannot compare: %s" % self.problem
        kinds = len(self.differences)
        lines = ["%s, which has %s, paused at %s while %s ran: %s" % (
            self.a, _number(self.lines, "line"), _number(self.tried, "place"), self.b,
            _number(kinds, "kind") + " of wrong answers" if kinds else "nothing found")]
        lines.append("  alone: " + self.alone_words())
        if self.waited:
            lines.append("  at %d of these one waited for what the other held, most often at %s: there is no pause" % (
                sum(self.waited.values()), max(self.waited, key=lambda one: self.waited[one])))
        if self.drifts:
            lines.append("  alone they are answered otherwise than before, noticed %s (%s): a clock, or state that a"
                         " pause has changed for good" % (self.drifts[0], _number(len(self.drifts), "time")))
        return "\n".join(lines)


class RaceReport:
    """What `race` found."""

    def __init__(self) -> None:
        self.pairs: List[PairReport] = []
        """One for each two requests, as A and B and as B and A."""
        self.again: Callable[[PairReport, Tuple[int, int]], str] = lambda pair, at: "race(app, %r, %r, at=%s)" % (
            pair.a, pair.b, at if at[1] else at[0])
        """How to try one pause of a pair again, in words."""

    @property
    def status(self) -> int:
        """The exit status: 0 nothing found, 1 found, 3 it could not be compared."""
        statuses = [pair.status for pair in self.pairs]
        return 1 if 1 in statuses else max(statuses, default=0)

    @property
    def findings(self) -> List[Finding]:
        """A `threadguard.Finding` TG308 for each kind of wrong answer."""
        return [pair.finding(one, self.again(pair, one.first.at)) for pair in self.pairs for one in pair.differences]

    def __str__(self) -> str:
        return "\n".join([report.text_of(one) for one in self.findings] + [pair.summary() for pair in self.pairs])

    def as_dict(self) -> Dict[str, Any]:
        """The report as plain data, for JSON."""
        return {"version": 1, "status": self.status, "pairs": [{
            "a": pair.a, "b": pair.b, "lines": pair.lines, "tried": pair.tried, "waited": sum(pair.waited.values()),
            "problem": pair.problem, "drifts": pair.drifts, "wrong": [{
                "code": "TG308", "wrong": pair.name(one.side), "what": one.words(), "at": one.first.at,
                "stack": one.first.stacks[0], "stack_of_b": one.first.stacks[1], "last_at": one.last.at,
                "last_stack": one.last.stacks[0], "count": one.count, "happened": one.times, "of": one.replays,
                "again": self.again(pair, one.first.at)} for one in pair.differences],
        } for pair in self.pairs]}
