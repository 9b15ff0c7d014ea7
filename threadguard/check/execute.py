"""What --exec runs, and nothing else does: gunicorn's own loader of its configuration, Apache's own dump of its.

Each is announced first, gets the environment that the checked file declares and nothing of this process' own, and is
ended with its process group after `SECONDS`. The configuration is code: it may raise, exit, loop, or leave threads and
children behind.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Tuple

from threadguard.check.model import Command, Options
from threadguard.check.source import CannotTell, Source, Tree, Unreadable
from threadguard.check.words import is_known

SECONDS = 30.0
"""On a busy machine gunicorn's own imports take some of them."""
_MOST = 8 * 1024 * 1024
_PROGRAMS = ("apache2", "httpd")
_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where administrators' programs are: a user's PATH seldom has them."""
_DEBIAN_MODULES = "/usr/lib/apache2/modules"
_MODULE = re.compile(r"^ (\w+)_module \((?:static|shared)\)$")
_FILE = re.compile(r"^\s*# In file: (.*)$")
_MACRO = re.compile(r"^macro '.*' \(defined on line (\d+) of \"(.*)\"\)")
_LINE = re.compile(r"^\s*#\s*(\d+):$")
_VARIABLE = re.compile(r"\s*(?:export\s+)?([A-Za-z_]\w*)=[\"']?([^\"'$`\\]*)[\"']?\s*$")
_CHILD = os.path.join(os.path.dirname(__file__), "gunicorn_child.py")


def gunicorn_settings(command: Command, path: str, why: CannotTell) -> Dict[str, Any]:
    """The settings that gunicorn makes of *command*, whose file at *path* is not plain, because of *why*.

    Raises `Unreadable` where gunicorn would not start, and `CannotTell` where a value depends on more than the file.
    """
    declared = {name: str(value) for name, value in command.environment.variables.items()}
    if command.directory is None or not all(map(is_known, (*command.words, *declared.values()))):
        raise why
    command.options.say("gunicorn reads %s, which executes it, as --exec asks" % path)
    with open(_CHILD, encoding="utf-8") as stream:
        program = stream.read()
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as errors:
        status = _run([sys.executable, "-c", program, str(answer.fileno()), *command.words[1:]],
                      command.directory, declared, subprocess.DEVNULL, errors, (answer.fileno(),))
        answer.seek(0)
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - 4096))
        said, complaint = answer.read(_MOST), errors.read().decode("utf-8", "replace").split("\n")
    if status is None:
        raise CannotTell("gunicorn's configuration was not read within %d seconds" % SECONDS,
                         "find out what it waits for", path)
    if status or not said:
        last = next((line.strip()[:300] for line in reversed(complaint) if line.strip()), "")
        ended = "it was ended by signal %d" % -status if status < 0 else "it exited with status %d" % status
        raise Unreadable("gunicorn does not start with it: " + ("%s (%s)" % (last, ended) if last else ended), path)
    try:
        found = json.loads(said)
        values, asked = dict(found["values"]), sorted(str(name) for name in found["asked"] if name not in declared)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise Unreadable("gunicorn's configuration spoilt the answer: %.80r" % said, path) from None
    if asked:
        raise CannotTell("%s, and the file asks for %s, which nothing here fixes" % (why.evidence, ", ".join(
            asked[:5])), why.remedy.partition(";")[0], why.file, why.line)
    return values


def _run(words: Sequence[str], directory: str, environment: Mapping[str, str], stdout: Any, stderr: Any,
         descriptors: Tuple[int, ...] = ()) -> Optional[int]:
    """The exit status, None if it did not end in time. All that it left behind in its own process group is ended."""
    try:
        child = subprocess.Popen(words, cwd=directory, env=dict(environment), pass_fds=descriptors, stdout=stdout,
                                 stderr=stderr, stdin=subprocess.DEVNULL, start_new_session=True)
    except (OSError, ValueError) as error:
        raise Unreadable("%s cannot be started in %s: %s" % (os.path.basename(words[0]), directory, error)) from None
    try:
        return child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        return None
    finally:
        with contextlib.suppress(OSError):  # nothing may be left of it
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def apache_dump(text: Source, modules: Sequence[str], words: Sequence[str], tree: Tree,
                options: Options) -> Optional[Tuple[List[str], Iterator[Tuple[str, int, str]]]]:
    """The names of the modules, and file, number and text of each line that counts, as an installed Apache sees *text*.

    None where no Apache accepts it: one that is not the one that will serve it may lack its *modules*, which the
    configuration names by their files. *words* are further arguments. ``-t -D DUMP_CONFIG`` is what mod_info prints
    (modules/generators/mod_info.c): conditions decided, variables and macros filled in, files included.
    """
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM))
    program = next(filter(None, (shutil.which(name, path=path) for name in _PROGRAMS)), None)
    places = [os.path.dirname(os.path.abspath(each)) for each in modules] + [_DEBIAN_MODULES] * bool(modules)
    info = next(filter(os.path.isfile, (os.path.join(place, "mod_info.so") for place in places)), None)
    if program is None or info is None:
        return None
    options.say("%s -t says what counts in %s, and loads the modules that it names, as --exec asks" % (
        os.path.basename(program), text.path))
    variables = os.path.join(text.directory, "envvars")  # Debian's, which its apachectl sources
    lines = tree.read(variables).lines if tree.has(variables) else []
    environment = {match.group(1): match.group(2) for match in map(_VARIABLE.match, lines) if match}
    with tempfile.TemporaryFile() as output:
        status = _run([program, "-f", os.path.abspath(text.path), *words, "-C", 'LoadModule info_module "%s"' % info,
                       "-t", "-D", "DUMP_MODULES", "-D", "DUMP_CONFIG"], text.directory, environment, output,
                      subprocess.DEVNULL)
        output.seek(0)
        lines = output.read(_MOST).decode("utf-8", "backslashreplace").splitlines()
    if status != 0:
        return None
    return [match.group(1) for match in map(_MODULE.match, lines) if match], _dumped(lines, tree)


def _dumped(lines: List[str], tree: Tree) -> Iterator[Tuple[str, int, str]]:
    file, first, number = "", 0, 0
    read: Dict[str, List[str]] = {}
    for line in lines:
        is_file, is_line = _FILE.match(line), _LINE.match(line)
        if is_file:
            is_macro = _MACRO.match(is_file.group(1))
            file, first = (is_macro.group(2), int(is_macro.group(1))) if is_macro else (is_file.group(1), 0)
            read.setdefault(file, tree.read(file).lines if tree.has(file) else [])  # else a directory's .htaccess
        elif is_line:  # Apache tells the last line of a directive
            number = first + int(is_line.group(1))
            while 1 < number <= len(read[file]) and read[file][number - 2].endswith("\\"):
                number -= 1
        elif file and line.strip():
            yield os.path.relpath(file) if tree.holds(file) else file, number, line.strip()
