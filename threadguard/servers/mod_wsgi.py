"""mod_wsgi: the threads of the daemon process group, or of Apache's own children.

Inside Apache, and only there, a module ``mod_wsgi`` has ``process_group``, ``threads_per_process`` and
``maximum_processes`` (src/server/wsgi_interp.c; from 6 on wsgi_module.c `wsgi_module_install_runtime`): those of the
WSGIDaemonProcess, or those of the MPM where the process group is empty. The package of that name on PyPI has none of
them by itself. Behind HTTP/2 an embedded interpreter is entered by mod_http2's own threads, which no setting of the
MPM counts. The attributes are the same in 4.6.8, 4.9.4, 5.0.2 and 6.1.1.
"""

import os
from dataclasses import replace
from typing import Any, Mapping, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, count, getattr_path, loaded

NAME = "mod_wsgi"
REMEDY = "WSGIDaemonProcess NAME processes=N threads=1, with WSGIProcessGroup NAME"
RUNS_ON = "a thread of the daemon process; embedded under mpm_prefork, the main thread"
_PREFORK = "mod_wsgi embedded in Apache under mpm_prefork, with Protocols http/1.1"
NEVER_ON_MAIN = {"mod_wsgi's daemon": _PREFORK + ": WSGIProcessGroup %{GLOBAL} instead of a WSGIDaemonProcess' name"
                 "; or another server: gunicorn --worker-class sync --threads 1"}
"""The main thread of a daemon process waits for its end, and ``threads=1`` makes one thread beside it
(src/server/mod_wsgi.c `wsgi_daemon_main`)."""
ON_MAIN = {"mod_wsgi embedded in Apache": _PREFORK, "mod_wsgi embedded behind HTTP/2": _PREFORK}
READS = (
    ("threads_per_process and process_group of the module mod_wsgi that Apache embeds", "startup"),
    ("the same; HTTP2 in the environ where the process group is empty", "request"),
)
CALLS = ()
HAS_NO_FRAMES = True
DAEMON_THREADS = 15  # WSGIDaemonProcess without threads=: `wsgi_add_daemon_process`
EXPRESS_THREADS = 5  # mod_wsgi-express without --threads: its add_option('all', '--threads')

_EMBEDDED = REMEDY + "; or mpm_prefork with Protocols http/1.1"
_EXPRESS = "mod_wsgi-express start-server --processes N --threads 1, without --embedded-mode"


def read_settings(threads: Optional[int], process_group: str = "", express: bool = False,
                  where: str = "Apache's configuration") -> Optional[Reading]:
    """The capacity of a process with *threads* of the daemon group *process_group* (empty: embedded in Apache).

    *express* tells that mod_wsgi-express wrote the configuration.
    """
    if count(threads) is None:
        return None
    server, evidence = "mod_wsgi embedded in Apache", "%s has %r thread(s) for each child of Apache, process group %r"
    if process_group:
        server, evidence = "mod_wsgi's daemon", "%s has %r thread(s) for each process of the WSGIDaemonProcess %r"
        evidence += ", which is the default without threads=" if threads == DAEMON_THREADS and not express else ""
    remedy = _EXPRESS if express else REMEDY if process_group else _EMBEDDED
    return Reading(Source.SETTING, server, threads, evidence % (where, threads, process_group), remedy)


def at_startup(process: Process) -> Optional[Reading]:
    """The threads of the process group that this process belongs to, or of Apache's child."""
    module: Any = loaded("mod_wsgi")
    group = getattr_path(module, "process_group")
    if not isinstance(group, str):
        return None
    express = "MOD_WSGI_EXPRESS" in os.environ  # set by the script that mod_wsgi-express generates
    return read_settings(getattr_path(module, "threads_per_process"), group, express, "the mod_wsgi module")


def on_request(process: Process) -> Optional[Reading]:
    """The same, withdrawn where HTTP/2 enters an embedded interpreter; nothing if mod_wsgi made no environ."""
    reading = at_startup(process) if serves(process) else None
    if reading is not None and enters_by_http2(process.environ or {}):
        return replace(reading, server="mod_wsgi embedded behind HTTP/2", capacity=None,
                       evidence="this request came by HTTP/2 into process group '', whatever the MPM's threads; %s"
                       % reading.evidence)
    # One connection may come by HTTP/1.1 and the next one by HTTP/2.
    return reading and replace(reading, invalidated_by=enters_by_http2 if reading.capacity == 1 else None)


def serves(process: Process) -> bool:
    """Whether mod_wsgi made the environ of the request."""
    return "mod_wsgi.version" in (process.environ or {})


def enters_by_http2(environ: Mapping[str, Any]) -> bool:
    """Whether mod_http2's threads bring this request into an interpreter that is embedded in Apache's child.

    mod_http2 sets HTTP2 (modules/http2/mod_http2.c `h2_h2_fixups`). SERVER_PROTOCOL is what the client wrote into its
    request line: Apache 2.4.71 takes ``GET / HTTP/2.0`` over HTTP/1, also without mod_http2.
    """
    return environ.get("HTTP2") == "on" and environ.get("mod_wsgi.process_group") == ""
