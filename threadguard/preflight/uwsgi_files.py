"""uWSGI's configuration files as the list of options that uWSGI makes of them: ini, yaml, json and xml.

uWSGI has no dump that does not start it: ``--show-config`` goes on to start, and ``--get`` tells the first of several
values where the last one counts. So its formats are read here: the ini dialect as core/ini.c does, which configparser
would not (an option without a value, one that is there twice), the others by the parsers of their formats.
"""

import os
import re
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple
from xml.parsers import expat

from threadguard.preflight import json_text, shell, source, yaml_text
from threadguard.preflight.model import CannotTell, Unreadable
from threadguard.preflight.source import Source

_MOST_FILES = 200
INCLUDES = {"ini": "ini", "ini-paste": "ini", "ini-paste-logged": "ini", "xml": "xml", "xmlconfig": "xml",
            "yaml": "yaml", "yml": "yaml", "json": "json", "js": "json", "include": "", "inherit": "", "config": ""}
"""Options that name another file, and its format; empty where its name tells."""
_LOGIC = re.compile(r"(if|for)(-|$|env|exists|opt|file|dir|reload|plugin)")
_TEMPLATES = ("inject-before", "inject-after")


class Option(NamedTuple):
    """One option, in the order in which uWSGI gets them."""

    name: str
    value: str
    file: Optional[str] = None
    line: Optional[int] = None
    is_conditional: bool = False
    """It stands in an ``if-…`` or ``for…`` that nobody evaluates here."""
    place: str = "the command line"


_Pair = Tuple[str, str, Optional[int]]


def load(path: str, kind: str = "", seen: Tuple[str, ...] = ()) -> List[Option]:
    """The options of the file *path* (``file.ini:section``), and of those that it includes. Raises `Unreadable`."""
    name, section = _split(path)
    if len(seen) > _MOST_FILES or path in seen:
        circle = "it includes itself" if path in seen else "more than %d files include each other" % _MOST_FILES
        raise Unreadable(circle, name)
    text = source.read(name)
    reader = _READERS[kind or kind_of(name)]
    options: List[Option] = []
    late: List[Option] = []
    depth = 0
    place = "[%s]" % section if reader is _ini else name
    for key, value, line in reader(text, section):
        value = _magic(value, name)
        if re.match("end(-?if|-?for)?$", key):
            depth = 0
        elif _LOGIC.match(key):
            depth = 1
        option = unfold(Option(key, value, name, line, bool(depth), place))
        options.append(option)
        (late if key == "inherit" else options).extend(expand(option, text.directory, seen + (path,), name))
    if depth:  # uWSGI puts all that comes after it under the condition, the command line included
        raise CannotTell("an if- or for- of uWSGI's is not closed", "write endif = or endfor = after it", name)
    return options + late


def unfold(option: Option) -> Option:
    """*option*, or what ``set``, ``set-placeholder`` and ``set-ph`` set by it (core/uwsgi.c)."""
    if option.name not in ("set", "set-placeholder", "set-ph"):
        return option
    name, _, value = option.value.partition("=")
    return option._replace(name=name, value=value)


def expand(option: Option, directory: str, seen: Tuple[str, ...] = (), file: str = "") -> List[Option]:
    """The options of the file that *option* names, if it is one that does; relative names start at *directory*.

    A name such as ``:other`` is a section of *file* itself.
    """
    if option.name in _TEMPLATES:
        raise CannotTell("%s makes a template of the file" % option.name, file=option.file, line=option.line)
    if option.name not in INCLUDES:
        return []
    name = option.value
    if name.startswith(":"):
        name = file + name
    elif re.match(r"\w+://|-$", name) or re.search(r"[%@]\(", name) or not shell.is_known(name):
        raise CannotTell("%s = %s names a file that is not known here" % (option.name, name), file=option.file,
                         line=option.line)
    elif not file or not os.path.exists(name):  # uWSGI looks in its working directory, which a file does not tell
        name = source.join(directory, name)
    inner = load(source.shown(name), INCLUDES[option.name], seen)
    return [each._replace(is_conditional=True) for each in inner] if option.is_conditional else inner


