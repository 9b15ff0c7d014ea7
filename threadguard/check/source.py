"""Files as text, ini, JSON and YAML, within the tree that is checked: bounded, regular, with line numbers.

The tree is the directory of the file that is checked, and below. What lies elsewhere is not read: a symlink, ``..`` or
an absolute name in a file of a pull request could name any file of the machine that checks it.
"""

import configparser
import fnmatch
import functools
import json
import os
import re
import stat
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Match, NamedTuple, Optional, Sequence, Tuple

LIMIT = 512 * 1024
"""Bytes: no server's configuration is longer."""
_MOST_ENTRIES = 2000
_TEMPLATE = re.compile(r"\{\{|\{%[-+\s]|<%[-=#\s]|@[A-Z][A-Z0-9_]*@")
_TEMPLATE_NAME = re.compile(r"(.+)[._-](j2|jinja2?|erb|epp|\w*tmpl|tpl|in|mako|m4|mustache|hbs|template)$", re.I)
_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
"""The end of each may be missing, so that a hostile file is not searched anew from each beginning."""
_BLANKS = re.compile(r"\S[^\S\n]{200}")
_DEEP = re.compile(r"(?:[-?:]\s){30}|[\[{](?:\s*[\[{]){30}")


class CannotTell(Exception):
    """The setting is there, or may be, and its value is not known before the server runs."""

    def __init__(self, evidence: str, remedy: str = "", file: Optional[str] = None, line: Optional[int] = None) -> None:
        super().__init__(evidence)
        self.evidence, self.remedy, self.file, self.line = evidence, remedy, file, line


class Unreadable(Exception):
    """A file cannot be read, or the server itself would refuse what it says."""

    def __init__(self, evidence: str, file: Optional[str] = None, line: Optional[int] = None) -> None:
        super().__init__(evidence)
        self.evidence, self.file, self.line = evidence, file, line


class Source(NamedTuple):
    """A file that was read."""

    path: str
    """As the user or another file named it, joined to the directory it is relative to."""
    text: str

    @property
    def lines(self) -> List[str]:
        """Its lines, without their ends."""
        return self.text.split("\n")

    @property
    def directory(self) -> str:
        """Where it lies."""
        return os.path.dirname(self.path) or "."

    @property
    def name(self) -> str:
        """Its name, without the directory and without what marks it as a template."""
        return _TEMPLATE_NAME.sub(r"\1", os.path.basename(self.path))

    def line_of(self, pattern: str, after: str = "") -> Optional[int]:
        """The number of the first line that *pattern* matches, below the first that *after* matches; or None."""
        begin = re.compile(after, re.MULTILINE).search(self.text)
        found = re.compile(pattern, re.MULTILINE).search(self.text, begin.end() if after and begin else 0)
        return self.text.count("\n", 0, found.start()) + 1 if found and begin else None

    def limited(self, kib: int) -> "Source":
        """Itself, if it is no longer than *kib* thousand characters: its parser is slow. Raises `Unreadable`."""
        if len(self.text) > kib * 1024:
            raise Unreadable("it is longer than %d KiB" % kib, self.path)
        return self

    def refuse_template(self) -> None:
        """Raise `CannotTell` if it is a template, of which something else makes the file."""
        found = _TEMPLATE.search(self.text)
        if found or os.path.basename(self.path) != self.name:
            raise CannotTell("it is a template%s: what stands in the file that is made from it is not known here" % (
                " (%s)" % found.group().strip() if found else ""), "check the file that is made from it", self.path,
                self.text.count("\n", 0, found.start()) + 1 if found else None)


@dataclass(frozen=True)
class Tree:
    """The files that may be read: those below its *roots*, of which one may be a file that the user named."""

    roots: Tuple[str, ...] = (".",)
    secrets: Dict[str, str] = field(default_factory=dict, compare=False)
    """What the values in files of variables are called where a message would quote them: ``$NAME``."""

    def holds(self, path: str) -> bool:
        """Whether *path*, with all symbolic links followed, lies in it."""
        real, roots = os.path.realpath(path), [os.path.realpath(root) for root in self.roots]
        return any(real == root or real.startswith(root.rstrip("/") + "/") for root in roots)

    def has(self, path: str) -> bool:
        """Whether *path* lies in it and is there."""
        return self.holds(path) and os.path.exists(path)

    def read(self, path: str) -> Source:
        """The file *path*. Raises `CannotTell` if it is not there, not in the tree, or a template; and `Unreadable`."""
        if path and "\0" not in path and not self.holds(path):
            raise CannotTell("%s lies outside of the directory that is checked, and is not read" % path,
                             "check it by itself, or from a directory above both")
        if path and "\0" not in path and not os.path.lexists(path):
            raise CannotTell("%s is not here" % path, "check where it is, or check the file by itself")
        text = read(path)
        text.refuse_template()
        return text

    def join(self, directory: str, name: str) -> str:
        """*name* as seen from *directory*, as short as the user would write it."""
        path = name if directory in (".", "") or os.path.isabs(name) else os.path.join(directory, name)
        return os.path.normpath(path) if name.startswith("../") else path

    def matching(self, pattern: str) -> List[str]:
        """The files in it that the glob *pattern* matches, in the order of their names. Raises `Unreadable`."""
        found = [""]
        for part in pattern.split("/"):
            is_plain = re.search(r"[*?\[]", part) is None
            found = [place + name + "/" for place in found for name in ([part] if is_plain else self._entries(place))
                     if is_plain or fnmatch.fnmatchcase(name, part) and name.startswith(".") <= part.startswith(".")]
            if len(found) > _MOST_ENTRIES:
                raise Unreadable("%s stands for more than %d names" % (pattern, _MOST_ENTRIES))
        paths = sorted(path[:-1] for path in found)
        return [path for path in paths if os.path.lexists(path) and not os.path.isdir(path) and self.holds(path)]

    def _entries(self, directory: str) -> List[str]:
        try:
            names = os.listdir(directory or ".") if self.holds(directory or ".") else []
        except OSError:
            return []
        if len(names) > _MOST_ENTRIES:
            raise Unreadable("%s has more than %d entries" % (directory or ".", _MOST_ENTRIES))
        return names


