"""A systemd unit: ExecStart with Environment, EnvironmentFile and WorkingDirectory, and the drop-ins of the unit.

systemd.exec(5) and systemd.service(5): an empty assignment clears a list, ``-`` before an EnvironmentFile lets it be
missing, ``$NAME`` as a word of its own is split into words, ``${NAME}`` stays one. A comment may stand between the
lines of one assignment (systemd.syntax(7)).
"""

import glob
import os
import re
from typing import Dict, Iterable, Iterator, List, Match, NamedTuple, Tuple

from threadguard.preflight import command_lines, shell, source
from threadguard.preflight.model import CannotTell, Command, Item, Options, Unreadable, at_most
from threadguard.preflight.source import Source

NAME = "systemd unit"

_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)


PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
          "/lib/systemd/system")
"""Where systemd has its units and their drop-ins, the strongest first (systemd.unit(5))."""


class _Entry(NamedTuple):
    value: str
    file: str
    line: int


def matches(text: Source) -> bool:
    """By its name, or by the section [Service]."""
    return text.name.endswith(".service") or re.search(r"^\[Service\]", text.text, re.MULTILINE) is not None


def read(text: Source, options: Options) -> Iterator[Item]:
    """What ExecStart starts."""
    entries: Dict[str, List[_Entry]] = {}
    for path in [text.path] + _drop_ins(text.path):
        _collect(text if path == text.path else source.read(path), entries)
    if not entries.get("ExecStart"):
        raise Unreadable("it has no ExecStart in [Service]", text.path)
    env, unknown = _environment(entries, text.directory, is_installed(text.path))
    directory = entries["WorkingDirectory"][-1].value.lstrip("-") if entries.get("WorkingDirectory") else text.directory
    found = False
    commands = [(entry, words) for entry in entries["ExecStart"] for words in _commands(entry.value)]
    for entry, words in at_most(commands, "commands"):
        command = Command(tuple(_words(words, env)), env, directory, options, entry.file, entry.line)
        items = command_lines.read(command)
        if items and unknown:
            raise CannotTell("EnvironmentFile=%s is not there, and may set anything" % unknown, "put the file there, or"
                             " check on the machine that has it", entry.file, entry.line)
        found = found or bool(items)
        yield from items
    if not found:
        first = entries["ExecStart"][0]
        raise CannotTell("ExecStart starts no server that threadguard knows", file=first.file, line=first.line)


def is_installed(path: str) -> bool:
    """Whether systemd has the unit *path*: then this is the machine that it runs on."""
    return os.path.dirname(os.path.abspath(path)) in PLACES


def _drop_ins(path: str) -> List[str]:
    """The drop-ins of the unit *path*: beside it, and for one that systemd has in all of its directories.

    They come in the order of their names; of two of one name the first directory's counts, and those of an instance
    come with those of its template.
    """
    name = os.path.basename(path)
    directories = list(PLACES) if is_installed(path) else [os.path.dirname(path)]
    found: Dict[str, str] = {}
    for directory in directories:
        for unit in _names(name):
            for each in glob.glob(os.path.join(glob.escape(os.path.join(directory, unit + ".d")), "*.conf")):
                found.setdefault(os.path.basename(each), each)
    return [found[each] for each in sorted(found)]


def _names(unit: str) -> List[str]:
    """The names whose drop-ins *unit* has: its own, its template's, those with a shorter prefix, and its type's."""
    stem, _, kind = unit.rpartition(".")
    template = re.sub("@.*", "@", stem)
    parts = template.rstrip("@").split("-")
    shorter = ["-".join(parts[:count]) + "-" for count in range(len(parts) - 1, 0, -1)]
    return ["%s.%s" % (each, kind) for each in dict.fromkeys([stem, template, *shorter])] + [kind]


def _collect(text: Source, entries: Dict[str, List[_Entry]]) -> None:
    section, pending, start = "", "", 0
    for number, line in enumerate(text.lines, 1):
        if line.strip()[:1] in ("#", ";"):
            continue
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        whole, pending = (pending + line).strip(), ""
        if whole.startswith("["):
            section = whole
        elif section == "[Service]" and "=" in whole:
            name, _, value = whole.partition("=")
            if value.strip():
                entries.setdefault(name.strip(), []).append(_Entry(value.strip(), text.path, start))
            else:
                entries.pop(name.strip(), None)


def _environment(entries: Dict[str, List[_Entry]], directory: str, is_here: bool) -> Tuple[Dict[str, str], str]:
    """The variables, and the name of a file that may set more. That it may be missing says nothing of elsewhere."""
    env: Dict[str, str] = {}
    missing = ""
    for entry in entries.get("Environment", []):
        env.update(_assignments(shell.split(entry.value)))
    for entry in entries.get("PassEnvironment", []):
        env.update((name, "${%s}" % name) for name in entry.value.split())  # as the service manager has it
    for entry in entries.get("EnvironmentFile", []):
        name = entry.value.lstrip("-")
        paths = sorted(glob.glob(source.join(directory, name)))
        if not paths and not (is_here and entry.value.startswith("-") and "%" not in name):
            missing = missing or name
        for path in paths:
            lines = source.read(path).lines
            env.update(_assignments(word for line in lines if line.strip()[:1] not in ("#", ";", "")
                                    for word in [_unquoted(line.strip())]))
    for entry in entries.get("UnsetEnvironment", []):
        for name in shell.split(entry.value):
            env.pop(name, None)
    return env, missing


def _unquoted(line: str) -> str:
    name, equals, value = line.partition("=")
    words = shell.split(value)
    return name.strip() + equals + (" ".join(words) if words else "")


def _assignments(words: Iterable[str]) -> Dict[str, str]:
    found = (_ASSIGNMENT.match(word) for word in words)
    return {match.group(1): match.group(2) for match in found if match}


def _commands(value: str) -> Iterator[List[str]]:
    """The words of each command of *value*: a semicolon that is a word of its own is between two."""
    words = shell.split(value)
    while words:
        end = words.index(";") if ";" in words else len(words)
        if words[:end]:
            yield words[:end]
        words = words[end + 1:]


def _words(given: List[str], env: Dict[str, str]) -> List[str]:
    words: List[str] = []
    prefixes = re.match(r"[@\-:+!|]*", given[0]).group()  # type: ignore[union-attr]
    for word in (given[0][len(prefixes):], *given[1:]):
        alone = re.match(r"\$(\w+)$", word)
        if alone and alone.group(1) in env:
            words += shell.split(env[alone.group(1)])
        else:
            words.append(shell.expand(re.sub("%(.)", _specifier, word), env))
    if "@" in prefixes:  # the second word is what the program is told that it is called
        del words[1:2]
    return words


def _specifier(match: Match[str]) -> str:
    """What stands for ``%i`` and its like, which only systemd knows; ``%%`` is a percent sign."""
    letter = match.group(1)
    return "%" if letter == "%" else "${%%%s}" % letter if letter.isalpha() else match.group()
