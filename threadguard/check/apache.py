"""Apache's configuration with mod_wsgi: which process group each application runs in, and how many threads that has.

mod_wsgi's documentation, "Processes And Threading": without a process group the application is embedded in Apache's own
children, and the MPM decides. A WSGIProcessGroup counts where its section does: of <Location> before that of
<Directory>, before that of the virtual host, before that of the server (httpd's "How the sections are merged"). Of
conditions ``<IfModule>`` is evaluated by the LoadModule lines before it and ``<IfDefine>`` by Define; what the files do
not decide is marked.
"""

import os
import re
from dataclasses import dataclass, field, replace
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

from threadguard.check import execute
from threadguard.check.model import Command, Item, Server, at_most, number, quote
from threadguard.check.source import CannotTell, Source, Tree, Unreadable
from threadguard.check.words import MARK, shown
from threadguard.model import Reading
from threadguard.servers import mod_wsgi

MARK_OF_APACHE = r"(?i)^[ \t]*(<(VirtualHost|IfModule|Directory|Location)\b[^\n]*>" \
    r"|(WSGI\w+|LoadModule|Include|IncludeOptional)\s)"
_MOUNTS = ("wsgiscriptalias", "wsgiscriptaliasmatch", "wsgihandlerscript")
_MPMS = {"event": 25, "worker": 25, "prefork": 1}
"""The threads of a child by default: prefork has none but its own; DEFAULT_THREADS_PER_CHILD of the others."""
_CONDITIONS = "ifmodule ifdefine ifversion iffile ifdirective ifsection macro if elseif else".split()
_WORDS = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)"|\'([^\'\\]*(?:\\.[^\'\\]*)*)\'|(\S+)')
_VARIABLE = re.compile(r"\$\{(\w+)\}")
_MOST = 256 * 1024
"""Characters of variables that are filled in: they may be variables of variables."""
_BUILT_IN = {"core", "so", "http", "http_core", "unixd", "log_config", "logio", "version", "watchdog", "systemd"}
"""Compiled in, as `apachectl -l` says of the usual builds."""
_WHOLE = "check the file that includes all others"


class Section(NamedTuple):
    """A section that a directive stands in: its name in small letters, its arguments, and which of its kind it is."""

    name: str
    words: Tuple[str, ...]
    number: int


class Directive(NamedTuple):
    """One line; its name in small letters."""

    name: str
    words: Tuple[str, ...]
    written: str
    file: str
    line: int
    first: str
    """Its first argument."""
    options: Dict[str, str]
    """Its arguments ``name=value``."""
    sections: Tuple[Section, ...]
    """Without virtual hosts and conditions, outermost first."""
    host: Optional[Section]
    """The virtual host around it, or None."""
    conditions: Tuple[Section, ...]
    """Those around it of which the files do not tell whether they hold."""


@dataclass
class Conf:
    """What has been read so far."""

    tree: Tree
    root: str
    defines: Optional[Dict[str, str]] = None
    """The parameters of -D, None where they are not known; `filled` has those of Define too."""
    filled: Dict[str, str] = field(default_factory=dict)
    directives: List[Directive] = field(default_factory=list)
    macros: Set[str] = field(default_factory=set)
    """Names of macros that were read, in small letters."""
    modules: Set[str] = field(default_factory=set)
    """Names of loaded modules, without ``_module``."""
    missing: List[CannotTell] = field(default_factory=list)
    """Files that it includes, and macros that it uses, that are not here."""
    lines: int = 0
    length: int = 0
    """Of the variables that were filled in."""

    def named(self, *names: str) -> List[Directive]:
        """The directives of these names."""
        return [directive for directive in self.directives if directive.name in names]


_Stack = List[Tuple[Section, Optional[bool]]]
"""The sections that are open, each with whether its condition holds; None where that is not known."""


def read_file(text: Source, command: Command) -> Iterator[Item]:
    """What the file and those that it includes say."""
    return _read_whole(text, Conf(command.tree, text.directory), [], command)


