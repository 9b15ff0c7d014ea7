"""The shape of one case, and the words that the tables share."""

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
    says: Tuple[str, ...]
    """The first line of each finding, in order."""
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    needs: Tuple[str, ...] = ()
    """Packages that must be there."""


def command(words, status, *says, **more):
    """A case of a command line: its own words are its name."""
    name = more.pop("name", "")
    return Case("%s (%s)" % (words, name) if name else words, "-- " + words, status, says, **more)


def file(name, path, status, *says, **more):
    """A case of a file."""
    arguments = more.pop("arguments", path)
    return Case(name, arguments, status, says, **more)


def lets(server, how_many=1):
    """The sentence of a finding."""
    if how_many == 1:
        return "TG100 %s lets one request at a time into each process" % server
    if how_many is None:
        return "TG102 %s lets any number of requests at once into each process" % server
    return "TG101 %s lets %s at once into each process" % (
        server, "more than one request" if how_many == "more" else "%d requests" % how_many)


def never(server):
    """The sentence of a finding that the main thread is wanted where it is never used."""
    return "TG105 %s never runs requests on the main thread, and thread = main is set" % server


def unknown(server):
    """The sentence of a finding that cannot tell."""
    return "TG403 cannot tell how many requests %s lets at once into each process" % server
