"""``threadguard probe``: a live proof that needs no trust in any setting.

It sends requests to the guard's probe endpoint, many at once. Each is held for a moment in the process that it reaches;
two that meet prove that process threaded. It works through a load balancer, over many processes and machines.

What answers is not trusted: an answer is read up to a size and until a deadline, its numbers and words are checked, and
its texts are escaped before anything shows them.
"""

import argparse
import http.client
import json
import math
import os
import queue
import ssl
import sys
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from threadguard import options
from threadguard.errors import ProbeError as ProbeError
from threadguard.guard.rendezvous import LONGEST
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding, Status
from threadguard.report import formats, text
from threadguard.servers.readers import ANY_SERVER

__all__ = ["Outcome", "Prober", "Seen"]

HOLD = 0.2
"""Seconds for which each probe asks to be held."""
DEADLINE = 120.0
"""Seconds for all probes together."""
ENOUGH = 0.01
"""The chance that luck kept the probes of a threaded process apart, up to which a "no two met" counts."""
ROUNDS = 4
"""How often all requests are sent at the most, where so many processes are expected and not all of them are decided."""
_PATIENCE = 30.0
_LONGEST_ANSWER = 65536


Answer = Union[Dict[str, Any], str]
"""What the endpoint said, checked; or why it did not."""


@dataclass
class Seen:
    """What was seen of one process."""

    host: str
    """The host name of its machine, escaped: another side may say anything."""
    pid: int
    """Its number there."""
    requests: int = 0
    """Probes that reached it."""
    met: int = 0
    """Those of them that met another one: it is threaded, proved."""
    held: int = 0
    """Probes that were held for as long as they asked for, and met no other."""
    verdict: Status = "unknown"
    """The status of its own verdict, as its guard told it."""
    remedy: str = ""
    """What to change, in the words of its own server, as its guard told it; escaped."""


@dataclass
class Outcome:
    """What all probes found."""

    concurrency: int
    """How many probes were under way at once."""
    processes: Dict[Tuple[str, int], Seen] = field(default_factory=dict)
    """Those that were reached, by host name and number."""
    failures: List[str] = field(default_factory=list)
    """Why probes had no answer, in words."""
    expected: Optional[int] = None
    """How many processes there are, if that was said."""

    @property
    def missing(self) -> int:
        """How many of the expected processes did not answer."""
        return max(0, (self.expected or 0) - len(self.processes))

    @property
    def status(self) -> Status:
        """``threaded``, ``single-threaded`` or ``unknown``: the worst of all processes, a missing one is unknown."""
        statuses = {self.status_of(process) for process in self.processes.values()}
        if THREADED in statuses:
            return THREADED
        is_partial = UNKNOWN in statuses or self.failures or self.missing or not statuses
        return UNKNOWN if is_partial else SINGLE_THREADED

    def status_of(self, process: Seen) -> Status:
        """What was shown of one process."""
        if process.met or process.verdict == THREADED:
            return THREADED
        return UNKNOWN if self.luck(process) > ENOUGH else SINGLE_THREADED

    def luck(self, process: Seen) -> float:
        """How probable it is that a *threaded* process would have shown no two that met.

        Each probe that was held alone had `concurrency` - 1 others under way; each of these reached this process with
        the share of the requests that it got in all, and as if one more had gone elsewhere. A pair is counted once.
        """
        share = process.requests / (1 + sum(other.requests for other in self.processes.values()))
        pairs = process.held * (self.concurrency - 1) / 2
        return math.exp(pairs * math.log1p(-share))

    def sorted(self) -> List[Seen]:
        """The processes by host name and number."""
        return [process for _, process in sorted(self.processes.items())]

    def is_decided(self) -> bool:
        """Whether more probes would tell no more."""
        return not self.missing and all(self.status_of(process) != UNKNOWN for process in self.processes.values())

    def note(self, answer: Answer) -> None:
        """Count an answer, or why there is none."""
        if isinstance(answer, str):
            self.failures.append(answer)
            return
        host, pid = text.one_line(answer["host"]), answer["pid"]
        seen = self.processes.setdefault((host, pid), Seen(host, pid))
        seen.requests += 1
        seen.met += answer["met"]
        seen.held += answer["can_hold"] and not answer["met"] and answer["held"] > 0
        seen.verdict, seen.remedy = answer["verdict"], text.one_line(answer["remedy"])


