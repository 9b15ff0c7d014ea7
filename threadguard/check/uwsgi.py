"""``uwsgi``: its options from the environment, the command line and its files (ini, yaml, json, xml); the last counts.

core/uwsgi.c `uwsgi_setup`: first the variables UWSGI_…, then the options in their order, with the files that
``--ini`` and its like name in their place, then the files without an option (core/init.c
`uwsgi_commandline_config`). uWSGI has no dump that does not start it; so its formats are read here: ini as core/ini.c
does, the others by their own parsers.
"""

import os
import re
from dataclasses import replace
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple
from xml.parsers import expat

from threadguard.check import paste
from threadguard.check.model import Command, Item, Server, number, quote
from threadguard.check.source import CannotTell, Source, Unreadable, child, compose, line_of, line_of_key, pairs
from threadguard.check.source import parse_json, sequence, text_of
from threadguard.check.words import ASSUMED, MARK, OPTIONS_THEMSELVES, Environment, expand, is_known, shown
from threadguard.model import Reading
from threadguard.servers import uwsgi

PIN = "--threads 1 --async 1 at the end of uWSGI's command line"

_LOOPS = ("gevent", "asyncio", "tornado", "coroae")
"""Options that set the number of async cores, and a loop engine with it."""
_CORES = ("async",) + _LOOPS
_NOT_OPTIONS = ("UWSGI_RELOADS", "UWSGI_VASSALS_DIR", "UWSGI_EMPEROR_FD", "UWSGI_BROODLORD_NUM",
                "UWSGI_EMPEROR_FD_CONFIG", "UWSGI_EMPEROR_PROXY", "UWSGI_JAIL_PID", "UWSGI_ORIGINAL_PROC_NAME")
_FILE = re.compile(r"\.(ini|xml|ya?ml|json|js)(:[\w.-]+)?$")
MARKS = {"xml": r"<uwsgi[\s>]", "js(on)?": r'"uwsgi"\s*:', "ya?ml": r"^uwsgi\s*:"}
"""The ending of a file, and what stands in one of uWSGI's."""
INI_MARK = r"^[ \t]*\[uwsgi\]"
_INCLUDES = {"ini": "ini", "ini-paste": "ini", "ini-paste-logged": "ini", "xml": "xml", "xmlconfig": "xml",
             "yaml": "yaml", "yml": "yaml", "json": "json", "js": "json", "include": "", "inherit": "", "config": ""}
"""Options that name another file, and its format; empty where its name tells."""
_KINDS = {"ini": "ini", "xml": "xml", "yaml": "yaml", "yml": "yaml", "json": "json", "js": "json"}
"""What the ending of a file says of its format."""
_SETS = ("set", "set-placeholder", "set-ph")
_SHORT = {"S": "set", "j": "json", "x": "xmlconfig", "y": "yaml"}
_LOGIC = re.compile(r"(if|for)(-|$|env|exists|opt|file|dir|reload|plugin)")
_FORMS = {"ini": "%s = 1", "json": '"%s": 1', "yaml": "%s: 1", "xml": "<%s>1</%s>", "": "--%s 1",
          "variable": "UWSGI_%s=1"}
_MOST_FILES, _MOST_OPTIONS = 100, 5000


class Option(NamedTuple):
    """One option, in the order in which uWSGI gets them."""

    name: str
    value: str
    written: str = ""
    file: Optional[str] = None
    line: Optional[int] = None
    kind: str = ""
    """The format that it is written in, or "variable"; empty for a command line."""
    trouble: Optional[CannotTell] = None
    """Why it may not count; without a name it stands for a file that is not known, and that may set anything."""


class _NotClosed(CannotTell):
    """All that comes after the file stands under its condition, the command line included."""


_Pair = Tuple[str, str, Optional[int]]


def read_file(text: Source, command: Command) -> Iterator[Item]:
    """What the file and those that it includes set."""
    command = replace(command, directory=text.directory, environment=Environment({}, ASSUMED, "the environment"))
    options = _Reader(command).load(text.path, "", (), text)
    command.assumed.append("uWSGI's command line and environment set neither threads nor async")
    yield _judge(options, command)


