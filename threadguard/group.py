"""A group: the guards of one process that share a ledger and a verdict.

By default all guards of a process are one group, because what is not thread-safe is the process's: module globals,
`os.environ`, the locale.
"""

import logging
import os
import weakref
from typing import Any, Dict, Optional, Set, Tuple

from threadguard import contexts, readers, report
from threadguard.codes import CODES
from threadguard.judge import decide, finding_of, judge
from threadguard.ledger import NEVER, Ledger
from threadguard.meeting import Meeting
from threadguard.model import THREADED, UNKNOWN, Finding, Reading, Source, Stats, Verdict
from threadguard.options import OptionError
from threadguard.repeats import Repeats
from threadguard.turns import Turns

log = logging.getLogger("threadguard")

_LAST_LOOK = 1024
"""A reading that found no more than the flag is made again on the 2nd, 4th, … request, up to this one: a call that
warms the application up during its import does not show the server, and pools that grow lazily show themselves late."""


class Group:
    """Ledger, turns, readings and verdict of some guards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.ledger = Ledger()
        self.turns = Turns(self.ledger)
        self.meeting = Meeting()
        self.guards: "weakref.WeakSet[Any]" = weakref.WeakSet()
        self.refuses = False
        """Whether a guard of the group has the policy refuse: under a threaded verdict it must see every request."""
        self.reports_kept = 5
        """How many overlaps are reported with both sides; the others are only counted."""
        self._server_threads: Optional[int] = None
        self._decisive: Optional[Reading] = None
        self._startup = readers.Answers({}, ())
        self._forget()

    def _forget(self) -> None:
        """Go back to what startup found, which a fork does not change."""
        self._mutex = contexts.new_mutex()
        self._request: Optional[readers.Answers] = None
        self._observed: Tuple[Finding, ...] = ()
        self.reports: Tuple[Finding, ...] = ()
        self._next_look = 0
        self._refused = 0
        self._told: Set[Finding] = set()
        self._repeats = Repeats(log)
        self._weigh()

    def start_afresh(self, ticket: Optional[int] = None, environ: Optional[Dict[str, Any]] = None) -> None:
        """In a forked child, which is a process of its own: only the request of *ticket* is inside."""
        self.ledger.start_afresh(ticket, environ)
        self.turns.start_afresh()
        self.meeting.start_afresh()
        self._forget()

    def notice_fork(self) -> None:
        """Start afresh where this is not the process that was counted in."""
        if contexts.getpid() != self.ledger.pid:
            self.start_afresh()

    # -- what the server says -------------------------------------------------------------------------------------

    def consider(self, server_threads: Optional[int]) -> Tuple[readers.Answers, Verdict]:
        """What can be read while a guard with *server_threads* is being built, and the verdict if it is is kept.

        Raises `OptionError` if another guard of the group has other `server_threads`.
        """
        if server_threads is not None and self._server_threads not in (None, server_threads):
            raise OptionError("TG901 threadguard: option server_threads = %d is not allowed: another guard of group %r"
                              " has %d, and they share one server" % (server_threads, self.name, self._server_threads))
        answers = readers.at_startup()
        answers = answers._replace(readings={**self._startup.readings, **answers.readings})
        return answers, self._judge(answers, server_threads or self._server_threads)

    def keep(self, answers: readers.Answers, server_threads: Optional[int], refuses: bool) -> None:
        """The guard that made these readings is built."""
        with self._mutex:
            self._server_threads = server_threads or self._server_threads
            self._startup = answers
            self.refuses = self.refuses or refuses
            self._weigh()
            self._set_watch()

    def read(self, ticket: int, environ: Dict[str, Any]) -> bool:
        """Make the first request's reading, or make it again, if *ticket* is due for it."""
        with self._mutex:
            if ticket < self._next_look:
                return False
            self._request = readers.on_request(environ, self.is_guard)
            self._weigh()
            weak = self.verdict.declared_only or self.verdict.status == UNKNOWN
            self._next_look = 2 * ticket + 1 if weak and ticket < _LAST_LOOK else NEVER
            self._set_watch()
            return True

    def read_now(self, environ: Dict[str, Any]) -> bool:
        """Make the first request's reading on *environ*, unless it was made: a health check may come before users."""
        self.notice_fork()
        return self._request is None and self.read(self._next_look, environ)

    def is_guard(self, thing: object) -> bool:
        """Whether *thing* is a guard of this group."""
        return any(thing is guard for guard in self.guards)

    def _weigh(self) -> None:
        self.verdict = self._judge(self._startup, self._server_threads)

    def _judge(self, startup: readers.Answers, server_threads: Optional[int]) -> Verdict:
        """Weigh the answers of *startup*, and those of the request, which replace the former reader by reader."""
        readings = dict(startup.readings)
        notes = list(startup.notes)
        if self._request is not None:
            readings.update(self._request.readings)
            notes += self._request.notes
            notes += [_superseded(reading) for name, reading in startup.readings.items()
                      if readings[name].capacity != reading.capacity]
        if server_threads is not None:
            readings["server_threads"] = Reading(
                Source.OPERATOR, "the server, as the operator says,", server_threads,
                "option server_threads = %d" % server_threads, "server_threads = 1, once it is true")
        self._decisive = decide(list(readings.values()))
        return judge(readings.values(), notes, self._observed)

    def _set_watch(self) -> None:
        """Tell the ledger whom to look at: everybody while there is something to refuse."""
        refusing = self.refuses and self.verdict.status == THREADED
        self.ledger.look_from = 0 if refusing else self._next_look

    # -- what is seen ----------------------------------------------------------------------------------------------

    def observe(self, code: str, ticket: int, environ: Any, other: int) -> None:
        """*ticket*'s request and *other*'s were found inside together: prove it, report the first, count the rest."""
        if code != "TG302":
            self.ledger.count_overlap()
        with self._mutex:
            kept = len(self.reports) < self.reports_kept
        if not kept:
            self._repeats.count(code)
            return
        finding = self._overlap(code, environ, other)
        with self._mutex:
            self.reports += (finding,)
            first = all(finding.code != known.code for known in self._observed)
            if first:
                self._observed += (finding,)
                self._weigh()
                self._set_watch()
        if first:
            self.tell()
        else:
            self._repeats.count(code)

    def observe_meeting(self) -> None:
        """Two probes met: this process is threaded."""
        finding = Finding("TG306", CODES["TG306"].title, "both were held in process %d at the same time" % (
            self.ledger.pid), self._remedy())
        with self._mutex:
            if finding not in self._observed:
                self._observed += (finding,)
                self._weigh()
                self._set_watch()
        self.tell()

    def _overlap(self, code: str, environ: Any, other: int) -> Finding:
        earlier, place = self.ledger.whereabouts(other)
        first = self._decisive
        evidence = "in process %d%s,\n  %s\n  %s" % (
            self.ledger.pid, ", served by " + first.server if first is not None else "",
            report.side("inside", earlier, place), report.side("entering", environ, contexts.here()))
        return Finding(code, CODES[code].title, evidence, self._remedy())

    def before_chunk(self, ticket: int) -> None:
        """The body of *ticket* is asked for a chunk, where one context may have several in work."""
        ledger = self.ledger
        if len(ledger.inside) > 1 or ticket not in ledger.inside:
            later = ledger.interleaved_with(ticket)
            if later is not None:
                self.observe("TG303", ticket, ledger.request_of(ticket), later)

    @property
    def is_proved(self) -> bool:
        """Whether requests were found inside together."""
        return bool(self._observed)

    def count_refused(self) -> None:
        """One more request is answered with 503."""
        with self._mutex:
            self._refused += 1

    # -- what is told ----------------------------------------------------------------------------------------------

    def tell(self) -> None:
        """Log the findings of a threaded or unknown verdict, each once for this process."""
        if self.verdict.status == THREADED:
            self._say(logging.ERROR, self._grounds())
        elif self.verdict.status == UNKNOWN and self._request is not None:
            self._say(logging.WARNING, self.verdict.findings)
        self._say(logging.WARNING, tuple(finding for finding in self.verdict.findings if finding.code == "TG402"))

    def tell_serialized(self, waited: bool = False) -> None:
        """Log, once for this process, that requests are serialised, if that makes a difference."""
        if waited or self.verdict.status == THREADED:
            self._say(logging.WARNING, (Finding(
                "TG305", "requests are let in one at a time, by the policy serialize",
                "the server is threaded" if not waited else "a request had to wait for another",
                self._remedy()),))

    def tell_stuck(self, ticket: int) -> None:
        """Log that *ticket* has held the turn for longer than another would wait."""
        environ, place = self.ledger.whereabouts(ticket)
        self._say(logging.ERROR, (Finding(
            "TG304", CODES["TG304"].title, "in process %d,\n  %s" % (
                self.ledger.pid, report.side("inside", environ, place)),
            "find out what this request waits for; policy refuse, and a single-threaded server, do without turns"),))

    def _remedy(self) -> str:
        first = self._decisive
        return first.remedy if first is not None and first.remedy else readers.ANY_SERVER

    def _grounds(self) -> Tuple[Finding, ...]:
        """The findings that make the verdict a threaded one."""
        return self._observed or self.verdict.findings[:1]

    def _say(self, level: int, findings: Tuple[Finding, ...]) -> None:
        with self._mutex:
            new = [finding for finding in findings if finding not in self._told]
            self._told.update(new)
        for finding in new:
            log.log(level, "%s", report.text_of(finding))

    def stats(self) -> Stats:
        """The counts of this process."""
        self.notice_fork()
        in_flight, peak, requests, overlaps = self.ledger.counts()
        return Stats(in_flight, peak, requests, self._refused, overlaps, self.ledger.pid)


def _superseded(reading: Reading) -> Finding:
    finding = finding_of(reading)
    return Finding(finding.code, "at startup, %s; the request showed otherwise" % finding.sentence, finding.evidence,
                   file=finding.file, line=finding.line)


_groups: Dict[str, Group] = {}
DEFAULT = "default"


def group_named(name: Optional[str]) -> Group:
    """The group *name* of this process; the default one for None. It lives as long as the process."""
    if not _groups and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_after_fork)
    return _groups.setdefault(name or DEFAULT, Group(name or DEFAULT))


def _after_fork() -> None:
    """uWSGI's workers do not get here (its fork runs no hooks), so the pid is compared on every request as well."""
    for group in list(_groups.values()):
        group.start_afresh()
