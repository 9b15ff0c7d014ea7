"""`threadguard check` says of each configuration what the tables expect, with and without the servers installed."""

import importlib
import importlib.metadata as importlib_metadata
import re
import shlex
from pathlib import Path

import pytest
from preflight import command_cases, file_cases, ini_cases
from preflight.cases import PARSERS

from threadguard import cli
from threadguard.preflight import arguments

TABLE_MODULES = (command_cases, ini_cases, file_cases)
CASES = tuple(case for table in TABLE_MODULES for case in table.CASES)
OWN, TABLES = "by the servers' own parsers", "by tables"
ENVIRONMENT = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "N_THREADS")
PREFIXES = ("UWSGI_", "FLASK_", "UVICORN_", "GRANIAN_", "THREADGUARD_")
PACKAGES = {"paste.deploy": "PasteDeploy", "yaml": "PyYAML", "click": "Flask"}


def ways(case):
    """Each case once, and those of a server with a parser of its own once more without it."""
    if "own" in case.needs or not set(case.needs) & set(PARSERS):
        return [OWN]
    return [OWN, TABLES]


def read_whole():
    """The whole findings, by case: beside each table a text has them under the names of its cases.

    Where a server's own parser says it in other words there is a second one, "by tables".
    """
    texts = [(Path(table.__file__).with_suffix(".txt")).read_text(encoding="utf-8") for table in TABLE_MODULES]
    blocks = [block for text in texts for block in re.split("^== ", text, flags=re.MULTILINE)[1:]]
    return {name: lines.strip() for name, _, lines in (block.partition("\n") for block in blocks)}


WHOLE = read_whole()
ALL = [pytest.param(case, way, id="%s, %s" % (case.id, way)) for case in CASES for way in ways(case)]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty directory to work in, in an environment that sets nothing for any server."""
    monkeypatch.chdir(tmp_path)
    for name in list(importlib.import_module("os").environ):
        if name.startswith(PREFIXES) or name in ENVIRONMENT:
            monkeypatch.delenv(name)
    return tmp_path


def lay_out(case, place, monkeypatch):
    """Write the files of *case*, and set its variables."""
    for name, text in case.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)


def need(case, way, monkeypatch):
    """Skip *case* if a package that it needs is missing; take the servers' parsers away for the other way."""
    for package in case.needs:
        name, _, major = package.partition(" ")
        if package != "own" and (way == OWN or package not in PARSERS):
            pytest.importorskip(name, reason="%s is not installed" % PACKAGES.get(package, package))
            if major and not importlib_metadata.version(name).startswith(major + "."):
                pytest.skip("%s is not installed, but %s" % (package, importlib_metadata.version(name)))
    if way == TABLES:
        monkeypatch.setattr(arguments, "optional", lambda module: (
            importlib.import_module(module) if module in ("paste.deploy.loadwsgi", "yaml") else None))


@pytest.mark.parametrize("case, way", ALL)
def test_a_configuration_gets_its_findings_and_its_exit_status(case, way, place, monkeypatch, capsys):
    """The findings with because and remedy are those of the text, their first lines and the status of the table."""
    need(case, way, monkeypatch)
    lay_out(case, place, monkeypatch)
    status = cli.main(["check"] + shlex.split(case.arguments))
    printed = capsys.readouterr().out.strip()
    said = [line for line in printed.splitlines() if not line.startswith("  ")]
    assert (status, said) == (case.status, list(case.says))
    whole = WHOLE.get("%s, %s" % (case.id, way), WHOLE.get(case.id))
    assert printed == whole


def test_the_table_is_as_long_as_promised():
    """At least sixty configurations, no two of the same name, and some of each exit status."""
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)
    assert {case.status for case in CASES} == {0, 1, 2, 3}


def test_no_finding_is_left_over_in_the_texts():
    """Each is that of a case."""
    assert set(WHOLE) <= {name for case in CASES for name in (case.id, "%s, %s" % (case.id, TABLES))}
