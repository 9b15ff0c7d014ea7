"""What the tests of Kallithea share: an instance, made once."""

import contextlib
import shutil
import sys
import tempfile
from pathlib import Path

import pytest
from instance import Instance


@pytest.fixture(scope="session")
def instance():
    """An instance of Kallithea in a directory of its own, removed at the end."""
    with fresh_instance() as made:
        yield made


@contextlib.contextmanager
def fresh_instance():
    """Kallithea in a directory of its own, removed at the end."""
    if shutil.which("git") is None:
        pytest.skip("git is not on this machine (Debian: git): Kallithea needs it for git repositories")
    with tempfile.TemporaryDirectory(prefix="threadguard-kallithea-") as directory:
        yield Instance.make(Path(directory).resolve())


@pytest.fixture(scope="session")
def debian_s_python():
    """Skip where Kallithea's environment has a Python of another build than the one that Debian's servers embed."""
    if sys.base_prefix != "/usr":
        pytest.skip("Debian's servers embed Debian's own Python, and Kallithea's environment was made with the one"
                    " in %s: see THREADGUARD_KALLITHEA_PYTHON" % sys.base_prefix)
