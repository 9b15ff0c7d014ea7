"""Ini, JSON and YAML with line numbers, bounded. Without PyYAML nothing is known of a YAML file."""

import configparser
import functools
import json
import re
from typing import Any, Iterator, List, Match, Optional, Sequence, Tuple

from threadguard.check.source import CannotTell, Source, Unreadable

_STRING_OR_COMMENT = re.compile(r'"(?:[^"\\]|\\.)*"?|//[^\n]*|/\*(?:.*?\*/|.*)', re.DOTALL)
"""The end of each may be missing, so that a hostile file is not searched anew from each beginning."""
_BLANKS = re.compile(r"\S[^\S\n]{200}")
_DEEP = re.compile(r"(?:[-?:]\s){30}|[\[{](?:\s*[\[{]){30}")


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
