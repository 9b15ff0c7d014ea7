"""gearbox, pserve and paster: commands that load the server of an ini file's [server:] section, then the application.

They keep the server in a local variable ``server`` that is on the stack while the guard is built. A
``paste.server_runner`` is a closure over PasteDeploy's own `LoaderContext` (paste/deploy/loadwsgi.py `_Server.invoke`,
1.5 to 3.1). It knows the runner, and what became of the section: ``%(here)s``, ``[DEFAULT]``, ``get`` and
``use = config:other.ini`` are done. So nothing is parsed a second time. Under mod_wsgi, uWSGI's ini-paste or a shell
there is no such command on the stack. On a request the server that was started is read by its own reader.

The second part says which server a section starts, and what that server makes of its settings, each from the source of
its runner. It is pure but for the search of a line to name; `threadguard check` uses it as well.
"""

import os
import re
from dataclasses import replace
from typing import Any, Callable, Dict, Mapping, NamedTuple, Optional, Tuple

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, cells_of, getattr_path, variables
from threadguard.servers import cheroot, gevent, gunicorn, paste, waitress


class Serve:
    """A command that serves an ini file."""

    REMEDY = ("use = egg:waitress#main and threads = 1 in the [server:] section;"
              " for more throughput start more processes")
    RUNS_ON = "as the server that it starts"
    CALLS = ()

    def __init__(self, name: str, command: str, module: str, function: str) -> None:
        self.NAME = name
        self.READS = (("the [server:] section that %s chose, as PasteDeploy has loaded it" % command, "startup"),)
        self._place = module, function

    def at_startup(self, process: Process) -> Optional[Reading]:
        """What the chosen server is set to, while the command on the stack loads the application."""
        frame = process.frame(*self._place)
        if frame is None:
            return None
        chosen = variables(frame)
        server = chosen.get("server")
        context = cells_of(server).get("context")
        runner = _name(server if context is None else getattr_path(context, "object"))
        if runner.startswith("gunicorn.") and os.path.isfile("gunicorn.conf.py"):
            return None  # gunicorn/config.py get_default_config_file: read beneath the section's settings
        path, _, fragment = str(chosen.get("server_spec")).partition("#")
        file = None if path.startswith("egg:") else re.sub(r"^[a-z+]{2,}:(//)?", "", path)
        name = chosen.get("server_name") or fragment or "main"
        try:
            return read_settings(runner, getattr_path(context, "local_conf") or {}, "server:%s" % name, file)
        except NotTaken:  # the server will say so itself
            return None

    def serves(self, process: Process) -> bool:
        """Whether the command's own stack runs the request, as it does with wsgiref."""
        return process.frame(*self._place) is not None


COMMANDS = (
    Serve("gearbox", "gearbox serve", "gearbox.commands.serve", "take_action"),  # `ServeCommand`, 0.1 to 0.5
    Serve("pserve", "pserve", "pyramid.scripts.pserve", "run"),  # `PServeCommand`, 1.10 to 2.1
    Serve("paster", "paster serve", "paste.script.serve", "command"),  # `ServeCommand`, PasteScript 3.7
)
"""The commands; gearbox and pserve descend from paster."""


def _name(function: Any) -> str:
    """The name of *function*, or of the factory that made it."""
    name = str(getattr_path(function, "__qualname__")).split(".<locals>")[0]
    return "%s:%s" % (getattr_path(function, "__module__"), name)


# -- the section ----------------------------------------------------------------------------------------------------

Settings = Mapping[str, str]
HEADER = "["  # stands for a section's own line: no option begins with it


class NotTaken(ValueError):
    """The server will not start: *option* needs a whole number, and *value* is none."""

    def __init__(self, option: str, value: str) -> None:
        super().__init__("%s = %s is not a whole number" % (option, value))
        self.option = option


class _Runner(NamedTuple):
    read: Callable[[Settings, str], Optional[Reading]]
    """From the settings, and their place as the subject of a sentence, to a reading."""
    options: Tuple[str, ...]
    """The settings that decide, the most telling first."""
    change: str
    """What to write into the section."""


def _number(settings: Settings, option: str, default: Optional[int] = None) -> Optional[int]:
    if option not in settings:
        return default
    try:
        return int(settings[option])
    except ValueError:
        raise NotTaken(option, settings[option]) from None


def _truth(settings: Settings, option: str, default: bool) -> bool:
    return settings[option].strip().lower() in ("true", "yes", "on", "y", "t", "1") if option in settings else default


def _of_paste(settings: Settings, where: str) -> Optional[Reading]:  # paste/httpserver.py server_runner
    return paste.read_settings(_truth(settings, "use_threadpool", True),
                               _number(settings, "threadpool_workers", paste.WORKERS),
                               _number(settings, "threadpool_spawn_if_under", paste.SPAWN_IF_UNDER), where)


def _of_gunicorn(settings: Settings, where: str) -> Optional[Reading]:  # gunicorn/app/pasterapp.py serve
    if "config" in settings:  # a file of its own, which may set the rest
        return None
    return gunicorn.read_settings(settings.get("worker_class", "sync"), _number(settings, "threads", 1),
                                  _number(settings, "worker_connections", 1000),
                                  len(settings.get("bind", settings.get("host", "")).split(",")), where)


