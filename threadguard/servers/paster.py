"""paster: ``paster serve`` loads the server of an ini file's [server:] section, and then the application.

paste/script/serve.py `ServeCommand.command`, PasteScript 3.7; gearbox and pserve descend from it. On a request the
server that it started is read by its own reader.
"""

from typing import Optional, Tuple

from threadguard.model import Reading
from threadguard.process.facts import Process
from threadguard.servers import pastedeploy

NAME = "paster"
REMEDY = "use = egg:waitress#main and threads = 1 in the [server:] section; for more throughput start more processes"
READS: Tuple[Tuple[str, str], ...] = (
    ("the [server:] section that paster serve chose, as PasteDeploy has loaded it", "startup"),
)

_COMMAND = ("paste.script.serve", "command")


def at_startup(process: Process) -> Optional[Reading]:
    """What the chosen server is set to, while the command on the stack loads the application."""
    return pastedeploy.at_startup(process, *_COMMAND)


def on_request(process: Process) -> Optional[Reading]:
    """Nothing: the server's own reader knows."""
    return None


def serves(process: Process) -> bool:
    """Whether the command's own stack runs the request, as it does with wsgiref."""
    return process.frame(*_COMMAND) is not None
