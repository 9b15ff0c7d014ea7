"""The command ``threadguard``: its subcommands, and what they have in common.

``probe`` is in `threadguard.observe.probe`, ``race`` in `threadguard.testing.race_command`; the others are here.

Exit status: 0 single-threaded, 1 threaded, 2 wrong use or unreadable, 3 cannot tell.
"""

import argparse
import json
import os
import sys
import textwrap
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

import threadguard
from threadguard import check
from threadguard.check.command_lines import COMMANDS, find
from threadguard.check.words import program_of
from threadguard.codes import CODES, Code
from threadguard.model import UNKNOWN
from threadguard.observe import probe
from threadguard.report import formats
from threadguard.servers import SERVERS
from threadguard.testing import race_command

_INTERRUPTED = 130
_STATUSES = "Exit status: 0 single-threaded, 1 threaded, 2 wrong use or unreadable, 3 cannot tell."


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Run the command line *argv*, by default that of the process. Returns the exit status; raises SystemExit for wrong
    use, as argparse does."""
    words = list(sys.argv[1:] if argv is None else argv)
    mark = words.index("--") if "--" in words else len(words)
    arguments, extra = _parser().parse_known_args(words[:mark])
    is_check = arguments.subcommand == "check"
    if extra:
        hint = _hint(words[1:mark]) if is_check else ""
        _parser().error("unrecognized arguments: " + " ".join(map(ascii, extra)) + ("; " + hint if hint else ""))
    arguments.command = words[mark + 1:] if mark < len(words) else None
    if arguments.command is not None and not is_check:
        _parser().error("only check takes a command after --")
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a name that this terminal cannot show is no reason to fail
    try:
        status = SUBCOMMANDS[arguments.subcommand].run(arguments)
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
        return formats.EXIT[UNKNOWN]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="threadguard", description="Tell whether a deployment keeps its processes single-threaded.",
        epilog=_STATUSES)
    parser.add_argument("--version", action="version", version="threadguard " + threadguard.__version__)
    parts = parser.add_subparsers(metavar="COMMAND", required=True, dest="subcommand")
    for name, subcommand in SUBCOMMANDS.items():
        subcommand.add_arguments(parts.add_parser(name, help=subcommand.help, description=subcommand.help))
    return parser


# -- check ---------------------------------------------------------------------------------------------------------


def _add_check_arguments(parser: argparse.ArgumentParser) -> None:
    """Targets, and how to judge and to print them."""
    parser.usage = "threadguard check [OPTION...] TARGET... | threadguard check [OPTION...] -- COMMAND..."
    parser.epilog = "A TARGET is one of: %s." % ", ".join(check.names_of_formats())
    parser.add_argument("targets", metavar="TARGET", nargs="*", help="a configuration file")
    formats.add_arguments(parser)
    execute = parser.add_mutually_exclusive_group()
    execute.add_argument("--exec", action="store_true", dest="execute",
                         help="let gunicorn read its configuration file, which executes it, and an installed Apache"
                              " test its own, which loads the modules that it names: for files that you trust")
    execute.add_argument("--no-exec", action="store_false", dest="execute", help="execute nothing: the default")
    parser.add_argument("--server-name", metavar="NAME", help="the one [server:NAME] of an ini file that counts")


def _hint(words: List[str]) -> str:
    """What to add to an error about *words*, the arguments of ``threadguard check``: a mark may be missing."""
    server = next((place for place, word in enumerate(words)
                   if find(program_of(word)) and not os.path.exists(word)), None)
    if server is None:
        return ""
    return "a command stands after --: threadguard check %s" % " ".join(words[:server] + ["--"] + words[server:])


def run_check(arguments: argparse.Namespace) -> int:
    """Check all targets, print what was found, and give the exit status of the worst."""
    forgotten = _hint(arguments.targets)
    if forgotten or not arguments.targets and not arguments.command:
        formats.say(forgotten or "name a file, or a command after --", "threadguard check")
        return 2
    options = check.Options(arguments.execute, arguments.server_name, str if arguments.quiet else formats.say)
    checked = [check.check_file(target, options) for target in arguments.targets]
    if arguments.command:
        checked.append(check.check_command(arguments.command, os.environ, options))
    shown = formats.FORMATS[arguments.format](checked, colour=formats.use_colour(), quiet=arguments.quiet)
    return formats.conclude(shown, checked, arguments.fail_on)


# -- servers -------------------------------------------------------------------------------------------------------

_WHEN = {"startup": "at startup", "request": "on a request"}


def _add_servers_arguments(parser: argparse.ArgumentParser) -> None:
    """The names of servers, and how to print them."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="a server or a program; without any, all are listed")
    parser.add_argument("--format", choices=sorted(_SERVERS_FORMATS), default="text", help="default: text")


