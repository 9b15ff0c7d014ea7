"""The results of checks for people and for machines: text, JSON, GitHub's annotations, SARIF 2.1.0.

`report.text` says how a finding looks as text; this module adds colours, what stands around it, and the other forms.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict, dataclass
from typing import Any, Callable, Dict, Iterable, List, Optional, Sequence, Tuple
from urllib.parse import quote

from threadguard.codes import CODES, page_of
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding
from threadguard.report.text import text_of, visible

UNREADABLE = "unreadable"
EXIT = {THREADED: 1, UNREADABLE: 2, UNKNOWN: 3, SINGLE_THREADED: 0}
"""The exit status for each status of a target, the worst first."""
_STATUS = {"TG100": SINGLE_THREADED, "TG101": THREADED, "TG102": THREADED, "TG105": THREADED, "TG201": THREADED,
           "TG206": SINGLE_THREADED, "TG306": THREADED, "TG402": UNKNOWN, "TG403": UNKNOWN, "TG404": UNKNOWN,
           "TG901": UNREADABLE, "TG902": UNREADABLE}
"""What a finding says of the capacity, if it is not about something else."""
LEVELS = {SINGLE_THREADED: "note", THREADED: "error", UNREADABLE: "error"}
"""How grave a finding is, by what it says of the capacity, in SARIF's words; any other is a warning."""
_COLOURS = {"note": "32", "warning": "33", "error": "31"}
_GITHUB = {"note": "notice", "warning": "warning", "error": "error"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


@dataclass(frozen=True)
class Checked:
    """What came of one target."""

    target: str
    """The file, or the command line."""
    findings: Tuple[Finding, ...]
    """What was found in it, in its order."""

    @property
    def status(self) -> str:
        """The worst status of the findings: single-threaded, threaded, unknown or unreadable."""
        return worst(_STATUS[finding.code] for finding in self.findings if finding.code in _STATUS)


def worst(statuses: Iterable[str]) -> str:
    """The worst of *statuses*, threaded, unreadable, unknown, single-threaded in that order; unknown for none."""
    known = set(statuses)
    return next((status for status in EXIT if status in known), UNKNOWN)


def level_of(finding: Finding) -> str:
    """``note``, ``warning`` or ``error``."""
    return "note" if finding.code == "TG405" else LEVELS.get(_STATUS.get(finding.code, ""), "warning")


def text(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """The findings as people read them. What is as it should be says so in one line, or with *quiet* not at all."""
    lines: List[str] = []
    for finding in (finding for target in checked for finding in _kept(target, quiet)):
        level, shown = level_of(finding), visible(text_of(finding))
        if level == "note":  # it asks for nothing
            bare = Finding(finding.code, finding.sentence, file=finding.file, line=finding.line)
            shown = visible(text_of(bare).replace("\n", " "))
        lines.append(shown.replace(finding.code, coloured(finding.code, level), 1) if colour else shown)
    return "\n".join(lines)


def coloured(shown: str, level: str) -> str:
    """*shown* in the colour of *level*."""
    return "\033[1;%sm%s\033[0m" % (_COLOURS[level], shown)


def as_json(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """One object: the worst status, and each target with its own and its findings."""
    return json.dumps({
        "version": 1,
        "status": worst(target.status for target in checked),
        "targets": [{
            "target": target.target,
            "status": target.status,
            "findings": [{"code": finding.code, "level": level_of(finding), **asdict(finding)}
                         for finding in _kept(target, quiet)],
        } for target in checked],
    }, indent=2)


def _kept(target: Checked, quiet: bool) -> List[Finding]:
    return [finding for finding in target.findings if not quiet or level_of(finding) != "note"]


def github(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """Workflow commands, which GitHub shows beside the lines of a change."""
    return "\n".join(_annotation(finding) for target in checked for finding in _kept(target, quiet))


def _annotation(finding: Finding) -> str:
    where = {"file": finding.file, "line": finding.line, "title": "%s %s" % (finding.code, finding.sentence)}
    given = ",".join("%s=%s" % (name, _escaped(str(value), ":,")) for name, value in where.items() if value is not None)
    parts = [part for part in (finding.evidence and "because: " + finding.evidence,
                               finding.remedy and "remedy: " + finding.remedy) if part]
    return "::%s %s::%s" % (_GITHUB[level_of(finding)], given, _escaped("\n".join(parts) or finding.sentence))


def _escaped(value: str, also: str = "") -> str:
    """*value* as the runner's toolkit escapes it (actions/toolkit, command.ts `escapeData`, `escapeProperty`)."""
    for character in "%\r\n" + also:
        value = value.replace(character, "%%%02X" % ord(character))
    return visible(value)


def sarif(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """A SARIF log of one run, for code scanning."""
    from threadguard import __version__

    findings = [finding for target in checked for finding in _kept(target, quiet)]
    used = sorted({finding.code for finding in findings})
    rules = [{"id": code, "name": CODES[code].title, "shortDescription": {"text": CODES[code].title},
              "fullDescription": {"text": CODES[code].meaning}, "helpUri": page_of(code),
              "help": {"text": "threadguard explain %s" % code}} for code in used]
    driver = {"name": "threadguard", "version": __version__, "semanticVersion": __version__, "rules": rules}
    return json.dumps({
        "$schema": _SCHEMA, "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "results": [_result(finding, used) for finding in findings]}],
    }, indent=2)


def _result(finding: Finding, used: List[str]) -> Dict[str, Any]:
    level = level_of(finding)
    message = text_of(Finding(finding.code, finding.sentence, finding.evidence, finding.remedy))
    location = {"artifactLocation": {"uri": _uri(finding.file)}, "region": {"startLine": finding.line or 1}}
    return {"ruleId": finding.code, "ruleIndex": used.index(finding.code), "message": {"text": visible(message)},
            "kind": "pass" if level == "note" else "fail", "level": "none" if level == "note" else level,
            "locations": [{"physicalLocation": location}]}


def _uri(file: Optional[str]) -> str:
    """*file* as a URI, relative to the working directory where it lies below; a command line has a name of its own:
    GitHub rejects a result without a location."""
    path = (file or "command-line").replace("\\", "/")
    if os.path.isabs(path):
        below = os.path.relpath(path).replace("\\", "/")
        path = path if below.startswith("..") else below
    quoted = quote(path, errors="replace")
    return "file://" + quoted if quoted.startswith("/") else "./" + quoted if ":" in quoted else quoted


FORMATS: Dict[str, Callable[..., str]] = {"text": text, "json": as_json, "github": github, "sarif": sarif}
"""Each form: it takes the checked targets, whether to use colours, and whether to leave out what is in order."""


def exit_status(checked: Sequence[Checked], fail_on: str = "") -> int:
    """0 single-threaded, 1 threaded, 2 unreadable, 3 cannot tell: the worst of all targets, in the order 1, 2, 3, 0.

    With *fail_on* ``unknown`` a 3 counts as 1, with ``threaded`` as 0.
    """
    replacement = {"unknown": THREADED, "threaded": SINGLE_THREADED}.get(fail_on, UNKNOWN)
    return EXIT[worst(replacement if target.status == UNKNOWN else target.status for target in checked)]


def add_arguments(parser: argparse.ArgumentParser, quiet: str = "say nothing of what is in order") -> None:
    """How to print results, and what becomes of what cannot be told."""
    parser.add_argument("--format", choices=sorted(FORMATS), default="text", help="default: text")
    parser.add_argument("-q", "--quiet", action="store_true", help=quiet)
    parser.add_argument("--fail-on", choices=("unknown", "threaded"), default="",
                        help="what to do where it cannot be told: unknown exits with 1, threaded with 0 and a warning")


def conclude(shown: str, checked: Sequence[Checked], fail_on: str) -> int:
    """Print what is *shown* of what was *checked*, and give the exit status."""
    if shown:
        print(shown)
    if fail_on == "threaded" and any(target.status == UNKNOWN for target in checked):
        say("warning: what cannot be told counts as single-threaded, by --fail-on threaded")
    return exit_status(checked, fail_on)


def say(message: str, command: str = "threadguard") -> None:
    """On stderr, in one line that neither a terminal nor GitHub's runner takes for a command."""
    print("%s: %s" % (command, visible(message.replace("\n", "\\n"))), file=sys.stderr)


def use_colour() -> bool:
    """Whether to use colours: where NO_COLOR and FORCE_COLOR say (in this order, as Python does), or on a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("FORCE_COLOR"):
        return not os.environ.get("NO_COLOR")
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
