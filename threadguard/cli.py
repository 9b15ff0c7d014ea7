"""The command ``threadguard``: a table of subcommands, and what they have in common.

Exit status: 0 single-threaded, 1 threaded, 2 wrong use or unreadable, 3 cannot tell.
"""

import argparse
import os
import sys
import traceback
from typing import Optional, Protocol, Sequence, Tuple

import threadguard
from threadguard.model import UNKNOWN
from threadguard.check.model import EXIT
from threadguard.subcommands import check, explain, probe, race, servers

_INTERRUPTED = 130


class Subcommand(Protocol):
    """What each module of `threadguard.subcommands` offers."""

    @property
    def NAME(self) -> str:
        """As it is typed."""

    @property
    def HELP(self) -> str:
        """What it is for, in a few words."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add its arguments to *parser*."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do it, print the result, and give the exit status."""


SUBCOMMANDS: Tuple[Subcommand, ...] = (check, race, probe, explain, servers)


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line *argv*, by default that of the process. Returns the exit status; raises SystemExit for wrong
    use, as argparse does."""
    words = list(sys.argv[1:] if argv is None else argv)
    mark = words.index("--") if "--" in words else len(words)
    arguments, extra = _parser().parse_known_args(words[:mark])
    if extra:
        hint = check.hint(words[1:mark]) if arguments.subcommand is check else ""
        _parser().error("unrecognized arguments: " + " ".join(map(ascii, extra)) + ("; " + hint if hint else ""))
    arguments.command = words[mark + 1:] if mark < len(words) else None
    if arguments.command is not None and arguments.subcommand is not check:
        _parser().error("only check takes a command after --")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show is no reason to fail
    try:
        status: int = arguments.subcommand.run(arguments)
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:  # head has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _INTERRUPTED
    except Exception:  # noqa: B902  Python would exit with 1, which means threaded
        traceback.print_exc()
        print("threadguard: it failed; please report it", file=sys.stderr)
        return EXIT[UNKNOWN]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="threadguard", description="Tell whether a deployment keeps its processes single-threaded.",
        epilog="Exit status: 0 single-threaded, 1 threaded, 2 wrong use or unreadable, 3 cannot tell.")
    parser.add_argument("--version", action="version", version="threadguard " + threadguard.__version__)
    parts = parser.add_subparsers(metavar="COMMAND", required=True)
    for subcommand in SUBCOMMANDS:
        part = parts.add_parser(subcommand.NAME, help=subcommand.HELP, description=subcommand.HELP)
        part.set_defaults(subcommand=subcommand)
        subcommand.add_arguments(part)
    return parser
