"""gearbox, pserve and paster: commands that load the server of an ini file's [server:] section, then the application.

They keep the server in a local variable ``server`` that is on the stack while the guard is built. A
``paste.server_runner`` is a closure over PasteDeploy's own `LoaderContext` (paste/deploy/loadwsgi.py `_Server.invoke`,
1.5 to 3.1). It knows the runner, and what became of the section: ``%(here)s``, ``[DEFAULT]``, ``get`` and
``use = config:other.ini`` are done. So nothing is parsed a second time. Under mod_wsgi, uWSGI's ini-paste or a shell
there is no such command on the stack. On a request the server that was started is read by its own reader.
"""

import re
from dataclasses import replace
from typing import Any, Optional, Tuple

from threadguard.model import Reading
from threadguard.process.facts import Process, captured, getattr_path, local
from threadguard.servers import server_section


class Serve:
    """A command that serves an ini file."""

    CALLS: Tuple[Tuple[str, ...], ...] = ()
    REMEDY = ("use = egg:waitress#main and threads = 1 in the [server:] section;"
              " for more throughput start more processes")
    RUNS_ON = "as the server that it starts"

    def __init__(self, name: str, command: str, module: str, function: str) -> None:
        self.NAME = name
        self.READS: Tuple[Tuple[str, str], ...] = (
            ("the [server:] section that %s chose, as PasteDeploy has loaded it" % command, "startup"),)
        self._place = module, function

    def at_startup(self, process: Process) -> Optional[Reading]:
        """What the chosen server is set to, while the command on the stack loads the application."""
        frame = process.frame(*self._place)
        if frame is None:
            return None
        server = local(frame, "server")
        context = captured(server, "context")
        runner = _name(server if context is None else getattr_path(context, "object"))
        if runner.startswith("gunicorn.") and process.has_file("gunicorn.conf.py"):
            return None  # gunicorn/config.py get_default_config_file: read beneath the section's settings
        file, name = _chosen(str(local(frame, "server_spec")), local(frame, "server_name"))
        settings = getattr_path(context, "local_conf") or {}
        try:
            reading = server_section.read_settings(runner, settings, "server:%s" % name, file)
        except server_section.NotTaken:  # the server will say so itself
            return None
        return reading and replace(reading, on_stack=True)

    def serves(self, process: Process) -> bool:
        """Whether the command's own stack runs the request, as it does with wsgiref."""
        return process.frame(*self._place) is not None


gearbox = Serve("gearbox", "gearbox serve", "gearbox.commands.serve", "take_action")  # `ServeCommand`, 0.1 to 0.5
pserve = Serve("pserve", "pserve", "pyramid.scripts.pserve", "run")  # `PServeCommand`, 1.10 to 2.1
paster = Serve("paster", "paster serve", "paste.script.serve", "command")  # `ServeCommand`, PasteScript 3.7
COMMANDS: Tuple[Serve, ...] = (gearbox, pserve, paster)
"""The commands; gearbox and pserve descend from paster."""


def _name(function: Any) -> str:
    """The name of *function*, or of the factory that made it."""
    name = str(getattr_path(function, "__qualname__")).split(".<locals>")[0]
    return "%s:%s" % (getattr_path(function, "__module__"), name)


def _chosen(spec: str, name: Optional[str]) -> Tuple[Optional[str], str]:
    """The file and the server's name that ``config:file.ini#name`` and ``--server-name`` choose together."""
    path, _, fragment = spec.partition("#")
    file = None if path.startswith("egg:") else re.sub(r"^[a-z+]{2,}:(//)?", "", path)
    return file, name or fragment or "main"
