"""The servers that threadguard can read, one module each.

A reader is a module with the names of `Server`, and of these functions those that have something to say; each looks at
a `Process`:

- ``at_startup(process)``: the capacity as the settings tell it while the guard is being built, a `Reading` or None.
- ``on_request(process)``: the capacity as it shows on a request; ``process.environ`` is the request's. What it gives as
  a setting counts as the bound of the pool that runs the request.
- ``serves(process)``: whether this server runs the request. By default: whether one of its ``CALLS`` is on the stack.
  It judges nothing. A sign that needs no server's name finds a capacity but knows no setting: the server that serves
  lends it its name and its remedy, and likewise to a reading without a remedy.

Most have a function ``read_settings`` besides, from settings to a `Reading`, which `threadguard check` uses as well.
Its last argument, ``where``, names the place of the settings, as the subject of a sentence.

It may have the tables that `threadguard.servers.main_thread` names, for the option ``thread``.

To add a server, write one file and put it into `SERVERS`. It never imports the server's package: it looks among loaded
modules, the stack and the environ, and returns None where it does not know. It may raise: that becomes a finding and
nothing else.
"""

from typing import Protocol, Tuple

from threadguard.servers import (a2wsgi, asgiref, cheroot, django, eventlet, flask, gevent, granian, gunicorn,
                                 hypercorn, mod_wsgi, passenger, paste, pastedeploy, tornado, twisted, unit, uvicorn,
                                 uwsgi, waitress, werkzeug, wsgiref)


class Server(Protocol):
    """What each module of this package has."""

    @property
    def NAME(self) -> str:
        """The server as people call it."""

    @property
    def REMEDY(self) -> str:
        """How to run it single-threaded and scale it with processes, in its own syntax."""

    @property
    def RUNS_ON(self) -> str:
        """The thread, or threads, on which it runs requests, in words."""

    @property
    def READS(self) -> Tuple[Tuple[str, str], ...]:
        """What is read, and when: pairs of a description and ``"startup"`` or ``"request"``."""

    @property
    def CALLS(self) -> Tuple[Tuple[str, ...], ...]:
        """The functions in which it calls an application: a module, and functions of it; any, if none is named."""


# The first that serves names the remedy: whatever drives another server (Flask drives Werkzeug, a gunicorn worker
# drives gevent's server) stands before it.
SERVERS: Tuple[Server, ...] = (
    gunicorn, uwsgi, mod_wsgi, unit, passenger, waitress, paste, *pastedeploy.COMMANDS,
    flask, django, werkzeug, wsgiref, cheroot,
    gevent, eventlet,
    twisted, tornado, granian, asgiref, uvicorn, a2wsgi, hypercorn,
)
