"""The verdict before the start is the truth: of every configuration that the live tests start and measure.

Their rows are data: the command line, the files, the environment, and whether the process is threaded. Here nothing is
started. A check may say that it cannot tell, of the rows named below and of programs that no command line explains; it
may never be wrong.
"""

import importlib
import re
import shlex
import sys
from pathlib import Path

import pytest

from threadguard.check import check_command
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN

LIVE = Path(__file__).parent.parent / "live"
PROGRAM = re.compile(r"\{py\} (?!manage\.py)\w+\.py")
"""A program of one's own, which starts the server by itself."""
NOT_TOLD = (
    ("gunicorn a worker class of one's own", "the class has to be imported"),
    ("under uvicorn", "the bridge is in the application's code"),
    ("under hypercorn", "the bridge is in the application's code"),
    ("Passenger in Apache", "it is not mod_wsgi"),
    ("Passenger standalone", "passenger has one request in each process, and no setting to check"),
)
STRICTER = {
    "mod_wsgi 4.9 embedded, prefork with HTTP/2 loaded, asked in HTTP/1.1": "the next client may ask in HTTP/2",
    "Unit of one thread beside another application of four": "the other is judged as well",
}
AT_LEAST, EXCUSED = 160, 1 / 15
"""How many must be told, and the share of those started by a command that need not be: the table grows."""


def load_rows():
    """All rows of the live matrix."""
    sys.path.insert(0, str(LIVE))
    try:
        names = sorted(path.stem for path in (LIVE / "rows").glob("[a-z]*.py"))
        modules = [importlib.import_module("rows." + name) for name in names]
    finally:
        sys.path.remove(str(LIVE))
    return [row for module in modules for row in getattr(module, "ROWS", ())]


ROWS = load_rows()


def check(row, directory):
    """What can be told of *row* before the start, laid out in *directory*."""
    places = {"{port}": "8080", "{dir}": str(directory), "{bin}": "/srv/bin", "{py}": "/srv/bin/python",
              "{site}": "/srv/lib", "{user}": "www-data", "{token}": "x", "{mod_wsgi}": "/srv/mod_wsgi.so",
              "{home}": "/usr", "{unitd}": "/usr/sbin/unitd", "{unit_modules}": "/usr/lib/unit/modules"}

    def fill(text):
        for place, value in places.items():
            text = text.replace(place, value)
        return text

    for name, text in row.files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(text))
    return check_command(shlex.split(fill(row.command)), dict(row.env))


def excuse(row):
    """Why it need not be told of *row* before the start, or None."""
    if PROGRAM.match(row.command):
        return "a program of one's own"
    return next((why for part, why in NOT_TOLD if part in row.id), None)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.id)
def test_the_verdict_before_the_start_is_the_measured_one(row, tmp_path, monkeypatch):
    """Threaded where it is, single-threaded where it is, with the exact capacity where that is known."""
    if any(name in row.needs for name in ("paste.deploy", "gearbox", "pyramid")):
        pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    monkeypatch.chdir(tmp_path)
    checked = check(row, tmp_path)
    truth = THREADED if row.threaded else SINGLE_THREADED
    if row.id in STRICTER:
        assert checked.status == THREADED
    elif excuse(row) is not None:
        assert checked.status in (truth, UNKNOWN)
    else:
        assert checked.status == truth
        if row.capacity is not None and truth == THREADED:
            assert "lets %d requests" % row.capacity in checked.findings[0].sentence


def test_most_rows_that_start_a_server_by_its_command_can_be_told():
    """The excuses stay few, and the table long."""
    commands = [row for row in ROWS if not PROGRAM.match(row.command)]
    told = [row for row in commands if excuse(row) is None]
    assert len(told) >= AT_LEAST
    assert len(commands) - len(told) <= EXCUSED * len(commands)
