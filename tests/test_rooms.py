"""The rooms of the package, and what each may import: only what stands above it in the table."""

import ast
from pathlib import Path

import pytest

import threadguard

PACKAGE = Path(threadguard.__file__).parent
DATA = ["model", "codes", "errors", "options"]
ROOMS = ["process", "report", "servers", "guard", "observe", "check", "testing"]
NEVER = {("guard", "check"), ("guard", "testing"), ("observe", "testing"), ("check", "guard"), ("check", "observe"),
         ("testing", "check"), ("testing", "observe")}
"""Rooms that stand in the right order and have nothing to say to each other all the same."""
UPWARDS = {("guard", "observe"): "an option, health_path, makes a guard answer health checks: loaded only then",
           ("testing", "wsgi"): "the command race loads an application by its name, as that door does"}
OLD_NAMES = {"group", "metrics_sharing", "preflight", "probe"}
"""Modules that have moved, importable as before."""
DOORS = {path.stem for path in PACKAGE.glob("*.py")} - set(DATA)


def imports(path):
    """The modules of this package that *path* imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module + "." + alias.name for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        yield from (name.split(".")[1:] for name in names if name.startswith("threadguard."))


def arrows(room):
    """What the modules of *room* import, as pairs of the module's name and the other room."""
    for path in sorted((PACKAGE / room).rglob("*.py")):
        for parts in imports(path):
            if parts[0] not in (room, "__version__"):
                yield "%s/%s" % (room, path.name), parts[0]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_what_stands_above_it(room):
    """A reader who starts at the top meets nothing that he has not seen."""
    above = DATA + ROOMS[:ROOMS.index(room)]
    wrong = [arrow for arrow in arrows(room)
             if (arrow[1] not in above or (room, arrow[1]) in NEVER) and (room, arrow[1]) not in UPWARDS]
    assert not wrong


@pytest.mark.parametrize("room, other", sorted(UPWARDS))
def test_each_exception_is_needed(room, other):
    """One that is not is taken out of the table."""
    assert other in [arrow[1] for arrow in arrows(room)]


@pytest.mark.parametrize("name", DATA)
def test_data_imports_no_room(name):
    """But other data, and where a message is made, the text of it."""
    assert {parts[0] for parts in imports(PACKAGE / (name + ".py"))} <= {*DATA, "report"}


def test_every_module_is_in_a_room_or_is_a_door():
    """There is no other place."""
    assert {path.parent.name for path in PACKAGE.rglob("*/__init__.py")} == set(ROOMS)
    assert DOORS == {"__init__", "__main__", "cli", "django", "metrics", "paste", "pytest_plugin", "wsgi",
                     *OLD_NAMES}
