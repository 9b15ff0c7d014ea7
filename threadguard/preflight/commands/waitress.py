"""``waitress-serve``: its own `Adjustments.parse_args` decides where waitress is installed."""

import getopt
from typing import Iterator, Optional

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command, Unreadable
from threadguard.servers import waitress

NAME = waitress.NAME
PROGRAMS = ("waitress-serve", "waitress")
WHERE = "the command line"

# waitress/adjustments.py Adjustments._params: these are switches, each with a --no- of its own; others take a value.
_SWITCHES = ("help", "call", "ipv4", "ipv6", "expose-tracebacks", "asyncore-use-poll", "clear-untrusted-proxy-headers",
             "log-untrusted-proxy-headers", "log-socket-errors")


def read_command(command: Command) -> Iterator[Reading]:
    """The option ``--threads``."""
    threads = _threads(command)
    reading = waitress.read_settings(None if threads is None else arguments.number(threads, "--threads"), WHERE)
    if reading is None:
        raise Unreadable("waitress takes no --threads of %s" % threads)
    yield reading


def _threads(command: Command) -> Optional[str]:
    words = command.words[1:]
    module = arguments.optional("waitress.adjustments")
    if module is None:
        flags = " ".join("--%s --no-%s" % (name, name) for name in _SWITCHES)
        return arguments.parse(words, "--threads --listen --host --port", flags).last("--threads")
    arguments.refuse_unknown_words(words)
    try:
        settings, _ = module.Adjustments.parse_args(list(words))
    except getopt.GetoptError as error:
        raise Unreadable("waitress-serve refuses it: %s" % error) from None
    except Exception as error:  # noqa: B902  another version's parser may raise what it likes
        raise CannotTell("waitress' own parser failed: %s" % error) from None
    threads: Optional[str] = settings.get("threads")
    return threads
