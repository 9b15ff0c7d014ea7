"""The check before the start: files and command lines to findings, through the functions that the readers use too."""

import os
import re
import shlex
from dataclasses import replace
from typing import Callable, List, Mapping, Sequence, Tuple

from threadguard.check import apache, command_lines, containers, gunicorn, paste, source, starters, unit, uwsgi
from threadguard.check.model import Command, Format, Item, Options, explain, settle
from threadguard.check.source import CannotTell, Source, Tree, Unreadable
from threadguard.check.words import NAME_THE_COMMAND, Environment, Word
from threadguard.servers.judge import finding_of
from threadguard.model import Finding, Reading
from threadguard.report.formats import Checked

__all__ = ["Checked", "Options", "check_command", "check_file"]

FORMATS: Tuple[Format, ...] = (
    Format("Dockerfile", r"(?i)^(docker|container)file|\.(docker|container)file$", "", containers.read_dockerfile),
    Format("gunicorn's configuration (*.py)", r"gunicorn.*\.py$", "", gunicorn.read_file),
    Format("a text, and no configuration", r"(?i)\.(md|rst|txt|html?|adoc)$|^README"),
    Format("nginx's configuration, which starts no application", "",
           r"^[ \t]*(server|http|upstream[ \t]+\S+)[ \t]*\{"),
    Format("a blueprint of Render", r"^render\.ya?ml$"),
    Format("App Engine's", r"^app\.ya?ml$", r"^(runtime|service|entrypoint):"),
    Format("TOML, of which threadguard reads none", r"\.toml$"),
    Format("Caddy's, which starts nothing", r"^Caddyfile"),
    Format("a Python program, and gunicorn's configuration is one only by its name", r"\.(py|wsgi)$"),
    Format("a list of tasks", r"^(Makefile|Jenkinsfile|Vagrantfile|justfile)"),
    Format("Procfile", r"^Procfile", "", starters.read_procfile),
    Format("compose file", r"compose.*\.ya?ml$", "", containers.read_compose),
    Format("compose file", r"\.ya?ml$", r"^services:\s*(#.*)?$|^services: *\{", containers.read_compose),
    Format("Kubernetes manifest", r"\.ya?ml$", r"\A(?=[\s\S]*^apiVersion:)(?=[\s\S]*^kind:)",
           containers.read_kubernetes),
    Format("systemd unit", r"\.service$", "", starters.read_unit),
    Format("systemd unit", "", r"^\[Service\]", starters.read_unit),
    Format("supervisord.conf", "", r"^\[(fcgi-)?program:", starters.read_supervisord),
    Format("PasteDeploy ini", r"(?<!\.py)(?<!\.json)(?<!\.xml)$", paste.SECTION, paste.read_file),
    *(Format("uWSGI ini, yaml, json or xml", r"(?i)\.(%s)$" % kind, mark, uwsgi.read_file)
      for kind, mark in uwsgi.MARKS.items()),
    Format("uWSGI ini, yaml, json or xml", r"(?i)(?<!\.xml)(?<!\.json)(?<!\.js)(?<!\.yaml)(?<!\.yml)$", uwsgi.INI_MARK,
           uwsgi.read_file),
    Format("Unit JSON", r"^(unit|conf)\.json$", "", unit.read_file),
    Format("Unit JSON", "", r'\A\s*[{/][\s\S]*"applications"', unit.read_file),
    Format("Apache configuration", "", apache.MARK_OF_APACHE, apache.read_file),
)
"""The first that matches counts. Those without a reader are none, though they may look like one of the others."""


def check_file(path: str, options: Options = Options()) -> Checked:
    """What the file *path* says; the tree that may be read is its directory, and below."""
    tree = Tree((os.path.dirname(path) or ".", path))

    def read() -> List[Item]:
        command = Command((), tree=tree, directory=None, options=options, file=path)
        return [settle(item, command) for item in _read(source.read(path), command)]
    return _checked(path, read, path or "a file without a name", path, tree)


