"""What is known of the server of a group: read at startup, read on a request, said by the operator, observed."""

import sys
from dataclasses import replace
from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding, Reading, Source, Verdict
from threadguard.servers import readers
from threadguard.servers.judge import decide, finding_of, judge
from threadguard.servers.origin import Origin, may_serve_again, path_of_call
from threadguard.servers.unknown import IsGuard, in_turn

NEVER = sys.maxsize
"""The ticket that is never drawn."""
_NONE = readers.Answers({}, ())
_WARMING_UP = 1024
"""A reading that did not find the server is made again on the 2nd, 4th, … request, and on each that comes on a new way,
up to this one: a call that warms the application up does not show the server."""
_STARTING_UP = 4
"""One that found a pool of one, too, up to this one: a second server may start after the first has served."""
_WAYS = 16
"""How many ways on which calls come are told apart."""
_TRUE_NUMBER = "server_threads = 1, once it is true"


class Evidence:
    """The readings and observations, and the verdict that follows from them."""

    def __init__(self, startup: readers.Answers = _NONE, server_threads: Optional[int] = None) -> None:
        self.startup = startup
        self.server_threads = server_threads
        self.request: Optional[readers.Answers] = None
        self.observed: Tuple[Finding, ...] = ()
        self.next_reading = 0
        """The ticket from which on a reading is due, whatever else."""
        self._ways: Set[int] = set()
        self.update_verdict()

    # -- what is read -------------------------------------------------------------------------------------------------

    def is_due(self, ticket: int, environ: Dict[str, Any]) -> bool:
        """Whether the request of *environ*, which has *ticket*, has to be looked at to read the server."""
        if ticket >= self.next_reading or self._forget_what_is_over():
            return True
        if any(reading.invalidated_by and reading.invalidated_by(environ) for reading in self._of_request()):
            return True
        return not self.is_settled and self._comes_on_a_new_way()

    def read(self, ticket: int, environ: Dict[str, Any], is_guard: IsGuard) -> None:
        """Read the server on the request of *environ*, which has *ticket*."""
        answers = readers.on_request(environ, is_guard, self._is_server_known())
        before = self.request
        if before is None or self._replaces(answers.origin, before.origin):
            self.request = answers
        self.update_verdict()
        if self.is_provisional:
            self._ways = set()
        self._comes_on_a_new_way()
        known = self.request  # None where another thread has found meanwhile that its server was shut down
        self.next_reading = 0 if known is None else (
            2 * ticket + 1 if ticket < self._read_until(known.origin) else NEVER)

    def _replaces(self, origin: Origin, before: Origin) -> bool:
        """Whether the answers to a call from *origin* take the place of those to an earlier one."""
        if origin is Origin.ELSEWHERE:
            return self.is_provisional
        return origin is Origin.SERVER or before is not Origin.SERVER

    def _read_until(self, origin: Origin) -> int:
        """Up to which request the reading is made again: what is not there yet may come."""
        verdict, first = self.verdict, self.decisive
        if origin is not Origin.SERVER or verdict.declared_only or verdict.status == UNKNOWN:
            return _WARMING_UP
        is_pool_of_one = verdict.status == SINGLE_THREADED and first is not None and first.source is Source.POOL
        return _STARTING_UP if is_pool_of_one else 0

    def add(self, reading: Reading) -> None:
        """One more *reading* of before the first request; the same server's on a request will replace it."""
        while self.startup.readings.get(reading.server) is not reading:  # two servers may begin at once
            self.startup = self.startup._replace(readings={**self.startup.readings, reading.server: reading})
        self.update_verdict()

    @property
    def is_provisional(self) -> bool:
        """Whether the reading of the request may be of a pool of the application's own, or no more than a flag that
        says True: the first request that comes on another way tells."""
        known = self.request
        if known is None or known.origin is Origin.SERVER:
            return False
        return known.origin is Origin.POOL or (self.verdict.declared_only and self.verdict.status == THREADED)

    @property
    def is_settled(self) -> bool:
        """Whether it no longer matters on which way a request comes."""
        if self.is_provisional:
            return False
        known = self.request
        return self.next_reading == NEVER or (known is not None and known.origin is Origin.SERVER)

    @property
    def needs_inspection(self) -> bool:
        """Whether any later request may change what is known: all of them have to be looked at.

        After a server of `socketserver`, which is shut down when a suite of live tests or a notebook is done with it,
        may come one with threads.
        """
        known = self.request
        return not self.is_settled or (known is not None and in_turn.__name__ in known.readings) or any(
            reading.invalidated_by is not None for reading in self._of_request())

    def origin_of(self, environ: Dict[str, Any], is_guard: IsGuard) -> Origin:
        """Where the request of *environ* comes from."""
        return readers.origin_of(environ, is_guard, self._is_server_known())

    def _is_server_known(self) -> bool:
        """Whether the server has shown itself: then a pool that no known server owns is the application's."""
        before = self.request
        if self.startup.readings or (before is not None and before.origin is Origin.SERVER):
            return True
        return before is not None and before.origin is Origin.PLAIN and may_serve_again(before.thread)

    def _comes_on_a_new_way(self) -> bool:
        way = path_of_call()
        if way in self._ways or len(self._ways) >= _WAYS:
            return False
        self._ways.add(way)
        return True

    def _of_request(self) -> Iterable[Reading]:
        known = self.request
        return () if known is None else known.readings.values()

    def _forget_what_is_over(self) -> bool:
        """Leave out readings about servers that were shut down; whether there were any."""
        startup = {name: reading for name, reading in self.startup.readings.items() if not _is_over(reading)}
        over = len(startup) < len(self.startup.readings)
        if over:
            self.startup = self.startup._replace(readings=startup)
        if any(map(_is_over, self._of_request())):
            over, self.request, self.next_reading = True, None, 0
        if over:
            self.update_verdict()
        return over

    # -- what follows -------------------------------------------------------------------------------------------------

    def update_verdict(self) -> None:
        """Come to the `verdict`, of all that is known: of two that do so at once, the later one is to be right."""
        known = None
        while known != self._known():
            known = self._known()
            self._weigh()

    def _known(self) -> Tuple[object, ...]:
        return self.startup, self.request, self.server_threads, self.observed

    def _weigh(self) -> None:
        """A reader's answer on the request replaces its own at startup; both are reported."""
        readings = dict(self.startup.readings)
        notes = list(self.startup.notes)
        known = self.request
        if known is not None:
            readings.update(known.readings)
            notes += known.notes
            notes += self._superseded(readings)
        if self.server_threads is not None:
            readings["server_threads"] = Reading(
                Source.OPERATOR, "the server, as the operator says,", self.server_threads,
                "option server_threads = %d" % self.server_threads, _TRUE_NUMBER)
        self.decisive = decide(list(readings.values()))
        """The reading that decides; None where there is none."""
        self.of_server = decide([reading for reading in readings.values()
                                 if reading.source not in (Source.OPERATOR, Source.DECLARED)])
        """The reading that would decide without the operator's word and the flag."""
        self.verdict: Verdict = judge(readings.values(), list(dict.fromkeys(notes)), self.observed)

    def verdict_with(self, finding: Finding) -> Verdict:
        """The verdict, with *finding* before all others."""
        return replace(self.verdict, findings=(finding, *self.verdict.findings))

    def preview(self, startup: readers.Answers, server_threads: Optional[int]) -> "Evidence":
        """What would be known with one more guard, of *server_threads*, at whose building *startup* was read."""
        self._forget_what_is_over()
        found = Evidence(startup._replace(readings={**self.startup.readings, **startup.readings}),
                         server_threads or self.server_threads)
        found.request, found.observed = self.request, self.observed
        found.next_reading, found._ways = self.next_reading, self._ways
        found.update_verdict()
        return found

    def _superseded(self, readings: Dict[str, Reading]) -> List[Finding]:
        findings = [finding_of(reading) for name, reading in self.startup.readings.items()
                    if readings[name].capacity != reading.capacity]
        return [Finding(old.code, "at startup, %s; the request showed otherwise" % old.sentence, old.evidence,
                        file=old.file, line=old.line) for old in findings]

    @property
    def remedy(self) -> str:
        """What to change, in the words of the server that was found."""
        named = self.decisive.remedy if self.decisive is not None else ""
        # Where two requests were seen together, server_threads = 1 is no remedy.
        return readers.ANY_SERVER if named in ("", readers.UNKNOWN_SERVER, _TRUE_NUMBER) else named

    @property
    def server(self) -> Optional[str]:
        """The server that was found; None where nothing but the flag or the operator speaks."""
        first = self.decisive
        told = first is not None and first.source not in (Source.OPERATOR, Source.DECLARED)
        return first.server if first is not None and told else None

    @property
    def grounds(self) -> Tuple[Finding, ...]:
        """The findings that make the verdict what it is."""
        return self.observed or self.verdict.findings[:1]


def _is_over(reading: Reading) -> bool:
    return reading.is_over is not None and reading.is_over()