def read_command(command: Command) -> Iterator[Item]:
    """What the file of ``-f`` says. Without ``-f`` a path that was compiled in decides."""
    given = command.parse("-f -d -D -c -C -k -e -E", "-X -t -S -v -V -l -M")
    file, root = given.last("-f"), given.last("-d")
    if file is None:
        raise CannotTell("without -f it reads the file that was compiled in", "check that file: threadguard check FILE")
    if "-c" in given.options or "-C" in given.options:
        raise CannotTell("-c and -C are directives of their own", "write them into the file")
    start = command.path(root, "-d") if root else ""
    text = command.tree.read(command.tree.join(start, file)) if start else command.read(file, "-f")
    defines = {str(name): "" for name in given.options.get("-D", [])}
    words = [word for name in defines for word in ("-D", name)] + ["-d", os.path.abspath(start)] * bool(start)
    return _read_whole(text, Conf(command.tree, start or text.directory, defines, defines.copy()), words, command)


def _read_whole(text: Source, conf: Conf, words: Sequence[str], command: Command) -> Iterator[Item]:
    _read(text, conf, (), [])
    if command.options.execute:
        modules = [os.path.join(conf.root, each.words[1]) for each in conf.named("loadmodule") if len(each.words) > 1]
        dumped = execute.apache_dump(text, modules, words, conf.tree, command.options)
        if dumped is not None:
            conf = Conf(conf.tree, conf.root, {}, modules=set(dumped[0]))
            stack: _Stack = []
            for file, line, written in dumped[1]:
                _read_line(written, line, Source(file, ""), conf, stack, ())
    command.doubts.extend(conf.missing)
    if not conf.modules:
        command.assumed.append("the files around it choose no other process group")
    return _judge(conf)


def _read(text: Source, conf: Conf, parents: Tuple[str, ...], opened: _Stack) -> None:
    if text.path in parents or len(parents) > 20:
        raise Unreadable("it includes itself", text.path)
    stack, start = list(opened), 0
    pending: List[str] = []
    for place, line in enumerate(text.lines, 1):
        start = start if pending else place
        pending.append(line[:-1] if line.endswith("\\") else line)
        if not line.endswith("\\"):
            whole, pending = "".join(pending).strip(), []
            if whole and not whole.startswith("#"):
                _read_line(whole, start, text, conf, stack, parents)
    if len(stack) > len(opened):
        raise Unreadable("<%s> is not closed" % stack[-1][0].name, text.path)


def _read_line(line: str, place: int, text: Source, conf: Conf, stack: _Stack, parents: Tuple[str, ...]) -> None:
    conf.lines += 1
    if conf.lines > 50000 or len(stack) > 50:
        raise Unreadable("it has more than 50000 lines, or 50 sections in one another", text.path, place)
    end, begin = re.match(r"</\s*(\w+)\s*>", line), re.match(r"<\s*(\w+)(.*)", line)
    if end:
        if not stack or stack.pop()[0].name != end.group(1).lower():
            raise Unreadable("</%s> closes nothing" % end.group(1), text.path, place)
    elif begin:
        words = _split(re.sub(r">$", "", begin.group(2).strip()), conf)
        section = Section(begin.group(1).lower(), words, conf.lines)
        stack.append((section, _holds(section, conf)))
        if section.name == "macro":
            conf.macros.add("".join(words[:1]).lower())
    elif all(holds is not False for _, holds in stack):
        words = _split(line, conf)
        options = (word.partition("=") for word in words[1:])
        hosts = [section for section, _ in stack if section.name == "virtualhost"]
        _obey(Directive(
            words[0].lower(), words[1:], line[:120], text.path, place, "".join(words[1:2]),
            {name.lower(): value.strip("\"'") for name, equals, value in options if equals},
            tuple(section for section, _ in stack if section.name not in ("virtualhost", *_CONDITIONS)),
            hosts[0] if hosts else None, tuple(section for section, holds in stack if holds is None)),
            text, conf, stack, parents)


def _obey(directive: Directive, text: Source, conf: Conf, stack: _Stack, parents: Tuple[str, ...]) -> None:
    conf.directives.append(directive)
    first = directive.first
    if directive.name == "loadmodule" and not directive.conditions:
        conf.modules.add(re.sub("_module$", "", first))
    elif directive.name == "define" and not directive.conditions:
        conf.filled[first] = "".join(directive.words[1:2])
    elif directive.name == "undefine":
        conf.filled.pop(first, None)
    elif directive.name == "serverroot" and conf.tree.holds(first):
        conf.root = first
    elif directive.name == "use" and first.lower() not in conf.macros:
        conf.missing.append(CannotTell("%s: no macro of this name is in the files that were read" % directive.written,
                                       _WHOLE, directive.file, directive.line))
    elif directive.name in ("include", "includeoptional"):
        path = conf.tree.join(conf.root, first)
        found = conf.tree.matching(os.path.join(path, "*") if os.path.isdir(path) else path)
        if not found and (directive.name == "include" or not conf.tree.holds(path)):
            conf.missing.append(CannotTell("%s finds nothing here" % directive.written, _WHOLE, directive.file,
                                           directive.line))
        for each in found:
            _read(conf.tree.read(each), conf, parents + (text.path,), stack)