def run_servers(arguments: argparse.Namespace) -> int:
    """Print the table, or the rows of the servers that are named."""
    missing = [name for name in arguments.names if not _rows_of([name])]
    rows = _rows_of(arguments.names) if arguments.names else table_of_servers()
    if rows or not missing:
        print(_SERVERS_FORMATS[arguments.format](rows))
    for name in missing:
        formats.say("there is no server %s; without a name all are listed" % ascii(name), "threadguard servers")
    return 2 if missing else 0


def _rows_of(names: Sequence[str]) -> List[Dict[str, Any]]:
    """The rows of the servers of these *names*, or whose programs have them."""
    wanted = {name.lower() for name in names}
    return [row for row in table_of_servers() if wanted & {each.lower() for each in [row["server"], *row["programs"]]}]


def table_of_servers() -> List[Dict[str, Any]]:
    """A row for each server: its name, what is read when, the programs that ``check`` knows, the remedy."""
    programs: Dict[str, Tuple[str, ...]] = {command.name: command.programs for command in COMMANDS}
    by_serve = next(command.programs for command in COMMANDS if "gearbox" in command.programs)
    express = next(command.programs for command in COMMANDS if "mod_wsgi-express" in command.programs)
    programs.update({name: (name,) for name in by_serve}, mod_wsgi=express)
    programs["gunicorn"] += programs["functions-framework"]  # which runs it
    return [{
        "server": server.NAME,
        "reads": [{"what": what, "when": when} for what, when in server.READS],
        "runs_on": server.RUNS_ON,
        "programs": list(programs.get(server.NAME, ())),
        "remedy": server.REMEDY,
    } for server in SERVERS]


def _text(rows: List[Dict[str, Any]]) -> str:
    return "\n\n".join(map(_paragraph, rows))


def _paragraph(row: Dict[str, Any]) -> str:
    """A row as text."""
    reads = [(_WHEN[each["when"]], each["what"]) for each in row["reads"]] or [
        ("on a request", "the signs that need no server's name")]
    lines = reads + [("runs on", row["runs_on"])]
    lines += [("by check", ", ".join(row["programs"]))] if row["programs"] else []
    lines.append(("remedy", row["remedy"]))
    return "\n".join([row["server"]] + [
        textwrap.fill("%-13s %s" % (name + ":", what), 100, initial_indent="  ", subsequent_indent=" " * 16)
        for name, what in lines])


def _markdown(rows: List[Dict[str, Any]]) -> str:
    lines = ["| server | at startup | on a request | runs requests on | command that `check` reads | remedy |",
             "|---|---|---|---|---|---|"]
    for row in rows:
        cells = [row["server"]]
        cells += ["; ".join(each["what"] for each in row["reads"] if each["when"] == when) or "–" for when in _WHEN]
        cells += [row["runs_on"], ", ".join("`%s`" % program for program in row["programs"]) or "–", row["remedy"]]
        lines.append("| %s |" % " | ".join(cell.replace("|", "\\|") for cell in cells))
    return "\n".join(lines)


_SERVERS_FORMATS: Dict[str, Callable[[List[Dict[str, Any]]], str]] = {
    "text": _text, "json": lambda rows: json.dumps(rows, indent=2), "markdown": _markdown}


# -- explain -------------------------------------------------------------------------------------------------------

_MATTERS = {
    "1": "An application that must be single-threaded keeps state of one request in its process: module globals,"
         " os.environ, the locale. A second request inside the same process changes it under the first. Nothing fails:"
         " pages come out wrong, changes are booked under another user's name.",
    "2": "What the server shows on a request is stronger than what was configured: it is what happens.",
    "3": "This is no risk any more but an event: the data of the requests that it names may be mixed up.",
    "4": "What is not known is not judged: requests pass, and threadguard watches for collisions all the same.",
    "9": "Nothing was judged.",
}
_BOUND = ("What is bound to a thread fails on another one, if it says so at all: sqlite3 and signal raise an error,"
          " Playwright's sync API too; GUI toolkits may hang, or end the process.")
