"""Files that start commands on a machine: Procfile, systemd unit, supervisord's configuration.

Each reader gives words, what is known of the environment, and a line; nothing else.
"""

import os
import re
from dataclasses import replace
from functools import partial
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

from threadguard.check.command_lines import of_text, read_parts
from threadguard.check.model import Command, Item, Part, at_most
from threadguard.check.source import CannotTell, Source, Tree, Unreadable, parse_ini
from threadguard.check.words import ASSUMED, MARK, UNKNOWN_OTHERS, Environment, Word, expand, is_known, shown, split

NO_SERVER = ("true",)
"""The words of what is no server by its place in the file."""
_PROCESS = re.compile(r"\s*([A-Za-z0-9_-]+):\s*(\S.*)")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][\w.-]*)\s*=\s*(.*)", re.DOTALL)
_PAIR = re.compile(r"(?<![\w.-])([\w.-]+)\s*=\s*(\"[^\"]*\"|'[^']*'|[^,]*)")
_PLACES = ("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
           "/lib/systemd/system")
"""Where systemd has its units and their drop-ins (systemd.unit(5))."""


class Entry(NamedTuple):
    """An option of a section."""

    value: str
    file: str
    line: int


def read_procfile(text: Source, command: Command) -> Iterable[Item]:
    """What its processes start, in the environment of the platform."""
    command = replace(command, directory=text.directory, environment=Environment({}, ASSUMED, "the platform"))

    found = [(number, _PROCESS.match(line)) for number, line in enumerate(text.lines, 1) if line[:1] != "#"]
    return read_parts([Part("the process " + match.group(1), partial(
        of_text, "true" if match.group(1) == "release" else match.group(2), replace(command, line=number)), number)
        for number, match in found if match], "processes", text.path)


def read_unit(text: Source, command: Command) -> Iterable[Item]:
    """What ExecStart starts, with Environment, EnvironmentFile and WorkingDirectory, and the drop-ins beside the unit.

    systemd.exec(5) and systemd.service(5): an empty assignment clears a list, ``$NAME`` as a word of its own is split
    into words, ``${NAME}`` stays one, a semicolon that is a word of its own stands between two commands.
    """
    entries: Dict[str, List[Entry]] = {}
    for source in [text] + [command.tree.read(path) for path in _drop_ins(text, command)]:
        for name, entry in _unit_lines(source):
            entries.setdefault(name, []).append(entry)
            at_most(entries[name], name, 300)
            if not entry.value:
                del entries[name]
    if not entries.get("ExecStart"):
        raise Unreadable("it has no ExecStart in [Service]", text.path)
    directory = entries["WorkingDirectory"][-1].value.lstrip("-") if entries.get("WorkingDirectory") else ""
    is_here = directory and not re.search("[%~]", directory) and command.tree.holds(directory)
    command = replace(command, environment=_unit_environment(entries, text, command), directory=directory if is_here
                      else None, elsewhere="the working directory " + (directory or "/ (no WorkingDirectory is set)"))

    parts: List[Part] = []
    for entry in entries["ExecStart"]:
        words: List[str] = []
        for word in split(entry.value) + [";"]:
            words += [word] if word != ";" else []
            if words and word == ";":
                parts.append(Part("the command " + shown(words[0]), partial(_unit_command, words, replace(
                    command, file=entry.file, line=entry.line)), entry.line))
                words = []
    return read_parts(parts, "commands", text.path)


def _drop_ins(text: Source, command: Command) -> List[str]:
    """The drop-ins beside the unit, in the order of their names: those of its own name, its template's, its prefixes'
    and its type's. Those of systemd's other directories are doubts."""
    stem, _, kind = os.path.basename(text.path).rpartition(".")
    parts = re.sub("@.*", "", stem).split("-")
    shorter = ["-".join(parts[:count]) + "-" for count in range(len(parts) - 1, 0, -1)]
    units = ["%s.%s" % (each, kind) for each in dict.fromkeys([stem, re.sub("@.*", "@", stem), *shorter])] + [kind]
    place = os.path.dirname(os.path.abspath(text.path))
    for folder in [os.path.join(each, unit + ".d") for each in _PLACES for unit in units if place in _PLACES]:
        if os.path.isdir(folder) and not command.tree.holds(folder):
            command.doubts.append(CannotTell("%s lies outside of the directory that is checked" % folder,
                                             "check what systemctl cat prints"))
    found: Dict[str, str] = {}
    for unit in units:
        for path in command.tree.matching(command.tree.join(text.directory, unit + ".d/*.conf")):
            found.setdefault(os.path.basename(path), path)
    return [found[name] for name in sorted(found)]


def _unit_lines(text: Source) -> Iterator[Tuple[str, Entry]]:
    """The assignments in [Service]."""
    section, start = "", 0
    pending: List[str] = []
    for number, line in enumerate(text.lines, 1):
        if line.strip()[:1] in ("#", ";"):  # also between the lines of one assignment (systemd.syntax(7))
            continue
        start = start if pending else number
        pending.append(line[:-1] if line.endswith("\\") else line)
        if not line.endswith("\\"):
            whole, pending = " ".join(pending).strip(), []
            section = whole if whole.startswith("[") else section
            name, equals, value = whole.partition("=")
            if equals and section == "[Service]":
                yield name.strip(), Entry(value.strip(), text.path, start)


