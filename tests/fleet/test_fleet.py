"""The fleet of examples/fleet: one command, from all is well to a refused start and back."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

fleet = pytest.importorskip("fleet")
COMMAND = "python examples/fleet/fleet.py"
ROOT = Path(__file__).resolve().parents[2]


def run(*command, **variables):
    """Exit status, output and complaints of *command*, in the checkout."""
    done = subprocess.run(command, cwd=str(ROOT), env={**os.environ, **variables}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=600)
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_a_misconfigured_instance_loses_no_request():
    """Each act tells what it saw, and the last line what the clients got; a policy of the environment is not used."""
    lacking = fleet.missing()
    if lacking:
        pytest.skip(lacking)
    status, told, complaints = run(sys.executable, *COMMAND.split()[1:], THREADGUARD_POLICY="log")
    assert (status, complaints, len(told)) == (0, "", len(fleet.ACTS) + 1), complaints
    number, _, rest = told.pop().partition(" ")
    assert (rest, int(number) > 100) == ("requests were made meanwhile, and each was answered", True)
    page = (ROOT / "docs" / "fleet.md").read_text(encoding="utf-8")
    assert "```console\n%s\n```" % "\n".join(["$ " + COMMAND, *told]) in page


def test_what_is_not_installed_is_named(monkeypatch, capsys):
    """And nothing is started."""
    monkeypatch.setattr(fleet, "program", lambda name: None)
    assert fleet.main() == 2
    assert capsys.readouterr() == ("", "fleet.py: haproxy is not installed: apt-get install haproxy\n")


def test_a_port_that_is_taken_is_named_by_who_wanted_it(monkeypatch, capsys):
    """The program's own words say so, at once."""
    lacking = fleet.missing()
    if lacking:
        pytest.skip(lacking)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        [_, *others] = fleet.free_ports(6)
        monkeypatch.setattr(fleet, "free_ports", lambda number: [taken.getsockname()[1], *others])
        assert fleet.main() == 1
    told, complaints = capsys.readouterr()
    assert told == "" and complaints.startswith("fleet.py: not as it must be: haproxy ended with 1\n")
    assert "cannot bind socket (Address already in use)" in complaints
