"""Apache's configuration as the list of its directives, with those that it includes.

What a condition lets in is evaluated as far as the files tell: ``<IfModule>`` by the LoadModule lines before it,
``<IfDefine>`` by Define. Where they do not tell, its directives are marked. Variables are those of Define.
"""

import glob
import os
import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from threadguard.preflight import source
from threadguard.preflight.model import Unreadable
from threadguard.preflight.source import Source

_MOST_FILES = 1000
_WORDS = re.compile(r'"((?:\\.|[^"\\])*)"|\'((?:\\.|[^\'\\])*)\'|(\S+)')
# Compiled in, as `apachectl -l` says of the usual builds.
_BUILT_IN = {"core", "so", "http", "http_core", "unixd", "log_config", "logio", "version", "watchdog", "systemd"}


class Section(NamedTuple):
    """A section that a directive stands in: its name in small letters, its arguments, and which of its kind it is."""

    name: str
    words: Tuple[str, ...]
    number: int


@dataclass(frozen=True)
class Directive:
    """One line."""

    name: str
    """In small letters."""
    words: Tuple[str, ...]
    file: str
    line: int
    sections: Tuple[Section, ...] = ()
    """Without the conditions, outermost first."""
    conditions: Tuple[Section, ...] = ()
    """Those around it of which the files do not tell whether they hold."""

    @property
    def is_conditional(self) -> bool:
        """Whether it counts depends on something that the files do not tell."""
        return bool(self.conditions)

    def within(self, name: str) -> Optional[Section]:
        """The innermost section of that name around it, or None."""
        return next((section for section in reversed(self.sections) if section.name == name), None)


@dataclass
class Conf:
    """What has been read so far."""

    directives: List[Directive] = field(default_factory=list)
    modules: Set[str] = field(default_factory=set)
    """Names of loaded modules, without ``_module``."""
    defines: Dict[str, str] = field(default_factory=dict)
    root: str = "."
    knows_defines: bool = False
    """Whether a name that is not among `defines` is not defined."""
    files: int = 0
    sections: int = 0


class _Open(NamedTuple):
    section: Section
    holds: Optional[bool]
    """Whether its condition does; None where that is not known. True for what is no condition."""
    is_condition: bool


def load(text: Source, root: str = "", defines: Optional[Dict[str, str]] = None) -> Conf:
    """The whole configuration that *text* begins. Raises `Unreadable`.

    *root* is ServerRoot as the command line has it; *defines* are all its parameters of -D, None where they are not
    known.
    """
    conf = Conf(root=root or text.directory, defines=dict(defines or {}), knows_defines=defines is not None)
    _read(text, conf, ())
    return conf


def _read(text: Source, conf: Conf, parents: Tuple[str, ...], opened: Tuple[_Open, ...] = ()) -> None:
    conf.files += 1
    if text.path in parents:
        raise Unreadable("it includes itself", text.path)
    if conf.files > _MOST_FILES:
        raise Unreadable("more than %d files are included" % _MOST_FILES, text.path)
    stack = list(opened)
    for number, line in _lines(text):
        _read_line(line, number, text, conf, stack, parents)
    if len(stack) > len(opened):
        raise Unreadable("<%s> is not closed" % stack[-1].section.name, text.path)


def follow(conf: Conf, lines: Iterable[Tuple[str, int, str]]) -> None:
    """Add to *conf* what *lines* say: file, number and text of each, in Apache's order, nothing else included."""
    stack: List[_Open] = []
    for file, number, line in lines:
        if line:
            _read_line(line, number, Source(file, ""), conf, stack, ())


