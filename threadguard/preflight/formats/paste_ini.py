"""PasteDeploy's ini files: each [server:] section, a [uwsgi] section, and whether the application is guarded."""

import re
from typing import Iterator

from threadguard.preflight import guarded, ini_server
from threadguard.preflight.command_lines import explain
from threadguard.preflight.formats import uwsgi_conf
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable, at_most, cannot_tell
from threadguard.preflight.pastedeploy import Ini
from threadguard.preflight.source import Source

NAME = "PasteDeploy ini"

_SECTION = re.compile(r"^\[(server|app|application|composite|composit|pipeline|filter-app|filter)(:[^\]]*)?\]",
                      re.MULTILINE)


def matches(text: Source) -> bool:
    """By one of PasteDeploy's sections."""
    return not text.name.endswith((".py", ".json", ".xml")) and _SECTION.search(text.text) is not None


def read(text: Source, options: Options) -> Iterator[Item]:
    """What serves the application: any of the sections may, as long as ``--server-name`` chooses none."""
    ini = Ini(text)
    names = [options.server_name] if options.server_name else at_most(ini.servers(), "[server:] sections")
    for name in names:
        try:
            yield from ini_server.read(ini, name, text.directory)
        except (CannotTell, Unreadable) as error:
            yield from explain(error, "the server of [server:%s]" % name)
    by_uwsgi = not options.server_name and uwsgi_conf.matches(text)
    if by_uwsgi:
        yield from uwsgi_conf.read(text, options)
    guards = list(guarded.findings(ini))
    if not names and not by_uwsgi:
        yield cannot_tell("the server", "no [server:] section says what serves the application", file=text.path)
    yield from guards
