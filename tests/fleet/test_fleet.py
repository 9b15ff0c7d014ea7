"""The fleet of examples/fleet: one command, from all is well to a refused start and back."""

import os
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
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True, timeout=300)
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
    assert [line.partition(" ")[0] for line in told] == ["-"] * len(fleet.ACTS)