def _parts(url: str) -> SplitResult:
    """*url* taken apart. Raises `ProbeError` where it is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        pass
    raise ProbeError("%r is no http or https URL of a health endpoint" % url)


class Prober:
    """Sends probes and collects what they find.

    :param url: the health URL.
    :param token: the guard's ``health_token``.
    :param hold: seconds for which each probe asks to be held.
    :raises ProbeError: for a URL that is none, and for a token that no header can hold.
    """

    def __init__(self, url: str, token: str, hold: float = HOLD) -> None:
        self._parts = _parts(url)
        self._where = self._parts.netloc.rpartition("@")[2]  # without a password
        try:
            token = options.convert("health_token", token)
        except options.OptionError:
            raise ProbeError("the token has a character that no header may have") from None
        self._target = "%s/probe?%s" % (quote(self._parts.path.rstrip("/"), "/%"), urlencode({"hold": hold}))
        self._headers = {"Authorization": b"Bearer " + options.token_bytes(token), "Connection": b"close",
                         "Accept": b"application/json"}

    def run(self, requests: int, concurrency: int, progress: Callable[[int], object] = lambda done: None, *,
            processes: Optional[int] = None, deadline: float = DEADLINE) -> Outcome:
        """Send *requests* probes, *concurrency* at once, and tell *progress* how many are done.

        :param processes: how many processes there are: more probes are sent, up to `ROUNDS` times *requests*, until
            each of them is found to be threaded or not.
        :param deadline: seconds for all of it. What has no answer by then has failed.
        :raises ProbeError: if the first one cannot be asked at all.
        """
        end = time.monotonic() + deadline
        outcome = Outcome(max(1, min(concurrency, requests - 1)), expected=processes)
        for first in self._answers(1, 1, end):
            if isinstance(first, str):
                raise ProbeError(first)
            outcome.note({**first, "held": 0})  # it was alone: no other could have met it
            progress(1)
        done, number = 1, requests - 1
        for _ in range(ROUNDS):
            for answer in self._answers(number, outcome.concurrency, end):
                outcome.note(answer)
                done += 1
                progress(done)
            if processes is None or outcome.is_decided() or time.monotonic() > end:
                break
            number = requests
        return outcome

    def _answers(self, number: int, concurrency: int, end: float) -> Iterator[Answer]:
        """*number* answers, as they come; at *end* (`time.monotonic`) those that are missing have failed.

        The threads that ask may be left behind: a resolver, or an answer that drips, is not to be waited for.
        """
        work: "queue.SimpleQueue[int]" = queue.SimpleQueue()
        answers: "queue.SimpleQueue[Answer]" = queue.SimpleQueue()
        for one in range(number):
            work.put(one)
        for _ in range(min(number, concurrency)):
            threading.Thread(target=self._work, args=(work, answers, end), daemon=True).start()
        for _ in range(number):
            try:
                yield answers.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                yield "no answer from %s: it was not there at the deadline" % self._where

    def _work(self, work: "queue.SimpleQueue[int]", answers: "queue.SimpleQueue[Answer]", end: float) -> None:
        while time.monotonic() < end:
            try:
                work.get_nowait()
            except queue.Empty:
                return
            try:
                answers.put(self._ask(end))
            except ProbeError as error:
                answers.put(str(error))

    def _ask(self, end: float) -> Dict[str, Any]:
        connection = self._connection(max(0.01, min(_PATIENCE, end - time.monotonic())))
        try:
            connection.request("GET", self._target, headers=self._headers)
            response = connection.getresponse()
            said = _bounded(response, end)
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # a host name that cannot be encoded
            why = str(error).strip() or type(error).__name__
            raise ProbeError("no answer from %s: %s" % (self._where, text.one_line(why))) from None
        finally:
            connection.close()
        if 300 <= response.status < 400:
            raise ProbeError("%s redirects to %r: give the URL that is behind it" % (
                self._where, text.one_line(str(response.getheader("Location")).partition("/probe?")[0])))
        if response.status == 401:
            raise ProbeError("the token is not the one that %s takes" % self._where)
        answer = _checked(said) if response.status == 200 else None
        if answer is None:
            raise ProbeError("there is no probe endpoint at %s (HTTP %d): the URL is that of health_path, and the guard"
                             " needs a health_token" % (self._target.partition("?")[0], response.status))
        return answer

    def _connection(self, timeout: float) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=timeout)


def _bounded(response: http.client.HTTPResponse, end: float) -> bytes:
    """What *response* says, but no more than an answer can have, nor after *end*."""
    said = b""
    while len(said) <= _LONGEST_ANSWER and time.monotonic() < end:
        part = response.read1(_LONGEST_ANSWER)
        if not part:
            return said
        said += part
    raise TimeoutError("its answer has no end")


def _checked(said: bytes) -> Optional[Dict[str, Any]]:
    """The answer of a guard, every value of the type that it must have; None if it is none."""
    try:
        answer = json.loads(said.decode("utf-8"))
        pid, held = answer["pid"], float(answer["held"])
        if type(answer["met"]) is bool and type(pid) is int and 0 <= pid < 2 ** 32 and 0 <= held < math.inf:
            verdict = answer.get("verdict")
            return {"host": str(answer["host"]), "pid": pid, "met": answer["met"], "held": held,
                    "can_hold": answer.get("can_hold") is True, "remedy": str(answer.get("remedy", "")),
                    "verdict": verdict if verdict in (SINGLE_THREADED, THREADED) else UNKNOWN}
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError, AttributeError):
        pass  # another program's answer, or a hostile one
    return None


# -- the command ---------------------------------------------------------------------------------------------------

HELP = "send requests to a running guard's probe endpoint: two that meet prove a threaded process"
_TOKEN = "THREADGUARD_HEALTH_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to ask, and how often."""
    parser.add_argument("url", metavar="URL", help="the URL of health_path; the application itself is never asked")
    parser.add_argument("--token", help="the guard's health_token; default: the variable %s, which no list of"
                        " processes shows" % _TOKEN)
    number = _between("number", int, 1, 10000)
    parser.add_argument("--processes", type=number, metavar="N",
                        help="how many processes there are, on all machines: fewer that answer are an error")
    parser.add_argument("--requests", type=number, default=64, metavar="N",
                        help="default: 64; with --processes up to four times as many, until each is decided")
    parser.add_argument("--concurrency", type=number, default=16, metavar="N", help="requests at once; default: 16")
    parser.add_argument("--hold", type=_between("number of seconds", float, 0.01, LONGEST), default=HOLD,
                        metavar="SECONDS", help="how long each waits for a second one; default: %(default)s")
    parser.add_argument("--deadline", type=_between("number of seconds", float, 1, 86400), default=DEADLINE,
                        metavar="SECONDS", help="for all requests together; default: %(default)g")
    formats.add_arguments(parser, "say nothing of what is in order, and show no progress")


