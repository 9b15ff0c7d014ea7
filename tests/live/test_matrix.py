"""The matrix: every configuration really started, the truth measured, and the verdict held against it.

A row is right if the verdict on the first lonely request is the truth that eight requests at once then show, and if
no process of a single-threaded server is ever accused. Of the few rows that say so it is right at the first collision.
"""

import json
import sys
from pathlib import Path

import pytest
from needs import child_of, missing
from rig import at_once, get
from rows import ROWS
from streams import get_at_once, get_h2

STATUS = {False: "single-threaded", True: "threaded"}
SURE, ELSE = "10", "1"
"""Seconds that the first one inside waits for others: where they are sure to come into its process, and elsewhere."""
PUBLISHED = Path(__file__).parents[2] / "docs" / "configurations.tsv"
"""What the documentation says of the flag. A complete run on Python 3.11 writes it anew: report/matrix-3.11.tsv."""


def published():
    """Flag and truth of each configuration in the documentation."""
    return {name: (flag, truth) for name, flag, truth in (
        line.split("\t") for line in PUBLISHED.read_text(encoding="utf-8").splitlines()[1:])}


def told(answer):
    """The JSON of an answer that has to be 200."""
    status, _, body = answer
    assert status == 200, "status %s: %s" % (status, body[:2000])
    return json.loads(body)


def measure(row):
    """Start the row's server and return what the first request and the eight at once told."""
    env = {"TRUTH_COMPANY": SURE if row.threaded and row.processes == 1 else ELSE, **row.env}
    with child_of(row, **env) as child:
        try:
            first = told(child.first(lambda port: (get_h2 if row.h2 else get)(port, "/first")))
            assert first["token"] == child.token, "another server answered"
            if row.h2:
                rest = get_at_once(child.port, row.hold, 8)
            else:
                rest = at_once(8, lambda: get(child.port, row.hold))
            rest = [told(answer) for answer in rest]
            child.watch()
        except BaseException:
            print(child.output()[-8000:])
            raise
    return first, rest


def outcome(row, first, rest):
    """The row of the report."""
    truth, verdict = max(answer["peak"] for answer in rest), first["verdict"] or {}
    early = [line for line in first["log"]["startup"] if line.startswith("ERROR")]
    built = (first["startup"] or {}).get("status") == "threaded"
    return {
        "id": row.id, "threaded": row.threaded, "at_collision": row.at_collision,
        "truth": truth, "flag": first["flag"], "verdict": verdict.get("status"),
        "capacity": verdict.get("capacity"), "bound": row.capacity, "declared_only": verdict.get("declared_only"),
        "reached": "startup" if built or early else "first request",
        "startup": (first["startup"] or {}).get("status"),
        "codes": [finding["code"] for finding in verdict.get("findings", ())],
        "held": max((answer["verdict"] or {}).get("status", "") for answer in rest),
        "overlaps": max((answer["stats"] or {}).get("overlaps", 0) for answer in rest),
        "in_flight": [answer["stats"]["in_flight"] for answer in (first,) if answer["stats"]],
        "findings": verdict.get("findings"), "log": first["log"], "python": first["python"],
    }


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_the_verdict_is_the_truth(row, record_property):
    """On the first lonely request the guard says what eight requests at once then prove."""
    reason = missing(row.needs)
    if reason:
        record_property("matrix", {"id": row.id, "threaded": row.threaded, "skipped": reason})
        pytest.skip(reason)
    result = outcome(row, *measure(row))
    record_property("matrix", result)
    assert row.threaded == (result["truth"] > 1), "the row is wrong about the truth: %s" % result
    assert row.at_collision or STATUS[row.threaded] == result["verdict"], result
    assert STATUS[row.threaded] == result["held"], result
    assert row.at_collision or None in (row.capacity, result["capacity"]) or result["capacity"] == row.capacity, result
    if sys.version_info[:2] == (3, 11):
        said = published().get(row.id.replace("\n", ", "), ())
        assert said in ((), (result["flag"], "more" if row.threaded else "one")), "docs/configurations.tsv is old"
