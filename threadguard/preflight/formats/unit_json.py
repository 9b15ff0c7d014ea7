"""NGINX Unit's JSON: the option ``threads`` of each Python application."""

from dataclasses import replace
from typing import Any, Dict, Iterator, Optional

from threadguard.preflight import json_text
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable
from threadguard.preflight.source import Source
from threadguard.servers import unit

NAME = "Unit JSON"


def matches(text: Source) -> bool:
    """By the object ``applications``, or by its name."""
    return text.name.endswith(".json") or text.text.lstrip()[:1] == "{" and '"applications"' in text.text


def read(text: Source, options: Options) -> Iterator[Item]:
    """The applications of a configuration, be it by itself or as the control socket gives it, under ``config``."""
    text = json_text.without_comments(text)  # src/nxt_conf.c `nxt_conf_json_skip_space`
    root = json_text.parse(text)
    if isinstance(root, dict) and isinstance(root.get("config"), dict):
        root = root["config"]
    applications = root.get("applications") if isinstance(root, dict) else None
    if not isinstance(applications, dict):
        raise Unreadable("it has no object \"applications\"", text.path)
    python = {name: settings for name, settings in applications.items()
              if isinstance(settings, dict) and str(settings.get("type")).startswith("python")}
    if not python:
        raise CannotTell("none of its applications is of type python", file=text.path)
    lines = json_text.Lines(text)
    for name, settings in python.items():
        line = lines.find(name, lines.find("applications"))
        if "threads" in settings:
            line = lines.find("threads", line)
        yield _judge(name, settings, text, line)


def _judge(name: str, settings: Dict[str, Any], text: Source, line: Optional[int]) -> Item:
    where = "the application %r" % name
    if settings.get("protocol") == "asgi":
        raise CannotTell("%s has \"protocol\": \"asgi\"" % where, file=text.path, line=line)
    threads = settings.get("threads", 1)
    if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
        raise Unreadable("%s has \"threads\": %.80r, which Unit refuses" % (where, threads), text.path, line)
    reading = unit.read_settings(threads, where)
    assert reading is not None
    return replace(reading, file=text.path, line=line)
