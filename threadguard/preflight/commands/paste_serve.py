"""``gearbox serve``, ``pserve``, ``paster serve``: the [server:] section that they choose, and the guard behind it."""

import re
from typing import Iterator, List, NamedTuple, Optional

from threadguard.preflight import arguments, guarded, ini_server, source
from threadguard.preflight.model import CannotTell, Command, Item, Unreadable
from threadguard.preflight.pastedeploy import Ini, Section
from threadguard.preflight.wrappers import program_of

NAME = "the [server:] section"
PROGRAMS = ("gearbox", "pserve", "paster", "pyramid.scripts.pserve", "gearbox.main")

_VALUES = "-n,--app-name -s,--server --server-name --reload-interval"
_FLAGS = "--reload --monitor-restart --status --stop-daemon --daemon -v,--verbose -q,--quiet -b,--browser --debug"
_GEARBOX = " -c,--config --pid-file --user --group --log-file"


class _Chosen(NamedTuple):
    file: str
    app: str
    server: str
    egg: str
    """The package in which ``--server`` names a runner; empty without that option."""
    variables: List[str]


def read_command(command: Command) -> Iterator[Item]:
    """The section, with ``--server-name``, ``--server`` and variables such as ``threads=4``."""
    program = program_of(command.words[0])
    arguments_of = _pserve if "pserve" in program else _serve
    chosen = arguments_of(command, "egg:gearbox" if program.startswith("gearbox") else "egg:PasteScript")
    if chosen is None:
        return
    path, _, fragment = chosen.file.partition("#")
    file = arguments.path(command.directory, re.sub(r"^config:(//)?", "", path), "the configuration file")
    ini = Ini(source.read(file), dict(word.partition("=")[::2] for word in chosen.variables))
    if chosen.egg:
        yield ini_server.judge(Section(chosen.egg, {}), chosen.egg, None, command.directory)
    else:
        name = chosen.server or fragment or "main"
        yield from ini_server.read(ini, name, command.directory)
    yield from guarded.findings(ini, chosen.app or fragment or "main")


def _pserve(command: Command, egg: str) -> Optional[_Chosen]:
    given = arguments.parse(command.words[1:], _VALUES, _FLAGS)
    _refuse_unknown(given)
    if not given.words:
        raise Unreadable("pserve is given no configuration file")
    return _Chosen(given.words[0], given.last("--app-name") or "", given.last("--server-name") or "",
                   _egg("egg:pyramid", given), given.words[1:])


def _serve(command: Command, egg: str) -> Optional[_Chosen]:
    given = arguments.parse(command.words[1:], _VALUES + _GEARBOX, _FLAGS)
    if given.words[:1] != ["serve"]:
        return None
    _refuse_unknown(given)
    words = given.words[1:]
    if egg == "egg:gearbox":
        file = given.last("--config") or "development.ini"
    elif words:
        file = words.pop(0)
    else:
        raise Unreadable("paster serve is given no configuration file")
    variables = [word for word in words if "=" in word]
    return _Chosen(file, given.last("--app-name") or "", given.last("--server-name") or "", _egg(egg, given), variables)


def _egg(package: str, given: arguments.Given) -> str:
    return "%s#%s" % (package, given.last("--server")) if given.last("--server") else ""


def _refuse_unknown(given: arguments.Given) -> None:
    if given.skipped:
        raise CannotTell("%r may belong to an option, or be the configuration file" % given.skipped[0])
