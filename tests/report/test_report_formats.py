"""What the results of checks look like to people and to machines."""

import json
import re

import pytest

from threadguard.report import formats as report_formats
from threadguard.codes import CODES
from threadguard.model import Finding
from threadguard.check import Checked

RIGHT = Finding("TG100", "waitress lets one request at a time into each process", "threads = 1", "", "a.ini", 3)
WRONG = Finding("TG101", "waitress lets 4 requests at once into each process", "[server:main] sets 100%: no, nothing",
                "threads = 1", "etc/b c.ini", 7)
NOTE = Finding("TG104", "the application 'main' is not guarded", "no filter", "filter-with = threadguard", "a.ini", 1)
UNTOLD = Finding("TG403", "cannot tell how many", "$N", "ask", None, None)
BAD = Finding("TG902", "c.ini cannot be read", "no such file", "", "c.ini")


def checked(*findings):
    """One target with these findings."""
    return Checked("target", findings)


@pytest.mark.parametrize("targets, expected", [
    ([[RIGHT]], 0), ([[RIGHT, NOTE]], 0), ([[RIGHT], [WRONG]], 1), ([[BAD], [WRONG], [UNTOLD]], 1),
    ([[BAD], [UNTOLD], [RIGHT]], 2), ([[UNTOLD], [RIGHT]], 3), ([[NOTE]], 3), ([[]], 3),
])
def test_the_worst_target_decides_the_exit_status(targets, expected):
    """In the order 1, 2, 3, 0; what says nothing of the capacity does not count."""
    assert report_formats.exit_status([checked(*findings) for findings in targets]) == expected


@pytest.mark.parametrize("findings, fail_on, expected", [
    ([UNTOLD], "unknown", 1), ([UNTOLD], "threaded", 0), ([WRONG], "threaded", 1), ([BAD], "unknown", 2),
    ([BAD], "threaded", 2), ([RIGHT], "unknown", 0),
])
def test_fail_on_says_what_to_do_with_what_cannot_be_told(findings, fail_on, expected):
    """It turns 3 into 1 or into 0, and nothing else."""
    assert report_formats.exit_status([checked(*findings)], fail_on) == expected


def test_text_has_one_form_for_each_finding():
    """One line for what is in order, three for what is not."""
    assert report_formats.text([checked(RIGHT, WRONG, BAD)]) == "\n".join((
        "a.ini:3: TG100 waitress lets one request at a time into each process",
        "etc/b c.ini:7: TG101 waitress lets 4 requests at once into each process",
        "  because: [server:main] sets 100%: no, nothing",
        "  remedy:  threads = 1",
        "c.ini: TG902 c.ini cannot be read",
        "  because: no such file"))


def test_quiet_leaves_out_what_is_in_order():
    """In every form."""
    assert report_formats.text([checked(RIGHT)], quiet=True) == ""
    assert "TG100" not in report_formats.as_json([checked(RIGHT, WRONG)], quiet=True)
    assert "TG100" not in report_formats.github([checked(RIGHT, WRONG)], quiet=True)
    assert "TG100" not in report_formats.sarif([checked(RIGHT, WRONG)], quiet=True)


@pytest.mark.parametrize("finding, number", [(RIGHT, 32), (NOTE, 33), (UNTOLD, 33), (WRONG, 31), (BAD, 31)])
def test_the_code_is_coloured(finding, number):
    """Green, yellow or red, and nothing else is."""
    coloured = report_formats.text([checked(finding)], colour=True)
    assert coloured.count("\033[") == 2
    assert "\033[1;%dm%s\033[0m" % (number, finding.code) in coloured


def test_json_tells_everything():
    """The worst status of all, that of each target, and all fields of each finding."""
    told = json.loads(report_formats.as_json([checked(RIGHT), checked(WRONG)]))
    assert (told["version"], told["status"]) == (1, "threaded")
    assert [target["status"] for target in told["targets"]] == ["single-threaded", "threaded"]
    assert told["targets"][1]["findings"] == [{
        "code": "TG101", "level": "error", "sentence": WRONG.sentence, "evidence": WRONG.evidence,
        "remedy": "threads = 1", "file": "etc/b c.ini", "line": 7}]


def test_github_annotates_the_line():
    """As a workflow command, with what would end it early escaped."""
    assert report_formats.github([checked(RIGHT, WRONG, UNTOLD)]).splitlines() == [
        "::notice file=a.ini,line=3,title=TG100 waitress lets one request at a time into each process"
        "::because: threads = 1",
        "::error file=etc/b c.ini,line=7,title=TG101 waitress lets 4 requests at once into each process"
        "::because: [server:main] sets 100%25: no, nothing%0Aremedy: threads = 1",
        "::warning title=TG403 cannot tell how many::because: $N%0Aremedy: ask"]


def test_github_escapes_what_would_end_a_property():
    """A colon or a comma in a file's name."""
    odd = Finding("TG902", "x", file="a,b:c%d")
    assert report_formats.github([checked(odd)]) == "::error file=a%2Cb%3Ac%25d,title=TG902 x::x"