def _of_wsgiref(settings: Settings, where: str) -> Optional[Reading]:  # gearbox/commands/serve.py
    threaded = _truth(settings, "wsgiref.threaded", False)
    evidence = "%s sets no wsgiref.threaded, and the default is false" % where
    if "wsgiref.threaded" in settings:
        evidence = "%s sets wsgiref.threaded = %r" % (where, settings["wsgiref.threaded"])
    return Reading(Source.SETTING, "wsgiref", None if threaded else 1, evidence, unbounded=threaded)


def _of_plain_wsgiref(settings: Settings, where: str) -> Reading:  # pyramid/scripts/pserve.py
    return Reading(Source.SETTING, "wsgiref", 1, "%s starts Pyramid's wsgiref server, which has no threads" % where)


def _of_cheroot(settings: Settings, where: str) -> Optional[Reading]:
    return cheroot.read_settings(_number(settings, "numthreads"), where)


_WAITRESS = "use = egg:waitress#main and threads = 1"
RUNNERS: Dict[str, _Runner] = {
    "waitress:serve_paste": _Runner(
        lambda settings, where: waitress.read_settings(_number(settings, "threads"), where), ("threads",),
        "threads = 1"),
    "paste.httpserver:server_runner": _Runner(
        _of_paste, ("threadpool_workers", "use_threadpool", "threadpool_spawn_if_under"),
        "use_threadpool = true, threadpool_workers = 1 and threadpool_spawn_if_under = 0"),
    "gunicorn.app.pasterapp:serve": _Runner(
        _of_gunicorn, ("threads", "worker_class", "worker_connections"), "worker_class = sync and threads = 1"),
    "gearbox.commands.serve:wsgiref_server_runner": _Runner(
        _of_wsgiref, ("wsgiref.threaded",), "wsgiref.threaded = false"),
    "gearbox.commands.serve:cherrypy_server_runner": _Runner(_of_cheroot, ("numthreads",), "numthreads = 1"),
    "gearbox.commands.serve:gevent_server_factory": _Runner(  # it gives the server no pool
        lambda settings, where: gevent.read_settings(None, where), (), _WAITRESS),
    "pyramid.scripts.pserve:wsgiref_server_runner": _Runner(_of_plain_wsgiref, (), _WAITRESS),
    "pyramid.scripts.pserve:cherrypy_server_runner": _Runner(_of_cheroot, ("numthreads",), "numthreads = 1"),
}
EGGS = {  # what ``use`` says, to the runner that PasteDeploy finds for it (the packages' entry points)
    "egg:waitress": "waitress:serve_paste", "egg:waitress#main": "waitress:serve_paste",
    "egg:Paste#http": "paste.httpserver:server_runner",
    "egg:gunicorn": "gunicorn.app.pasterapp:serve", "egg:gunicorn#main": "gunicorn.app.pasterapp:serve",
    "egg:gearbox#wsgiref": "gearbox.commands.serve:wsgiref_server_runner",
    "egg:gearbox#cherrypy": "gearbox.commands.serve:cherrypy_server_runner",
    "egg:gearbox#gevent": "gearbox.commands.serve:gevent_server_factory",
    "egg:pyramid#wsgiref": "pyramid.scripts.pserve:wsgiref_server_runner",
    "egg:pyramid#cherrypy": "pyramid.scripts.pserve:cherrypy_server_runner",
}


def read_settings(runner: str, settings: Settings, section: str, file: Optional[str] = None) -> Optional[Reading]:
    """The capacity of the server that *runner* (a key of `RUNNERS`) starts with *settings*; None if it is not known.

    *section* (``server:main``) of *file* is where they come from, as PasteDeploy passes them on. Without a file the
    server was named on the command line. Raises `NotTaken`.
    """
    known = RUNNERS.get(runner)
    if known is None:
        return None
    where, change, line = _find_place(known, settings, section, file)
    reading = known.read(settings, where)
    remedy = "%s; for more throughput start more processes" % change
    return reading and replace(reading, file=file, line=line, remedy=remedy)


def _find_place(known: _Runner, settings: Settings, section: str,
                file: Optional[str]) -> Tuple[str, str, Optional[int]]:
    """Where the settings stand, as the subject of a sentence; what to change, and where; and the line."""
    if not file:
        return ("the command's option --server", _WAITRESS + " in a [server:] section, and no --server", None)
    where, lines = "[%s]" % section, find_lines(file, section)
    change = "%s in %s" % (known.change, where)
    written = [option for option in known.options if option in lines]
    for option in written:
        if option not in settings:  # ConfigLoader.get_context skips each option that [DEFAULT] has as well
            return ("%s, whose %s PasteDeploy drops because [DEFAULT] has it too," % (where, option),
                    change + " and not in [DEFAULT]", lines[option])
    if written:
        return where, change, lines[written[0]]
    if lines and any(option in settings for option in known.options):
        return "%s, through its use," % where, change, lines.get("use")
    return where, change, lines.get(HEADER if known.options else "use")


def find_lines(file: Optional[str], section: str) -> Dict[str, int]:
    """The line number of each option in *section* of *file*, and of its header as `HEADER`; empty without a file."""
    try:
        with open(file or "", encoding="utf-8", errors="replace") as text:
            numbered = list(enumerate(text, 1))
    except OSError:
        return {}
    lines: Dict[str, int] = {}
    inside = False
    for number, line in numbered:
        header = re.match(r"\[([^]]+)\]", line)
        option = re.match(r"([^\s#;=:][^=:]*?)\s*[=:]", line)
        if header:
            inside = re.sub(r":\s+", ":", header.group(1).strip()) == section
            if inside:
                lines[HEADER] = number
        elif inside and option:
            lines[option.group(1)] = number
    return lines
