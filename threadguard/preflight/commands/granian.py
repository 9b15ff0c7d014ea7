"""``granian --interface wsgi``: click's parser of granian's own command decides where it is installed.

The defaults are those of granian/cli.py and `AbstractServer.__init__`. Since 2.0, without ``--blocking-threads``, WSGI
has half as many of them as the backpressure, which is the backlog over the workers; 1.4 to 1.6 had as many, and a pool
for each thread of the runtime. What is not installed is taken for 2.0 or later, unless it is given options of 1.
"""

from typing import Any, Dict, Iterator, List, Mapping, Tuple

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command
from threadguard.servers import granian

NAME = granian.NAME
PROGRAMS = ("granian",)

_PARAMETERS = ("interface", "blocking_threads", "runtime_threads", "runtime_mode", "http", "backpressure", "backlog",
               "workers")
_FIRST = {"runtime_threads": "threads", "runtime_mode": "threading_mode"}
"""Parameters by the names that granian 1 had for them."""
_BACKLOG = 1024


def read_command(command: Command) -> Iterator[Reading]:
    """The options that the pools of blocking threads come from, and their variables GRANIAN_…."""
    arguments.refuse_unknown_words(command.words[1:])
    is_first, given = _given(command)
    interface = str(given.get("interface") or "rsgi").lower()
    if interface != "wsgi":
        raise CannotTell("interface is %s, and not wsgi: the application runs a WSGI one in its own way" % interface)
    reading = granian.read_settings(_completed(given, is_first), "the command line")
    if reading is None:
        raise CannotTell("this runtime mode is not known")
    yield reading


def _given(command: Command) -> Tuple[bool, Dict[str, Any]]:
    """Whether this is granian 1, and its parameters by the names of today."""
    words = command.words[1:]
    given = arguments.by_click("granian.cli", "cli", words)
    if given is None:
        options = {name: "--" + name.replace("_", "-") for name in _PARAMETERS + tuple(_FIRST.values())}
        parsed = arguments.parse(words, " ".join(options.values()))
        given = {name: parsed.last(option) for name, option in options.items()}
        is_first = any(given[name] is not None for name in _FIRST.values())
    else:
        is_first = "runtime_mode" not in _names_of_installed()
    found = {name: given.get(name) or arguments.from_env(command.env, "GRANIAN", name)
             for name in _PARAMETERS + tuple(_FIRST.values())}
    return is_first, {name: found[_FIRST.get(name, name)] if is_first else found[name] for name in _PARAMETERS}


def _names_of_installed() -> List[str]:
    cli = getattr(arguments.optional("granian.cli"), "cli", None)
    return [str(parameter.name) for parameter in getattr(cli, "params", ())]


def _completed(given: Mapping[str, Any], is_first: bool) -> Dict[str, Any]:
    """*given* with granian's defaults."""
    numbers = {name: arguments.number(given[name], "--" + name.replace("_", "-"))
               for name in _PARAMETERS if name not in ("interface", "runtime_mode", "http") and given[name] is not None}
    backpressure = numbers.get("backpressure") or numbers.get("backlog", _BACKLOG) // max(1, numbers.get("workers", 1))
    blocking = max(1, backpressure // (1 if is_first else 2))
    return {"blocking_threads": numbers.get("blocking_threads", blocking),
            "runtime_threads": numbers.get("runtime_threads", 1), "backpressure": backpressure,
            "runtime_mode": given["runtime_mode"] or ("workers" if is_first else "auto"),
            "http": given["http"] or "auto"}
