"""The check before the start: files and command lines to findings, through the functions that the readers use too."""

import os
import shlex
from dataclasses import replace
from typing import Callable, List, Mapping, Sequence

from threadguard.check import command_lines, files, paste, source
from threadguard.check.model import Checked, Command, Item, Options, explain, settle
from threadguard.check.source import CannotTell, Tree, Unreadable
from threadguard.check.words import Environment, Word
from threadguard.servers.judge import finding_of
from threadguard.model import Finding, Reading

__all__ = ["Checked", "Options", "check_command", "check_file"]


def check_file(path: str, options: Options = Options()) -> Checked:
    """What the file *path* says; the tree that may be read is its directory, and below."""
    def read() -> List[Item]:
        text = source.read(path)
        command = Command((), tree=Tree((text.directory, path)), directory=None, options=options, file=path)
        return [settle(item, command) for item in files.read(text, command)]
    return _checked(path, read, path or "a file without a name", path)


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
    return _checked(" ".join(map(shlex.quote, words)), read, "the command", "")


def read_server(ini: str, name: str) -> List[Item]:
    """What the section [server:*name*] of the PasteDeploy file *ini* says."""
    def read() -> List[Item]:
        text = source.read(ini)
        return [paste.read_section(paste.Ini(text, Tree((text.directory, ini))), name, ".")]
    return _tried(read, "the server of [server:%s]" % name, ini)


def _checked(target: str, read: Callable[[], List[Item]], name: str, file: str) -> Checked:
    """What came of *target*: each finding once, on one line and without control characters."""
    found = [finding_of(item) if isinstance(item, Reading) else item for item in _tried(read, name, file)]
    return Checked(target, tuple(dict.fromkeys(replace(
        each, sentence=_escape(each.sentence), evidence=_escape(each.evidence), remedy=_escape(each.remedy),
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


def _escape(text: str) -> str:
    """*text* with everything escaped that does not print, and shortened: a line of a file may be of any length."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
                   for character in (text if len(text) < 2000 else text[:2000] + "..."))
