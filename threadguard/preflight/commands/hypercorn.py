"""``hypercorn``: only the prefix ``wsgi:`` of the application's path says how it is called."""

from typing import Iterator

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command
from threadguard.servers import hypercorn

NAME = hypercorn.NAME
PROGRAMS = ("hypercorn",)

_VALUES = "-b,--bind -c,--config -g,--group -k,--worker-class -p,--pid -m,--umask -u,--user -w,--workers"
_FLAGS = "-D,--daemon --debug --reload --access-log"


def read_command(command: Command) -> Iterator[Reading]:
    """The path of the application."""
    given = arguments.parse(command.words[1:], _VALUES, _FLAGS)
    paths = given.words + [word for word in given.skipped if word.startswith("wsgi:")]
    for path in paths[:1]:
        reading = hypercorn.read_settings(path, "the command line")
        if reading is not None:
            yield reading
            return
    raise CannotTell("without the prefix wsgi: hypercorn looks at the application itself, which may as well be an ASGI"
                     " application that runs a WSGI one in its own way")