def read(path: str) -> Source:
    """The file *path*. Raises `Unreadable` for what is no text, not there, not regular, or longer than `LIMIT`."""
    if not path:
        raise Unreadable("a file should be named here, and is not")
    try:
        # Not blocking: opening a FIFO would wait for somebody who writes.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise Unreadable("it is no regular file", path)
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise Unreadable("%s" % (error.strerror or error), path) from None
    except ValueError:  # a NUL in the name
        raise Unreadable("there is no such name", path) from None
    if len(data) > LIMIT:
        raise Unreadable("it is longer than %d KiB" % (LIMIT // 1024), path)
    if b"\0" in data:
        raise Unreadable("it is binary, or in an encoding such as UTF-16", path)
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return Source(path, text[1:] if text.startswith("\ufeff") else text)


def parse_ini(text: Source, comments: Sequence[str] = ()) -> configparser.RawConfigParser:
    """The sections of *text*, without interpolation; *comments* may begin within a line. Raises `Unreadable`, also for
    rows of blanks, where configparser looks at each once for every other one."""
    blanks = _BLANKS.search(text.limited(128).text)
    if blanks:
        raise Unreadable("a line has more than 200 blanks in a row", text.path,
                         text.text.count("\n", 0, blanks.start()) + 1)
    parser = configparser.RawConfigParser(strict=False, inline_comment_prefixes=comments or None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    try:
        parser.read_string(text.text)
    except configparser.Error as error:
        raise Unreadable(first_line(error), text.path, getattr(error, "lineno", None)) from None
    return parser


def first_line(error: Exception) -> str:
    """What configparser or PasteDeploy says, in one line."""
    if isinstance(error, UnicodeError):
        return "it is not in UTF-8, and PasteDeploy reads no other encoding"
    said = getattr(error, "message", None) or (error.args[0] if error.args else error)  # configparser's have a message
    return " ".join(str(said).split())[:300] or type(error).__name__


def parse_json(text: Source) -> Any:
    """The value of *text*. Raises `Unreadable` for what is no JSON."""
    try:
        return json.loads(text.text, parse_int=lambda digits: int(digits) if len(digits) < 18 else digits)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON: %s" % error, text.path, getattr(error, "lineno", None)) from None


def without_comments(text: Source) -> Source:
    """*text* with blanks in the place of ``//`` and ``/* */`` comments, for servers that allow them."""
    def blank(found: Match[str]) -> str:
        return found.group() if found.group().startswith('"') else re.sub(r"[^\n]", " ", found.group())
    return text._replace(text=_STRING_OR_COMMENT.sub(blank, text.text))


def line_of_key(text: Source, *keys: str) -> Optional[int]:
    """The line of the last of *keys* in JSON, each not before the one before it, as far as a look at it tells."""
    place = 0
    for key in keys:
        found = re.compile('"%s"[ \t]*:' % re.escape(key)).search(text.text, place)
        if found is None:
            return None
        place = found.start()
    return text.text.count("\n", 0, place) + 1


@functools.lru_cache(maxsize=20)
def compose(text: Source) -> List[Any]:
    """The root nodes of the documents of *text*. Raises `CannotTell` without PyYAML, `Unreadable` for no YAML."""
    try:
        import yaml
    except ImportError:
        raise CannotTell("PyYAML is not installed here, which reads YAML", "pip install PyYAML", text.path) from None
    loader = getattr(yaml, "CSafeLoader", None)
    if _DEEP.search(text.limited(128 if loader else 32).text):
        raise Unreadable("it nests too deep", text.path)
    try:
        return [node for node in yaml.compose_all(text.text, loader or yaml.SafeLoader) if node is not None] or [None]
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        raise Unreadable("it is no YAML: %s" % (getattr(error, "problem", None) or type(error).__name__), text.path,
                         mark.line + 1 if mark else None) from None


def pairs(node: Any, depth: int = 0) -> Iterator[Tuple[Any, Any]]:
    """Key and value nodes of a mapping, merged ones (``<<``) first; nothing if *node* is none. Raises `Unreadable`."""
    entries = node.value if getattr(node, "id", "") == "mapping" else []
    for key, value in entries:
        for merged in sequence(value) if key.value == "<<" else ():
            if depth > 3 or len(sequence(value)) > 10:
                raise Unreadable("it merges too many mappings into one another", None, line_of(node))
            yield from pairs(merged, depth + 1)
    yield from ((key, value) for key, value in entries if key.value != "<<" and key.id == "scalar")


def child(node: Any, *names: str) -> Any:
    """The node below *node* under these *names*, or None."""
    for name in names:
        found = [value for key, value in pairs(node) if key.value == name]
        node = found[-1] if found else None
    return node


def sequence(node: Any) -> List[Any]:
    """The items of a sequence, or *node* itself as the only one; empty for None."""
    return [] if node is None else list(node.value) if node.id == "sequence" else [node]


def text_of(node: Any) -> Optional[str]:
    """The value of a scalar, or None."""
    return str(node.value) if getattr(node, "id", "") == "scalar" and not is_null(node) else None


def is_null(node: Any) -> bool:
    """Whether *node* is absent, or has no value."""
    return node is None or bool(node.tag.endswith(":null"))


def line_of(node: Any) -> int:
    """Where *node* begins."""
    return int(node.start_mark.line) + 1
