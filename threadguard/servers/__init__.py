"""The servers that threadguard can read, one module each.

A reader is a module with the names of `Server`. To add a server, write one file and put it into `SERVERS`.
It never imports the server's package: it looks among loaded modules, the stack and the environ (`Process`),
and returns None, or nothing, where it does not know. It may raise: that becomes a finding and nothing else.
"""

from typing import Optional, Protocol, Tuple

from threadguard.model import Reading
from threadguard.process.facts import Process
from threadguard.servers import (a2wsgi, asgiref, cheroot, django, eventlet, flask, gevent, granian, gunicorn,
                                 hypercorn, mod_wsgi, passenger, paste, pastedeploy, tornado, twisted, unit, uvicorn,
                                 uwsgi, waitress, werkzeug, wsgiref)


class Server(Protocol):
    """What each module of this package offers."""

    NAME: str
    """The server as people call it."""
    REMEDY: str
    """How to run it single-threaded and scale it with processes, in its own syntax."""
    READS: Tuple[Tuple[str, str], ...]
    """What is read, and when: pairs of a description and ``"startup"`` or ``"request"``."""

    # Also, where the server has it: CALLS, the functions in which it calls an application (a module, and functions of it;
    # any function, if none is named); HAS_NO_FRAMES, if it makes the environ and has no frame on the stack.

    def at_startup(self, process: Process) -> Optional[Reading]:
        """The capacity as the settings tell it while the guard is being built."""

    def on_request(self, process: Process) -> Optional[Reading]:
        """The capacity as it shows on a request: ``process.environ`` is the request's."""

    def serves(self, process: Process) -> bool:
        """Whether this server runs the request of *process*: its own frame, pool or key in the environ says so.

        It judges nothing. A sign that needs no server's name finds a capacity but knows no setting: the server that
        serves lends such a finding its name and its remedy. A reading without a remedy is treated in the same way,
        so a reader that merely finds another server's pool leaves the remedy out.
        """


# The first that serves names the remedy: whatever drives another server (Flask drives Werkzeug, a gunicorn worker
# drives gevent's server) stands before it.
SERVERS: Tuple[Server, ...] = (
    gunicorn, uwsgi, mod_wsgi, unit, passenger, waitress, paste, *pastedeploy.COMMANDS,
    flask, django, werkzeug, wsgiref, cheroot,
    gevent, eventlet,
    twisted, tornado, granian, asgiref, uvicorn, a2wsgi, hypercorn,
)
