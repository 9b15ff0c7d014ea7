"""``threadguard probe URL``: a live proof, through a load balancer and over many machines, that needs no setting."""

import argparse
import os
import sys
from typing import List

from threadguard.report import formats as report_formats
from threadguard.guard.meeting import LONGEST
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding
from threadguard.preflight.model import Checked
from threadguard.observe.probe import HOLD, Outcome, Prober, ProbeError, Seen
from threadguard.servers.readers import ANY_SERVER

NAME = "probe"
HELP = "send requests to a running guard's probe endpoint: two that meet prove a threaded process"

_TOKEN = "THREADGUARD_HEALTH_TOKEN"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to ask, and how often."""
    parser.add_argument("url", metavar="URL", help="the URL of health_path; the application itself is never asked")
    parser.add_argument("--token", help="the guard's health_token; default: the variable %s, which no list of"
                        " processes shows" % _TOKEN)
    parser.add_argument("--requests", type=_number, default=64, metavar="N", help="default: 64")
    parser.add_argument("--concurrency", type=_number, default=16, metavar="N", help="requests at once; default: 16")
    parser.add_argument("--hold", type=_seconds, default=HOLD, metavar="SECONDS",
                        help="how long each waits for a second one; default: %(default)s")
    parser.add_argument("--format", choices=sorted(report_formats.FORMATS), default="text", help="default: text")
    parser.add_argument("--quiet", action="store_true", help="say nothing of what is in order, and show no progress")
    parser.add_argument("--fail-on", choices=("unknown", "threaded"), default="",
                        help="what to do where it cannot be told: unknown exits with 1, threaded with 0 and a warning")


def _number(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 10000:
        raise ValueError
    return number


_number.__name__ = "number from 1 to 10000"  # argparse names the type in its error


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0.01 <= seconds <= LONGEST:
        raise ValueError
    return seconds


_seconds.__name__ = "number of seconds from 0.01 to 2"


def run(arguments: argparse.Namespace) -> int:
    """Probe, print what was found of each process, and give the exit status of the worst."""
    token = arguments.token or os.environ.get(_TOKEN)
    if not token:
        print("threadguard probe: --token, or the variable %s, is needed" % _TOKEN, file=sys.stderr)
        return 2
    shows = not arguments.quiet and sys.stderr.isatty()
    try:
        outcome = Prober(arguments.url, token, arguments.hold).run(
            arguments.requests, arguments.concurrency, lambda done: _progress(done, arguments.requests, shows))
    except ProbeError as error:
        print("threadguard probe: %s" % report_formats.visible(str(error)), file=sys.stderr)
        return 2
    checked = [Checked(arguments.url, tuple(findings_of(outcome)))]
    shown = report_formats.FORMATS[arguments.format](checked, colour=report_formats.use_colour(),
                                                     quiet=arguments.quiet)
    if shown:
        print(shown)
    if arguments.fail_on == "threaded" and outcome.status == UNKNOWN:
        print("threadguard: warning: what cannot be told counts as single-threaded, by --fail-on threaded",
              file=sys.stderr)
    return report_formats.exit_status(checked, arguments.fail_on)


def _progress(done: int, requests: int, shows: bool) -> None:
    if shows:
        print("\r%d of %d probes" % (done, requests), end="" if done < requests else "\n", file=sys.stderr, flush=True)


def findings_of(outcome: Outcome) -> List[Finding]:
    """A finding for each process, and one for the probes that failed."""
    findings = [_finding(outcome, process) for _, process in sorted(outcome.processes.items())]
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
                       "%s, and %d of them met another" % (asked, process.met), ANY_SERVER)
    if status == THREADED:
        return Finding("TG201", "%s is threaded, says its guard" % where, "%s, and no two met" % asked, ANY_SERVER)
    chance = outcome.luck(process)
    luck = "%s, and no two met; of a threaded process that would be a chance of %s" % (
        asked, "less than 1e-09" if chance < 1e-9 else "%.1g" % chance)
    if status == SINGLE_THREADED:
        return Finding("TG206", "%s lets one request in at a time: %s" % (where, luck))
    return Finding("TG404", "cannot tell of %s" % where, luck, "more --requests, or a greater --concurrency")