def read_command(command: Command) -> Iterator[Item]:
    """Threads, and async cores by whatever name; for PasteDeploy's files, whether the application is guarded."""
    reader = _Reader(command)
    own = list(_from_words(command, reader))
    names = {option.name for option in own}
    if "threads" not in names or not names & set(_CORES):
        command.variable("UWSGI_THREADS or the like")
    given = [each for name, value in command.environment.variables.items()
             if name.startswith("UWSGI_") and name not in _NOT_OPTIONS for each in reader.expanded(Option(
                 name[len("UWSGI_"):].lower().replace("_", "-"), value, "the variable %s=%s" % (name, shown(value)),
                 kind="variable"))]
    yield _judge(given + own, command)
    for option in own:
        if option.name in ("ini-paste", "ini-paste-logged") and command.tree.has(option.value):
            yield from paste.unguarded(paste.Ini(command.read(option.value, "--" + option.name), command.tree))


def _judge(options: Sequence[Option], command: Command) -> Reading:
    """The capacity that *options* give. Raises `CannotTell`."""
    emperor = next((option for option in options if option.name == "emperor"), None)
    if emperor is not None:
        raise CannotTell("it is an emperor, whose vassals have files of their own", "check the files of the vassals",
                         emperor.file, emperor.line)
    threads, cores = _last(options, ("threads",)), _last(options, _CORES)
    many = _number(threads, options, command)
    found = uwsgi.cores(many, _number(cores, options, command) if many <= 1 else 1)
    for option in (threads, cores) if found == 1 else ():
        if option is not None and option.trouble is not None:
            raise option.trouble
    decisive = threads if many > 1 else cores if found > 1 else threads or cores
    if decisive is None:
        file = next((option.file for option in options if option.file is not None), None)
        return quote(uwsgi.read_settings(1), "neither threads nor async is set", uwsgi.REMEDY, file)
    remedy, more = (_FORMS[decisive.kind].replace("%s", name) for name in ("threads", "processes"))
    remedy = remedy if decisive is threads else "no %s, and %s" % (decisive.name, remedy)
    remedy = "%s; for more throughput %s" % (remedy, more.replace("1", "N"))
    return quote(uwsgi.read_settings(found, decisive.name if decisive.name in _LOOPS else None), decisive.written,
                 re.sub(r"UWSGI_\w+", lambda match: match.group().upper(), remedy), decisive.file, decisive.line)


def _last(options: Sequence[Option], names: Sequence[str]) -> Optional[Option]:
    """The option of these names that counts, or the last file that cannot be known: it may set it."""
    return next((option for option in reversed(options) if option.name in names
                 or option.trouble is not None and not option.name), None)


def _number(option: Optional[Option], options: Sequence[Option], command: Command) -> int:
    """The number that uWSGI's atoi() makes of the value of *option*."""
    if option is None or not option.name:
        return 1
    if option.trouble is not None:
        raise option.trouble
    value, placeholder = option.value, re.match(r"%\(([\w-]+)\)$", option.value)
    if placeholder:
        value = next((each.value for each in options if each.name == placeholder.group(1)), value)
    if "$(" in value:
        value = expand(re.sub(r"\$\((\w+)\)", r"${\1}", value), command.environment)
    if re.search(r"[%@${<]|__", value) or not is_known(value):
        raise CannotTell("%s is not known here" % option.written, "write the number itself", option.file, option.line)
    digits = re.match(r"\s*\+?(\d+)", value)
    return number(digits.group(1), option.name, option.file, option.line) if digits else 0


