"""What is checked, and what comes of it: a command with what is known of its environment, and readings or findings.

Exit status 0 is a proof. What decides is *pinned* where its strongest source was read, *assumed* where the operator
gives it when the server starts (the finding says so in its own line), else it cannot be told: a doubt is a TG403.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Callable, Iterable, List, NamedTuple, Optional, Sequence, Tuple, TypeVar, Union

from threadguard.check.source import CannotTell, Source, Tree, Unreadable
from threadguard.check.words import KNOWN, UNKNOWN_OTHERS, Environment, Given, Word, is_known, parse, shown
from threadguard.servers.judge import finding_of
from threadguard.model import Finding, Reading

Item = Union[Reading, Finding]
_T = TypeVar("_T")


@dataclass(frozen=True)
class Options:
    """How to check."""

    execute: bool = False
    """Whether code may be run: gunicorn's own loader of its configuration, and an installed Apache's own dump."""
    server_name: Optional[str] = None
    """The one [server:] section of an ini file that counts; all of them by default."""
    say: Callable[[str], object] = str
    """Told before code is executed."""


@dataclass(frozen=True)
class Command:
    """A command line, as a server's process would get it."""

    words: Tuple[str, ...]
    environment: Environment = Environment()
    directory: Optional[str] = "."
    """Where it is started, as seen from here; None where that is not among the files that are checked."""
    elsewhere: str = ""
    """What `directory` is called in words where it is None: ``the working directory /srv/site``."""
    tree: Tree = Tree()
    options: Options = Options()
    file: Optional[str] = None
    """The file that it stands in; None for threadguard's own command line."""
    line: Optional[int] = None
    assumed: List[str] = field(default_factory=list)
    """What the operator gives, as a clause each: they stand in the line of a single-threaded finding."""
    doubts: List[CannotTell] = field(default_factory=list)
    """What may make more than one thread of it after all: with one a single-threaded finding is none."""

    def parse(self, values: str, flags: str = "", first: int = 1, stops: bool = False,
              others_take: bool = True) -> Given:
        """Its words from the number *first* on, taken apart by `threadguard.check.words.parse`."""
        return parse(self.words[first:], values, flags, stops, others_take)

    def variable(self, name: str) -> Optional[Word]:
        """The variable *name*, None where it is not set: that may be an assumption, or a doubt."""
        environment = self.environment
        if name not in environment.variables and environment.kind == UNKNOWN_OTHERS:
            self.doubts.append(CannotTell("%s may set %s" % (environment.others, name)))
        elif name not in environment.variables and environment.kind != KNOWN:
            self.assumed.append("%s sets no %s" % (environment.others, name))
        return environment.variables.get(name)

    def path(self, name: str, what: str) -> str:
        """The file *name* as seen from here, of the option *what*. Raises `CannotTell` if it is not to be known."""
        if not is_known(name):
            raise CannotTell("%s names the file %s, and a variable in it is not known here" % (what, shown(name)))
        if self.directory is None and (not name.startswith("/") or self.elsewhere.endswith("image")):
            raise CannotTell("%s is read in %s, which is not among the files that are checked" % (
                name, self.elsewhere), "check that file by itself")
        return self.tree.join(self.directory or "/", name)

    def read(self, name: str, what: str) -> Source:
        """The file *name* that the option *what* names. Raises `CannotTell` and `Unreadable`."""
        return self.tree.read(self.path(name, what))


class Server(NamedTuple):
    """A command that starts a server, as `threadguard.check.command_lines.COMMANDS` has it."""

    name: str
    """The server, or what starts it, as people call it."""
    programs: Tuple[str, ...]
    """The names of its programs, and of its modules for ``python -m``."""
    read: Callable[[Command], Iterable[Item]]
    """What a command starts whose first word is one of `programs`. May raise `CannotTell` and `Unreadable`."""
    pin: str = ""
    """The options that decide over everything else."""


class Format(NamedTuple):
    """A format of files, as `threadguard.check.FORMATS` has it."""

    name: str
    """What such a file is called."""
    file: str
    """The pattern that its name has."""
    line: str = ""
    """The pattern of a line in it."""
    read: Optional[Callable[[Source, Command], Iterable[Item]]] = None
    """What it says; the command has the tree and the options. May raise `CannotTell` and `Unreadable`. None for a
    format that is none."""

    def matches(self, text: Source) -> bool:
        """Whether *text* is of this format."""
        return re.search(self.file, text.name) is not None and text.line_of(self.line) is not None


class Part(NamedTuple):
    """One process, service or program of a file that starts commands."""

    name: str
    """As a sentence names it: ``the process web``."""
    start: Callable[[], Command]
    """Gives its command. Raises `CannotTell` and `Unreadable`."""
    line: Optional[int] = None


def settle(item: Item, command: Command, pin: str = "") -> Item:
    """*item* with what was noted of *command*; *pin* is the option that decides over everything else."""
    if item.file is None:
        item = replace(item, file=command.file, line=command.line)
    if not isinstance(item, Reading) or item.capacity != 1:
        return item
    for doubt in command.doubts[:1]:
        return explain(CannotTell(doubt.evidence, doubt.remedy or pin and "pin it: " + pin, doubt.file or item.file,
                                  doubt.line or item.line), item.server)
    finding, clauses = finding_of(item), ", and that ".join(dict.fromkeys(command.assumed))
    return replace(finding, sentence=finding.sentence + ", assuming that " + clauses) if clauses else item


def quote(reading: Optional[Reading], evidence: str, remedy: str, file: Optional[str] = None,
          line: Optional[int] = None) -> Reading:
    """*reading* with what the user wrote as its *evidence*."""
    if reading is None:
        raise Unreadable("the server takes no %s" % evidence, file, line)
    return replace(reading, evidence=evidence, remedy=remedy, file=file, line=line)


def explain(error: Exception, name: str) -> Finding:
    """The finding that `CannotTell` or `Unreadable` stands for; *name* is the server or the file that it is about."""
    if isinstance(error, CannotTell):
        return Finding("TG403", "cannot tell how many requests %s lets at once into each process" % name,
                       error.evidence, error.remedy or ASK_DIFFERENTLY, error.file, error.line)
    assert isinstance(error, Unreadable)
    return Finding("TG902", "%s cannot be read" % (error.file or name), error.evidence, "", error.file, error.line)


ASK_DIFFERENTLY = "name the server's own command (threadguard check -- COMMAND), or start it once: a guarded" \
    " application refuses by itself"


def at_most(things: Sequence[_T], what: str, limit: int = 100) -> Sequence[_T]:
    """*things*, if they are not so many that nobody means it. Raises `Unreadable`."""
    if len(things) > limit:
        raise Unreadable("it has more than %d %s" % (limit, what))
    return things


def number(value: object, what: str, file: Optional[str] = None, line: Optional[int] = None) -> int:
    """*value* of the setting *what* as a number. Raises `CannotTell`, or `Unreadable` where it can be none."""
    written = value.written if isinstance(value, Word) else "%s = %.80s" % (what, shown(str(value)))
    if isinstance(value, str) and not is_known(value):
        raise CannotTell("%s is not known here" % written, "write the number itself", file, line)
    try:
        found = int(value) if not isinstance(value, str) or len(value) < 18 else -1  # type: ignore[call-overload]
        if found < 0 or isinstance(value, float):
            raise ValueError
        return found
    except (TypeError, ValueError, OverflowError):
        raise Unreadable("%s is no number" % written, file, line) from None
