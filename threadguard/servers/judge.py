"""Readings in, verdict out. Pure: it looks at nothing but its arguments."""

from typing import Dict, Iterable, List, Optional, Sequence, Tuple

from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding, Reading, Source, Verdict

_CODES: Dict[Source, Tuple[str, str, str]] = {
    Source.OPERATOR: ("TG103", "TG103", "TG103"),
    Source.POOL: ("TG200", "TG201", "TG202"),
    Source.STRUCTURE: ("TG200", "TG202", "TG202"),
    Source.SETTING: ("TG100", "TG101", "TG102"),
    Source.FILE: ("TG100", "TG101", "TG102"),
    Source.DECLARED: ("TG204", "TG203", "TG203"),
}
"""By where a reading comes from: single-threaded, threaded, and threaded without a bound."""


def is_threaded(reading: Reading) -> bool:
    """Whether *reading* says that more than one request can be inside at once."""
    return reading.capacity is None or reading.capacity > 1


def finding_of(reading: Reading) -> Finding:
    """The finding that states *reading*."""
    threaded = is_threaded(reading)
    return Finding(_CODES[reading.source][threaded + reading.unbounded], _sentence(reading), reading.evidence,
                   reading.remedy if threaded else "", reading.file, reading.line)


def _sentence(reading: Reading) -> str:
    number = "any number of requests at once" if reading.unbounded else {
        None: "more than one request at once", 1: "one request at a time",
    }.get(reading.capacity, "%s requests at once" % reading.capacity)
    return "%s lets %s into each process" % (reading.server, number)


def decide(readings: Sequence[Reading]) -> Optional[Reading]:
    """The reading that decides: of the strongest source the one of the greatest capacity.

    Two pools that run the same request both bound it from above only if one holds the other, which cannot be seen from
    here: the greater is the safe one.
    """
    return min(readings, key=_rank, default=None)


def _rank(reading: Reading) -> Tuple[int, float]:
    return int(reading.source), -float("inf") if reading.capacity is None else -reading.capacity


def judge(readings: Iterable[Reading], notes: Sequence[Finding] = (), observed: Sequence[Finding] = ()) -> Verdict:
    """Weigh *readings* and state the verdict, the deciding finding first, *notes* last.

    *observed* (an overlap, or a collision under refuse) proves the process threaded, whatever the readings say. What
    agrees with the reading that decides is the same cause, and no second finding. What contradicts it is a note: a flag
    (TG205), or a server that has another number than the operator gave (TG107).
    """
    known = list(readings)
    first = decide(known)
    findings: List[Finding] = list(observed)
    if first is not None:
        findings.append(finding_of(first))
        findings += [finding for reading in known if reading is not first for finding in _beside(reading, first)]
        if observed and first.source is Source.OPERATOR and not is_threaded(first):
            findings.append(_contradiction(first, observed[0].sentence, observed[0].evidence, ""))
    findings += notes
    threaded = first is not None and is_threaded(first)
    if observed and not threaded:
        return Verdict(THREADED, findings=tuple(findings))
    if first is None:
        return Verdict(UNKNOWN, findings=tuple(findings))
    return Verdict(THREADED if threaded else SINGLE_THREADED, capacity=first.capacity, unbounded=first.unbounded,
                   declared_only=first.source is Source.DECLARED and not observed, findings=tuple(findings))


def _beside(reading: Reading, first: Reading) -> Iterable[Finding]:
    """What there is to say of a reading that does not decide."""
    agrees = is_threaded(reading) == is_threaded(first) and (
        reading.capacity == first.capacity or None in (reading.capacity, first.capacity))
    if reading.source is Source.DECLARED:
        if is_threaded(reading) != is_threaded(first):
            yield Finding(
                "TG205", "wsgi.multithread says %s, and the server says otherwise" % is_threaded(reading),
                "%s; it does not decide, because %s" % (reading.evidence, first.evidence))
    elif first.source is Source.OPERATOR and not agrees:
        yield _contradiction(first, _sentence(reading), reading.evidence, reading.remedy)
    elif not agrees:
        yield finding_of(reading)


def _contradiction(said: Reading, sentence: str, evidence: str, remedy: str) -> Finding:
    """The operator's number, and what says otherwise."""
    remedy = "correct server_threads, or leave it out" + ("; or " + remedy if remedy else "")
    return Finding("TG107", "server_threads = %s is contradicted: %s" % (said.capacity, sentence), evidence, remedy)
