"""``threadguard probe URL``: a live proof, through a load balancer and over many machines, that needs no setting."""

import argparse
import json
import os
import sys
from typing import Any, Dict, List, Tuple

from threadguard.errors import ProbeError
from threadguard.guard.rendezvous import LONGEST
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding
from threadguard.observe.probe import DEADLINE, HOLD, Outcome, Prober, Seen
from threadguard.check.model import Checked
from threadguard.report import formats, text
from threadguard.servers.readers import ANY_SERVER

NAME = "probe"
HELP = "send requests to a running guard's probe endpoint: two that meet prove a threaded process"

_TOKEN = "THREADGUARD_HEALTH_TOKEN"
_COLOURS: Dict[str, str] = {SINGLE_THREADED: "32", THREADED: "31", UNKNOWN: "33"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where to ask, and how often."""
    parser.add_argument("url", metavar="URL", help="the URL of health_path; the application itself is never asked")
    parser.add_argument("--token", help="the guard's health_token; default: the variable %s, which no list of"
                        " processes shows" % _TOKEN)
    parser.add_argument("--processes", type=_number, metavar="N",
                        help="how many processes there are, on all machines: fewer that answer are an error")
    parser.add_argument("--requests", type=_number, default=64, metavar="N",
                        help="default: 64; with --processes up to four times as many, until each is decided")
    parser.add_argument("--concurrency", type=_number, default=16, metavar="N", help="requests at once; default: 16")
    parser.add_argument("--hold", type=_seconds, default=HOLD, metavar="SECONDS",
                        help="how long each waits for a second one; default: %(default)s")
    parser.add_argument("--deadline", type=_deadline, default=DEADLINE, metavar="SECONDS",
                        help="for all requests together; default: %(default)g")
    parser.add_argument("--format", choices=sorted(formats.FORMATS), default="text", help="default: text")
    parser.add_argument("-q", "--quiet", action="store_true",
                        help="say nothing of what is in order, and show no progress")
    parser.add_argument("--fail-on", choices=("unknown", "threaded"), default="",
                        help="what to do where it cannot be told: unknown exits with 1, threaded with 0 and a warning")


def _between(least: float, most: float, given: float) -> float:
    if not least <= given <= most:
        raise ValueError
    return given


def _number(given: str) -> int:
    return int(_between(1, 10000, int(given)))


def _seconds(given: str) -> float:
    return _between(0.01, LONGEST, float(given))


def _deadline(given: str) -> float:
    return _between(1, 86400, float(given))


# argparse names the type in its error
_number.__name__ = "number from 1 to 10000"
_seconds.__name__ = "number of seconds from 0.01 to 2"
_deadline.__name__ = "number of seconds from 1 to 86400"


def run(arguments: argparse.Namespace) -> int:
    """Probe, print what was found of each process, and give the exit status of the worst."""
    token = arguments.token or os.environ.get(_TOKEN)
    if not token:
        print("threadguard probe: --token, or the variable %s, is needed" % _TOKEN, file=sys.stderr)
        return 2
    shows = not arguments.quiet and sys.stderr.isatty()
    try:
        outcome = Prober(arguments.url, token, arguments.hold).run(
            arguments.requests, arguments.concurrency, _progress if shows else lambda done: None,
            processes=arguments.processes, deadline=arguments.deadline)
    except ProbeError as error:
        print("threadguard probe: %s" % formats.visible(str(error)), file=sys.stderr)
        return 2
    if shows:
        print(file=sys.stderr)
    checked = [Checked(arguments.url, tuple(findings_of(outcome)))]
    shown = _FORMATS.get(arguments.format, _as_check_does)(arguments, outcome, checked)
    if shown:
        print(shown)
    if arguments.fail_on == "threaded" and outcome.status == UNKNOWN:
        print("threadguard: warning: what cannot be told counts as single-threaded, by --fail-on threaded",
              file=sys.stderr)
    return formats.exit_status(checked, arguments.fail_on)


def _progress(done: int) -> None:
    print("\r%d probes" % done, end="", file=sys.stderr, flush=True)


# -- findings ------------------------------------------------------------------------------------------------------


def findings_of(outcome: Outcome) -> List[Finding]:
    """A finding for each process, one for those that are missing, and one for the probes that failed."""
    findings = [_finding(outcome, process) for process in _sorted(outcome)]
    if outcome.missing:
        findings.append(Finding(
            "TG404", "%d of %d processes did not answer" % (outcome.missing, outcome.expected or 0),
            "--processes %d, and %s did" % (outcome.expected or 0, _reached(outcome)),
            "see whether they run and whether the load balancer sends them requests, or ask again"))
    if outcome.failures:
        findings.append(Finding("TG404", "%d probes failed" % len(outcome.failures), outcome.failures[0],
                                "see the server's log, or ask again"))
    return findings


def _sorted(outcome: Outcome) -> List[Seen]:
    return [process for _, process in sorted(outcome.processes.items())]


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


def _number_of(things: int, name: str, plural: str) -> str:
    return "%d %s" % (things, name if things == 1 else plural)


def _reached(outcome: Outcome) -> str:
    return "%s on %s" % (_number_of(len(outcome.processes), "process", "processes"),
                         _number_of(len({host for host, _ in outcome.processes}), "host", "hosts"))


# -- forms ---------------------------------------------------------------------------------------------------------


def _as_text(arguments: argparse.Namespace, outcome: Outcome, checked: List[Checked]) -> str:
    """A table with a line for each process, the total, and once for each remedy what to do."""
    colour = formats.use_colour()
    rows: List[Tuple[str, ...]] = [("host", "pid", "probes", "met", "by chance", "")]
    statuses: List[str] = [""]
    for process in _sorted(outcome):
        finding = _finding(outcome, process)
        status = outcome.status_of(process)
        if not arguments.quiet or status != SINGLE_THREADED:
            rows.append((process.host, str(process.pid), str(process.requests), str(process.met),
                         "-" if status == THREADED else _chance(outcome, process), "%s %s" % (finding.code, status)))
            statuses.append(status)
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    lines = []
    for row, row_status in zip(rows, statuses):
        cells = [row[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(row[1:5], widths[1:])]
        lines.append("  ".join([*cells, _coloured(row[5], row_status, colour)]).rstrip())
    of_all = " (%d expected)" % outcome.expected if outcome.missing and outcome.expected else ""
    total = "%s%s: %s" % (_reached(outcome), of_all, outcome.status)
    shown = lines if len(lines) > 1 else []
    if shown or not arguments.quiet or outcome.status != SINGLE_THREADED:
        shown.append(_coloured(total, outcome.status, colour))
    return "\n".join(shown + _what_to_do(outcome, checked[0]))


def _coloured(shown: str, status: str, colour: bool) -> str:
    return "\033[1;%sm%s\033[0m" % (_COLOURS[status], shown) if colour and status else shown


def _what_to_do(outcome: Outcome, checked: Checked) -> List[str]:
    """Each remedy once, and in full what is about no process."""
    of_processes = {finding.remedy: finding for finding in checked.findings[:len(outcome.processes)] if finding.remedy}
    lines = ["  remedy:  " + remedy for remedy in of_processes]
    for finding in checked.findings[len(outcome.processes):]:
        lines.append(formats.visible(text.text_of(finding)))
    return lines


def _as_json(arguments: argparse.Namespace, outcome: Outcome, checked: List[Checked]) -> str:
    """What ``threadguard check`` gives, and each process in numbers."""
    content: Dict[str, Any] = json.loads(formats.as_json(checked, quiet=arguments.quiet))
    content.update(expected=outcome.expected, missing=outcome.missing, failures=len(outcome.failures), processes=[{
        "host": process.host, "pid": process.pid, "status": outcome.status_of(process), "requests": process.requests,
        "met": process.met, "held": process.held, "chance": outcome.luck(process), "verdict": process.verdict,
        "remedy": process.remedy} for process in _sorted(outcome)])
    return json.dumps(content, indent=2)


def _as_check_does(arguments: argparse.Namespace, outcome: Outcome, checked: List[Checked]) -> str:
    return formats.FORMATS[arguments.format](checked, colour=formats.use_colour(), quiet=arguments.quiet)


_FORMATS = {"text": _as_text, "json": _as_json}
