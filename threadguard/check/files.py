"""The formats of the files that can be checked, in the order in which they are tried."""

import re
from typing import Callable, Iterable, List, NamedTuple, Optional, Protocol, Tuple

from threadguard.check import apache, containers, gunicorn, paste, starters, unit, uwsgi
from threadguard.check.model import Command, Item
from threadguard.check.source import CannotTell, Source, Unreadable
from threadguard.check.words import NAME_THE_COMMAND


class Format(Protocol):
    """What each of `FORMATS` offers: a module, or an object."""

    @property
    def NAME(self) -> str:
        """What such a file is called."""

    def matches(self, text: Source) -> bool:
        """Whether *text* is of this format, by its name and by what stands in it."""

    def read(self, text: Source, command: Command) -> Iterable[Item]:
        """What *text* says; *command* has the tree and the options. May raise `CannotTell` and `Unreadable`."""


class _Known(NamedTuple):
    NAME: str
    matches: Callable[[Source], bool]
    read: Callable[[Source, Command], Iterable[Item]]


FORMATS: Tuple[Format, ...] = (
    _Known("Procfile", starters.is_procfile, starters.read_procfile),
    _Known("Dockerfile", containers.is_dockerfile, containers.read_dockerfile),
    _Known("compose file", containers.is_compose, containers.read_compose),
    _Known("Kubernetes manifest", containers.is_kubernetes, containers.read_kubernetes),
    _Known("systemd unit", starters.is_unit, starters.read_unit),
    _Known("supervisord.conf", starters.is_supervisord, starters.read_supervisord),
    _Known("gunicorn's configuration (*.py)", gunicorn.matches, gunicorn.read_file),
    _Known("PasteDeploy ini", paste.matches, paste.read_file),
    _Known("uWSGI ini, yaml, json or xml", uwsgi.matches, uwsgi.read_file),
    _Known("Unit JSON", unit.matches, unit.read_file),
    _Known("Apache configuration", apache.matches, apache.read_file),
)
_NO_FORMAT = (
    (r"\.(md|rst|txt|html?|adoc)$|^README", "", "a text, and no configuration"),
    (r"", r"[ \t]*(server|http|upstream[ \t]+\S+)[ \t]*\{", "nginx's configuration, which starts no application"),
    (r"^render\.ya?ml$", "", "a blueprint of Render"),
    (r"^app\.ya?ml$", r"(runtime|service|entrypoint):", "App Engine's"),
    (r"\.toml$", "", "TOML, of which threadguard reads none"), (r"^Caddyfile", "", "Caddy's, which starts nothing"),
    (r"\.(py|wsgi)$", "", "a Python program, and gunicorn's configuration is one only by its name"),
    (r"^(Makefile|Jenkinsfile|Vagrantfile|justfile)", "", "a list of tasks"),
)


def _no_format(text: Source) -> Optional[str]:
    """What *text* is, if it is none of `FORMATS` though it may look like one."""
    for name, line, what in _NO_FORMAT:
        if re.search(name, text.name) and (not line or re.search("^" + line, text.text, re.MULTILINE)) and not (
                gunicorn.matches(text) or containers.is_dockerfile(text)):
            return what
    return None


def read(text: Source, command: Command) -> List[Item]:
    """What *text* says. Raises `CannotTell` and `Unreadable`."""
    if re.match(r"#!.*sh\b", text.text) or text.name.endswith((".sh", ".bash")):
        raise CannotTell("it is a script for a shell, which may do anything", NAME_THE_COMMAND)
    what = _no_format(text)
    if what is not None:
        raise Unreadable("it is %s: %s" % (what, NAME_THE_COMMAND), text.path)
    known = next((each for each in FORMATS if each.matches(text)), None)
    if known is None:
        raise Unreadable("it is none of: %s" % ", ".join(each.NAME for each in FORMATS), text.path)
    text.refuse_template()
    items = list(known.read(text, command))
    if known.matches == paste.matches and not command.options.server_name and uwsgi.matches(text):
        items += uwsgi.read_file(text, command)
    return items
