"""What Apache itself makes of a configuration, where it is installed: it tests it, and says what mod_info sees.

``-t -D DUMP_CONFIG`` (modules/generators/mod_info.c) prints each directive that counts with its file and line: with
conditions decided, variables and macros filled in and files included. ``-D DUMP_MODULES`` tells the modules, those
that are compiled in too. Nothing is served; but Apache loads the modules that the configuration names.
"""

import os
import re
import shutil
import subprocess
from functools import lru_cache
from typing import Callable, Dict, Iterator, List, Optional, Sequence, Tuple

from threadguard.preflight import apache_conf, source
from threadguard.preflight.apache_conf import Conf
from threadguard.preflight.model import Unreadable
from threadguard.preflight.source import Source

SECONDS = 30.0
_PROGRAMS = ("apache2", "httpd")
_SYSTEM = ("/usr/local/sbin", "/usr/sbin", "/sbin")
"""Where administrators' programs are: a user's PATH seldom has them."""
_DEBIAN_MODULES = "/usr/lib/apache2/modules"
_WITH_VARIABLES = '[ ! -r "$0" ] || . "$0"; exec "$@"'
"""Debian's configuration uses variables of the file ``envvars`` beside it, which its apachectl reads."""
_MODULE = re.compile(r"^ (\w+)_module \((?:static|shared)\)$")
_FILE = re.compile(r"^\s*# In file: (.*)$")
_MACRO = re.compile(r"^macro '.*' \(defined on line (\d+) of \"(.*)\"\)")
_LINE = re.compile(r"^\s*#\s*(\d+):$")


def of(text: Source, conf: Conf, words: Sequence[str], say: Callable[[str], None]) -> Conf:
    """The configuration that *text* begins as Apache sees it; *conf*, what was read of it, where no Apache will.

    *words* are further arguments for Apache. *say* is told before it is started. An Apache that is not the one that
    will serve it may lack its modules, and one that is given a part of a configuration refuses it.
    """
    program, info = _program(), _mod_info(conf)
    if program is None or info is None:
        return conf
    say("%s -t says what counts in %s, and loads the modules that it names (--no-exec does not)" % (
        os.path.basename(program), text.path))
    said = _run([program, "-f", os.path.abspath(text.path), *words, "-C", 'LoadModule info_module "%s"' % info,
                 "-t", "-D", "DUMP_MODULES", "-D", "DUMP_CONFIG"], text.directory)
    if said is None:
        return conf
    names = {os.path.abspath(directive.file): directive.file for directive in conf.directives}
    return _read(said.splitlines(), names, conf.root)


def _program() -> Optional[str]:
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *_SYSTEM))
    return next((found for found in (shutil.which(name, path=path) for name in _PROGRAMS) if found), None)


def _mod_info(conf: Conf) -> Optional[str]:
    """Where mod_info lies: beside a module that *conf* loads. None if it loads none: then it is a part of another."""
    loaded = [directive.words[1] for directive in conf.directives
              if directive.name == "loadmodule" and len(directive.words) > 1]
    places = [os.path.dirname(os.path.abspath(source.join(conf.root, path))) for path in loaded]
    if loaded:
        places.append(_DEBIAN_MODULES)
    found = [os.path.join(place, "mod_info.so") for place in dict.fromkeys(places)]
    return next((path for path in found if os.path.isfile(path)), None)


def _run(words: List[str], directory: str) -> Optional[str]:
    """What it prints; None where it finds fault with the configuration, or does not end."""
    variables = os.path.join(os.path.abspath(directory), "envvars")
    try:
        done = subprocess.run(["/bin/sh", "-c", _WITH_VARIABLES, variables, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS)
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", "backslashreplace") if done.returncode == 0 else None


def _read(lines: List[str], names: Dict[str, str], root: str) -> Conf:
    modules = {found.group(1) for found in map(_MODULE.match, lines) if found}
    conf = Conf(modules=modules, root=root, knows_defines=True)
    apache_conf.follow(conf, _directives(lines, names))
    return conf


def _directives(lines: List[str], names: Dict[str, str]) -> Iterator[Tuple[str, int, str]]:
    """File, line number and text of each line of the configuration; *names* are the files as they were named."""
    file, first, number = "", 0, 0
    read = lru_cache(maxsize=None)(_lines_of)
    for line in lines:
        is_file, is_line = _FILE.match(line), _LINE.match(line)
        if is_file:
            is_macro = _MACRO.match(is_file.group(1))
            file, first = (is_macro.group(2), int(is_macro.group(1))) if is_macro else (is_file.group(1), 0)
        elif is_line:
            number = _begin(read(file), first + int(is_line.group(1)))
        elif file:
            yield names.get(file, source.shown(file)), number, line.strip()


def _begin(lines: List[str], number: int) -> int:
    """Where the directive begins whose last line has that *number*, which is the one that Apache tells."""
    while 1 < number <= len(lines) and lines[number - 2].endswith("\\"):
        number -= 1
    return number


def _lines_of(file: str) -> List[str]:
    try:
        return source.read(file).lines
    except Unreadable:  # it was a directory's .htaccess, or belongs to another user
        return []
