"""How the health endpoint looks: a document of draft-inadarei-api-health-check, and a small page for a browser."""

from dataclasses import asdict
from html import escape
from typing import Any, Dict, Iterable, List, Optional, Tuple

from threadguard.report import text as report
from threadguard.model import Finding, Verdict

_COLOURS = {"pass": "#1a7f37", "warn": "#9a6700", "fail": "#cf222e"}
_WORDS = {"pass": "single-threaded", "warn": "not certain", "fail": "threaded"}

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>threadguard: %(status)s</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; color: #1f2328; }
h1 { color: %(colour)s; }
table { border-collapse: collapse; margin: 1em 0; }
th, td { text-align: left; padding: .2em 1.5em .2em 0; vertical-align: top; border-bottom: 1px solid #d1d9e0; }
pre { background: #f6f8fa; padding: 1em; white-space: pre-wrap; overflow-wrap: anywhere; }
</style>
</head>
<body>
<h1>%(status)s</h1>
<p>threadguard: %(words)s.</p>
%(details)s</body>
</html>
"""


def document(status: str, facts: Dict[str, Any]) -> Dict[str, Any]:
    """Everything that is known, as members of the health document beside ``status``."""
    verdict: Verdict = facts["verdict"]
    stats = facts["stats"]
    return {
        "version": "1",
        "releaseId": facts["versions"]["threadguard"],
        "serviceId": "%s:%d" % (facts["host"], stats["pid"]),
        "description": "whether this process lets more than one request into the application at once",
        "notes": [report.text_of(finding) for finding in verdict.findings],
        "checks": {
            "threadguard:capacity": [{
                "componentType": "component", "observedValue": "unbounded" if verdict.unbounded else verdict.capacity,
                "observedUnit": "requests at once", "status": status, "output": verdict.status}],
            "threadguard:requests": [{"componentType": "component", "observedValue": stats, "status": status}],
        },
        "verdict": {"status": verdict.status, "capacity": verdict.capacity, "unbounded": verdict.unbounded,
                    "declared_only": verdict.declared_only, "findings": [asdict(found) for found in verdict.findings]},
        "stats": stats,
        "overlaps": [asdict(found) for found in facts["overlaps"]],
        "process": {"host": facts["host"], "pid": stats["pid"], "group": facts["group"], "policy": facts["policy"],
                    "server": facts["server"]},
        "versions": facts["versions"],
    }


def page(status: str, facts: Optional[Dict[str, Any]]) -> str:
    """The same for a person; the status alone where there are no *facts*."""
    return _PAGE % {"status": status, "colour": _COLOURS[status], "words": _WORDS[status],
                    "details": "" if facts is None else _details(facts)}


def _details(facts: Dict[str, Any]) -> str:
    verdict: Verdict = facts["verdict"]
    stats = facts["stats"]
    capacity = "unbounded" if verdict.unbounded else verdict.capacity or "not known"
    rows: List[Tuple[str, Any]] = [("verdict", verdict.status), ("capacity", capacity), ("policy", facts["policy"])]
    rows += [(name.replace("_", " "), stats[name]) for name in ("in_flight", "peak", "requests", "refused", "overlaps")]
    rows += [("process", "%d on %s" % (stats["pid"], facts["host"])), ("server", facts["server"])]
    rows += sorted(facts["versions"].items())
    return _table(rows) + _listed("Findings", verdict.findings) + _listed("Overlaps", facts["overlaps"])


def _table(rows: Iterable[Tuple[str, Any]]) -> str:
    cells = "".join("<tr><th>%s</th><td>%s</td></tr>\n" % (escape(name), escape(str(value))) for name, value in rows)
    return "<table>\n%s</table>\n" % cells


def _listed(title: str, findings: Iterable[Finding]) -> str:
    texts = "".join("<pre>%s</pre>\n" % escape(report.text_of(finding)) for finding in findings)
    return "<h2>%s</h2>\n%s" % (title, texts) if texts else ""