def _between(name: str, kind: Callable[[str], float], least: float, most: float) -> Callable[[str], Any]:
    """A type for argparse, which says its name in an error."""
    def convert(given: str) -> float:
        if least <= kind(given) <= most:
            return kind(given)
        raise ValueError

    convert.__name__ = "%s from %g to %g" % (name, least, most)
    return convert


def run(arguments: argparse.Namespace) -> int:
    """Probe, print what was found of each process, and give the exit status of the worst."""
    token = arguments.token or os.environ.get(_TOKEN)
    if not token:
        formats.say("--token, or the variable %s, is needed" % _TOKEN, "threadguard probe")
        return 2
    shows = not arguments.quiet and sys.stderr.isatty()
    try:
        outcome = Prober(arguments.url, token, arguments.hold).run(
            arguments.requests, arguments.concurrency, _progress if shows else lambda done: None,
            processes=arguments.processes, deadline=arguments.deadline)
    except ProbeError as error:
        formats.say(str(error), "threadguard probe")
        return 2
    if shows:
        print(file=sys.stderr)
    checked = [formats.Checked(arguments.url, tuple(findings_of(outcome)))]
    if arguments.format == "text":
        shown = _as_text(arguments.quiet, outcome, checked[0])
    else:
        shown = formats.FORMATS[arguments.format](checked, quiet=arguments.quiet)
    if arguments.format == "json":
        shown = json.dumps({**json.loads(shown), **_in_numbers(outcome)}, indent=2)
    return formats.conclude(shown, checked, arguments.fail_on)


