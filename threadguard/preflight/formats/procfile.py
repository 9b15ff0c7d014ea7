"""A Procfile: the server among its processes; the one that gets the requests is ``web``."""

import re
from typing import Iterator

from threadguard.preflight import command_lines
from threadguard.preflight.model import CannotTell, Command, Item, Options, at_most
from threadguard.preflight.source import Source

NAME = "Procfile"

_PROCESS = re.compile(r"\s*([A-Za-z0-9_-]+):\s*(\S.*)")


def matches(text: Source) -> bool:
    """By its name."""
    return text.name.startswith("Procfile")


def read(text: Source, options: Options) -> Iterator[Item]:
    """What its processes start; those that start no server that is known do not count, as long as one does."""
    found, names = False, []
    lines = ((number, _PROCESS.match(line)) for number, line in enumerate(text.lines, 1) if line[:1] != "#")
    processes = [(number, process) for number, process in lines if process]
    for number, process in at_most(processes, "processes"):
        names.append(process.group(1))
        shell = Command((), {}, text.directory, options, text.path, number)
        items = command_lines.read_script(process.group(2), shell)
        if process.group(1) == "web" and not items:
            raise CannotTell("the process web starts no server that threadguard knows", file=text.path, line=number)
        found = found or bool(items)
        yield from items
    if not found:
        raise CannotTell("none of its processes (%s) starts a server that threadguard knows" % ", ".join(names))