def _unit_environment(entries: Dict[str, List[Entry]], text: Source, command: Command) -> Environment:
    found = Environment({}, ASSUMED, "the service manager")
    for entry in entries.get("Environment", []):
        found = found.having({name: _specified(value) for name, value in _assignments(split(entry.value))})
    for entry in entries.get("PassEnvironment", []):  # as the service manager has it
        found = found.having({name: "%s$%s" % (MARK, name) for name in entry.value.split()})
    for entry in entries.get("EnvironmentFile", []):
        paths = command.tree.matching(command.tree.join(text.directory, entry.value.lstrip("-")))
        if not paths:
            found = replace(found, kind=UNKNOWN_OTHERS, others="EnvironmentFile=%s, which is not among the files that"
                            " are checked," % entry.value.lstrip("-"))
        for path in paths:
            found = of_file(path, found, command.tree)
    for entry in entries.get("UnsetEnvironment", []):
        found = found.having(dict.fromkeys(split(entry.value)))
    return found


def of_file(path: str, environment: Environment, tree: Tree) -> Environment:
    """*environment* with the variables of the file at *path*, whose values are never printed."""
    found: Dict[str, Optional[str]] = {}
    for name, value in _assignments(line for line in tree.read(path).lines if line.strip()[:1] not in ("#", ";", "")):
        quoted = re.match(r"\"([^\"]*)\"|'([^']*)'", value)
        plain = next(filter(None, quoted.groups()), "") if quoted else re.sub(r"(?:^|\s)#.*", "", value).strip()
        parts = [part for part in re.split(r"[\s=]+", plain) if not part.startswith("-")]
        tree.secrets.update(dict.fromkeys([plain, *parts], "$" + name))
        found[name] = re.sub(r"\$(?=[\w{])", MARK + "$", plain)
    return environment.having(found)


def _assignments(words: Iterable[str]) -> List[Tuple[str, str]]:
    found = [(match.group(1), match.group(2)) for match in map(_ASSIGNMENT.match, words) if match]
    return list(at_most(found, "variables", 1000))


def _specified(text: str) -> str:
    """*text* with a mark before ``%i`` and its like, which only systemd knows; ``%%`` is a percent sign."""
    return re.sub(r"%(.)", lambda match: "%" if match.group(1) == "%" else MARK + match.group(), text)


def _unit_command(given: List[str], command: Command) -> Command:
    words: List[Word] = []
    prefixes, first = re.match(r"([@\-:+!|]*)(.*)", given[0], re.DOTALL).groups()  # type: ignore[union-attr]
    for word in (first, *given[1:]):
        value = command.environment.variables.get(word[1:]) if re.match(r"\$\w+$", word) else None
        if value is not None and is_known(value):
            words += [Word.of(each, word) for each in split(value)]
        else:
            words.append(Word.of(expand(_specified(word), command.environment, literal=True), word))
    if "@" in prefixes:  # the second word is the name that it is told
        del words[1:2]
    return replace(command, words=tuple(words))


def read_supervisord(text: Source, command: Command) -> Iterable[Item]:
    """What its programs start (supervisord.org, "Configuration File"), with directory and environment."""
    parser = parse_ini(text.limited(64), (";", "#"))

    def value(section: str, option: str) -> str:  # %(here)s is known, and of the other expressions nothing
        filled = parser.get(section, option, fallback="").replace("%(here)s", os.path.abspath(text.directory))
        return re.sub(r"%\(\w+\)\w*", lambda match: MARK + match.group(), filled).replace("%%", "%")

    def start(section: str) -> Command:
        words, directory = split(value(section, "command")), value(section, "directory")
        if not words:
            raise CannotTell("it has no command", "", text.path)
        environment = Environment({}, ASSUMED, "the environment of supervisord")
        for each in ("supervisord", section):
            pairs = at_most(_PAIR.findall(value(each, "environment")), "variables", 1000)
            environment = environment.having({key: found.strip().strip("\"'") for key, found in pairs})
        is_here = directory and is_known(directory) and command.tree.holds(directory)
        return replace(command, words=tuple(map(Word.of, words)), line=line(section), environment=environment,
                       directory=directory if is_here else None, elsewhere="the directory " + (
                           shown(directory) or "that supervisord runs in"))

    def line(section: str) -> Optional[int]:
        return text.line_of(r"^command\s*[=:]", r"^\[%s\]" % re.escape(section))

    def more() -> Command:
        raise CannotTell("[include] files = %s" % shown(value("include", "files")), "check those files too")
    parts = [Part("the program " + section.partition(":")[2], partial(start, section), line(section))
             for section in parser.sections() if re.match("(fcgi-)?program:", section)]
    parts += [Part("the files that it includes", more)] * bool(value("include", "files"))
    return read_parts(parts, "programs", text.path)
