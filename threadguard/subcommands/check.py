"""``threadguard check TARGET…`` and ``threadguard check -- COMMAND…``: judge a deployment before it starts."""

import argparse
import os
import sys
from typing import List

from threadguard import preflight
from threadguard.report import formats as report_formats
from threadguard.model import UNKNOWN
from threadguard.preflight.file_formats import FORMATS

NAME = "check"
HELP = "judge configuration files, or a server's command line, before the server starts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Targets, and how to judge and to print them."""
    parser.usage = "threadguard check [OPTION...] TARGET... | threadguard check [OPTION...] -- COMMAND..."
    parser.epilog = "A TARGET is one of: %s." % ", ".join(each.NAME for each in FORMATS)
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="a configuration file")
    parser.add_argument("--format", choices=sorted(report_formats.FORMATS), default="text", help="default: text")
    parser.add_argument("--quiet", action="store_true", help="say nothing of what is in order")
    parser.add_argument("--fail-on", choices=("unknown", "threaded"), default="",
                        help="what to do where it cannot be told: unknown exits with 1, threaded with 0 and a warning")
    parser.add_argument("--no-exec", action="store_true",
                        help="execute nothing: start no Apache, and of gunicorn's configuration file read plain "
                             "assignments only")
    parser.add_argument("--server-name", metavar="NAME", help="the one [server:NAME] of an ini file that counts")


def run(arguments: argparse.Namespace) -> int:
    """Check all targets, print what was found, and give the exit status of the worst."""
    if not arguments.targets and not arguments.command:
        print("threadguard check: name a file, or a command after --", file=sys.stderr)
        return 2
    options = preflight.Options(not arguments.no_exec, arguments.server_name, _quiet if arguments.quiet else _say)
    checked: List[preflight.Checked] = [preflight.check_file(target, options) for target in arguments.targets]
    if arguments.command:
        checked.append(preflight.check_command(arguments.command, os.environ, options))
    shown = report_formats.FORMATS[arguments.format](checked, colour=report_formats.use_colour(), quiet=arguments.quiet)
    if shown:
        print(shown)
    if arguments.fail_on == "threaded" and any(target.status == UNKNOWN for target in checked):
        _say("warning: what cannot be told counts as single-threaded, by --fail-on threaded")
    return report_formats.exit_status(checked, arguments.fail_on)


def _say(text: str) -> None:
    print("threadguard: " + text, file=sys.stderr)


def _quiet(text: str) -> None:
    """Nothing."""
