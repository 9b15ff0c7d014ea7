"""The shape of one row of the matrix, and the words that the tables share."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Tuple

ONE, MANY = False, True


@dataclass(frozen=True)
class Row:
    """One configuration of one server, launched in one of the ways people launch it."""

    id: str
    """In plain words."""
    command: str
    """The command line; ``{port}``, ``{dir}``, ``{bin}``, ``{py}``, ``{site}``, ``{user}`` … are filled in."""
    threaded: bool
    """The truth: does it let more than one request inside one process?"""
    capacity: Optional[int] = None
    """The exact number, where the configuration bounds it."""
    files: Mapping[str, str] = field(default_factory=dict)
    env: Mapping[str, str] = field(default_factory=dict)
    hold: str = "/hold"
    """What to ask for to stay inside: how to wait depends on the server."""
    needs: Tuple[str, ...] = ()
    """Modules, commands (with a slash) and files that must be there; see `NEEDS` for what installs them."""
    python: str = "new"
    """``new``, ``old``, ``older`` or ``first``: which of the four environments starts it."""
    staged: bool = False
    """Run by Debian's Python rather than by this environment's."""
    h2: bool = False
    """The client speaks cleartext HTTP/2."""
    at_collision: bool = False
    """The first lonely request may show nothing; the first collision does. docs/limits.md names each such row."""
    processes: int = 1
    """Worker processes: tells how many may answer."""


def ini(server, app="", more=""):
    """A PasteDeploy file with the guard as a filter in front of the truth."""
    return """[app:main]
paste.app_factory = truth:app_factory
filter-with = threadguard
%s
[filter:threadguard]
use = egg:threadguard
policy = log

[server:main]
%s
host = 127.0.0.1
port = {port}
%s""" % (app, server, more)
