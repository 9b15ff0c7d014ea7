"""Apache's configuration with mod_wsgi: which process group each application runs in, and how many threads that has.

mod_wsgi's documentation, "Processes And Threading": without a process group the application is embedded in Apache's own
children, and the MPM decides. A WSGIProcessGroup counts where its section does: of <Location> before that of
<Directory>, before that of the virtual host, before that of the server (httpd's "How the sections are merged").
"""

import re
from dataclasses import replace
from typing import Dict, Iterator, List, Optional, Set, Tuple

from threadguard.model import Reading
from threadguard.preflight import apache_conf, apache_dump, arguments
from threadguard.preflight.apache_conf import Conf, Directive, Section
from threadguard.preflight.model import CannotTell, Item, Options, Unreadable, at_most
from threadguard.preflight.source import Source
from threadguard.servers import mod_wsgi

NAME = "Apache configuration"

_MARK = re.compile(r"^[ \t]*(<(VirtualHost|IfModule|Directory|Location)\b"
                   r"|(WSGI\w+|LoadModule|Include|IncludeOptional)\s)", re.MULTILINE | re.IGNORECASE)
_MOUNTS = ("wsgiscriptalias", "wsgiscriptaliasmatch", "wsgihandlerscript")
_WHOLE = "check the file that includes all others"
_MPMS = {"prefork": 1, "worker": 25, "event": 25}
"""The threads of a child by default: prefork has none but its own; DEFAULT_THREADS_PER_CHILD of the others."""


def matches(text: Source) -> bool:
    """By a directive or a section of Apache's."""
    return _MARK.search(text.text) is not None


def read(text: Source, options: Options) -> Iterator[Item]:
    """What the file and those that it includes say; where Apache is installed, by what it makes of them itself."""
    conf = apache_conf.load(text)
    return judge(apache_dump.of(text, conf, (), options.say) if options.execute else conf)


def judge(conf: Conf) -> Iterator[Item]:
    """Each application that *conf* mounts; where it mounts none, each daemon process group."""
    mounts = [directive for directive in conf.directives if _is_mount(directive)]
    daemons = [directive for directive in conf.directives if directive.name == "wsgidaemonprocess"]
    found: Dict[Tuple[object, ...], Reading] = {}
    for mount in at_most(mounts, "applications", 1000):
        for group, where in [_group_of(mount, conf), *_groups_within(mount, conf)]:
            reading = _judge(mount, group, where, daemons, conf)
            found.setdefault((reading.server, reading.file, reading.line, reading.capacity), reading)
    for daemon in () if mounts else daemons:
        reading = _of_daemon(daemon)
        found.setdefault((reading.file, reading.line, reading.capacity), reading)
    if not found:
        raise CannotTell("it has neither WSGIScriptAlias nor WSGIDaemonProcess", _WHOLE)
    yield from found.values()


def _is_mount(directive: Directive) -> bool:
    if directive.name in ("sethandler", "addhandler"):
        return directive.words[:1] == ("wsgi-script",)
    return directive.name in _MOUNTS


def _judge(mount: Directive, group: str, where: str, daemons: List[Directive], conf: Conf) -> Reading:
    if group.startswith("%{") and group != "%{GLOBAL}" or "${" in group:
        raise CannotTell("the process group %s is only known on a request" % group, mod_wsgi.REMEDY, mount.file,
                         mount.line)
    if group in ("", "%{GLOBAL}"):
        return _embedded(mount, daemons, conf, where)
    hosts = [None, *_hosts_of(mount, conf)]
    for daemon in daemons:
        if daemon.words[:1] == (group,) and daemon.within("virtualhost") in hosts:
            return _of_daemon(daemon, mount)
    raise CannotTell("no WSGIDaemonProcess %s is in the files that were read" % group,
                     _WHOLE, mount.file, mount.line)


def _hosts_of(mount: Directive, conf: Conf) -> List[Optional[Section]]:
    """The virtual host of *mount*, and those of the same name, whose daemons it may use (mod_wsgi's
    `wsgi_execute_remote`): one for port 80, which redirects, and one for port 443, which serves."""
    host = mount.within("virtualhost")
    names = {directive.within("virtualhost"): directive.words[:1] for directive in conf.directives
             if directive.name == "servername"}
    return [host] + [other for other, name in names.items() if host in names and name == names[host]]


def _refuse_conditional(directive: Directive, mount: Optional[Directive] = None) -> None:
    """Refuse what may not count where *mount* does: under a condition that both stand in, both count or none does."""
    if set(directive.conditions) - set(mount.conditions if mount else ()):
        raise CannotTell("%s stands in a condition that the files do not decide" % directive.name,
                         _WHOLE, directive.file, directive.line)


def _group_of(mount: Directive, conf: Conf) -> Tuple[str, str]:
    """The process group of *mount*, and where it is said."""
    options = _options(mount.words[2:])
    if "process-group" in options:
        return options["process-group"], "process-group= says so"
    best: Tuple[Tuple[int, int], Optional[Directive]] = ((-1, -1), None)
    for directive in conf.directives:
        if directive.name == "wsgiprocessgroup" and _applies(directive, mount):
            _refuse_conditional(directive, mount)
            best = max(best, (_rank(directive), directive), key=lambda pair: pair[0]) if _rank(directive) != best[0] \
                else (best[0], directive)
    chosen = best[1]
    if chosen is None:
        return "", "no WSGIProcessGroup applies to it"
    return (chosen.words[0] if chosen.words else ""), "WSGIProcessGroup says so"