def _from_words(command: Command, reader: "_Reader") -> Iterator[Option]:
    words: List[str] = list(command.words[1:])
    files: List[str] = []
    while words:
        word = words.pop(0)
        if word.startswith(MARK):
            raise CannotTell("%s may stand for any options" % shown(word), OPTIONS_THEMSELVES)
        if not word.startswith("-") or len(word) < 2:
            files.append(word)
            continue
        name, equals, value = word[2:].partition("=")
        short = None if word.startswith("--") else re.match(r"-[MTLimrh]*([A-Za-z])(.*)", word, re.DOTALL)
        if short:
            name, equals, value = _SHORT.get(short.group(1), "-"), short.group(2), short.group(2)
        decides = name in ("threads", "emperor", *_SETS, *_CORES, *_INCLUDES)
        if not decides and name and any(each.startswith(name) for each in ("threads", *_CORES)):
            raise CannotTell("--%s may be short for another option" % name, "write the option in full")
        source = word
        # Of the others some take a value, and some do not: a word that names a file of options is never such a value.
        if not equals and (decides or words and not _FILE.search(words[0]) and not words[0].startswith("-")):
            if not words:
                raise Unreadable("%s needs a value" % word)
            source = value = words.pop(0)
        if decides and value.startswith("-") and not re.match(r"-\d", value):
            raise CannotTell("--%s is followed by %s, which is no value" % (name, shown(value)))
        written = getattr(source, "written", "") or shown(source)
        yield from reader.expanded(Option(name, value, written if source is word else "%s %s" % (
            shown(word), written)))
    for name in files:
        if _FILE.search(name) or not is_known(name):
            yield from reader.expanded(Option("include", name, name))


class _Reader:
    """Reads the files that options name, as long as they are not too many."""

    def __init__(self, command: Command) -> None:
        self._command = command
        self._files = 0

    def expanded(self, option: Option, text: Optional[Source] = None, seen: Tuple[str, ...] = ()) -> Iterable[Option]:
        """*option*, and those of the file that it names, if it is one that does; it stands in *text*, or in no file."""
        if option.name in _SETS:
            name, _, value = option.value.partition("=")
            option = option._replace(name=name, value=value)
        if option.name in ("inject-before", "inject-after"):
            raise CannotTell("%s makes a template of the file" % option.name, "", option.file, option.line)
        if option.name not in _INCLUDES:
            return [option]
        name = option.value
        try:
            if re.match(r"\w+://|-$", name) or re.search(r"[%@$]\(", name):
                raise CannotTell("%s names a file that is not known here" % option.written)
            if text is not None and name.startswith(":"):
                path = text.path + name
            elif text is not None and not os.path.exists(name):  # else as uWSGI looks: in its working directory
                path = self._command.tree.join(text.directory, name)
            else:
                path = self._command.path(name, option.name)
            if os.path.isabs(path) and not os.path.relpath(path).startswith(".."):
                path = os.path.relpath(path)
            inner: Iterable[Option] = self.load(path, _INCLUDES[option.name], seen)
        except _NotClosed:
            raise
        except CannotTell as error:
            trouble = CannotTell(error.evidence, "pin it: " + PIN, error.file or option.file, error.line or option.line)
            inner = [option._replace(name="", trouble=trouble)]
        return [option] + [each._replace(trouble=each.trouble or option.trouble) for each in inner]

    def load(self, path: str, kind: str, seen: Tuple[str, ...], text: Optional[Source] = None) -> List[Option]:
        """The options of the file *path* (``file.ini:section``), and of those that it includes. Raises `Unreadable`."""
        name, _, section = path.rpartition(":") if ":" in path[1:] else (path, "", "")
        self._files += 1
        if self._files > _MOST_FILES or path in seen:
            raise Unreadable("it includes itself, or more than %d files" % _MOST_FILES, name)
        by_default = "ini" if text else ""
        text = text or self._command.tree.read(name)
        kind = kind or _KINDS.get(text.name.rpartition(".")[2].lower(), by_default)
        if not kind:
            raise CannotTell("%s is in a format that only a plugin of uWSGI reads" % name)
        options: List[Option] = []
        late: List[Option] = []
        depth, lines = False, text.lines
        for key, value, line in _READERS[kind](text, section or "uwsgi"):
            depth = not re.match("end(-?if|-?for)?$", key) and (depth or _LOGIC.match(key) is not None)
            written = lines[line - 1].strip().rstrip(",")[:100] if line else "%s = %s" % (key, value)
            option = Option(key, _magic(value, name), shown(written), name, line, kind, CannotTell(
                "%s stands in an if- or for- of uWSGI's, which only uWSGI decides" % shown(written), "pin it: " + PIN,
                name, line) if depth else None)
            (late if key == "inherit" else options).extend(self.expanded(option, text, seen + (path,)))
            if len(options) + len(late) > _MOST_OPTIONS:
                raise Unreadable("it sets more than %d options" % _MOST_OPTIONS, name)
        if depth:
            raise _NotClosed("an if- or for- of uWSGI's is not closed", "write endif = or endfor = after it", name)
        return options + late


