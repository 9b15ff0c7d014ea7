"""``threadguard servers``: what is known of each server. The table in the documentation is made from the same data."""

import argparse
import json
import sys
import textwrap
from typing import Any, Callable, Dict, List, Sequence, Tuple

from threadguard.check.command_lines import COMMANDS
from threadguard.servers import SERVERS

NAME = "servers"
HELP = "list the servers that are known: what is read, when, and the remedy"

_WHEN = {"startup": "at startup", "request": "on a request"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which, and how to print them."""
    parser.add_argument("names", metavar="NAME", nargs="*", help="a server or a program; without any, all are listed")
    parser.add_argument("--format", choices=sorted(_FORMATS), default="text", help="default: text")


def run(arguments: argparse.Namespace) -> int:
    """Print the table, or the rows of the servers that are named."""
    missing = [name for name in arguments.names if not rows_of([name])]
    rows = rows_of(arguments.names) if arguments.names else table()
    if rows or not missing:
        print(_FORMATS[arguments.format](rows))
    for name in missing:
        print("threadguard servers: there is no server %s; without a name all are listed" % ascii(name),
              file=sys.stderr)
    return 2 if missing else 0


def rows_of(names: Sequence[str]) -> List[Dict[str, Any]]:
    """The rows of the servers of these *names*, or whose programs have them."""
    wanted = {name.lower() for name in names}
    return [row for row in table() if wanted & {each.lower() for each in [row["server"], *row["programs"]]}]


def table() -> List[Dict[str, Any]]:
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
    return "\n\n".join(map(paragraph, rows))


def paragraph(row: Dict[str, Any]) -> str:
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


def _json(rows: List[Dict[str, Any]]) -> str:
    return json.dumps(rows, indent=2)


_FORMATS: Dict[str, Callable[[List[Dict[str, Any]]], str]] = {"text": _text, "json": _json, "markdown": _markdown}