def _progress(done: int) -> None:
    print("\r%d probes" % done, end="", file=sys.stderr, flush=True)


def findings_of(outcome: Outcome) -> List[Finding]:
    """A finding for each process, one for those that are missing, and one for the probes that failed."""
    findings = [_finding(outcome, process) for process in outcome.sorted()]
    if outcome.missing:
        findings.append(Finding(
            "TG404", "%d of %d processes did not answer" % (outcome.missing, outcome.expected or 0),
            "--processes %d, and %s did" % (outcome.expected or 0, _reached(outcome)),
            "see whether they run and whether the load balancer sends them requests, or ask again"))
    if outcome.failures:
        findings.append(Finding("TG404", "%d probes failed" % len(outcome.failures), outcome.failures[0],
                                "see the server's log, or ask again"))
    return findings


def _finding(outcome: Outcome, process: Seen) -> Finding:
    where = "process %d on %s" % (process.pid, process.host)
    asked = "%d requests reached it, %d at once were under way" % (process.requests, outcome.concurrency)
    status = outcome.status_of(process)
    if process.met:
        return Finding("TG306", "%s lets more than one request in at once" % where,
                       "%s, and %d of them met another" % (asked, process.met), process.remedy or ANY_SERVER)
    if status == THREADED:
        return Finding("TG201", "%s is threaded, says its guard" % where, "%s, and no two met" % asked,
                       process.remedy or ANY_SERVER)
    luck = "%s, and no two met; of a threaded process that would be a chance of %s" % (asked, _chance(outcome, process))
    if status == SINGLE_THREADED:
        return Finding("TG206", "%s lets one request in at a time: %s" % (where, luck))
    return Finding("TG404", "cannot tell of %s" % where, luck, "more --requests, or a greater --concurrency")


def _chance(outcome: Outcome, process: Seen) -> str:
    chance = outcome.luck(process)
    return "< 1e-9" if chance < 1e-9 else "%.1g" % chance


def _reached(outcome: Outcome) -> str:
    processes, hosts = len(outcome.processes), len({host for host, _ in outcome.processes})
    return "%d process%s on %d host%s" % (processes, "" if processes == 1 else "es", hosts, "" if hosts == 1 else "s")


def _as_text(quiet: bool, outcome: Outcome, checked: formats.Checked) -> str:
    """A table with a line for each process, the total, and once for each remedy what to do."""
    of_processes, others = checked.findings[:len(outcome.processes)], checked.findings[len(outcome.processes):]
    rows = [("host", "pid", "probes", "met", "by chance", "")]
    for process, finding in zip(outcome.sorted(), of_processes):
        status = outcome.status_of(process)
        if not quiet or status != SINGLE_THREADED:
            chance = "-" if status == THREADED else _chance(outcome, process)
            rows.append((process.host, str(process.pid), str(process.requests), str(process.met), chance,
                         _coloured("%s %s" % (finding.code, status), status)))
    host, *widths = [max(map(len, column)) for column in list(zip(*rows))[:5]]
    lines = ["  ".join([row[0].ljust(host), *map(str.rjust, row[1:5], widths), row[5]]).rstrip() for row in rows]
    lines = lines if len(lines) > 1 else []
    if lines or not quiet or outcome.status != SINGLE_THREADED:
        of_all = " (%d expected)" % (outcome.expected or 0) if outcome.missing else ""
        lines.append(_coloured("%s%s: %s" % (_reached(outcome), of_all, outcome.status), outcome.status))
    lines += ["  remedy:  " + remedy for remedy in dict.fromkeys(each.remedy for each in of_processes) if remedy]
    return "\n".join(lines + [text.visible(text.text_of(each)) for each in others])


def _coloured(shown: str, status: str) -> str:
    return formats.coloured(shown, formats.LEVELS.get(status, "warning")) if formats.use_colour() else shown


def _in_numbers(outcome: Outcome) -> Dict[str, Any]:
    """What ``threadguard check`` has no place for."""
    return {"expected": outcome.expected, "missing": outcome.missing, "failures": len(outcome.failures), "processes": [
        {"host": process.host, "pid": process.pid, "status": outcome.status_of(process), "requests": process.requests,
         "met": process.met, "held": process.held, "chance": outcome.luck(process), "verdict": process.verdict,
         "remedy": process.remedy} for process in outcome.sorted()]}