def _read_line(line: str, number: int, text: Source, conf: Conf, stack: List[_Open], parents: Tuple[str, ...]) -> None:
    end = re.match(r"</\s*(\w+)\s*>", line)
    begin = re.match(r"<\s*(\w+)(.*)", line)
    if end:
        if not stack or stack[-1].section.name != end.group(1).lower():
            raise Unreadable("</%s> closes nothing" % end.group(1), text.path, number)
        stack.pop()
    elif begin:
        inner = begin.group(2).strip()
        words = _split(inner[:-1] if inner.endswith(">") else inner, conf)
        conf.sections += 1
        section = Section(begin.group(1).lower(), words, conf.sections)
        stack.append(_Open(section, _holds(section, conf), section.name in _CONDITIONS))
    elif all(each.holds is not False for each in stack):
        words = _split(line, conf)
        directive = Directive(
            words[0].lower(), words[1:], text.path, number,
            tuple(each.section for each in stack if not each.is_condition),
            tuple(each.section for each in stack if each.holds is None))
        conf.directives.append(directive)
        _obey(directive, text, conf, stack, parents)


def _obey(directive: Directive, text: Source, conf: Conf, stack: List[_Open], parents: Tuple[str, ...]) -> None:
    first = directive.words[0] if directive.words else ""
    if directive.name == "loadmodule" and not directive.is_conditional:
        conf.modules.add(re.sub("_module$", "", first))
    elif directive.name == "define" and not directive.is_conditional:
        conf.defines[first] = directive.words[1] if len(directive.words) > 1 else ""
    elif directive.name == "undefine":
        conf.defines.pop(first, None)
    elif directive.name == "serverroot":
        conf.root = first if os.path.isdir(first) else conf.root
    elif directive.name in ("include", "includeoptional"):
        for path in _included(first, directive, conf):
            _read(source.read(path), conf, parents + (text.path,), tuple(stack))


def _included(pattern: str, directive: Directive, conf: Conf) -> List[str]:
    path = source.join(conf.root, pattern)
    if os.path.isdir(path):
        path = os.path.join(path, "*")
    found = [each for each in sorted(glob.glob(path)) if not os.path.isdir(each)]
    if not found and directive.name == "include" and not directive.is_conditional:
        raise Unreadable("Include %s finds nothing" % pattern, directive.file, directive.line)
    return found


def _lines(text: Source) -> Iterator[Tuple[int, str]]:
    pending, start = "", 0
    for number, line in enumerate(text.lines, 1):
        start = start if pending else number
        if line.endswith("\\"):
            pending += line[:-1]
            continue
        whole, pending = (pending + line).strip(), ""
        if whole and not whole.startswith("#"):
            yield start, whole


def _split(text: str, conf: Conf) -> Tuple[str, ...]:
    filled = re.sub(r"\$\{(\w+)\}", lambda match: conf.defines.get(match.group(1), match.group()), text)
    return tuple(match.group(match.lastindex or 0) for match in _WORDS.finditer(filled))


_CONDITIONS = ("ifmodule", "ifdefine", "ifversion", "iffile", "ifdirective", "ifsection", "macro")


def _holds(section: Section, conf: Conf) -> Optional[bool]:
    """Whether the condition of *section* holds; None if that is not known."""
    if section.name not in _CONDITIONS:
        return True
    word = section.words[0] if section.words else ""
    name, negated = word.lstrip("!"), word.startswith("!")
    holds: Optional[bool] = None
    if section.name == "ifmodule":
        holds = _is_loaded(name, conf)
    elif section.name == "ifdefine":
        holds = True if name in conf.defines else False if conf.knows_defines else None  # httpd's own -D
    elif section.name == "iffile":
        holds = os.path.exists(source.join(conf.root, name))
    return None if holds is None else holds is not negated


def _is_loaded(name: str, conf: Conf) -> Optional[bool]:
    """Whether the module *name* (``wsgi_module``, ``mod_wsgi.c``, ``prefork.c``) is loaded."""
    short = re.sub(r"^mod_|\.c$|_module$", "", name)
    names = {short, "mpm_" + short}
    if names & conf.modules or short in _BUILT_IN:
        return True
    if conf.modules:
        return False
    return True if short == "wsgi" else None  # a part of a configuration, which is for mod_wsgi