def _split(text: str, conf: Conf) -> Tuple[str, ...]:
    conf.length += sum(len(conf.filled.get(name, "")) for name in _VARIABLE.findall(text))
    if conf.length > _MOST:
        raise Unreadable("it is longer by %d KiB once its variables are filled in" % (_MOST // 1024))
    filled = _VARIABLE.sub(lambda match: conf.filled.get(match.group(1), MARK + match.group()), text)
    return tuple(match.group(match.lastindex or 0) for match in _WORDS.finditer(filled))


def _holds(section: Section, conf: Conf) -> Optional[bool]:
    """Whether the condition of *section* holds; None if that is not known."""
    if section.name not in _CONDITIONS:
        return True
    word, holds = "".join(section.words[:1]), None
    name = word.lstrip("!")
    if section.name == "ifmodule":  # wsgi_module, mod_wsgi.c, prefork.c
        short = re.sub(r"^mod_|\.c$|_module$", "", name)
        known = {short, "mpm_" + short} & conf.modules or short in _BUILT_IN
        holds = True if known else False if conf.modules else True if short == "wsgi" else None
    elif section.name == "ifdefine":
        holds = True if name in conf.filled else None if conf.defines is None else False  # httpd's own -D
    return None if holds is None else holds is not word.startswith("!")


def _judge(conf: Conf) -> Iterator[Item]:
    """Each application that *conf* mounts; where it mounts none, each daemon process group."""
    mounts = conf.named(*_MOUNTS) + [each for each in conf.named("sethandler", "addhandler")
                                     if each.first == "wsgi-script"]
    daemons = at_most(conf.named("wsgidaemonprocess"), "WSGIDaemonProcess", 300)
    groups = at_most(conf.named("wsgiprocessgroup"), "WSGIProcessGroup", 300)
    if not mounts and not daemons:
        raise CannotTell("it has neither WSGIScriptAlias nor WSGIDaemonProcess", _WHOLE)
    for mount in at_most(mounts, "applications", 300):
        for group, where in _groups_of(mount, groups):
            yield _of_group(mount, group, where, daemons, conf)
    for daemon in () if mounts else daemons:
        yield _of_daemon(daemon, None)


def _groups_of(mount: Directive, groups: Sequence[Directive]) -> Iterator[Tuple[str, str]]:
    """The process group of *mount*, and those of parts of it, of a <Location /admin> below /; and where it is said."""
    if "process-group" in mount.options:
        yield mount.options["process-group"], mount.written
        return
    chosen: Optional[Directive] = None
    for directive in groups:
        if directive.host not in (None, mount.host):
            continue
        if all(section in mount.sections or _covers(section, mount, directive) for section in directive.sections):
            _refuse_conditional(directive, mount)
            chosen = directive if chosen is None or _rank(directive) >= _rank(chosen) else chosen
        elif mount.name == "wsgiscriptalias" and directive.sections[-1].words[0].startswith(
                mount.words[directive.sections[-1].name == "directory"].rstrip("/") + "/"):
            yield directive.first, directive.written
    yield (chosen.first, chosen.written) if chosen else ("", "%s, to which no WSGIProcessGroup applies" % mount.written)


def _rank(directive: Directive) -> Tuple[int, int]:
    if not directive.sections:
        return (1 if directive.host else 0), 0
    section = directive.sections[-1]
    return (3 if section.name.startswith("location") else 2), len("".join(section.words[-1:]))


def _covers(section: Section, mount: Directive, directive: Directive) -> bool:
    """Whether *section*, by its path or its URL, is one that *mount* is in."""
    if mount.name != "wsgiscriptalias" or section.name not in ("directory", "location") or len(section.words) != 1 \
            or re.search(r"[*?\[]", section.words[0]) or len(mount.words) < 2:
        raise CannotTell("whether <%s %s> is that of the application is only known on a request" % (
            section.name, " ".join(section.words)), mod_wsgi.REMEDY, directive.file, directive.line)
    place, prefix = mount.words[section.name == "directory"], section.words[0].rstrip("/")
    return place == prefix or place.startswith(prefix + "/")


def _refuse_conditional(directive: Directive, mount: Optional[Directive]) -> None:
    """Refuse what may not count where *mount* does: under a condition that both stand in, both count or none does."""
    if set(directive.conditions) - set(mount.conditions if mount else ()):
        raise CannotTell("%s stands in a condition that the files do not decide" % directive.written, _WHOLE,
                         directive.file, directive.line)


def _of_group(mount: Directive, group: str, where: str, daemons: Sequence[Directive], conf: Conf) -> Reading:
    if group.startswith("%{") and group != "%{GLOBAL}" or "${" in group:
        raise CannotTell("the process group %s is only known on a request" % shown(group), mod_wsgi.REMEDY, mount.file,
                         mount.line)
    if group in ("", "%{GLOBAL}"):
        return _embedded(mount, daemons, conf, where)
    # Those of its own host, and of others of the same name (mod_wsgi's `wsgi_execute_remote`).
    names = {each.host: each.words[:1] for each in conf.named("servername")}
    hosts = [host for host, name in names.items() if mount.host in names and name == names[mount.host]]
    for daemon in daemons:
        if daemon.first == group and daemon.host in [None, mount.host, *hosts]:
            return _of_daemon(daemon, mount)
    raise CannotTell("no WSGIDaemonProcess %s is in the files that were read" % group, _WHOLE, mount.file, mount.line)


def _of_daemon(daemon: Directive, mount: Optional[Directive]) -> Reading:
    _refuse_conditional(daemon, mount)
    value = daemon.options.get("threads", str(mod_wsgi.DAEMON_THREADS))
    evidence = daemon.written
    if "threads" not in daemon.options:
        evidence += ", which sets no threads: mod_wsgi's default is " + value
    threads = number(MARK + value if value.startswith("$") else value, "threads of WSGIDaemonProcess", daemon.file,
                     daemon.line)  # $: a macro's argument
    return quote(mod_wsgi.read_settings(threads, daemon.first or "site"), evidence, "threads=1 for WSGIDaemonProcess"
                 " %s; for more throughput processes=N" % daemon.first, daemon.file, daemon.line)


def _embedded(mount: Directive, daemons: Sequence[Directive], conf: Conf, where: str) -> Reading:
    remedy = "WSGIProcessGroup %s, with threads=1 for its WSGIDaemonProcess" % daemons[0].first if daemons else \
        mod_wsgi.REMEDY
    mpm = next((name for name in _MPMS if "mpm_" + name in conf.modules), None)
    if mpm is None:
        raise CannotTell("%s: it runs embedded in Apache, and no LoadModule tells which MPM Apache has" % where,
                         remedy, mount.file, mount.line)
    threads, said = _MPMS[mpm], "mpm_%s has %d by default" % (mpm, _MPMS[mpm])
    for directive in conf.named("threadsperchild") if mpm != "prefork" else ():
        _refuse_conditional(directive, mount)
        threads, said = number(directive.first, "ThreadsPerChild", directive.file, directive.line), directive.written
    evidence = "%s: it runs embedded in Apache's threads, of which %s" % (where, said)
    reading = quote(mod_wsgi.read_settings(threads), evidence, remedy, mount.file, mount.line)
    # Of a host that the application counts in: its own, or any if it stands outside of them all.
    spoken: Dict[Optional[Section], Set[str]] = {}
    for directive in conf.named("protocols"):  # several of one host add up: server/core.c `set_protocols`
        spoken.setdefault(directive.host, set()).update(map(str.lower, directive.words))
    heard = list(spoken.values()) if mount.host is None else [spoken.get(mount.host, spoken.get(None, set()))]
    if "http2" in conf.modules and any({"h2", "h2c"} & words for words in heard):
        return replace(reading, server="mod_wsgi embedded behind HTTP/2", capacity=None, evidence="Protocols has h2,"
                       " whose own threads enter the application; " + evidence)
    return reading


COMMAND = Server("Apache", ("apache2", "httpd", "apachectl", "apache2ctl"), read_command)
