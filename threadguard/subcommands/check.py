"""``threadguard check TARGET…`` and ``threadguard check -- COMMAND…``: judge a deployment before it starts."""

import argparse
import os
import sys
from typing import List

from threadguard import check
from threadguard.check.command_lines import find
from threadguard.check import names_of_formats
from threadguard.check.words import program_of
from threadguard.model import UNKNOWN
from threadguard.report import formats as report_formats

NAME = "check"
HELP = "judge configuration files, or a server's command line, before the server starts"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Targets, and how to judge and to print them."""
    parser.usage = "threadguard check [OPTION...] TARGET... | threadguard check [OPTION...] -- COMMAND..."
    parser.epilog = "A TARGET is one of: %s." % ", ".join(names_of_formats())
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="a configuration file")
    parser.add_argument("--format", choices=sorted(report_formats.FORMATS), default="text", help="default: text")
    parser.add_argument("-q", "--quiet", action="store_true", help="say nothing of what is in order")
    parser.add_argument("--fail-on", choices=("unknown", "threaded"), default="",
                        help="what to do where it cannot be told: unknown exits with 1, threaded with 0 and a warning")
    execute = parser.add_mutually_exclusive_group()
    execute.add_argument("--exec", action="store_true", dest="execute",
                         help="let gunicorn read its configuration file, which executes it, and an installed Apache"
                              " test its own, which loads the modules that it names: for files that you trust")
    execute.add_argument("--no-exec", action="store_false", dest="execute", help="execute nothing: the default")
    parser.add_argument("--server-name", metavar="NAME", help="the one [server:NAME] of an ini file that counts")


def hint(words: List[str]) -> str:
    """What to add to an error about *words*, the arguments of ``threadguard check``: a mark may be missing."""
    server = next((place for place, word in enumerate(words)
                   if find(program_of(word)) and not os.path.exists(word)), None)
    if server is None:
        return ""
    return "a command stands after --: threadguard check %s" % " ".join(words[:server] + ["--"] + words[server:])


def run(arguments: argparse.Namespace) -> int:
    """Check all targets, print what was found, and give the exit status of the worst."""
    forgotten = hint(arguments.targets)
    if forgotten or not arguments.targets and not arguments.command:
        print("threadguard check: %s" % report_formats.visible(forgotten or "name a file, or a command after --"),
              file=sys.stderr)
        return 2
    options = check.Options(arguments.execute, arguments.server_name, str if arguments.quiet else _say)
    checked: List[check.Checked] = [check.check_file(target, options) for target in arguments.targets]
    if arguments.command:
        checked.append(check.check_command(arguments.command, os.environ, options))
    shown = report_formats.FORMATS[arguments.format](checked, colour=report_formats.use_colour(), quiet=arguments.quiet)
    if shown:
        print(shown)
    if arguments.fail_on == "threaded" and any(target.status == UNKNOWN for target in checked):
        _say("warning: what cannot be told counts as single-threaded, by --fail-on threaded")
    return report_formats.exit_status(checked, arguments.fail_on)


def _say(text: str) -> None:
    """On stderr, in one line that neither a terminal nor GitHub's runner takes for a command."""
    print("threadguard: " + report_formats.visible(text.replace("\n", "\\n")), file=sys.stderr)
