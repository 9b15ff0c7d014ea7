"""The example project under examples/: its suite is run, as its README says."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "pytest_project"


def run(*arguments):
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", PYTHONPATH=os.pathsep.join(
        [str(EXAMPLE.parent.parent), os.environ.get("PYTHONPATH", "")]))
    environment.pop("THREADGUARD_POLICY", None)
    command = [sys.executable, "-m", "pytest", "-p", "threadguard.pytest_plugin", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=EXAMPLE, env=environment, stdout=subprocess.PIPE, text=True, timeout=120)


def test_the_example_passes():
    """Its six tests pass, and the summary has the request of each."""
    result = run("-q")
    assert result.returncode == 0, result.stdout
    assert "\n6 passed in " in result.stdout
    assert "threadguard: fail" in result.stdout


def test_the_example_finds_what_it_is_about():
    """What the marked test may do is an error where the marker is not obeyed: with -p no plugin nothing is found."""
    result = run("-q", "-k", "cannot_stand", "--threadguard=off")
    assert result.returncode == 0, result.stdout
    assert "\n1 passed, 5 deselected in " in result.stdout
    assert "threadguard: " not in result.stdout
