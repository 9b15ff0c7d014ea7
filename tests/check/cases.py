"""The shape of one case. What is printed of it stands in the text beside its table."""

from dataclasses import dataclass, field
from typing import Mapping, Tuple

SINGLE, THREADED, UNREADABLE, UNKNOWN = 0, 1, 2, 3


@dataclass(frozen=True)
class Case:
    """What to check, and what must come of it."""

    id: str
    """In plain words."""
    arguments: str
    """Those of ``threadguard check``, as a shell takes them."""
    status: int
    """The exit status."""
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    needs: Tuple[str, ...] = ()
    """Packages that must be there."""


def command(words, status, **more):
    """A case of a command line: its own words are its name."""
    name = more.pop("name", "")
    return Case("%s (%s)" % (words, name) if name else words, "-- " + words, status, **more)


def file(name, path, status, text=None, **more):
    """A case of a file, with its *text* where it is the only one."""
    files = more.pop("files", {path: text})
    return Case(name, more.pop("arguments", path), status, files, **more)
