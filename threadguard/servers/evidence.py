"""What is known of the server of a group: read at startup, read on a request, said by the operator, observed."""

from typing import Any, Dict, Iterable, List, Optional, Tuple

from threadguard.servers import readers
from threadguard.servers.judge import decide, finding_of, judge
from threadguard.model import SINGLE_THREADED, UNKNOWN, Finding, Reading, Source, Verdict

_NONE = readers.Answers({}, ())

_WARMING_UP = 1024
"""A reading that found no more than the flag is made again on the 2nd, 4th, … request, up to this one: a call that
warms the application up during its import does not show the server, and pools that grow lazily show themselves late."""

_STARTING_UP = 4
"""One that found a pool of one, too, up to this one: a second server may start after the first has served."""


class Evidence:
    """The readings and observations, and the verdict that follows from them."""

    def __init__(self, startup: readers.Answers = _NONE, server_threads: Optional[int] = None) -> None:
        self.startup = startup
        self.server_threads = server_threads
        self.request: Optional[readers.Answers] = None
        self.observed: Tuple[Finding, ...] = ()
        self.weigh()

    def weigh(self) -> None:
        """Come to the `verdict`. A reader's answer on the request replaces its own at startup; both are reported."""
        readings = dict(self.startup.readings)
        notes = list(self.startup.notes)
        if self.request is not None:
            readings.update(self.request.readings)
            notes += self.request.notes
            notes += self._superseded(readings)
        if self.server_threads is not None:
            readings["server_threads"] = _said_by_the_operator(self.server_threads)
        self.decisive = decide(list(readings.values()))
        """The reading that decides; None where there is none."""
        self.verdict: Verdict = judge(readings.values(), list(dict.fromkeys(notes)), self.observed)

    def add(self, reading: Reading) -> None:
        """One more *reading* of before the first request; the same server's on a request will replace it."""
        self.startup = self.startup._replace(readings={**self.startup.readings, reading.server: reading})
        self.weigh()

    def _superseded(self, readings: Dict[str, Reading]) -> List[Finding]:
        findings = [finding_of(reading) for name, reading in self.startup.readings.items()
                    if readings[name].capacity != reading.capacity]
        return [Finding(old.code, "at startup, %s; the request showed otherwise" % old.sentence, old.evidence,
                        file=old.file, line=old.line) for old in findings]

    @property
    def last_look(self) -> int:
        """Up to which request the reading is made again: what is not there yet may come."""
        if self.verdict.declared_only or self.verdict.status == UNKNOWN:
            return _WARMING_UP
        pool = self.decisive is not None and self.decisive.source is Source.POOL
        return _STARTING_UP if pool and self.verdict.status == SINGLE_THREADED else 0

    def is_withdrawn(self, environ: Dict[str, Any]) -> bool:
        """Whether the request of *environ* takes back what an earlier one showed."""
        return self.may_be_withdrawn and any(
            reading.withdrawn_by is not None and reading.withdrawn_by(environ) for reading in self._shown())

    @property
    def may_be_withdrawn(self) -> bool:
        """Whether a later request can take back what this one showed."""
        return any(reading.withdrawn_by is not None for reading in self._shown())

    def _shown(self) -> Iterable[Reading]:
        return () if self.request is None else self.request.readings.values()

    @property
    def remedy(self) -> str:
        """What to change, in the words of the server that was found."""
        named = self.decisive.remedy if self.decisive is not None else ""
        # Who has seen two requests together is not told how to declare that there is one thread.
        return readers.ANY_SERVER if named in ("", readers.UNKNOWN_SERVER) else named

    @property
    def server(self) -> Optional[str]:
        """The server that was found; None where nothing but the flag speaks."""
        first = self.decisive
        return first.server if first is not None and first.source < Source.OPERATOR else None

    @property
    def grounds(self) -> Tuple[Finding, ...]:
        """The findings that make the verdict what it is."""
        return self.observed or self.verdict.findings[:1]


def _said_by_the_operator(server_threads: int) -> Reading:
    return Reading(Source.OPERATOR, "the server, as the operator says,", server_threads,
                   "option server_threads = %d" % server_threads, "server_threads = 1, once it is true")
