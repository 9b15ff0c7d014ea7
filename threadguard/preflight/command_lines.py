"""The commands of the servers: from words and environment to readings, one module for each server.

Each module is a `ServerCommand`. The capacity comes from the functions in ``threadguard/servers/`` that the readers of
running processes use too. A command that starts no server (``flask db upgrade``) gives nothing.
"""

from dataclasses import replace
from typing import Iterable, Iterator, List, Optional, Protocol, Tuple

from threadguard.model import Finding, Reading
from threadguard.preflight import script, wrappers
from threadguard.preflight.commands import cheroot, django, flask, granian, gunicorn, httpd, hypercorn
from threadguard.preflight.commands import mod_wsgi_express, paste_serve, twist, unitd, uvicorn, uwsgi, waitress
from threadguard.preflight.model import CannotTell, Command, Item, Unreadable, at_most, cannot_tell, unreadable


class ServerCommand(Protocol):
    """What each module of this package offers."""

    @property
    def NAME(self) -> str:
        """The server, or what starts it, as people call it."""

    @property
    def PROGRAMS(self) -> Tuple[str, ...]:
        """The names of its programs, and of its modules for ``python -m``."""

    def read_command(self, command: Command) -> Iterable[Item]:
        """What *command*, whose first word is one of `PROGRAMS`, starts. May raise `CannotTell` and `Unreadable`."""


COMMANDS: Tuple[ServerCommand, ...] = (
    gunicorn, uwsgi, mod_wsgi_express, httpd, waitress, paste_serve, flask, django, cheroot,
    uvicorn, hypercorn, granian, twist, unitd,
)

_MOST = 20


def read(command: Command) -> List[Item]:
    """What *command* starts, through its wrappers; empty if it starts no server that is known."""
    try:
        inner = at_most(list(wrappers.unwrap(command)), "commands in one", _MOST)
        return [item for each in inner for item in _read_known(each)]
    except (CannotTell, Unreadable) as error:
        return [_placed(item, command) for item in explain(error, "the command")]


def read_script(text: str, command: Command) -> List[Item]:
    """What a shell starts that is given *text*; *command* has everything but the words."""
    try:
        inner = at_most(list(script.commands(text, command)), "commands in one", _MOST)
        return [item for each in inner for item in read(each)]
    except (CannotTell, Unreadable) as error:
        return [_placed(item, command) for item in explain(error, "the command")]


def find(program: str) -> Optional[ServerCommand]:
    """The server that *program* is a command of, or None."""
    return next((server for server in COMMANDS if program in server.PROGRAMS), None)


def _read_known(command: Command) -> Iterator[Item]:
    server = find(wrappers.program_of(command.words[0]))
    if server is None:
        return
    try:
        for item in server.read_command(command.locate(command)):
            yield _placed(item, command)
    except (CannotTell, Unreadable) as error:
        for item in explain(error, server.NAME):
            yield _placed(item, command)


def explain(error: Exception, name: str) -> List[Item]:
    """The finding that `CannotTell` or `Unreadable` stands for; *name* is the server or the file that it is about."""
    if isinstance(error, CannotTell):
        return [cannot_tell(name, error.evidence, error.remedy, error.file, error.line)]
    assert isinstance(error, Unreadable)
    return [unreadable(error.file or name, error.evidence, error.file, error.line)]


def _placed(item: Item, command: Command) -> Item:
    """*item* with the place of the command, unless it has one of its own."""
    if item.file is not None or command.file is None:
        return item
    if isinstance(item, Reading):
        return replace(item, file=command.file, line=command.line)
    assert isinstance(item, Finding)
    return replace(item, file=command.file, line=command.line)
