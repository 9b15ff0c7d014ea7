"""The program that `make types` holds to mypy and pyright, as a user's, leaves out no public name."""

import re
from pathlib import Path

import threadguard

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (ROOT / "tests" / "typed" / "user.py").read_text(encoding="utf-8")


def test_the_users_program_has_every_public_name():
    """What the package exports, and what the API reference describes."""
    api = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    described = re.findall(r"auto(?:class|function|exception):: [\w.]*?(\w+)$", api, re.MULTILINE)
    assert described
    assert {name for name in (*threadguard.__all__, *described) if not re.search(r"\b%s\b" % name, PROGRAM)} == set()


def test_the_users_program_has_every_field():
    """Of what threadguard tells: a field that lost its type would be Any there."""
    fields = {name for told in (threadguard.Verdict, threadguard.Finding, threadguard.Stats)
              for name in told.__dataclass_fields__}
    assert {name for name in fields if not re.search(r"\.%s\b" % name, PROGRAM)} == set()