def _magic(value: str, name: str) -> str:
    """*value* with the magic variables of the file's own name (core/uwsgi.c `config_magic_table_fill`)."""
    path, base = os.path.abspath(name), os.path.basename(name)
    table = {"p": path, "s": base, "d": os.path.dirname(path), "n": os.path.splitext(base)[0], "%": "%",
             "e": os.path.splitext(base)[1].lstrip("."), "c": os.path.basename(os.path.dirname(path))}
    return re.sub(r"%([psdnec%])", lambda match: table[match.group(1)], value) if len(value) < 1000 else value


def _ini(text: Source, section: str) -> Iterator[_Pair]:
    current, found = "", False
    for line_number, line in enumerate(text.lines, 1):
        line = line.strip(" \t\r")
        if line.startswith("["):
            current = line[1:-1]
            found = found or current == section
        elif line and line[0] not in ";#" and current == section:
            key, _, value = line.partition("=")
            yield key.rstrip(" \t\r"), value.strip(" \t\r"), line_number
    if not found:
        raise Unreadable("it has no section [%s]" % section, text.path)


def _json(text: Source, section: str) -> Iterator[_Pair]:
    found = parse_json(text)
    inner = found.get(section) if isinstance(found, dict) else None
    if not isinstance(inner, dict):
        raise Unreadable("it has no object %r" % section, text.path)
    for key, values in inner.items():
        line = line_of_key(text, section, key) if key in ("threads", *_CORES, *_SETS, *_INCLUDES) else None
        for value in values if isinstance(values, list) else [values]:
            yield key, str(int(value or 0)) if isinstance(value, (bool, type(None))) else str(value), line


def _yaml(text: Source, section: str) -> Iterator[_Pair]:
    inner = child(compose(text)[0], section)
    if inner is None:
        raise Unreadable("it has no mapping %r" % section, text.path)
    for part in sequence(inner):  # a list of mappings is as good: it looks for keys and values alone
        for key, value in pairs(part):
            for each in sequence(value):
                yield str(key.value), text_of(each) or "", line_of(each)


def _xml(text: Source, section: str) -> Iterator[_Pair]:
    parser = expat.ParserCreate()
    path: List[Tuple[str, int]] = []
    found: List[_Pair] = []
    written: List[str] = []

    def start(name: str, attributes: Dict[str, str]) -> None:
        path.append((name, parser.CurrentLineNumber))
        written.clear()

    def end(name: str) -> None:
        line = path.pop()[1]
        if path and path[-1][0] == "uwsgi" and len(path) <= 2:
            found.append((name, "".join(written).strip(), line))

    def refuse(*details: Any) -> None:  # nobody needs an entity in a configuration, and they can blow up
        raise Unreadable("it declares XML entities", text.path)
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, written.append
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.text, True)
    except expat.ExpatError as error:
        raise Unreadable("it is no XML: %s" % error, text.path, error.lineno) from None
    if not found:
        raise Unreadable("it has no element <uwsgi>", text.path)
    return iter(found)


_READERS: Dict[str, Callable[[Source, str], Iterator[_Pair]]] = {"ini": _ini, "json": _json, "yaml": _yaml, "xml": _xml}


COMMAND = Server(uwsgi.NAME, ("uwsgi", "uwsgi-core", "uwsgi_python3", "uwsgi_python", "pyuwsgi"), read_command, PIN)
