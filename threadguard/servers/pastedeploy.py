"""PasteDeploy: the server that a command like ``gearbox serve`` chose, found on the stack.

Not a server, but what gearbox, pserve and paster have in common. They load the server before the application, into a
local variable ``server`` that is on the stack while the guard is built. A ``paste.server_runner`` is a closure over
PasteDeploy's own `LoaderContext` (paste/deploy/loadwsgi.py `_Server.invoke`, 1.5 to 3.1). It knows the runner, and
what became of the section: ``%(here)s``, ``[DEFAULT]``, ``get`` and ``use = config:other.ini`` are done. So nothing is
parsed a second time. Under mod_wsgi, uWSGI's ini-paste or a shell there is no such command on the stack.
"""

import re
from dataclasses import replace
from typing import Any, Optional, Tuple

from threadguard.model import Reading
from threadguard.process.facts import Process, captured, dig, local
from threadguard.servers import server_section


def at_startup(process: Process, module: str, function: str) -> Optional[Reading]:
    """What the server that *function* of *module* has loaded is set to, while it loads the application."""
    frame = process.frame(module, function)
    if frame is None:
        return None
    server = local(frame, "server")
    context = captured(server, "context")
    runner = _name(server if context is None else dig(context, "object"))
    if runner.startswith("gunicorn.") and process.has_file("gunicorn.conf.py"):
        return None  # gunicorn/config.py get_default_config_file: read beneath the section's settings
    file, name = _chosen(str(local(frame, "server_spec")), local(frame, "server_name"))
    try:
        reading = server_section.read_settings(runner, dig(context, "local_conf") or {}, "server:%s" % name, file)
    except server_section.NotTaken:  # the server will say so itself
        return None
    return reading and replace(reading, on_stack=True)


def _name(function: Any) -> str:
    """The name of *function*, or of the factory that made it."""
    return "%s:%s" % (dig(function, "__module__"), str(dig(function, "__qualname__")).split(".<locals>")[0])


def _chosen(spec: str, name: Optional[str]) -> Tuple[Optional[str], str]:
    """The file and the server's name that ``config:file.ini#name`` and ``--server-name`` choose together."""
    path, _, fragment = spec.partition("#")
    file = None if path.startswith("egg:") else re.sub(r"^[a-z+]{2,}:(//)?", "", path)
    return file, name or fragment or "main"
