"""The API reference: every public name is in it, and the pages and examples need no other."""

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
from pathlib import Path

import pytest

import threadguard
from threadguard import check
from threadguard.observe import probe

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "threadguard"
REFERENCE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
DOCUMENTED = re.findall(r"^\.\. auto(?:class|exception|function):: (\S+)$", REFERENCE, re.MULTILINE)
MEMBERS = {name: members.split(", ") for name, members in re.findall(
    r"^\.\. autoclass:: (\S+)\n   :members: (.+)$", REFERENCE, re.MULTILINE)}
FOR_USERS = ["examples/fleet/fleet.py", "examples/fleet/site_fleet.py", "examples/monitoring/site_metrics.py",
             "examples/demo_hgweb/serve_by_api.py", "tests/typed/user.py", "README.md"]
FOR_USERS += [str(path.relative_to(ROOT)) for folder in ("docs", "docs/guides") for path in (ROOT / folder).glob("*.md")
              if path.name != "adding-a-server.md"]
"""What shows a user how to use the package. Who adds a server works inside it."""


def module_name(path):
    """The name under which *path* is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def public():
    """The names in the ``__all__`` of every module that has one, with that module's name."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
                found |= {"%s.%s" % (module_name(path), name) for name in ast.literal_eval(node.value)}
    return found


def imported(text):
    """The names of threadguard that a Python text, or a page with blocks of it, imports."""
    for module, names in re.findall(r"^from (threadguard[\w.]*) import ([\w, ]+)$", text, re.MULTILINE):
        yield from ("%s.%s" % (module, name) for name in names.split(", "))
    yield from re.findall(r"^import (threadguard[\w.]*)$", text, re.MULTILINE)


def test_the_reference_has_every_public_name_and_no_other():
    """Public is what stands in an ``__all__``."""
    assert sorted(DOCUMENTED) == sorted(public())


@pytest.mark.parametrize("name", DOCUMENTED)
def test_each_has_a_docstring_of_its_own(name):
    """And so has each member that is shown; a dataclass without one would show its own signature."""
    module, _, last = name.rpartition(".")
    thing = getattr(importlib.import_module(module), last)
    for shown in [thing] + [inspect.getattr_static(thing, member) for member in MEMBERS.get(name, ())
                            if hasattr(thing, member)]:
        text = getattr(shown, "__doc__", None)
        assert text and not text.startswith(last + "("), name


@pytest.mark.parametrize("path", FOR_USERS)
def test_what_users_are_shown_is_in_the_reference(path):
    """A page or an example that needs another name is wrong, or the name is to be promised."""
    modules = {name.rpartition(".")[0] for name in DOCUMENTED}
    assert set(imported((ROOT / path).read_text(encoding="utf-8"))) <= {*DOCUMENTED, *modules}


DATA = [threadguard.Finding, threadguard.Stats, threadguard.Verdict, check.Checked, check.Options,
        probe.Outcome, probe.Seen]


@pytest.mark.parametrize("kind", DATA, ids=lambda kind: kind.__name__)
def test_every_field_says_what_it_is(kind):
    """The reference in docs/api.md shows a field only by the text under it."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body
    fields = {one.target.id: after for one, after in zip(body, body[1:] + [None]) if isinstance(one, ast.AnnAssign)}
    assert list(fields) == [field.name for field in dataclasses.fields(kind)]
    assert [name for name, after in fields.items() if not isinstance(after, ast.Expr)] == []


def test_names_in_docstrings_are_told_from_the_letter_behind():
    """Sphinx does not end a name in backquotes where a letter follows, and takes what comes for a part of it."""
    found = {(str(path.relative_to(ROOT)), getattr(node, "name", "")):
             re.findall(r"(?<!`)`[\w.]+`\w", ast.get_docstring(node) or "")
             for path in PACKAGE.rglob("*.py") for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
             if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Module))}
    assert {path: names for path, names in found.items() if names} == {}
