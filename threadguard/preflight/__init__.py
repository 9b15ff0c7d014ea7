"""The check before the start: files and command lines to findings, through the functions that the readers use too."""

import shlex
from dataclasses import replace
from typing import Iterable, List, Mapping, Sequence, Tuple

from threadguard.model import Finding
from threadguard.preflight import command_lines, file_formats, ini_server, source
from threadguard.preflight.model import CannotTell, Checked, Command, Item, Options, Unreadable
from threadguard.preflight.model import as_finding, cannot_tell, unreadable
from threadguard.preflight.pastedeploy import Ini

__all__ = ["Checked", "Options", "check_command", "check_file"]


def check_file(path: str, options: Options = Options()) -> Checked:
    """What the file *path* says."""
    try:
        items = file_formats.read(source.read(path), options)
    except Unreadable as error:
        items = [unreadable(path or "a file without a name", error.evidence, error.file, error.line)]
    except Exception as error:  # noqa: B902  whatever a file does to a reader is a finding, not a traceback
        items = [_failed(path, error)]
    return Checked(path, _findings(items))


def check_command(words: Sequence[str], env: Mapping[str, str], options: Options = Options()) -> Checked:
    """What the command line *words* starts in the environment *env*, which is all of it."""
    try:
        items = command_lines.read(Command(tuple(words), env, ".", options, env_is_complete=True))
    except Exception as error:  # noqa: B902  as above
        items = [_failed("the command", error)]
    if not items:
        shown = " ".join(map(shlex.quote, words))[:80]
        items = [cannot_tell("the command", "%s is no server's command that threadguard knows" % shown,
                             "let the guard judge at startup; threadguard servers lists what is known")]
    return Checked(" ".join(map(shlex.quote, words)), _findings(items))


def read_server(ini: str, name: str) -> List[Item]:
    """What the section [server:*name*] of the PasteDeploy file *ini* says."""
    try:
        return list(ini_server.read(Ini(source.read(ini)), name, "."))
    except (CannotTell, Unreadable) as error:
        error.file = error.file or ini
        return command_lines.explain(error, "the server of [server:%s]" % name)
    except Exception as error:  # noqa: B902  as above
        return [_failed(ini, error)]


def _failed(name: str, error: Exception) -> Finding:
    evidence = "%s: %s" % (type(error).__name__, error)
    return Finding("TG402", "the check of %s failed" % name, evidence, "please report it")


def _printable(finding: Finding) -> Finding:
    """*finding* with what files and command lines brought into it on one line, and without control characters."""
    return replace(finding, sentence=_escape(finding.sentence), evidence=_escape(finding.evidence),
                   remedy=_escape(finding.remedy), file=None if finding.file is None else _escape(finding.file))


def _escape(text: str) -> str:
    """*text* with everything escaped that does not print."""
    return "".join(character if character.isprintable() else character.encode("unicode_escape").decode("ascii")
                   for character in text)


def _findings(items: Iterable[Item]) -> Tuple[Finding, ...]:
    """The findings of *items*, each once."""
    found: List[Finding] = []
    for item in items:
        finding = _printable(as_finding(item))
        if finding not in found:
            found.append(finding)
    return tuple(found)
