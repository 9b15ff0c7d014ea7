"""The formats of the files that can be checked, one module each, in the order in which they are tried."""

from dataclasses import replace
from typing import Iterable, List, Optional, Protocol, Tuple

from threadguard.preflight.command_lines import explain
from threadguard.preflight.formats import apache, compose, dockerfile, gunicorn_conf, paste_ini, procfile
from threadguard.preflight.formats import systemd, unit_json, uwsgi_conf
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable
from threadguard.preflight.source import Source


class Format(Protocol):
    """What each module of this package offers."""

    @property
    def NAME(self) -> str:
        """What such a file is called."""

    def matches(self, text: Source) -> bool:
        """Whether *text* is of this format, by its name and by what stands in it."""

    def read(self, text: Source, options: Options) -> Iterable[Item]:
        """What *text* says. May raise `CannotTell` and `Unreadable`."""


FORMATS: Tuple[Format, ...] = (
    procfile, dockerfile, compose, systemd, gunicorn_conf, paste_ini, uwsgi_conf, unit_json, apache)


def find(text: Source) -> Optional[Format]:
    """The format of *text*, None if it has none that is known."""
    return next((known for known in FORMATS if known.matches(text)), None)


def read(text: Source, options: Options) -> List[Item]:
    """What *text* says."""
    known = find(text)
    if known is None:
        raise Unreadable("it is none of: %s" % ", ".join(each.NAME for each in FORMATS), text.path)
    items: List[Item] = []
    try:
        for item in known.read(text, options):
            items.append(item if item.file is not None else replace(item, file=text.path))
    except (CannotTell, Unreadable) as error:
        error.file = error.file or text.path
        items += explain(error, "the server of %s" % text.path)
    return items
