"""The results of checks for people and for machines: text, JSON, GitHub's annotations, SARIF 2.1.0.

`report.text_of` says how a finding looks as text; this module adds colours, what stands around it, and the other forms.
"""

import json
import os
import sys
from typing import Any, Callable, Dict, List, Optional, Sequence
from urllib.parse import quote

from threadguard.report import text as report
from threadguard.codes import CODES, page_of
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding
from threadguard.check.model import EXIT, UNREADABLE, Checked, status_of, worst

_LEVELS = {SINGLE_THREADED: "note", THREADED: "error", UNKNOWN: "warning", UNREADABLE: "error", None: "warning"}
"""How grave a finding is, by what it says of the capacity, in SARIF's words."""
_COLOURS = {"note": "32", "warning": "33", "error": "31"}
_GITHUB = {"note": "notice", "warning": "warning", "error": "error"}
_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def level_of(finding: Finding) -> str:
    """``note``, ``warning`` or ``error``."""
    return "note" if finding.code == "TG405" else _LEVELS[status_of(finding)]


def visible(text: str) -> str:
    """*text* without control characters, which a file could hide from a terminal with; line ends stay."""
    return "".join(character if character.isprintable() or character == "\n"
                   else character.encode("unicode_escape").decode("ascii") for character in text)


def text(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """The findings as people read them. What is as it should be says so in one line, or with *quiet* not at all."""
    lines: List[str] = []
    for target in checked:
        for finding in target.findings:
            if level_of(finding) == "note":
                lines += [] if quiet else [_line(finding, colour)]
            else:
                lines.append(_coloured(visible(report.text_of(finding)), finding, colour))
    return "\n".join(lines)


def _line(finding: Finding, colour: bool) -> str:
    """A finding that asks for nothing, in one line."""
    bare = Finding(finding.code, finding.sentence, file=finding.file, line=finding.line)
    return _coloured(visible(report.text_of(bare).replace("\n", " ")), finding, colour)


def _coloured(shown: str, finding: Finding, colour: bool) -> str:
    if not colour:
        return shown
    return shown.replace(finding.code, "\033[1;%sm%s\033[0m" % (_COLOURS[level_of(finding)], finding.code), 1)


def as_json(checked: Sequence[Checked], colour: bool = False, quiet: bool = False) -> str:
    """One object: the worst status, and each target with its own and its findings."""
    return json.dumps({
        "version": 1,
        "status": worst(target.status for target in checked),
        "targets": [{
            "target": target.target,
            "status": target.status,
            "findings": [_as_dict(finding) for finding in _kept(target, quiet)],
        } for target in checked],
    }, indent=2)


def _as_dict(finding: Finding) -> Dict[str, Any]:
    return {"code": finding.code, "level": level_of(finding), "sentence": finding.sentence,
            "evidence": finding.evidence, "remedy": finding.remedy, "file": finding.file, "line": finding.line}


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
    message = report.text_of(Finding(finding.code, finding.sentence, finding.evidence, finding.remedy))
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
    instead = {"unknown": THREADED, "threaded": SINGLE_THREADED}.get(fail_on, UNKNOWN)
    return EXIT[worst(instead if target.status == UNKNOWN else target.status for target in checked)]


def use_colour() -> bool:
    """Whether to use colours: where NO_COLOR and FORCE_COLOR say (in this order, as Python does), or on a terminal."""
    if os.environ.get("NO_COLOR") or os.environ.get("FORCE_COLOR"):
        return not os.environ.get("NO_COLOR")
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