def check_command(words: Sequence[str], env: Mapping[str, str], options: Options = Options()) -> Checked:
    """What the command line *words* starts in the environment *env*, which is all of it.

    The tree that may be read is the working directory and below, and each directory that a word names or names a file
    of.
    """
    environment = Environment({name: Word.of(value) for name, value in env.items()})
    named = [word.partition("=")[2] if word.startswith("-") and "=" in word else word for word in words]
    places = {name if os.path.isdir(name) else os.path.dirname(name) for name in named if "\0" not in name}
    tree = Tree((".", *sorted(places - {"", "/"})))

    def read() -> List[Item]:
        items = command_lines.read(Command(tuple(map(Word.of, words)), environment, tree=tree, options=options))
        if not items:
            raise CannotTell("%s is plainly no server" % words[0])
        return items
    return _checked(" ".join(map(shlex.quote, words)), read, "the command", "", tree)


def names_of_formats() -> List[str]:
    """What a file may be."""
    return list(dict.fromkeys(each.name for each in FORMATS if each.read is not None))


def read_server(ini: str, name: str) -> List[Item]:
    """What the section [server:*name*] of the PasteDeploy file *ini* says."""
    def read() -> List[Item]:
        text = source.read(ini)
        return [paste.read_section(paste.Ini(text, Tree((text.directory, ini))), name, ".")]
    return _tried(read, "the server of [server:%s]" % name, ini)


def _read(text: Source, command: Command) -> List[Item]:
    """What *text* says. Raises `CannotTell` and `Unreadable`."""
    if re.match(r"#!.*sh\b", text.text) or text.name.endswith((".sh", ".bash")):
        raise CannotTell("it is a script for a shell, which may do anything", NAME_THE_COMMAND)
    known = next((each for each in FORMATS if each.matches(text)), None)
    if known is None:
        raise Unreadable("it is none of: %s" % ", ".join(names_of_formats()), text.path)
    if known.read is None:
        raise Unreadable("it is %s: %s" % (known.name, NAME_THE_COMMAND), text.path)
    text.refuse_template()
    items = list(known.read(text, command))
    if known.read == paste.read_file and not command.options.server_name and text.line_of(uwsgi.INI_MARK):
        items += uwsgi.read_file(text, command)
    return items


def _checked(target: str, read: Callable[[], List[Item]], name: str, file: str, tree: Tree) -> Checked:
    """What came of *target*: each finding once, on one line, without control characters and without secrets."""
    found = [finding_of(item) if isinstance(item, Reading) else item for item in _tried(read, name, file)]
    return Checked(target, tuple(dict.fromkeys(replace(
        each, sentence=_escape(re.sub(r"(?<= lets )\d+ requests", lambda match: "more than one request" if match.group(
            ).split()[0] in tree.secrets else match.group(), each.sentence)),
        evidence=_escape(_hide(each.evidence, tree.secrets)), remedy=_escape(each.remedy),
        file=None if each.file is None else _escape(each.file)) for each in found)))


def _tried(read: Callable[[], List[Item]], name: str, file: str) -> List[Item]:
    """What *read* gives; whatever a file does to a reader is a finding, not a traceback."""
    try:
        return read()
    except (CannotTell, Unreadable) as error:
        error.file = error.file or file or None
        return [explain(error, "the server of " + name if file == name and isinstance(error, CannotTell) else name)]
    except Exception as error:  # noqa: B902
        evidence = "%s: %s" % (type(error).__name__, error)
        return [Finding("TG402", "the check of %s failed" % name, evidence, "please report it")]


def _hide(text: str, secrets: Mapping[str, str]) -> str:
    """*text* with the names in the place of the values of files of variables."""
    for value in sorted(secrets, key=len, reverse=True):
        if value not in ("", "0", "1") and value[:40] in text:  # a message may shorten a long one
            text = re.sub(r"(?<!\w)(%s=)?%s%s(?!\w)" % (
                secrets[value][1:], re.escape(value[:40]), r"\S*" if len(value) > 40 else ""), secrets[value], text)
    return text


def _escape(text: str) -> str:
    """*text* with everything escaped that does not print, and shortened: a line of a file may be of any length."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
                   for character in (text if len(text) < 2000 else text[:2000] + "..."))
