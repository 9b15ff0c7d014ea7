"""What is checked before the start, and what comes of it: commands, options, findings of files that say nothing.

A check gives a `Reading` of the same kind as the readers under `servers/`, made by the same functions from settings to
capacity, or a `Finding` where there is nothing to read. It never guesses: what cannot be evaluated is a finding TG403.
"""

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, Mapping, Optional, Sequence, Tuple, TypeVar, Union

from threadguard.servers.judge import finding_of
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN, Finding, Reading

UNREADABLE = "unreadable"
Item = Union[Reading, Finding]
_T = TypeVar("_T")

_STATUS = {"TG100": SINGLE_THREADED, "TG101": THREADED, "TG102": THREADED, "TG201": THREADED, "TG206": SINGLE_THREADED,
           "TG306": THREADED, "TG402": UNKNOWN, "TG403": UNKNOWN, "TG404": UNKNOWN, "TG901": UNREADABLE,
           "TG902": UNREADABLE}
EXIT: Dict[str, int] = {SINGLE_THREADED: 0, THREADED: 1, UNREADABLE: 2, UNKNOWN: 3}
_WORST_FIRST = (THREADED, UNREADABLE, UNKNOWN, SINGLE_THREADED)

ASK_DIFFERENTLY = "check the server's own command instead (threadguard check -- COMMAND), or let the guard judge"


class CannotTell(Exception):
    """The setting is there, and its value is not known before the server runs."""

    def __init__(self, evidence: str, remedy: str = ASK_DIFFERENTLY, file: Optional[str] = None,
                 line: Optional[int] = None) -> None:
        super().__init__(evidence)
        self.evidence, self.remedy, self.file, self.line = evidence, remedy, file, line


class Unreadable(Exception):
    """A file cannot be read, or the server itself would refuse what it says."""

    def __init__(self, evidence: str, file: Optional[str] = None, line: Optional[int] = None) -> None:
        super().__init__(evidence)
        self.evidence, self.file, self.line = evidence, file, line


def _silent(text: str) -> None:
    """Say nothing."""


@dataclass(frozen=True)
class Options:
    """How to check."""

    execute: bool = True
    """Whether code may be run: gunicorn's configuration file is a Python module."""
    server_name: Optional[str] = None
    """The one [server:] section of an ini file that counts; all of them by default."""
    say: Callable[[str], None] = _silent
    """Told before code is executed."""


def _as_it_is(command: "Command") -> "Command":
    """*command*."""
    return command


@dataclass(frozen=True)
class Command:
    """A command line, as a server's process would get it."""

    words: Tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    """The environment variables that are known."""
    directory: str = "."
    """Where it is started: relative names of files start here."""
    options: Options = Options()
    file: Optional[str] = None
    """The file that it stands in; None for threadguard's own command line."""
    line: Optional[int] = None
    env_is_complete: bool = False
    """Whether a variable that is not in `env` is not set."""
    is_elsewhere: bool = False
    """Whether `directory` may hold files there, where it is started, that are not here."""
    locate: Callable[["Command"], "Command"] = _as_it_is
    """For a command of an image, whose paths are those of the image: gives what its wrappers start those of here."""


@dataclass(frozen=True)
class Checked:
    """What came of one target."""

    target: str
    """The file, or the command line."""
    findings: Tuple[Finding, ...]
    """What was found in it, in its order."""

    @property
    def status(self) -> str:
        """The worst status of the findings: single-threaded, threaded, unknown or unreadable."""
        return worst(_STATUS[finding.code] for finding in self.findings if finding.code in _STATUS)


def status_of(finding: Finding) -> Optional[str]:
    """What *finding* says of the capacity, None if it is about something else."""
    return _STATUS.get(finding.code)


def worst(statuses: Iterable[str]) -> str:
    """The worst of *statuses*, threaded, unreadable, unknown, single-threaded in that order; unknown for none."""
    known = set(statuses)
    return next((status for status in _WORST_FIRST if status in known), UNKNOWN)


def cannot_tell(server: str, evidence: str, remedy: str = ASK_DIFFERENTLY, file: Optional[str] = None,
                line: Optional[int] = None) -> Finding:
    """The finding for a capacity that cannot be known before the start."""
    sentence = "cannot tell how many requests %s lets at once into each process" % server
    return Finding("TG403", sentence, evidence, remedy, file, line)


def unreadable(name: str, evidence: str, file: Optional[str] = None, line: Optional[int] = None) -> Finding:
    """The finding for something that cannot be read."""
    return Finding("TG902", "%s cannot be read" % name, evidence, "", file, line)


def at_most(things: Sequence[_T], what: str, limit: int = 100) -> Sequence[_T]:
    """*things*, if they are not so many that nobody means it. Raises `Unreadable`."""
    if len(things) > limit:
        raise Unreadable("it has more than %d %s" % (limit, what))
    return things


def as_finding(item: Item) -> Finding:
    """*item* as it is printed."""
    return finding_of(item) if isinstance(item, Reading) else item
