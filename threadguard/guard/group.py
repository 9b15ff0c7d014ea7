"""A group: the guards of one process that share a ledger and a verdict.

By default all guards of a process are one group, because what is not thread-safe is the process's: module globals,
`os.environ`, the locale.
"""

import logging
import weakref
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from threadguard.process import contexts
from threadguard.report import text as report
from threadguard.servers import readers, startup
from threadguard.codes import CODES
from threadguard.servers.evidence import Evidence
from threadguard.servers.origin import Origin
from threadguard.guard.ledger import Ledger
from threadguard.guard.rendezvous import Rendezvous
from threadguard.guard.pending import PendingResponse, SectionEntry
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding, Reading, Stats, Verdict
from threadguard.options import OptionError
from threadguard.process.tally import Tally
from threadguard.report.log import FindingLog
from threadguard.guard.queue import RequestQueue


overlap_records: List[Any] = []
"""Each `OverlapRecords` in which reports are kept beyond this process: `observe.metrics_sharing.share` adds one."""

_ALSO_TOLD = ("TG107", "TG402")
"""Findings that are logged whatever the verdict is: something is wrong that an operator has to mend."""


class Group:
    """What some guards know in common: who is inside, whose turn it is, what the server is, what was told."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ledger = Ledger()
        self.ledger.report_hang_up = self._log_hang_up
        self.queue = RequestQueue(self.ledger)
        self.queue.report_deadlock = self._log_deadlock
        self.queue.report_meeting = self._observe_waiting
        self.rendezvous = Rendezvous()
        self.guards: "weakref.WeakSet[Any]" = weakref.WeakSet()
        self.refuses = False
        """Whether a guard of the group has the policy refuse: under a threaded verdict it must see every request."""
        self.serialize_timeout = 30.0
        """Seconds that a section waits: as its guards, and by default as a guard's own default."""
        self.reports_kept = 5
        """How many overlaps are reported with both sides; the others are only counted."""
        self._watches: List[Callable[[], None]] = []
        self._log = FindingLog(self._facts)
        self._forget(Evidence())

    def _forget(self, evidence: Evidence) -> None:
        self.evidence = evidence
        """What is known of the server."""
        self._log.reset_after_fork()
        self._stuck: Dict[int, object] = {}
        self.reports: List[Finding] = []
        """The first overlaps, with both sides."""
        self._told_capacities: Set[Optional[int]] = set()
        self._refused = Tally()
        self._said_it_is_right = False

    def reset_after_fork(self) -> None:
        """In a forked child, a process of its own: nothing is inside, and only what startup found is known."""
        self.ledger.reset_after_fork(self._reset)

    start_afresh = reset_after_fork
    """Its name before, for whoever knows it by that."""

    def _reset(self) -> None:
        self.rendezvous.reset_after_fork()
        self._forget(Evidence(self.evidence.startup, self.evidence.server_threads))

    def notice_fork(self) -> None:
        """Start anew where this is not the process that was counted in."""
        if self.ledger.was_forked():
            self.reset_after_fork()

    # -- what the server says -------------------------------------------------------------------------------------

    @property
    def verdict(self) -> Verdict:
        """What is known now."""
        return self.evidence.verdict

    def preview(self, server_threads: Optional[int]) -> Evidence:
        """What will be known at startup with a guard of *server_threads* that is being built.

        Raises `OptionError` if another guard of the group has other `server_threads`.
        """
        known = self.evidence
        if server_threads is not None and known.server_threads not in (None, server_threads):
            raise OptionError("TG901 threadguard: option server_threads = %d is not allowed: another guard of group %r"
                              " has %d, and they share one server" % (server_threads, self.name, known.server_threads))
        return known.preview(readers.at_startup(), server_threads)

    def commit(self, evidence: Evidence, refuses: bool) -> None:
        """The guard for which *evidence* was previewed is built."""
        self._log.note_guard()
        self.evidence = evidence
        self.refuses = self.refuses or refuses
        self._inspect()

    def read(self, ticket: int, environ: Dict[str, Any]) -> bool:
        """Make the first request's reading, or make it again, if *ticket* is due for it."""
        evidence = self.evidence
        is_due = evidence.is_due(ticket, environ)
        if is_due:
            evidence.read(ticket, environ, self.is_guard)
            if evidence.is_settled:
                self._end_watches()
        self._inspect()
        return is_due

    def watch_servers(self, guard: Any) -> None:
        """Until the first request, or until *guard* and its like are gone, look at what servers start."""
        weakref.finalize(guard, self._end_watches_of_none).atexit = False
        if not self._watches:
            self._watches.append(startup.watch(self.is_guard, self._pool_starts, self._server_begins,
                                               self._is_bound_to_main))

    def _pool_starts(self, reading: Reading) -> None:
        """What a guard raises here comes out of the server's start of its pool, and ends that server."""
        self._learn(reading)
        for guard in list(self.guards):
            guard.server_starts()

    def _server_begins(self, reading: Reading) -> None:
        """Nothing is raised: where that would end a thread but not the server, each request is refused instead."""
        self._learn(reading)
        for guard in list(self.guards):
            guard.server_starts(may_raise=False)

    def _learn(self, reading: Reading) -> None:
        self.evidence.add(reading)
        self._inspect()

    def _end_watches_of_none(self) -> None:
        if not list(self.guards):  # its length still counts the one that is going
            self._end_watches()

    def _end_watches(self) -> None:
        watches, self._watches = self._watches, []
        for stop in watches:
            stop()

    def read_now(self, environ: Dict[str, Any]) -> bool:
        """Make the first request's reading on *environ*, unless it was made: a health check may come before users."""
        self.notice_fork()
        return self.evidence.request is None and self.read(self.evidence.next_reading, environ)

    def is_guard(self, thing: object) -> bool:
        """Whether *thing* is a guard of this group."""
        return any(thing is guard for guard in self.guards)

    def _is_bound_to_main(self, thing: Any) -> bool:
        return self.is_guard(thing) and thing.thread == "main"

    def _inspect(self) -> None:
        """Tell the ledger which requests to look at: all of them while there is something to refuse."""
        ticket = None
        while ticket != self._inspect_from():  # of two that tell it at once, the later is to be right
            ticket = self._inspect_from()
            self.ledger.needs_inspection(ticket)

    def _inspect_from(self) -> int:
        refusing = self.refuses and self.verdict.status == THREADED
        return 0 if refusing or self.evidence.needs_inspection else self.evidence.next_reading

    @property
    def remedy(self) -> str:
        """What to change, in the words of the server that was found."""
        return self.evidence.remedy

    # -- what is seen ----------------------------------------------------------------------------------------------

    @property
    def is_proved(self) -> bool:
        """Whether requests were found inside together."""
        return bool(self.evidence.observed)

    def observe(self, code: str, request: Any, other: int) -> None:
        """*request*, or a section, and *other*'s were found together: report the first, count the rest."""
        self._observe(code, request, lambda: self.ledger.place_of(other))

    def _observe_waiting(self, environ: Any, earlier: Any) -> None:
        """Under refuse the request of *environ* came while *earlier* waited for a section: that is a collision."""
        self._observe("TG302", environ, lambda: (
            earlier, contexts.find(lambda frame: contexts.calls_for(frame, earlier))))

    def _observe(self, code: str, request: Any, find: "Callable[[], Tuple[Any, contexts.Place]]") -> None:
        if code in ("TG301", "TG303"):
            self.ledger.counted.overlaps.add()
        is_proof = code != "TG307"  # which says nothing of the server
        is_known = not is_proof or any(known.code == code for known in self.evidence.observed)
        if is_known and len(self.reports) >= self.reports_kept:
            self._log.count_repeat(code)
            return
        finding = self._finding_of_both(code, find(), request)
        self._keep_report(finding)
        if not is_proof:
            self._log.log_once(logging.ERROR, finding)
        elif is_known:
            self._log.count_repeat(code)
        else:
            self._prove(finding)

    def _finding_of_both(self, code: str, earlier: "Tuple[Any, contexts.Place]", request: Any) -> Finding:
        """The finding *code* about two that met: *earlier*, with its place, and *request*, which enters here."""
        server = self.evidence.server
        evidence = "in process %d%s\n  %s\n  %s" % (
            self.ledger.pid, ", served by " + server if server is not None else "",
            report.side("inside", *earlier), report.side("entering", request, contexts.here()))
        return Finding(code, CODES[code].title, evidence, self.evidence.remedy if code != "TG307" else (
            "policy refuse or serialize: with each of them a section waits for its turn"))

    def _keep_report(self, finding: Finding) -> None:
        """Keep what was found for the health page: of this process, and of those that share its metrics."""
        self.reports.append(finding)
        for records in overlap_records:
            records.keep(self.name, finding)

    def observe_thread(self, find: Callable[[], Finding]) -> None:
        """A request came on another thread than the option ``thread`` wants: the first is reported."""
        if any(known.code == "TG207" for known in self.reports):
            self._log.count_repeat("TG207")
            return
        finding = find()
        self.reports.append(finding)
        self.log_finding(finding)

    def log_finding(self, finding: Finding) -> None:
        """Log *finding* as an error, once."""
        self._log.log_once(logging.ERROR, finding)

    def origin_of(self, environ: Dict[str, Any]) -> Origin:
        """Where the request of *environ* comes from: it tells of each that comes on a way of its own."""
        return self.evidence.origin_of(environ, self.is_guard)

    def observe_meeting(self) -> None:
        """Two probes met in this process."""
        self._prove(Finding("TG306", CODES["TG306"].title, "both were held in process %d at the same time" % (
            self.ledger.pid), self.evidence.remedy))

    def _prove(self, finding: Finding) -> None:
        evidence = self.evidence
        self.ledger.needs_inspection(0)  # first: a threaded verdict lets no request by, if this is interrupted
        while finding not in evidence.observed:  # two threads may prove it at once
            evidence.observed += (finding,)
        evidence.update_verdict()
        self._inspect()
        self.log_findings()

    def before_chunk(self, pending: PendingResponse) -> None:
        """The body of *pending* is asked for a chunk, where one context may have several in work."""
        ledger = self.ledger
        is_inside = pending.ticket in ledger.inside
        if is_inside and len(ledger.inside) == 1:
            return
        # Under serialize, calls that come beside a body which has the turn are about to stand in line.
        later = ledger.interleaved_with(pending, bodies_only=is_inside and pending.serializes)
        if later is not None:
            ledger.note_interleaving(later)
            self.observe("TG303", pending.request, later)

    def count_refused(self) -> None:
        """One more request is answered with 503."""
        self._refused.add()

    def stats(self) -> Stats:
        """The counts of this process."""
        self.notice_fork()
        in_flight, peak, requests, overlaps = self.ledger.counts()
        return Stats(in_flight, peak, requests, self._refused.total(), overlaps, self.ledger.pid,
                     *self.ledger.section_counts())

    # -- what is logged --------------------------------------------------------------------------------------------

    def log_findings(self) -> None:
        """Log the findings of a threaded or unknown verdict, each once for this process.

        One cause is one finding: what another source says again of a number that was told is no news.
        """
        verdict = self.verdict
        if verdict.status == THREADED:
            if self.evidence.observed or self._is_another_cause(verdict.capacity):
                self._log_each(logging.ERROR, self.evidence.grounds)
        elif verdict.status == UNKNOWN and self.evidence.request is not None:
            self._log_each(logging.WARNING, verdict.findings)
        self._log_each(logging.WARNING, [finding for finding in verdict.findings if finding.code in _ALSO_TOLD])
        self._log_what_is_right()

    def _is_another_cause(self, capacity: Optional[int]) -> bool:
        """Whether *capacity* is none that was told of before; None stands for any number over 1."""
        told = self._told_capacities
        is_known = bool(told) and (capacity is None or None in told or capacity in told)
        told.add(capacity)
        return not is_known

    def _log_what_is_right(self) -> None:
        """Log once for this process that it is single-threaded, and why: silence is not the only sign of health."""
        if self.verdict.status == SINGLE_THREADED and not self._said_it_is_right:
            self._said_it_is_right = True
            self._log_each(logging.INFO, self.evidence.grounds)

    def _log_each(self, level: int, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self._log.log_once(level, finding)

    def log_serialized(self, waited: bool = False) -> None:
        """Log, once for this process, that requests are serialised, if that makes a difference."""
        self._log_what_is_right()
        if waited or self.verdict.status == THREADED:
            self._log.log_once(logging.WARNING, Finding(
                "TG305", "requests are let in one at a time, by the policy serialize",
                "a request had to wait for another" if waited else self.evidence.grounds[0].sentence,
                self.evidence.remedy))

    def log_stuck(self, ticket: int) -> None:
        """Log that *ticket* has held the turn for longer than another would wait: once, however many wait."""
        mark = object()
        if self._stuck.setdefault(ticket, mark) is not mark:
            self._log.count_repeat("TG304")
            return
        for earlier in [other for other in self._stuck.copy() if other < ticket]:  # they have lost the turn
            self._stuck.pop(earlier, None)
        request, place = self.ledger.place_of(ticket)
        sentence = CODES["TG304"].title
        remedy = "find out what this request waits for; policy refuse, and a single-threaded server, do without turns"
        if type(request) is SectionEntry:
            sentence = "a section was inside for longer than a request waits for it"
            remedy = "find out what it waits for; it must not wait for a request that another thread sends"
        self._log.log(logging.ERROR, Finding(
            "TG304", sentence, "in process %d\n  %s" % (self.ledger.pid, report.side("inside", request, place)),
            remedy))

    def _log_hang_up(self, pending: PendingResponse) -> None:
        """Log that the body of *pending* has lost the turn."""
        self._log.log_once(logging.WARNING, Finding(
            "TG304", "a response that interleaves with others was not asked for its next chunk for serialize_timeout:"
            " it no longer keeps others waiting", "in process %d\n  %s" % (
                self.ledger.pid, report.side("inside", pending.request, pending.place())),
            "its client has probably hung up; a server of one thread that finishes a response before it begins the next"
            " does without turns"))

    def _log_deadlock(self, request: Any) -> None:
        """Log that *request* is told to come again: it would wait for what waits for it."""
        self._log.log_once(logging.ERROR, Finding(
            "TG304", "guards of two groups are nested in opposite order: two requests would wait for each other's turn",
            "in process %d\n  %s" % (self.ledger.pid, report.side("entering", request, contexts.here())),
            "let guards that are nested have one group, or nest them in the same order everywhere"))

    def _facts(self) -> Dict[str, Any]:
        """What the record of every finding says of this process."""
        verdict = self.verdict
        return {"verdict": verdict.status, "server": self.evidence.server, "capacity": verdict.capacity,
                "group": self.name}
