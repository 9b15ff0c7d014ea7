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
    """Its five tests pass."""
    result = run("-q")
    assert result.returncode == 0, result.stdout
    assert "\n5 passed in " in result.stdout
