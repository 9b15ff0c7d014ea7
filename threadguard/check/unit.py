"""NGINX Unit: the option ``threads`` of each Python application in its JSON, and ``unitd --statedir DIR``."""

import os
from typing import Iterator

from threadguard.check.model import Command, Item, Server, at_most, explain, quote
from threadguard.check.source import CannotTell, Source, Unreadable, line_of_key, parse_json, without_comments
from threadguard.servers import unit

_CHECK = "check the file that is put through its control socket: threadguard check FILE"


def read_command(command: Command) -> Iterator[Item]:
    """What conf.json of ``--statedir`` says (src/nxt_runtime.c `nxt_runtime_conf_init`), which a start takes up."""
    given = command.parse("--control --control-mode --control-user --control-group --pid --log --user --group"
                          " --state,--statedir --modules,--modulesdir --tmp,--tmpdir", "--no-daemon --version --help")
    directory = given.last("--statedir")
    if directory is None:
        raise CannotTell("without --statedir it reads the directory that was compiled in", _CHECK)
    path = os.path.join(command.path(directory, "--statedir"), "conf.json")
    if not command.tree.has(path):
        raise CannotTell("%s is not here: Unit starts without an application" % path, _CHECK)
    yield from read_file(command.tree.read(path), command)


def read_file(text: Source, command: Command) -> Iterator[Item]:
    """The applications of a configuration, be it by itself or as the control socket gives it, under ``config``."""
    text = without_comments(text)  # src/nxt_conf.c `nxt_conf_json_skip_space`
    root = parse_json(text)
    if isinstance(root, dict) and isinstance(root.get("config"), dict):
        root = root["config"]
    applications = root.get("applications") if isinstance(root, dict) else None
    if not isinstance(applications, dict):
        raise Unreadable("it has no object \"applications\"", text.path)
    python = {name: settings for name, settings in applications.items()
              if isinstance(settings, dict) and str(settings.get("type")).startswith("python")}
    if not python:
        raise CannotTell("none of its applications is of type python", "", text.path)
    for name, settings in at_most(list(python.items()), "applications", 300):
        keys = ("applications", name) + ("threads",) * ("threads" in settings)
        line, threads = line_of_key(text, *keys), settings.get("threads", 1)
        if settings.get("protocol") == "asgi":
            yield explain(CannotTell('"protocol": "asgi"', "", text.path, line), "the application %r" % name)
            continue
        if not isinstance(threads, int) or isinstance(threads, bool) or threads < 1:
            raise Unreadable("the application %r has \"threads\": %.80r, which Unit refuses" % (name, threads),
                             text.path, line)
        yield quote(unit.read_settings(threads), 'the application %r has "threads": %d' % (name, threads), unit.REMEDY,
                    text.path, line)


COMMAND = Server(unit.NAME, ("unitd",), read_command)