_THREADED = ("TG101", "TG102", "TG201", "TG202", "TG203", "TG301", "TG302", "TG303", "TG305", "TG306")
_MEND = {
    "TG104": "In the ini file: filter-with = threadguard in the application's section, and a section"
             " [filter:threadguard] with use = egg:threadguard. In code: app = ThreadGuard(app).",
    "TG105": "Use a server that runs requests on the main thread, such as gunicorn's sync worker; threadguard servers"
             " says for each where requests run. For code that only has to stay on one thread, thread = same.",
    "TG107": "Find out which number is right: the finding says what the server shows. Then correct server_threads, or"
             " leave it out.",
    "TG207": "Do what the finding says, or use a server that runs requests on that thread: threadguard servers says for"
             " each where requests run.",
    "TG304": "Find out what the request that the report names waits for; it keeps its place until it is finished.",
    "TG307": "Choose the policy refuse or serialize: with each of them such work waits for its turn.",
    "TG308": "Let one request at a time into each process: app = ThreadGuard(app) makes sure of it. Or keep what the"
             " window of lines shares in the request, in a threading.local, or behind a lock that is held from its"
             " first line to its last.",
    "TG401": "If the server has one thread, option server_threads = 1 states it.",
    "TG402": "Please report it, with the text of the finding; server_threads states the capacity until then.",
    "TG403": "Pin it: give the option that decides over everything else on the server's command line, as the finding"
             " says. Or name the command that a script or wrapper ends in: threadguard check -- COMMAND. Or start it"
             " once: the guard in the application judges it in any case, at the latest on the first request.",
    "TG404": "Ask with more --requests, and with a --concurrency of at least twice the number of processes.",
    "TG901": "Write the option as the finding says; threadguard has no others.",
    "TG902": "Mend the file, or name the one that the server really reads.",
}


def _add_explain_arguments(parser: argparse.ArgumentParser) -> None:
    """The codes."""
    parser.add_argument("names", metavar="CODE", nargs="*",
                        help="such as TG101 or 101, or a server's name; without any, all codes are listed")


def run_explain(arguments: argparse.Namespace) -> int:
    """Explain each code and each server, or list all codes."""
    if not arguments.names:
        for entry in CODES.values():
            print("%s  %s" % (entry.code, entry.title))
        return 0
    texts = [(name, _text_for(name)) for name in arguments.names]
    print("\n\n".join(text for _, text in texts if text))
    for name, text in texts:
        if not text:
            formats.say("there is no code and no server %s; without one all codes are listed" % ascii(name),
                        "threadguard explain")
    return 0 if all(text for _, text in texts) else 2


def _text_for(name: str) -> str:
    """The text for the code or the server *name*; empty if there is neither."""
    number = name.upper()[2:] if name.upper().startswith("TG") else name
    code = CODES.get("TG" + number)
    return explain(code) if code is not None else "\n\n".join(map(_paragraph, _rows_of([name])))


def explain(code: Code) -> str:
    """The text for *code*."""
    matters = "Why it matters: " + (_BOUND if code.code in ("TG105", "TG207") else _MATTERS[code.code[2]])
    parts = ["%s %s" % (code.code, code.title), _wrapped(code.meaning), _wrapped(matters)]
    if code.code in _MEND:
        parts.append(_wrapped("How to mend it: " + _MEND[code.code]))
    elif code.code in _THREADED:
        parts.append("How to mend it:\n" + "\n".join(
            textwrap.fill("%s: %s" % (server.NAME, server.REMEDY), 100, initial_indent="  ", subsequent_indent="      ")
            for server in SERVERS))
    return "\n\n".join(parts)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100)


class Subcommand(NamedTuple):
    """What stands behind a word of the command line."""

    help: str
    """What it is for, in a few words."""
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    """Do it, print the result, and give the exit status."""


SUBCOMMANDS = {
    "check": Subcommand("judge configuration files, or a server's command line, before the server starts",
                        _add_check_arguments, run_check),
    "race": Subcommand(race_command.HELP, race_command.add_arguments, race_command.run),
    "probe": Subcommand(probe.HELP, probe.add_arguments, probe.run),
    "explain": Subcommand("say what a finding means, why it matters and how to mend it",
                          _add_explain_arguments, run_explain),
    "servers": Subcommand("list the servers that are known: what is read, when, and the remedy",
                          _add_servers_arguments, run_servers),
}
