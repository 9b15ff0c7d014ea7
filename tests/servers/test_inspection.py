"""`inspect_process`: the verdict without a guard."""

import pytest

from threadguard import inspect_process
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN

INI = "[server:main]\nuse = egg:waitress\nthreads = %s\n[server:wide]\nuse = egg:waitress\nthreads = 9\n"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_process_that_no_server_runs_is_not_known():
    """There is nothing to read, and nothing is made up."""
    verdict = inspect_process()
    assert (verdict.status, verdict.findings) == (UNKNOWN, ())


@pytest.mark.parametrize("threads, status, capacity, code", [
    (1, SINGLE_THREADED, 1, "TG100"), (4, THREADED, 4, "TG101"),
])
def test_the_main_server_of_a_file_decides_where_nothing_runs(threads, status, capacity, code, place):
    """The other sections serve nobody."""
    (place / "site.ini").write_text(INI % threads)
    verdict = inspect_process("site.ini")
    assert (verdict.status, verdict.capacity) == (status, capacity)
    (finding,) = verdict.findings
    assert (finding.code, finding.file, finding.line) == (code, "site.ini", 3)


def test_a_file_that_cannot_be_read_is_a_finding():
    """Nothing is raised in somebody's factory."""
    verdict = inspect_process("none.ini")
    assert verdict.status == UNKNOWN
    assert [(finding.code, finding.file) for finding in verdict.findings] == [("TG902", "none.ini")]


def test_what_the_process_shows_is_stronger_than_a_file(place, monkeypatch):
    """A server on the stack wins over one that is merely configured."""
    (place / "site.ini").write_text(INI % 4)
    run_command = "def run_command(with_threads):\n    return inspect_process('site.ini')\n"
    scope = {"__name__": "flask.cli", "inspect_process": inspect_process}
    exec(run_command, scope)
    verdict = scope["run_command"](False)
    assert (verdict.status, verdict.findings[0].sentence) == (
        SINGLE_THREADED, "Flask lets one request at a time into each process")
    assert verdict.findings[1].code == "TG101"
