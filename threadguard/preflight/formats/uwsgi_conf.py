"""uWSGI's configuration files: ini, yaml, json, xml."""

import re
from typing import Iterator

from threadguard.preflight import uwsgi_files
from threadguard.preflight.commands import uwsgi
from threadguard.preflight.model import Command, Item, Options
from threadguard.preflight.source import Source

NAME = "uWSGI ini, yaml, json or xml"

_MARKS = {"xml": r"<uwsgi[\s>]", "json": r'"uwsgi"\s*:', "yaml": r"^uwsgi\s*:", "": r"^[ \t]*\[uwsgi\]"}


def matches(text: Source) -> bool:
    """By the section, element or object ``uwsgi``."""
    return re.search(_MARKS[_kind(text)], text.text, re.MULTILINE) is not None


def read(text: Source, options: Options) -> Iterator[Item]:
    """What the file and those that it includes set."""
    found = uwsgi_files.load(text.path, _kind(text) or "ini")
    yield uwsgi.judge(found, Command((), {}, text.directory, options, text.path))


def _kind(text: Source) -> str:
    ending = text.name.rpartition(".")[2].lower()
    kind = {"yml": "yaml", "js": "json"}.get(ending, ending)
    return kind if kind in _MARKS else ""
