"""gunicorn's configuration file, checked as ``gunicorn -c FILE app`` would read it, without GUNICORN_CMD_ARGS."""

import re
from typing import Iterable

from threadguard.preflight import command_lines
from threadguard.preflight.model import Command, Item, Options
from threadguard.preflight.source import Source

NAME = "gunicorn's configuration (*.py)"

_SETTING = re.compile(r"^(bind|workers|worker_class|threads|worker_connections|preload_app|accesslog|errorlog)\s*=",
                      re.MULTILINE)


def matches(text: Source) -> bool:
    """By its name, or as a module that sets what gunicorn knows: another module is not executed."""
    if not text.name.endswith(".py"):
        return False
    return "gunicorn" in text.name or _SETTING.search(text.text) is not None


def read(text: Source, options: Options) -> Iterable[Item]:
    """What it sets."""
    return command_lines.read(Command(("gunicorn", "-c", text.path, "application"), {}, ".", options, text.path))
