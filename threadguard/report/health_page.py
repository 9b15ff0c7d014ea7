"""How the health endpoint looks: a document of draft-inadarei-api-health-check, and a page for a browser.

The page answers in the order in which an operator asks: is it well, what do I change, how much harm was there, how is
it known, where is this; and last, folded, what happened in each overlap.
"""

import os
import re
import sysconfig
import textwrap
from dataclasses import asdict
from html import escape
from typing import Any, Dict, Iterable, List, Optional, Tuple

from threadguard.codes import CODES, page_of
from threadguard.model import SINGLE_THREADED, THREADED, Finding, Verdict
from threadguard.report import text as report

_WORDS = {"pass": "Single-threaded", "warn": "Needs a look", "fail": "Threaded"}
"""All that may be said to a stranger."""
_THREADED = {
    "refuse": ("Threaded: every request is refused", "This process lets more than one request in at once, so each is"
               " answered 503 instead of entering the application."),
    "serialize": ("Threaded: requests wait in line", "The server lets more than one request in at once; threadguard"
                  " lets one at a time into the application. That is correct, and slow."),
    "log": ("Threaded: requests run at the same time", "More than one request can be inside the application at once,"
            " and nothing prevents it: the policy is log."),
}
_UNKNOWN = ("Not known", "Nothing says how many requests the server lets in at once. They pass, and threadguard watches"
            " for two that meet.")
_DECLARED = ("Single-threaded, as the server declares", "Nothing but the flag wsgi.multithread says so. threadguard"
             " watches for two requests that meet.")
_WELL = ("Single-threaded", "One request at a time is inside the application in this process.")
_SIGN_IN = '<a href="?details">Sign in</a> for the details, with any name and the health_token as password.'
_COUNTS = (("in_flight", "inside now"), ("peak", "peak"), ("requests", "requests"), ("refused", "refused"),
           ("overlaps", "overlaps"), ("sections", "sections"))

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>threadguard: %(status)s</title>
<style>
:root { --text: #1f2328; --soft: #59636e; --back: #fff; --card: #f6f8fa; --line: #d1d9e0; --link: #0969da;
  --pass: #1a7f37; --warn: #9a6700; --fail: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --soft: #9198a1; --back: #0d1117; --card: #161b22;
  --line: #30363d; --link: #58a6ff; --pass: #238636; --warn: #9e6a03; --fail: #da3633; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: var(--text);
  background: var(--back); overflow-wrap: anywhere; }
