"""What stands before a server's own command: variables, ``env``, ``nice``, ``poetry run``, ``python -m``, ``sh -c``.

Each step takes a `Command` and gives the one that it starts. Options of wrappers are known as far as they take a value;
a wrapper that is not known is a program that threadguard cannot see through.
"""

import os
import re
from dataclasses import replace
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.preflight import env_command, script
from threadguard.preflight.model import CannotTell, Command
from threadguard.preflight.source import join

_MOST_STEPS = 20


class _Wrapper(NamedTuple):
    values: str = ""
    """Its options that take a value in the next word."""
    words: int = 0
    """Words of its own before the command."""
    subcommand: str = ""
    """The one that runs a command."""
    directory: str = ""
    """Those of the options whose value is where the command is started."""
    variables: str = ""
    """Those of the options that name a file, or a directory, of variables."""


_PLAIN = _Wrapper()
_WRAPPERS: Dict[str, _Wrapper] = {
    "exec": _Wrapper("-a"), "command": _PLAIN, "nohup": _PLAIN, "setsid": _PLAIN, "time": _Wrapper("-f -o"),
    "nice": _Wrapper("-n --adjustment"), "ionice": _Wrapper("-c -n --class --classdata"),
    "timeout": _Wrapper("-k -s --kill-after --signal", 1), "stdbuf": _Wrapper("-i -o -e --input --output --error"),
    "taskset": _Wrapper("", 1), "numactl": _PLAIN,
    "sudo": _Wrapper("-u -g -p -C -h -r -t -D --user --group --chdir", directory="-D --chdir"),
    "runuser": _Wrapper("-u -g -G --user --group"),
    "gosu": _Wrapper("", 1), "su-exec": _Wrapper("", 1), "setpriv": _Wrapper("--reuid --regid --groups"),
    "tini": _Wrapper("-p -e"), "dumb-init": _Wrapper("--rewrite -r"), "catatonit": _PLAIN,
    "chpst": _Wrapper("-u -U -b -e -/ -n -l -L -m -d -o -p -f -c -r -t", variables="-e"),
    "softlimit": _Wrapper("-m -d -o -p -f -c"),
    "poetry": _Wrapper("-C -P --directory --project", 0, "run", "-C --directory"),
    "pipenv": _Wrapper("--python", 0, "run"), "pdm": _Wrapper("-p --project", 0, "run"), "rye": _Wrapper("", 0, "run"),
    "uv": _Wrapper("--with --extra --group --only-group --no-group --python -p --project --directory --env-file"
                   " --package --with-requirements --with-editable --index --index-url --cache-dir", 0, "run",
                   "--directory", "--env-file"),
    "newrelic-admin": _Wrapper("", 0, "run-program"), "ddtrace-run": _PLAIN, "opentelemetry-instrument": _PLAIN,
}
_SHELLS = ("sh", "bash", "dash", "ash", "zsh", "ksh")
_PYTHON = re.compile(r"(python|pypy)(\d(\.\d+)*t?)?$")
_MODULE = re.compile(r"-[bBdEhiIOPqRsSuvx]*m(.*)", re.DOTALL)
"""``-m``, its value in the same word or in the next."""
_PYTHON_VALUES = ("-W", "-X", "--check-hash-based-pycs")


def program_of(word: str) -> str:
    """The name of the program that *word* starts, without its directory."""
    name = os.path.basename(word.replace("\\", "/"))
    return name[:-4] if name.endswith(".exe") else name


def unwrap(command: Command) -> Iterator[Command]:
    """The commands that *command* starts in the end: one, unless a shell starts several."""
    for _ in range(_MOST_STEPS):
        command = _assign(command)
        if not command.words:
            return
        program = program_of(command.words[0])
        text = _script(command) if program in _SHELLS else None
        if text is not None:
            for each in script.commands(text, command):
                yield from unwrap(each)
            return
        step = _step(program)
        inner = step(command) if step is not None else None
        if inner is None:
            yield command
            return
        command = inner
    raise CannotTell("the command has more than %d wrappers around it" % _MOST_STEPS)


def _assign(command: Command) -> Command:
    """Take the variables in front of the command into its environment."""
    words, env = list(command.words), dict(command.env)
    while words and script.ASSIGNMENT.match(words[0]):
        script.assign(env, words.pop(0), command.env_is_complete)
    return replace(command, words=tuple(words), env=env)


def _script(command: Command) -> Optional[str]:
    """What a shell is given to run with -c; None for a script in a file."""
    for number, word in enumerate(command.words[1:], 2):
        if not word.startswith("-"):
            return None
        if not word.startswith("--") and "c" in word:
            return command.words[number] if number < len(command.words) else None
    return None


def _step(program: str) -> Optional[Callable[[Command], Optional[Command]]]:
    if program == "env":
        return env_command.unwrap
    if _PYTHON.match(program):
        return _python
    if program in _WRAPPERS:
        return _wrapped
    return None


def _wrapped(command: Command) -> Optional[Command]:
    program = program_of(command.words[0])
    wrapper = _WRAPPERS[program]
    if program == "pipenv" and os.path.exists(join(command.directory, ".env")):
        raise CannotTell("pipenv run reads .env, which may set any variable")
    options, rest = _split_options(command.words[1:], wrapper.values.split())
    if wrapper.subcommand:
        if rest[:1] != (wrapper.subcommand,):
            return None
        more, rest = _split_options(rest[1:], wrapper.values.split())
        if ("-m", "") in more or ("--module", "") in more:  # uv run -m gunicorn
            rest = ("python", "-m") + rest
        options += more
    return _obey(options, wrapper, replace(command, words=rest[wrapper.words:]))


def _split_options(words: Tuple[str, ...], values: List[str]) -> Tuple[List[Tuple[str, str]], Tuple[str, ...]]:
    """The options that *words* begin with, each with its value, and the rest."""
    options: List[Tuple[str, str]] = []
    number = 0
    while number < len(words) and words[number].startswith("-") and words[number] != "-":
        if words[number] == "--":
            return options, words[number + 1:]
        name, _, value = words[number].partition("=")
        if words[number] in values:
            number += 1
            value = words[number] if number < len(words) else ""
        options.append((name, value))
        number += 1
    return options, words[number:]


def _obey(options: List[Tuple[str, str]], wrapper: _Wrapper, command: Command) -> Command:
    """*command* as *wrapper* starts it."""
    for name, value in options:
        if name in wrapper.directory.split():
            command = replace(command, directory=join(command.directory, value))
        elif name in wrapper.variables.split():
            raise CannotTell("%s %s may set any variable" % (name, value))
    return command


def _python(command: Command) -> Optional[Command]:
    """``python -m gunicorn``, ``python manage.py``; None for a program in a string, and for an interpreter alone."""
    words = list(command.words[1:])
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in _PYTHON_VALUES and words:
            words.pop(0)
        elif _MODULE.match(option):
            words = [word for word in _MODULE.findall(option) if word] + words
            return replace(command, words=tuple(words)) if words else None
        elif option.endswith("c") and not option.startswith("--"):
            return None
    return replace(command, words=tuple(words)) if words else None