def _groups_within(mount: Directive, conf: Conf) -> Iterator[Tuple[str, str]]:
    """The process groups of parts of *mount*: of a <Location /admin> below the application at /."""
    if "process-group" in _options(mount.words[2:]) or mount.name != "wsgiscriptalias":
        return
    for directive in conf.directives:
        section = _innermost(directive)
        if directive.name == "wsgiprocessgroup" and section is not None and len(section.words) == 1 \
                and section.name in ("location", "directory") and not _applies(directive, mount):
            place = mount.words[section.name == "directory"].rstrip("/") + "/"
            if section.words[0].startswith(place) and directive.within("virtualhost") in (
                    None, mount.within("virtualhost")):
                yield (directive.words or ("",))[0], "WSGIProcessGroup of <%s %s> says so" % (
                    section.name.capitalize(), section.words[0])


def _rank(directive: Directive) -> Tuple[int, int]:
    section = _innermost(directive)
    if section is None:
        return (1 if directive.within("virtualhost") else 0), 0
    return (3 if section.name.startswith("location") else 2), len(section.words[-1] if section.words else "")


def _innermost(directive: Directive) -> Optional[Section]:
    inner = [section for section in directive.sections if section.name != "virtualhost"]
    return inner[-1] if inner else None


def _applies(directive: Directive, mount: Directive) -> bool:
    if directive.within("virtualhost") not in (None, mount.within("virtualhost")):
        return False
    return all(section in mount.sections or _covers(section, mount, directive) for section in directive.sections
               if section.name != "virtualhost")


def _covers(section: Section, mount: Directive, directive: Directive) -> bool:
    """Whether *section*, by its path or its URL, is one that *mount* is in."""
    if mount.name != "wsgiscriptalias" or section.name not in ("directory", "location") or len(section.words) != 1 \
            or re.search(r"[*?\[]", section.words[0]):
        raise CannotTell("whether <%s %s> is that of the application is only known on a request" % (
            section.name, " ".join(section.words)), mod_wsgi.REMEDY, directive.file, directive.line)
    place = mount.words[1] if section.name == "directory" else mount.words[0]
    prefix = section.words[0].rstrip("/")
    return place == prefix or place.startswith(prefix + "/")


def _of_daemon(daemon: Directive, mount: Optional[Directive] = None) -> Reading:
    _refuse_conditional(daemon, mount)
    name = daemon.words[0] if daemon.words else ""
    options = _options(daemon.words[1:])
    where = "WSGIDaemonProcess %s" % name
    if "threads" not in options:
        where += " sets no threads, and mod_wsgi's default"
    threads = arguments.number(options.get("threads", mod_wsgi.DAEMON_THREADS), "threads of WSGIDaemonProcess",
                               daemon.file, daemon.line)
    reading = mod_wsgi.read_settings(threads, name, where=where)
    if reading is None:
        raise Unreadable("mod_wsgi takes no threads=%r" % threads, daemon.file, daemon.line)
    return replace(reading, file=daemon.file, line=daemon.line)


def _options(words: Tuple[str, ...]) -> Dict[str, str]:
    pairs = (word.partition("=") for word in words)
    return {name.lower(): value.strip("\"'") for name, equals, value in pairs if equals}


def _embedded(mount: Directive, daemons: List[Directive], conf: Conf, where: str) -> Reading:
    mpms = [name for name in _MPMS if "mpm_" + name in conf.modules]
    if not mpms:
        raise CannotTell("it is embedded in Apache (%s), and no LoadModule tells which MPM Apache has" % where,
                         _remedy(daemons), mount.file, mount.line)
    threads, said = _MPMS[mpms[-1]], "its default"
    for directive in conf.directives:
        if directive.name == "threadsperchild" and mpms[-1] != "prefork":
            _refuse_conditional(directive, mount)
            threads = arguments.number((directive.words or ("",))[0], "ThreadsPerChild", directive.file, directive.line)
            said = "ThreadsPerChild"
    reading = mod_wsgi.read_settings(threads, "", where="it is embedded (%s): mpm_%s, by %s," % (where, mpms[-1], said))
    if reading is None:
        raise Unreadable("Apache takes no ThreadsPerChild %r" % threads, mount.file, mount.line)
    if _speaks_http2(mount, conf):
        reading = replace(reading, server="mod_wsgi embedded behind HTTP/2", capacity=None,
                          evidence="Protocols has h2, whose own threads enter the application; " + reading.evidence)
    return replace(reading, file=mount.file, line=mount.line, remedy=_remedy(daemons) or reading.remedy)


def _remedy(daemons: List[Directive]) -> str:
    names = [daemon.words[0] for daemon in daemons if daemon.words]
    return "WSGIProcessGroup %s, with threads=1 for its WSGIDaemonProcess" % names[0] if names else mod_wsgi.REMEDY


def _speaks_http2(mount: Directive, conf: Conf) -> bool:
    """Whether a host that *mount* counts in speaks it: its own, or any if it stands outside of them all."""
    spoken: Dict[Optional[Section], Set[str]] = {}
    for directive in conf.directives:
        if directive.name == "protocols":  # several of one host add up: server/core.c `set_protocols`
            spoken.setdefault(directive.within("virtualhost"), set()).update(map(str.lower, directive.words))
    host = mount.within("virtualhost")
    heard = list(spoken.values()) if host is None else [spoken.get(host, spoken.get(None, set()))]
    return "http2" in conf.modules and any({"h2", "h2c"} & words for words in heard)