header { padding: 1rem 1.25rem; border-radius: .5rem; color: #fff; background: var(--%(status)s); }
header p, h1 { margin: 0; }
header a { color: #fff; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
a { color: var(--link); }
.status { font-size: .8rem; font-weight: 600; letter-spacing: .06em; text-transform: uppercase; }
.remedy { margin: 1rem 0; padding: .75rem 1.25rem; border: 1px solid var(--line); border-left: .35rem solid
  var(--%(status)s); border-radius: .5rem; }
.remedy h2 { margin: 0; font-size: .9rem; color: var(--soft); }
.remedy p { margin: 0; }
code, pre { font: .9em/1.5 ui-monospace, Menlo, Consolas, monospace; }
pre { margin: .75rem 0 0; overflow-x: auto; overflow-wrap: normal; }
.counts { display: grid; grid-template-columns: repeat(auto-fit, minmax(6rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.counts div, .findings li, details { padding: .6rem 1rem; border-radius: .5rem; background: var(--card); }
.counts dt, .findings p, .place dt { color: var(--soft); font-size: .9rem; }
.counts dd { margin: 0; font-size: 1.5rem; font-variant-numeric: tabular-nums; }
.bad { color: var(--fail); font-weight: 700; }
.findings { list-style: none; margin: 0; padding: 0; }
.findings li, details { margin: .5rem 0; }
.findings p { margin: .15rem 0 0; white-space: pre-line; }
.place { display: grid; align-items: baseline; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem; }
.place dd { margin: 0; }
summary { cursor: pointer; }
.word { display: inline-block; }
</style>
</head>
<body>
<header>
<p class="status">%(status)s</p>
<h1>%(title)s</h1>
<p>%(sentence)s</p>
</header>
%(details)s</body>
</html>
"""


def document(status: str, facts: Optional[Dict[str, Any]]) -> Dict[str, Any]:
    """Everything that is known, as a document of draft-inadarei-api-health-check-06; without *facts* the status alone.

    Its ``version``, ``releaseId`` and ``serviceId`` are those of the service, which is not threadguard's to tell.
    """
    told = {"status": status}
    if facts is None:
        return told
    verdict: Verdict = facts["verdict"]
    if status != "pass":  # "output" SHOULD be omitted for "pass"
        told["output"] = verdict.findings[0].sentence if verdict.findings else verdict.status
    entry = {"componentId": "%(host)s:%(pid)d" % facts["process"], "componentType": "component", **told}
    return {
        **told,
        "description": "whether this process lets more than one request into the application at once",
        "notes": [report.text_of(finding) for finding in verdict.findings],
        "checks": {
            "threadguard:capacity": [{
                **entry, "observedUnit": "requests at once",
                "observedValue": "unbounded" if verdict.unbounded else verdict.capacity}],
            "threadguard:requests": [{**entry, "observedValue": facts["stats"]}],
        },
        **facts,
        "verdict": asdict(verdict),
        "overlaps": [asdict(found) for found in facts["overlaps"]],
    }


def page(status: str, facts: Optional[Dict[str, Any]], has_more: bool = False) -> str:
    """The same for a person. Without *facts* the status alone, and where it *has_more* the way to it."""
    if facts is None:
        return _PAGE % {"status": status, "title": _WORDS[status], "sentence": _SIGN_IN if has_more else "",
                        "details": ""}
    verdict: Verdict = facts["verdict"]
    title, sentence = _DECLARED if verdict.declared_only else _WELL
    if verdict.status != SINGLE_THREADED:
        title, sentence = _THREADED[facts["process"]["policy"]] if verdict.status == THREADED else _UNKNOWN
    remedy = next((finding.remedy for finding in verdict.findings if finding.remedy), "")
    reports = [(finding.code, finding.sentence, finding.evidence) for finding in facts["overlaps"]]
    recorded = [(each["code"], each["sentence"], "%(time)s, %(evidence)s" % each) for each in facts["recorded"]]
    change = '<section class="remedy"><h2>Change this</h2><p>%s</p></section>\n' % _words(remedy) if remedy else ""
    parts = [change, _counts(facts["stats"]), _findings(verdict.findings, remedy), _place(facts),
             _reports("Reports of this process", reports), _reports("Reports of other processes", recorded)]
    return _PAGE % {"status": status, "title": title, "sentence": sentence, "details": "".join(parts)}


def _counts(stats: Dict[str, int]) -> str:
    tiles = ['<div><dt>%s</dt><dd%s>%d</dd></div>' % (
        words, ' class="bad"' if name in ("refused", "overlaps") and stats[name] else "", stats[name])
        for name, words in _COUNTS]
    return '<dl class="counts">\n%s\n</dl>\n' % "\n".join(tiles)


def _findings(findings: Iterable[Finding], remedy: str) -> str:
    """Of a report no more than its first line, and no remedy that stands above."""
    entries = ""
    for finding in findings:
        line = "" if finding.line is None else ", line %d" % finding.line
        where = "" if finding.file is None else " (%s%s)" % (finding.file, line)
        lines = ["%s %s%s" % (_code(finding.code), escape(finding.sentence), escape(where))]
        first, _, sides = finding.evidence.partition("\n")
        if first:
            lines.append('<p>%s: <a href="#reports">both requests</a></p>' % escape(first) if sides
                         else "<p>because %s</p>" % _words(first))
        if finding.remedy and finding.remedy != remedy:
            lines.append("<p>remedy: %s</p>" % _words(finding.remedy))
        entries += "<li>%s</li>\n" % "".join(lines)
    return '<h2>How it is known</h2>\n<ul class="findings">\n%s</ul>\n' % entries if entries else ""


def _words(text: str) -> str:
    """*text* with each option in one piece: a browser would break the line after its dashes."""
    return re.sub(r"(?<!\S)-\S+", r'<span class="word">\g<0></span>', escape(text))


def _code(code: str) -> str:
    return '<a href="%s" title="%s"><b>%s</b></a>' % (page_of(code), escape(CODES[code].meaning), code)


def _place(facts: Dict[str, Any]) -> str:
    verdict: Verdict = facts["verdict"]
    capacity = "without a bound" if verdict.unbounded else verdict.capacity or "not known"
    rows: List[Tuple[str, Any]] = [("verdict", verdict.status), ("requests at once", capacity)]
    rows += [*facts["process"].items(), *sorted(facts["versions"].items())]
    cells = "".join("<dt>%s</dt><dd>%s</dd>\n" % (escape(name), escape(str(value))) for name, value in rows)
    return '<h2>This process</h2>\n<dl class="place">\n%s</dl>\n' % cells


def _reports(title: str, reports: Iterable[Tuple[str, str, str]]) -> str:
    folded = ""
    for code, sentence, evidence in reports:
        where, _, sides = evidence.partition("\n")
        folded += "<details><summary>%s %s, %s</summary>\n<pre>%s</pre></details>\n" % (
            _code(code), escape(sentence), escape(where), escape(textwrap.dedent(_without_libraries(sides))))
    return '<h2 id="reports">%s</h2>\n%s' % (title, folded) if folded else ""


_FRAME = re.compile(r'^ *File "(.*)", line \d+, in ')
_STANDARD = tuple({sysconfig.get_paths()[name] + os.sep for name in ("stdlib", "platstdlib")}) + ("<frozen ",)
_INSTALLED = re.compile(r"[/\\](?:site|dist)-packages[/\\]")
_GUARD = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def _without_libraries(text: str) -> str:
    """The sides of an overlap without the server's and the standard library's calls, where the application's say it."""
    sides: List[List[str]] = []
    for line in text.splitlines():
        if not sides or line.startswith(("  inside: ", "  entering: ")):
            sides.append([])
        sides[-1].append(line)
    told = [_own_lines(side) for side in sides]
    return "\n".join(line for side in told for line in side) if any(len(side) > 2 for side in told) else text


def _own_lines(side: List[str]) -> List[str]:
    """Of one side its first line and the application's own calls; of an installed one, all that the guard calls."""
    calls: List[Tuple[str, List[str]]] = []  # file, lines
    for line in side[1:]:
        frame = _FRAME.match(line)
        if frame or not calls:
            calls.append((frame.group(1) if frame else "", []))
        calls[-1][1].append(line)
    guard = max((number for number, (file, _) in enumerate(calls) if file.startswith(_GUARD)), default=len(calls))
    foreign = (_GUARD, *_STANDARD)
    kept = [lines for file, lines in calls if not file.startswith(foreign) and not _INSTALLED.search(file)]
    kept = kept or [lines for file, lines in calls[guard + 1:] if not file.startswith(foreign)]
    hidden = len(calls) - len(kept)
    note = ["      (not shown: %d calls of the server, of libraries and of Python)" % hidden] if hidden else []
    return [side[0], *(line for lines in kept for line in lines), *note]
