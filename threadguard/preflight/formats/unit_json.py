"""NGINX Unit's JSON: the option ``threads`` of each Python application."""

import json
import re
from dataclasses import replace
from typing import Any, Dict, Iterator

from threadguard.preflight.model import CannotTell, Item, Options, Unreadable
from threadguard.preflight.source import Source
from threadguard.servers import unit

NAME = "Unit JSON"


def matches(text: Source) -> bool:
    """By the object ``applications``, or by its name."""
    return text.name.endswith(".json") or text.text.lstrip()[:1] == "{" and '"applications"' in text.text


def read(text: Source, options: Options) -> Iterator[Item]:
    """The applications of a configuration, be it by itself or as the control socket gives it, under ``config``."""
    try:
        root = json.loads(text.text)
    except (ValueError, RecursionError) as error:
        raise Unreadable("it is no JSON: %s" % error, text.path, getattr(error, "lineno", None)) from None
    if isinstance(root, dict) and isinstance(root.get("config"), dict):
        root = root["config"]
    applications = root.get("applications") if isinstance(root, dict) else None
    if not isinstance(applications, dict):
        raise Unreadable("it has no object \"applications\"", text.path)
    python = {name: settings for name, settings in applications.items()
              if isinstance(settings, dict) and str(settings.get("type")).startswith("python")}
    if not python:
        raise CannotTell("none of its applications is of type python", file=text.path)
    for name, settings in python.items():
        yield _judge(name, settings, text)


def _judge(name: str, settings: Dict[str, Any], text: Source) -> Item:
    line = text.line_of(r'"threads"\s*:', after=r'"%s"\s*:' % re.escape(name)) if "threads" in settings else None
    line = line or text.line_of(r'"%s"\s*:\s*({|$)' % re.escape(name))
    where = "the application %r" % name
    if settings.get("protocol") == "asgi":
        raise CannotTell("%s has \"protocol\": \"asgi\"" % where, file=text.path, line=line)
    threads = settings.get("threads", 1)
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise Unreadable("%s has \"threads\": %.80r, which Unit refuses" % (where, threads), text.path, line)
    reading = unit.read_settings(threads, where)
    assert reading is not None
    return replace(reading, file=text.path, line=line)
