"""`threadguard check` says of each configuration what the tables expect, whatever servers are installed beside it."""

import os
import re
import shlex
from pathlib import Path

import pytest
from check import command_cases, file_cases, ini_cases

from threadguard import cli
from threadguard.options import OPTIONS

TABLE_MODULES = (command_cases, ini_cases, file_cases)
CASES = tuple(case for table in TABLE_MODULES for case in table.CASES)
ENVIRONMENT = ("GUNICORN_CMD_ARGS", "WEB_CONCURRENCY", "N_THREADS", "THREADS", "DEBUG")
PREFIXES = ("UWSGI_", "FLASK_", "UVICORN_", "GRANIAN_", "THREADGUARD_")
PACKAGES = {"paste.deploy": "PasteDeploy", "yaml": "PyYAML"}


def read_whole():
    """The whole findings, by case: beside each table a text has them under the names of its cases."""
    texts = [(Path(table.__file__).with_suffix(".txt")).read_text(encoding="utf-8") for table in TABLE_MODULES]
    blocks = [block for text in texts for block in re.split("^== ", text, flags=re.MULTILINE)[1:]]
    return {name: lines.strip() for name, _, lines in (block.partition("\n") for block in blocks)}


WHOLE = read_whole()


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty directory to work in, in an environment that sets nothing for any server."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
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


@pytest.mark.parametrize("case", CASES, ids=[case.id for case in CASES])
def test_a_configuration_gets_its_findings_and_its_exit_status(case, place, monkeypatch, capsys):
    """The status is that of the table, and all that is printed that of the text beside it."""
    for package in case.needs:
        pytest.importorskip(package, reason="%s is not installed" % PACKAGES.get(package, package))
    lay_out(case, place, monkeypatch)
    status = cli.main(["check"] + shlex.split(case.arguments))
    printed = capsys.readouterr().out.strip()
    assert (status, printed) == (case.status, WHOLE[case.id].replace("(the options)", ", ".join(sorted(OPTIONS))))


def test_the_table_is_as_long_as_promised():
    """At least sixty configurations, no two of the same name, and some of each exit status."""
    assert len(CASES) >= 60
    assert len({case.id for case in CASES}) == len(CASES)
    assert {case.status for case in CASES} == {0, 1, 2, 3}


def test_no_finding_is_left_over_in_the_texts():
    """Each is that of a case."""
    assert set(WHOLE) == {case.id for case in CASES}
