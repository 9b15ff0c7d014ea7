"""``gunicorn``: gunicorn itself reads its arguments and its configuration file, where it is installed and may run code.

Otherwise (``--no-exec``) the arguments are taken apart by a table, and of the configuration file only plain assignments
count. The last one wins: the file, GUNICORN_CMD_ARGS, the arguments (gunicorn/app/base.py `Application.load_config`).
"""

import os
import re
from dataclasses import replace
from typing import Any, Iterator, Optional, Sequence, Tuple

from threadguard.model import Reading
from threadguard.preflight import arguments, guarded, literals, shell, source
from threadguard.preflight.commands import gunicorn_run
from threadguard.preflight.commands.gunicorn_run import SETTINGS, Setting, Settings, decisive
from threadguard.preflight.model import CannotTell, Command, Item, Unreadable
from threadguard.preflight.pastedeploy import Ini
from threadguard.servers import gunicorn

NAME = gunicorn.NAME
PROGRAMS = ("gunicorn", "gunicorn3", "gunicorn_paster")
DEFAULT_FILE = "gunicorn.conf.py"  # gunicorn/config.py get_default_config_file, 20 and later

_VALUES = "-c,--config -k,--worker-class --threads --worker-connections -b,--bind --chdir --paste,--paster" \
    " -w,--workers --log-config-json --log-syslog-to -n,--name -e,--env -p,--pid -u,--user -g,--group -m,--umask" \
    " -t,--timeout --reload-engine --reload-extra-file --log-file,--error-logfile --access-logfile"
_FLAGS = "--reload --preload -D,--daemon --check-config --print-config --spew --no-sendfile --reuse-port --initgroups" \
    " --capture-output --log-syslog -R,--enable-stdio-inheritance --disable-redirect-access-to-syslog -v,--version"
_Given = Sequence[Tuple[str, arguments.Given]]
_DEFAULTS = {"worker_class": "sync", "threads": 1, "worker_connections": 1000, "bind": "one"}


def read_command(command: Command) -> Iterator[Item]:
    """The worker class, and what bounds it; with ``--paste`` whether that application is guarded, and nothing else.

    gunicorn does not read the [server:] section of such a file (gunicorn/app/pasterapp.py `get_wsgi_app`).
    """
    known = all(map(shell.is_known, (*command.words[1:], command.env.get("GUNICORN_CMD_ARGS", ""))))
    if not os.path.isdir(command.directory) or command.is_elsewhere and _code(command) in ("", DEFAULT_FILE):
        yield _judge(_without_directory(command))
    elif command.options.execute and known and arguments.optional("gunicorn.config") is not None:
        code = _code(command)
        if code:
            command.options.say("gunicorn reads %s, which executes it (--no-exec does not)" % code)
        yield _judge(gunicorn_run.read(command))
    else:
        yield _judge(_without_running(command))
    paste = arguments.parse(command.words[1:], _VALUES, _FLAGS).last("--paster")
    if paste is not None and shell.is_known(paste):
        path, _, name = re.sub("^config:", "", paste).partition("#")
        yield from guarded.findings(Ini(source.read(source.join(command.directory, path))), name or "main")


def _without_directory(command: Command) -> Settings:
    """The settings where the working directory is not here: only what is stronger than any file counts."""
    given = _given(command)
    found = _settings(given, None)
    named = {name for name, setting in found.items() if setting.where != Setting(1).where}
    if not {"worker_class", "threads"} <= named:
        where = "" if command.is_elsewhere else " " + command.directory
        raise CannotTell("its working directory%s is not here: a %s there may set anything" % (where, DEFAULT_FILE),
                         "check on the machine that has it, or give --worker-class and --threads")
    return found


def _given(command: Command) -> _Given:
    """What the arguments and the variable give, the stronger first."""
    variable = shell.split(command.env.get("GUNICORN_CMD_ARGS", ""))
    return (("the command line", arguments.parse(command.words[1:], _VALUES, _FLAGS)),
            ("GUNICORN_CMD_ARGS", arguments.parse(variable, _VALUES, _FLAGS)))


def _code(command: Command) -> str:
    """The configuration file that gunicorn is going to execute, in words; empty if there is none."""
    words = command.words[1:] + tuple(shell.split(command.env.get("GUNICORN_CMD_ARGS", "")))
    try:
        given = arguments.parse(words, _VALUES, _FLAGS)
    except (CannotTell, Unreadable):
        return "a configuration file, if there is one"
    default = DEFAULT_FILE if os.path.exists(os.path.join(command.directory, DEFAULT_FILE)) else ""
    return given.last("--config") or default


def _judge(found: Settings) -> Reading:
    place = found[decisive(found)]
    worker, threads, connections, listeners = (found[name].value for name in SETTINGS)
    reading = gunicorn.read_settings(worker, threads, connections, listeners, place.where)
    if reading is None:
        raise CannotTell("%s has worker_class %.80r, which is none of gunicorn's own, or no number that makes sense"
                         % (found["worker_class"].where, worker), file=place.file, line=place.line)
    return replace(reading, file=place.file, line=place.line)


def _without_running(command: Command) -> Settings:
    """The settings by table and literals, each from the strongest place that has it."""
    given = _given(command)
    chosen = next(filter(None, (words.last("--config") for _, words in given)), None)
    return _settings(given, _module(command, chosen))


def _settings(given: _Given, module: Optional[literals.Literals]) -> Settings:
    found = {name: _find(name, given, module) for name in SETTINGS}
    return {name: setting._replace(value=_converted(name, setting.value)) for name, setting in found.items()}


def _find(name: str, given: _Given, module: Optional[literals.Literals]) -> Setting:
    option = "--" + name.replace("_", "-")
    for where, words in given:
        if option in words.options:
            values = words.options[option]
            return Setting(values if name == "bind" else values[-1], where)
    if module is not None:
        value = module.get(name, _DEFAULTS[name])
        if module.line(name) is not None:
            path = module.source.path
            return Setting(value, os.path.basename(path), path, module.line(name))
    return Setting(_DEFAULTS[name])


def _converted(name: str, value: Any) -> Any:
    if name == "bind":
        return max(1, len(value.split(",") if isinstance(value, str) else value or ()))
    if name != "worker_class":
        return arguments.number(value, name)
    if not isinstance(value, str) or not shell.is_known(value):
        raise CannotTell("worker_class is %.80r" % (value,))
    return value


def _module(command: Command, chosen: Optional[str]) -> Optional[literals.Literals]:
    """The configuration file, without running it; None if there is none. ``--chdir`` only counts once it is read."""
    if chosen is None:
        path = source.join(command.directory, DEFAULT_FILE)
        return literals.Literals(source.read(path)) if os.path.exists(path) else None
    if chosen.startswith("python:") or not shell.is_known(chosen):
        raise CannotTell("its configuration is %.80r" % chosen, literals.RUN_IT)
    path = source.join(command.directory, chosen[len("file:"):] if chosen.startswith("file:") else chosen)
    if not os.path.exists(path):
        raise Unreadable("there is no such file", path)
    return literals.Literals(source.read(path))
