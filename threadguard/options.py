"""The options: one table for keywords, ini strings and environment variables.

An option that does not exist and a value that is not allowed are one `OptionError`: it names the option, the value and
what is allowed.
"""

from typing import Any, Callable, Dict, Mapping, Tuple

PREFIX = "THREADGUARD_"
POLICIES = ("refuse", "serialize", "log")


class OptionError(ValueError):
    """An option of threadguard has a name or a value that is not allowed (TG901)."""


def _policy(value: Any) -> str:
    if value in POLICIES:
        return str(value)
    raise ValueError


def _seconds(value: Any) -> float:
    if isinstance(value, bool):
        raise ValueError
    seconds = float(value)
    if 0 < seconds < float("inf"):  # which is not true of a NaN either
        return seconds
    raise ValueError


def _threads(value: Any) -> int:
    if isinstance(value, (bool, float)):
        raise ValueError
    threads = int(value)
    if threads > 0:
        return threads
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError


def _path(value: Any) -> str:
    path = _text(value)
    if path.startswith("/") and len(path) > 1 and "?" not in path and not path.endswith("/"):
        return path
    raise ValueError


_WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}


def _switch(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in _WORDS:
        return _WORDS[value.strip().lower()]
    raise ValueError


OPTIONS: Dict[str, Tuple[Callable[[Any], Any], str]] = {
    "policy": (_policy, "one of " + ", ".join(POLICIES)),
    "serialize_timeout": (_seconds, "a number of seconds greater than 0"),
    "server_threads": (_threads, "a whole number of 1 or more"),
    "group": (_text, "a name"),
    "health_path": (_path, "a path that starts with a slash, such as /-/threadguard"),
    "health_token": (_text, "a secret that is not empty"),
    "watch_pool_start": (_switch, "true or false"),
}
"""Option: its converter, and what is allowed in words."""

_SECRET = ("health_token",)
_MAY_BE_NONE = ("server_threads", "group", "health_path", "health_token")


def convert(option: str, value: Any) -> Any:
    """*value* as *option* takes it. Raises `OptionError`."""
    converter, allowed = OPTIONS[option]
    try:
        return converter(value)
    except (TypeError, ValueError, OverflowError):
        shown = "(not shown)" if option in _SECRET else repr(value)
        raise OptionError("TG901 threadguard: option %s = %s is not allowed: it takes %s" % (
            option, shown, allowed)) from None


def converted(**given: Any) -> Dict[str, Any]:
    """Every option of *given* as it is taken; None stays None where that is the default. Raises `OptionError`."""
    return {option: value if value is None and option in _MAY_BE_NONE else convert(option, value)
            for option, value in given.items()}


def from_strings(settings: Mapping[str, str], source: str) -> Dict[str, Any]:
    """The keywords for `ThreadGuard` that the strings of *settings*, read in *source*, stand for.

    Raises `OptionError`, which names *source*.
    """
    options = {}
    for option, value in settings.items():
        if option not in OPTIONS:
            raise OptionError("TG901 threadguard: there is no option %r (in %s); there are %s" % (
                option, source, ", ".join(sorted(OPTIONS))))
        options[option] = convert(option, value.strip() if isinstance(value, str) else value)
    return options


def from_environment(variables: Mapping[str, str], *, other: Tuple[str, ...] = ()) -> Dict[str, Any]:
    """The options that environment variables ``THREADGUARD_…`` give; *other* names variables that are no options.

    Raises `OptionError` for a variable of that prefix that is neither.
    """
    settings = {name[len(PREFIX):].lower(): value for name, value in variables.items()
                if name.startswith(PREFIX) and name not in other}
    return from_strings(settings, "the environment, as %s…" % PREFIX)
