"""The summary of the matrix, its artifact, and the count that may not drop."""

import json
import os
import sys
from pathlib import Path

from needs import missing
from rows import ROWS

REPORT = Path(__file__).parent / "report"
MINIMUM_RIGHT = {(3, 8): 283, (3, 11): 278, (3, 13): 277}
"""Rows that have to be right, by the version of Python. Raise it with the table; a run under CI with fewer fails."""
MORE_RIGHT = {"unit:python": 15, "unit:home": 2}
"""Rows that have to be right besides, by what Debian does not have, where it is there: see `needs.py`."""


def rows_of(terminal, kind="matrix"):
    """What the tests recorded as *kind*, in the order of the table."""
    reports = [report for found in terminal.stats.values() for report in found if hasattr(report, "user_properties")]
    found = {value["id"]: dict(value, passed=report.passed) for report in reports
             for name, value in report.user_properties if name == kind and report.when == "call"}
    return [found[row.id] for row in ROWS if row.id in found]


def tally(rows):
    """The numbers of the summary."""
    run = [row for row in rows if "skipped" not in row]
    threaded = [row for row in run if row["threaded"]]
    return {
        "rows": len(ROWS), "run": len(run), "not run": [row for row in rows if "skipped" in row],
        "right": [row for row in run if row["passed"]], "threaded": threaded,
        "startup": [row for row in threaded if row["reached"] == "startup" and row["verdict"] == "threaded"],
        "misses": [row for row in threaded if row["verdict"] != "threaded" and not row["at_collision"]],
        "at the first collision": [row for row in threaded if row["verdict"] != "threaded" and row["at_collision"]],
        "false alarms": [row for row in run if not row["threaded"] and "threaded" in (row["verdict"], row["held"])],
        "flag wrong": [row for row in run if (row["flag"] == "True") != row["threaded"]],
        "wrong number": [row for row in run if row["bound"] and row["capacity"] and row["capacity"] != row["bound"]],
    }


def markdown(rows):
    """The table for people."""
    lines = ["| configuration | truth | flag | verdict | capacity | reached | codes |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        if "skipped" in row:
            lines.append("| %s | – | – | not run: %s | – | – | – |" % (row["id"], row["skipped"]))
        else:
            lines.append("| %s | %s | %s | %s | %s | %s | %s |" % (
                row["id"], row["truth"], row["flag"], row["verdict"], row["capacity"], row["reached"],
                " ".join(row["codes"])))
    return "\n".join(lines) + "\n"


def measured(rows):
    """The flag and the truth of each configuration of a server, as docs/configurations.tsv has them: without those that
    are made at home, which are servers of nobody's."""
    lines = ["configuration\twsgi.multithread\tinside at once"]
    lines += ["%s\t%s\t%s" % (row["id"].replace("\n", ", "), row["flag"], "more" if row["truth"] > 1 else "one")
              for row in rows if "skipped" not in row and not row["id"].startswith("home-made")]
    return "\n".join(lines) + "\n"


def pytest_terminal_summary(terminalreporter):
    """Print right / all, at startup / threaded, misses and false alarms; write the artifact."""
    rows = rows_of(terminalreporter)
    if not rows:
        return
    refusals = {row["id"]: row for row in rows_of(terminalreporter, "refusal")}
    for row in rows:
        row["refused"] = refusals.get(row["id"], {}).get("end")
        row["refused with"] = refusals.get(row["id"], {}).get("status")
    REPORT.mkdir(exist_ok=True)
    name = "matrix-%d.%d" % sys.version_info[:2]
    (REPORT / (name + ".json")).write_text(json.dumps(rows, indent=1))
    (REPORT / (name + ".md")).write_text(markdown(rows))
    (REPORT / (name + ".tsv")).write_text(measured(rows))
    numbers = tally(rows)
    terminalreporter.section("live matrix")
    line = terminalreporter.write_line
    line("right / run / all:   %d / %d / %d" % (len(numbers["right"]), numbers["run"], numbers["rows"]))
    line("startup / threaded:  %d / %d" % (len(numbers["startup"]), len(numbers["threaded"])))
    for name in ("misses", "at the first collision", "false alarms", "wrong number", "not run"):
        line("%-20s %d" % (name + ":", len(numbers[name])))
        for row in numbers[name]:
            line("    %s%s" % (row["id"], ": " + row["skipped"] if "skipped" in row else ""))
    early = [row for row in refusals.values() if row["end"] != "answer" or row["status"] == 500]
    line("refused before the first request / threaded:  %d / %d" % (len(early), len(refusals)))
    line("the flag is wrong:   %d" % len(numbers["flag wrong"]))


def shortfall(rows):
    """What a complete run lacks, or None."""
    numbers = tally(rows)
    minimum = MINIMUM_RIGHT.get(sys.version_info[:2], 0)
    minimum += sum(number for need, number in MORE_RIGHT.items() if not missing((need,)))
    if len(numbers["right"]) < minimum:
        return "only %d rows are right; there were %d before" % (len(numbers["right"]), minimum)
    if 3 * len(numbers["startup"]) <= 2 * len(numbers["threaded"]):
        return "no more than two thirds of the threaded rows were found at startup"
    return None


def pytest_sessionfinish(session, exitstatus):
    """Fail a complete run under CI with fewer right rows than there were."""
    terminal = session.config.pluginmanager.get_plugin("terminalreporter")
    if hasattr(session.config, "workerinput") or terminal is None or not os.environ.get("CI"):
        return
    rows = rows_of(terminal)
    if len(rows) == len(ROWS) and shortfall(rows):
        session.exitstatus = 1
        terminal.write_line(shortfall(rows), red=True)
