"""``mod_wsgi-express start-server``: its ``--threads`` of 5, unless a mode of its own says otherwise.

``--debug-mode``, and the debugger, profiler and the like that imply it, run one process of one thread; under
``--embedded-mode`` Apache's MPM decides (mod_wsgi/express/server.py `_cmd_setup_server`, in releases before 6
mod_wsgi/server/__init__.py).
"""

from dataclasses import replace
from typing import Iterator

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command, Unreadable
from threadguard.servers import mod_wsgi

NAME = "mod_wsgi-express"
PROGRAMS = ("mod_wsgi-express", "mod_wsgi-express-3", "mod_wsgi.server", "mod_wsgi.express")

_DEBUG = ("--debug-mode", "--enable-debugger", "--enable-coverage", "--enable-profiler", "--enable-recorder",
          "--enable-gdb")
_FLAGS = " ".join(_DEBUG) + " --embedded-mode --reload-on-changes --https-only --allow-localhost --startup-log" \
    " --log-to-terminal --access-log --compress-responses --setup-only --rotate-logs --http2 --hsts-policy"


def read_command(command: Command) -> Iterator[Reading]:
    """The options ``--threads``, ``--debug-mode`` and ``--embedded-mode``."""
    if command.words[1:2] not in (("start-server",), ("setup-server",)):
        return
    given = arguments.parse(command.words[2:], "--threads --processes --port --host --user --group --include-file",
                            _FLAGS)
    if "--include-file" in given.options:
        raise CannotTell("with --include-file Apache reads directives of %s" % given.last("--include-file"),
                         mod_wsgi.REMEDY)
    if "--embedded-mode" in given.options:
        raise CannotTell("with --embedded-mode the MPM of Apache decides", mod_wsgi.REMEDY)
    threads, where = given.last("--threads"), "the command line"
    if threads is None:
        threads, where = str(mod_wsgi.EXPRESS_THREADS), "mod_wsgi-express' default"
    if any(option in given.options for option in _DEBUG):
        threads, where = "1", "a mode for debugging"
    reading = mod_wsgi.read_settings(arguments.number(threads, "--threads"), "express", True, where)
    if reading is None:
        raise Unreadable("mod_wsgi-express takes no --threads of %s" % threads)
    yield replace(reading, server=NAME)