def kind_of(name: str) -> str:
    """The format of a file by its *name*, as core/uwsgi.c `uwsgi_opt_load` does. Raises `CannotTell`."""
    ending = os.path.splitext(_split(name)[0])[1].lstrip(".").lower()
    kind = {"ini": "ini", "xml": "xml", "yaml": "yaml", "yml": "yaml", "json": "json", "js": "json"}.get(ending)
    if kind is None:
        raise CannotTell("%s is in a format that only a plugin of uWSGI reads" % name)
    return kind


def _split(path: str) -> Tuple[str, str]:
    name, colon, section = path.rpartition(":")
    return (name, section or "uwsgi") if colon and name else (path, "uwsgi")


def _magic(value: str, name: str) -> str:
    """*value* with the magic variables of the file's own name (core/uwsgi.c `config_magic_table_fill`)."""
    path = os.path.abspath(name)
    base = os.path.basename(path)
    table = {"p": path, "s": base, "d": os.path.dirname(path), "n": os.path.splitext(base)[0],
             "e": os.path.splitext(base)[1].lstrip("."), "c": os.path.basename(os.path.dirname(path)), "%": "%"}
    return re.sub(r"%([psdnec%])", lambda match: table[match.group(1)], value)


def _ini(text: Source, section: str) -> Iterator[_Pair]:
    current, found = "", False
    for number, line in enumerate(text.lines, 1):
        line = line.strip(" \t\r")
        if line.startswith("["):
            current = line[1:-1]
            found = found or current == section
        elif line and line[0] not in ";#" and current == section:
            key, _, value = line.partition("=")
            yield key.rstrip(" \t\r"), value.strip(" \t\r"), number
    if not found:
        raise Unreadable("it has no section [%s]" % section, text.path)


def _json(text: Source, section: str) -> Iterator[_Pair]:
    found, lines = json_text.parse(text), json_text.Lines(text)
    inner = found.get(section) if isinstance(found, dict) else None
    if not isinstance(inner, dict):
        raise Unreadable("it has no object %r" % section, text.path)
    for key, values in inner.items():
        for value in values if isinstance(values, list) else [values]:
            written = str(int(value or 0)) if isinstance(value, (bool, type(None))) else str(value)
            yield key, written, lines.find(key)


def _yaml(text: Source, section: str) -> Iterator[_Pair]:
    inner = yaml_text.child(yaml_text.compose(text), section)
    if inner is None:
        raise Unreadable("it has no mapping %r" % section, text.path)
    for part in yaml_text.sequence(inner):  # a list of mappings is as good: it looks for keys and values alone
        for key, value in yaml_text.pairs(part):
            for each in yaml_text.sequence(value):
                yield str(key.value), yaml_text.text(each) or "", each.start_mark.line + 1


class _Stop(Exception):
    """An entity is declared: nobody needs one in a configuration, and they can blow up."""


def _xml(text: Source, section: str) -> Iterator[_Pair]:
    parser = expat.ParserCreate()
    path: List[str] = []
    found: List[_Pair] = []
    words: Dict[str, Any] = {"text": "", "line": None}

    def start(name: str, attributes: Dict[str, str]) -> None:
        path.append(name)
        words.update(text="", line=parser.CurrentLineNumber)

    def end(name: str) -> None:
        path.pop()
        if path and path[-1] == "uwsgi" and len(path) <= 2:
            found.append((name, words["text"].strip(), words["line"]))

    def refuse(*details: Any) -> None:
        raise _Stop

    def characters(data: str) -> None:
        words["text"] += data

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = start, end, characters
    parser.EntityDeclHandler = refuse
    try:
        parser.Parse(text.text, True)
    except expat.ExpatError as error:
        raise Unreadable("it is no XML: %s" % error, text.path, error.lineno) from None
    except _Stop:
        raise Unreadable("it declares XML entities", text.path) from None
    if not found:
        raise Unreadable("it has no element <uwsgi>", text.path)
    return iter(found)


_READERS: Dict[str, Callable[[Source, str], Iterator[_Pair]]] = {"ini": _ini, "json": _json, "yaml": _yaml, "xml": _xml}
