"""From a command line to what its server lets in: through its wrappers, to one of the tuple of `COMMANDS`."""

import os
from dataclasses import replace
from typing import List, Optional, Sequence, Tuple

from threadguard.check import apache, gunicorn, paste, simple, unit, uwsgi
from threadguard.check.model import Command, Item, Part, Server, at_most, explain, settle
from threadguard.check.source import CannotTell, Unreadable
from threadguard.check.words import NAME_THE_COMMAND, shown
from threadguard.check.wrappers import is_no_server, program_of, unwrap
from threadguard.model import Finding


COMMANDS: Tuple[Server, ...] = (
    gunicorn.COMMAND, uwsgi.COMMAND, *simple.COMMANDS, apache.COMMAND, paste.COMMAND, unit.COMMAND,
)


def find(program: str) -> Optional[Server]:
    """The server that *program* is a command of, or None."""
    return next((server for server in COMMANDS if program in server.programs), None)


def read(command: Command) -> List[Item]:
    """What *command* starts; empty if that is plainly no server. Raises `CannotTell` for what is not known."""
    inner = replace(unwrap(command), assumed=list(command.assumed), doubts=list(command.doubts))
    if inner.words and is_no_server(inner):
        return []
    first = inner.words[0] if inner.words else ""
    path = inner.tree.join(inner.directory, first) if "/" in first and inner.directory is not None else ""
    if path and os.path.isfile(path) and inner.tree.holds(path):  # a script of the tree may have a server's name
        with open(path, "rb") as stream:
            if stream.readline(200).rstrip().endswith(b"sh"):
                raise CannotTell("%s is a script for a shell, which may do anything" % path, NAME_THE_COMMAND)
    server, items = find(program_of(first)), []  # type: Optional[Server], List[Item]
    try:
        for item in server.read(inner) if server else ():
            items.append(settle(item, inner, server.pin if server else ""))
    except (CannotTell, Unreadable) as error:
        items = [settle(explain(error, server.name if server else first), inner)]
    if not items:
        raise CannotTell("%s is no server or wrapper that threadguard knows" % (
            shown(" ".join(inner.words[:2] if server else inner.words[:1])) or "an empty command"), NAME_THE_COMMAND)
    return items


def read_parts(parts: Sequence[Part], what: str, file: str) -> List[Item]:
    """What the processes, services or programs of *file* start, every one of them named.

    Those that nothing is known of share a finding, and those that are plainly no server another.
    """
    found: List[Item] = []
    unknown: List[Tuple[Part, CannotTell]] = []
    others: List[str] = []
    for part in at_most(parts, what):
        try:
            items = read(part.start())
            found += items
            others += [] if items else [part.name]
        except CannotTell as error:
            unknown.append((part, error))
        except Unreadable as error:
            error.file, error.line = error.file or file, error.line or part.line
            found.append(explain(error, part.name))
    if unknown:
        part, first = unknown[0]
        evidence = "; ".join(dict.fromkeys(error.evidence for _, error in unknown))
        found.append(explain(CannotTell(evidence, first.remedy, first.file or file, first.line or part.line),
                             ", ".join(part.name for part, _ in unknown)))
    if not found:
        evidence = "none of its %s (%s) starts a server that threadguard knows" % (what, ", ".join(others)) if parts \
            else "it names no " + what
        found.append(explain(CannotTell(evidence, "", file, parts[0].line if parts else None), "the server of " + file))
    elif others:
        found.append(Finding("TG405", "%s: no server of the application" % ", ".join(others), file=file))
    return found