def test_sarif_has_the_structure_that_its_schema_asks_for():
    """Version, tool, rules with unique ids, results that point to them, relative locations with lines from 1."""
    log = json.loads(report_formats.sarif([checked(RIGHT, WRONG), checked(UNTOLD, WRONG)]))
    assert (log["$schema"], log["version"]) == ("https://json.schemastore.org/sarif-2.1.0.json", "2.1.0")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"] == "threadguard" and driver["version"] and driver["semanticVersion"]
    assert [rule["id"] for rule in driver["rules"]] == ["TG100", "TG101", "TG403"]
    for rule in driver["rules"]:
        assert rule["shortDescription"] == {"text": CODES[rule["id"]].title}
        assert rule["fullDescription"] == {"text": CODES[rule["id"]].meaning}
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["message"]["text"].startswith(result["ruleId"])
        # SARIF 2.1.0, 3.27.10: a level other than none goes with kind fail only.
        assert (result["kind"], result["level"]) in (("pass", "none"), ("fail", "error"), ("fail", "warning"))
    assert [result["locations"][0]["physicalLocation"] for result in run["results"][1:3]] == [
        {"artifactLocation": {"uri": "etc/b%20c.ini"}, "region": {"startLine": 7}},
        {"artifactLocation": {"uri": "command-line"}, "region": {"startLine": 1}}]


def test_sarif_of_nothing_is_a_run_without_results():
    """A clean run, which closes the alerts of the one before."""
    (run,) = json.loads(report_formats.sarif([checked(RIGHT)], quiet=True))["runs"]
    assert run["results"] == run["tool"]["driver"]["rules"] == []


@pytest.mark.parametrize("variables, is_terminal, colour", [
    ({}, True, True), ({}, False, False), ({"TERM": "dumb"}, True, False),
    ({"FORCE_COLOR": "1"}, False, True), ({"FORCE_COLOR": "1", "TERM": "dumb"}, True, True),
    ({"FORCE_COLOR": ""}, False, False),
    ({"NO_COLOR": "1"}, True, False), ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),
], ids=str)
def test_colours_are_for_terminals_and_for_who_asks(variables, is_terminal, colour, monkeypatch):
    """NO_COLOR, FORCE_COLOR and TERM in the order of Python's own traceback (3.13)."""
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(report_formats.sys.stdout, "isatty", lambda: is_terminal, raising=False)
    assert report_formats.use_colour() is colour


URI = r"([a-z][a-z0-9+.-]*:|(?![^/?#]*:))[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]*$"
TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}}
SCHEMA = {  # of sarif-schema-2.1.0.json what a run of threadguard has, and nothing beside it
    "type": "object", "required": ["version", "runs"], "properties": {
        "$schema": {"type": "string", "pattern": URI}, "version": {"enum": ["2.1.0"]}, "runs": {"items": {
            "type": "object", "required": ["tool"], "properties": {
                "tool": {"type": "object", "required": ["driver"], "properties": {"driver": {
                    "type": "object", "required": ["name"], "properties": {
                        "name": {"type": "string"}, "version": {"type": "string"},
                        "semanticVersion": {"type": "string"},
                        "rules": {"items": {"type": "object", "required": ["id"], "properties": {
                            "id": {"type": "string"}, "name": {"type": "string"}, "shortDescription": TEXT,
                            "fullDescription": TEXT, "help": TEXT, "helpUri": {"type": "string", "pattern": URI}}}}}}}},
                "results": {"items": {"type": "object", "required": ["message", "locations"], "properties": {
                    "ruleId": {"type": "string"}, "ruleIndex": {"type": "integer", "minimum": 0}, "message": TEXT,
                    "kind": {"enum": ["notApplicable", "pass", "fail", "review", "open", "informational"]},
                    "level": {"enum": ["none", "note", "warning", "error"]},
                    "locations": {"minItems": 1, "items": {"type": "object", "properties": {"physicalLocation": {
                        "type": "object", "required": ["artifactLocation"], "properties": {
                            "artifactLocation": {"type": "object", "properties": {
                                "uri": {"type": "string", "pattern": URI}}},
                            "region": {"type": "object", "properties": {
                                "startLine": {"type": "integer", "minimum": 1}}}}}}}}}}}}}}}}
TYPES = {"object": dict, "string": str, "integer": int}


def faults(value, schema, place="the log"):
    """Where *value* differs from *schema*, by the keywords of `SCHEMA`; what it does not name may not be there."""
    found = []
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        found.append("%s is no %s" % (place, schema["type"]))
    if "enum" in schema and value not in schema["enum"] or not re.match(schema.get("pattern", ""), str(value)):
        found.append("%s is %r" % (place, value))
    if value.__class__ is int and value < schema.get("minimum", value):
        found.append("%s is too small" % place)
    for name in set(schema.get("required", ())) - set(value if isinstance(value, dict) else ()):
        found.append("%s has no %s" % (place, name))
    for name, inner in (value.items() if "properties" in schema else ()):
        known = schema["properties"].get(name)
        found += ["%s has %s" % (place, name)] if known is None else faults(inner, known, name)
    for inner in value if "items" in schema else ():
        found += faults(inner, schema["items"], place)
    if len(value) < schema.get("minItems", 0) if isinstance(value, list) else False:
        found.append("%s is empty" % place)
    return found


@pytest.mark.parametrize("findings", [
    (), (RIGHT, WRONG, NOTE, UNTOLD, BAD),
    tuple(Finding("TG902", "x", file=name) for name in (
        "/etc/a b.ini", "a:b.ini", "..\\a.ini", "é\udce9.ini", "a%b#c?d", "-", "a\nb", "//a/b")),
], ids=["nothing", "each level", "odd names"])
def test_sarif_is_valid(findings):
    """By the schema of SARIF 2.1.0, with a location for each result, without which GitHub rejects it."""
    assert faults(json.loads(report_formats.sarif([checked(*findings)])), SCHEMA) == []


def test_the_schema_finds_faults():
    """Each keyword of it."""
    log = json.loads(report_formats.sarif([checked(WRONG)]))
    log["runs"][0]["results"][0].update(level="grave", ruleIndex=-1, locations=[], message={}, odd=1)
    log["runs"][0]["tool"]["driver"]["rules"][0]["helpUri"] = "no uri"
    assert len(faults(log, SCHEMA)) == 6
