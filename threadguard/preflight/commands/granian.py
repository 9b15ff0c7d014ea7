"""``granian --interface wsgi``: click's parser of granian's own command decides where it is installed.

The defaults are those of granian/cli.py and granian/server/common.py `AbstractServer.__init__`, 2.8: for WSGI as many
blocking threads as half the backpressure, which is the backlog over the workers; runtime mode ``mt``.
"""

from typing import Any, Dict, Iterator, Mapping

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command
from threadguard.servers import granian

NAME = granian.NAME
PROGRAMS = ("granian",)

_PARAMETERS = ("interface", "blocking_threads", "runtime_threads", "runtime_mode", "http", "backpressure", "backlog",
               "workers")
_BACKLOG = 1024


def read_command(command: Command) -> Iterator[Reading]:
    """The options that the pools of blocking threads come from, and their variables GRANIAN_…."""
    words = command.words[1:]
    arguments.refuse_unknown_words(words)
    given = _given(command)
    interface = str(given.get("interface") or "rsgi").lower()
    if interface != "wsgi":
        raise CannotTell("interface is %s, and not wsgi: the application runs a WSGI one in its own way" % interface)
    reading = granian.read_settings(_completed(given), "the command line")
    if reading is None:
        raise CannotTell("this runtime mode is not known")
    yield reading


def _given(command: Command) -> Dict[str, Any]:
    words = command.words[1:]
    given = arguments.by_click("granian.cli", "cli", words)
    if given is None:
        options = {name: "--" + name.replace("_", "-") for name in _PARAMETERS}
        parsed = arguments.parse(words, " ".join(options.values()))
        given = {name: parsed.last(option) for name, option in options.items()}
    return {name: given.get(name) or arguments.from_env(command.env, "GRANIAN", name) for name in _PARAMETERS}


def _completed(given: Mapping[str, Any]) -> Dict[str, Any]:
    """*given* with granian's defaults."""
    numbers = {name: arguments.number(given[name], "--" + name.replace("_", "-"))
               for name in _PARAMETERS if name not in ("interface", "runtime_mode", "http") and given[name] is not None}
    backpressure = numbers.get("backpressure") or numbers.get("backlog", _BACKLOG) // max(1, numbers.get("workers", 1))
    return {"blocking_threads": numbers.get("blocking_threads", max(1, backpressure // 2)),
            "runtime_threads": numbers.get("runtime_threads", 1), "backpressure": backpressure,
            "runtime_mode": given["runtime_mode"] or "auto", "http": given["http"] or "auto"}
