"""The first section of docs/kallithea.md, typed as it is printed: from an empty directory to pushes in the journal."""

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from children import Child, environment, run, wrongs
from documentation import block, commands, moved, printed
from instance import BIN
from programs import free_ports

SECTION = "From nothing to a guarded site"
ROOT = Path(__file__).resolve().parents[2]
MINUTE = 60.0


@pytest.fixture
def variables(tmp_path):
    """The variables of the shell. Until threadguard is on the index, pip finds it where it was built from the checkout.

    What pip has downloaded before, it does not download again.
    """
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine (Debian: npm): kallithea-cli front-end-build needs it")
    checkout, wheels = tmp_path / "checkout", tmp_path / "wheels"
    shutil.copytree(str(ROOT / "threadguard"), str(checkout / "threadguard"))
    for name in ("setup.py", "setup.cfg", "README.md", "LICENSE"):
        shutil.copy(str(ROOT / name), str(checkout))
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(wheels), "."],
        dict(os.environ), checkout)
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], stdout=subprocess.PIPE, timeout=60).stdout
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    return dict(environment(tmp_path, PIP_FIND_LINKS=str(wheels), PIP_CACHE_DIR=cache.decode().strip(),
                            PIP_DISABLE_PIP_VERSION_CHECK="1"), PATH=path)


def test_the_pins_are_those_that_the_other_tests_install():
    """The page has each of them, and no other; the servers and pytest are not Kallithea's."""
    text = (Path(__file__).parent / "requirements.txt").read_text()
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    ours = {line for line in lines if line and not line.startswith(("gevent", "gunicorn", "pytest"))}
    assert set(block("text", "SQLAlchemy").splitlines()) == ours


def test_the_site_of_the_page_journals_pushes(tmp_path, variables):
    """Every command of the section ends well and prints what it is said to print; both pushes are in the journal."""
    site, port = tmp_path / "site", str(free_ports(1)[0])
    site.mkdir()
    (site / "pins.txt").write_text(block("text", "SQLAlchemy"))
    typed = [moved(command, {"/srv/kallithea": str(site), "5000": port}) for command in commands(SECTION)]
    [start] = [number for number, command in enumerate(typed) if command.startswith("gunicorn ")]

    def script(*lines):
        return "\n".join(("set -e",) + lines)

    said = run(["sh", "-c", script(*typed[:start])], variables, site, timeout=10 * MINUTE)
    assert [line for line in printed(SECTION) if line not in said.splitlines()] == [], said
    serve = script(". %s/venv/bin/activate" % site, "exec " + typed[start])
    with Child(["sh", "-c", serve], variables, site, int(port)) as server:
        assert server.answers("/_admin/login")[0] == 200
        away = tmp_path / "away"
        away.mkdir()
        run(["sh", "-c", script(*typed[start + 1:])], variables, away)
    assert wrongs(server.log) == [] and printed(SECTION)[-1] in server.log
    database = sqlite3.connect(str(site / "kallithea.db"))
    try:
        journal = database.execute("select username, repository_name from user_logs where action like 'push:%'")
        assert sorted(journal) == [("admin", "first"), ("admin", "second")]
    finally:
        database.close()
