"""``cheroot``: its own table of options decides where it is installed."""

from typing import Iterator, Optional

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import Command, Unreadable
from threadguard.servers import cheroot

NAME = cheroot.NAME
PROGRAMS = ("cheroot",)

_VALUES = "--bind --chdir --server-name --threads --max-threads --timeout --shutdown-timeout --request-queue-size" \
    " --accepted-queue-size --accepted-queue-timeout"  # cheroot/cli.py _arg_spec


def read_command(command: Command) -> Iterator[Reading]:
    """The option ``--threads``."""
    reading = cheroot.read_settings(_threads(command), "the command line")
    if reading is None:
        raise Unreadable("cheroot takes no such number of threads")
    yield reading


def _threads(command: Command) -> Optional[int]:
    words = command.words[1:]
    given = arguments.parse(words, _VALUES).last("--threads")
    if given is not None:
        arguments.number(given, "--threads")
    options = getattr(arguments.optional("cheroot.cli"), "_arg_spec", None)
    if not isinstance(options, dict):
        return None if given is None else int(given)
    try:
        return cheroot.parse_threads(words, options)
    except ValueError as error:
        raise Unreadable("cheroot refuses it: %s" % error) from None
