"""The options: one table for keywords, ini strings and environment variables.

An option that does not exist and a value that is not allowed are one `OptionError`: it names the option, the value and
what is allowed.
"""

import sys
from typing import Any, Callable, Dict, Mapping, Tuple

from threadguard.errors import OptionError as OptionError

PREFIX = "THREADGUARD_"
POLICIES = ("refuse", "serialize", "log")
THREADS = ("any", "same", "main")


def _one_of(*names: str) -> "Option":
    def convert(value: Any) -> str:
        return names[names.index(value)]

    return convert, "one of " + ", ".join(names)


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
    if 0 < threads < sys.maxsize:  # Python does not print just any number
        return threads
    raise ValueError


def _text(value: Any) -> str:
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise ValueError


def token_bytes(token: str) -> bytes:
    """*token* as a header brings it. A variable or a file that is no UTF-8 keeps the bytes that it had (PEP 383)."""
    return token.encode("utf-8", "surrogateescape")


def _token(value: Any) -> str:
    token = _text(value)
    if token_bytes(token).strip(b" \x85\xa0") and all(" " <= character != "\x7f" for character in token):
        return token
    raise ValueError


def _path(value: Any) -> str:
    path = _text(value)
    path.encode("utf-8")  # as a client sends it; raises for what nobody can send
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


Option = Tuple[Callable[[Any], Any], str]
"""Its converter, and what is allowed in words."""
OPTIONS: Dict[str, Option] = {
    "policy": _one_of(*POLICIES),
    "serialize_timeout": (_seconds, "a number of seconds greater than 0"),
    "server_threads": (_threads, "a whole number of 1 or more"),
    "group": (_text, "a name"),
    "thread": _one_of(*THREADS),
    "health_path": (_path, "a path that starts with a slash, such as /-/threadguard"),
    "health_token": (_token, "a secret that is not empty, without control characters"),
    "watch_pool_start": (_switch, "true or false"),
}
_MAY_BE_NONE = ("server_threads", "group", "health_path", "health_token")
_LONGEST = 200


def shown(value: Any) -> str:
    """*value* for an error: its `repr`, cut to 200 characters; its type where that fails."""
    try:
        text = repr(value)
    except Exception:  # noqa: B902  somebody else's code
        text = "<%s>" % type(value).__name__
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "…"


def convert(option: str, value: Any, source: str = "") -> Any:
    """*value*, which was read in *source*, as *option* takes it. Raises `OptionError`."""
    converter, allowed = OPTIONS[option]
    try:
        return converter(value)
    except Exception:  # noqa: B902  a value's own `__float__` or `__eq__` may raise anything
        raise OptionError("TG901 threadguard: option %s = %s is not allowed: it takes %s%s" % (
            option, "(not shown)" if option == "health_token" else shown(value), allowed,
            source and " (it stands in %s)" % source)) from None


def converted(**given: Any) -> Dict[str, Any]:
    """Every option of *given* as it is taken; None stays None where that is the default. Raises `OptionError`."""
    return {option: value if value is None and option in _MAY_BE_NONE else convert(option, value)
            for option, value in given.items()}


def check_together(given: Mapping[str, Any], source: str = "") -> None:
    """Raise `OptionError`, which names *source*, if options of *given* cannot be kept together."""
    thread = given.get("thread", "any")
    if thread != "any" and given.get("policy") == "serialize":
        raise OptionError(
            "TG901 threadguard: option thread = %s cannot be kept under policy = serialize, which lets requests in one"
            " at a time, each on the thread that it came on; policy = refuse keeps it%s" % (
                thread, source and " (they stand in %s)" % source))


def from_strings(settings: Mapping[str, str], source: str) -> Dict[str, Any]:
    """The keywords for `ThreadGuard` that the strings of *settings*, read in *source*, stand for.

    Raises `OptionError`, which names *source*.
    """
    options = {}
    for option, value in settings.items():
        _check_name(option, source)
        options[option] = convert(option, value.strip() if isinstance(value, str) else value, source)
    return options


def _check_name(option: str, source: str) -> None:
    if option not in OPTIONS:
        raise OptionError("TG901 threadguard: there is no option %s (in %s); there are %s" % (
            shown(option), source, ", ".join(sorted(OPTIONS))))


_OF_A_SERVICE = r"""
    (?:.+_)??                                           # the Service or the link may be called threadguard-something
    (?: SERVICE_HOST | SERVICE_PORT (?:_\w+)?
      | PORT_\d+_(?:TCP|UDP|SCTP) (?:_(?:PROTO|PORT|ADDR|START|END|PORT_START|PORT_END))?
      | ENV_.+
      | PORT (?==(?:tcp|udp|sctp)://) | NAME (?==/.*/)  # words that an option may have: their values tell
    )="""
"""A variable, without the prefix, that the platform sets for a Service of Kubernetes (pkg/kubelet/envvars/envvars.go
`FromServices`) or a linked container of Docker (daemon/links/links.go `ToEnv`) that is called threadguard."""


def is_of_a_service(name: str, value: str) -> bool:
    """Whether the platform set the variable, because something else in the network has the name threadguard."""
    import re  # it takes its time to load: only for a name that is no option

    variable = "%s=%s" % (name[len(PREFIX):], value)
    return name.startswith(PREFIX) and re.match(_OF_A_SERVICE, variable, re.VERBOSE | re.DOTALL) is not None


def from_environment(variables: Mapping[str, str], *, other: Tuple[str, ...] = ()) -> Dict[str, Any]:
    """The options that environment variables ``THREADGUARD_…`` give; *other* names variables that are no options.

    An empty variable is as good as none, and one that Kubernetes or Docker sets for a Service or a link of the name is
    no option. Raises `OptionError` for any other of that prefix that is no option.
    """
    options = {}
    for name, value in variables.items():
        option = name[len(PREFIX):].lower()
        if not name.startswith(PREFIX) or name in other or option not in OPTIONS and is_of_a_service(name, value):
            continue
        source = "the environment variable " + name
        _check_name(option, source)
        if value.strip():
            options[option] = convert(option, value.strip(), source)
    return options
