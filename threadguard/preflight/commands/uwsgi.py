"""``uwsgi``: its options from the environment, the command line and the files that these name; the last one counts.

core/uwsgi.c `uwsgi_setup`: first the variables UWSGI_…, then the options in their order, with the files that ``--ini``
and its like name in their place, then the files without an option (core/init.c `uwsgi_commandline_config`).
"""

import re
from dataclasses import replace
from typing import Iterator, List, Optional, Sequence, Tuple

from threadguard.model import Reading
from threadguard.preflight import guarded, shell, source, uwsgi_files
from threadguard.preflight.commands.uwsgi_flags import FLAGS, SHORT
from threadguard.preflight.model import CannotTell, Command, Item, Unreadable
from threadguard.preflight.pastedeploy import Ini
from threadguard.preflight.uwsgi_files import Option
from threadguard.servers import uwsgi

NAME = uwsgi.NAME
PROGRAMS = ("uwsgi", "uwsgi-core", "uwsgi_python3", "uwsgi_python", "pyuwsgi")

_LOOPS = {"gevent": "gevent", "asyncio": "asyncio", "tornado": "tornado", "coroae": "coroae"}
"""Options that set the number of async cores, and a loop engine with it."""
_DECISIVE = ("threads", "async") + tuple(_LOOPS)
_NOT_OPTIONS = ("UWSGI_RELOADS", "UWSGI_VASSALS_DIR", "UWSGI_EMPEROR_FD", "UWSGI_BROODLORD_NUM",
                "UWSGI_EMPEROR_FD_CONFIG", "UWSGI_EMPEROR_PROXY", "UWSGI_JAIL_PID", "UWSGI_ORIGINAL_PROC_NAME")
_FILE = re.compile(r"\.(ini|xml|ya?ml|json|js)(:[\w.-]+)?$")


def read_command(command: Command) -> Iterator[Item]:
    """Threads, and async cores by whatever name; for PasteDeploy's files, whether the application is guarded."""
    options = list(_from_variables(command)) + list(_from_words(command))
    yield judge(options, command)
    for option in options:
        if option.name in ("ini-paste", "ini-paste-logged") and shell.is_known(option.value):
            yield from guarded.findings(Ini(source.read(source.join(command.directory, option.value))))


def judge(options: Sequence[Option], command: Command) -> Reading:
    """The capacity that *options* give. Raises `CannotTell`."""
    emperor = _last(options, ("emperor",))
    if emperor is not None:
        raise CannotTell("it is an emperor, whose vassals have files of their own", "check the files of the vassals",
                         emperor.file, emperor.line)
    threads = _last(options, ("threads",))
    cores = _last(options, ("async",) + tuple(_LOOPS))
    numbers = [_number(option, options, command) for option in (threads, cores)]
    loop = _LOOPS.get(cores.name) if cores is not None else None
    decisive = threads if numbers[0] > 1 else cores if numbers[1] > 1 else threads or cores
    if decisive is None:
        where, file, line = _without(options)
        reading = uwsgi.read_settings(1, None, "%s sets neither threads nor async: uWSGI" % where)
    else:
        where, file, line = decisive.place, decisive.file, decisive.line
        where = "uWSGI, by %s = %s in %s," % (decisive.name, decisive.value, where)
        reading = uwsgi.read_settings(uwsgi.cores(*numbers), loop, where)
    assert reading is not None
    return replace(reading, file=file, line=line)


def _without(options: Sequence[Option]) -> Tuple[str, Optional[str], Optional[int]]:
    """The place that would have set it: the first file, else the command line."""
    for option in options:
        if option.file is not None:
            return option.place, option.file, None
    return "the command line", None, None


def _last(options: Sequence[Option], names: Sequence[str]) -> Optional[Option]:
    found = [option for option in options if option.name in names]
    return found[-1] if found else None


def _number(option: Optional[Option], options: Sequence[Option], command: Command) -> int:
    """The number that uWSGI's atoi() makes of the value of *option*."""
    if option is None:
        return 1
    if option.is_conditional:
        raise CannotTell("%s = %s stands in an if- or for- of uWSGI's" % (option.name, option.value), file=option.file,
                         line=option.line)
    value = shell.expand(option.value.replace("$(", "${").replace(")", "}"), command.env, command.env_is_complete) \
        if "$(" in option.value else option.value
    placeholder = re.match(r"%\(([\w-]+)\)$", value)
    if placeholder:
        value = next((each.value for each in options if each.name == placeholder.group(1)), value)
    if re.search(r"[%@$]", value):
        raise CannotTell("%s is %s, which is not known here" % (option.name, option.value), file=option.file,
                         line=option.line)
    digits = re.match(r"\s*\+?(\d+)", value)
    return int(digits.group(1)) if digits else 0


def _from_variables(command: Command) -> Iterator[Option]:
    for name, value in command.env.items():
        if name.startswith("UWSGI_") and name not in _NOT_OPTIONS:
            option = Option(name[len("UWSGI_"):].lower().replace("_", "-"), value, place="the variable " + name)
            yield option
            yield from uwsgi_files.expand(option, command.directory)


def _from_words(command: Command) -> Iterator[Option]:
    words: List[str] = list(command.words[1:])
    files: List[str] = []
    while words:
        word = words.pop(0)
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            takes = name not in FLAGS and not equals
        elif word.startswith("-") and len(word) > 1:
            name, value = SHORT.get(word[1], word[1]), word[2:]
            takes = name not in FLAGS and not value
            if name in FLAGS and value:
                words.insert(0, "-" + value)
        else:
            files += [word] if not shell.may_be_several(word) else _refuse(word)
            continue
        if takes and not words and (name in _DECISIVE or name in uwsgi_files.INCLUDES):
            raise Unreadable("%s needs a value" % word)
        yield from _expanded(Option(name, words.pop(0) if takes and words else value), command)
    for name in files:
        if _FILE.search(name):
            yield from uwsgi_files.expand(Option("include", name), command.directory)


def _refuse(word: str) -> List[str]:
    raise CannotTell("%s may stand for any options" % word)


def _expanded(option: Option, command: Command) -> Iterator[Option]:
    option = uwsgi_files.unfold(option)
    if option.name not in _DECISIVE and any(name.startswith(option.name) for name in _DECISIVE):
        raise CannotTell("--%s may be short for another option" % option.name, "write the option in full")
    elif option.value.startswith("-") and not re.match(r"-\d", option.value):
        raise CannotTell("--%s is no option that threadguard knows to take a value" % option.name)
    yield option
    yield from uwsgi_files.expand(option, command.directory)
