"""gunicorn's configuration file, checked as ``gunicorn -c FILE app`` would read it, without GUNICORN_CMD_ARGS."""

from typing import Iterable

from threadguard.preflight import command_lines
from threadguard.preflight.model import Command, Item, Options
from threadguard.preflight.source import Source

NAME = "gunicorn's configuration (*.py)"


def matches(text: Source) -> bool:
    """By its name, or by the line that some editors want."""
    return text.name.endswith(".py") or text.text.startswith("#!") and "python" in text.lines[0]


def read(text: Source, options: Options) -> Iterable[Item]:
    """What it sets."""
    return command_lines.read(Command(("gunicorn", "-c", text.path, "application"), {}, ".", options, text.path))
