"""NGINX Unit, which Debian does not have: the unitd on PATH, or the one that an environment variable names."""

import os
import shutil
import sys
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "child"))
from put_config import DEADLINE, ask, put  # noqa: E402,F401

UNITD = os.environ.get("THREADGUARD_LIVE_UNITD") or shutil.which(
    "unitd", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin") or ""


def modules():
    """The directory of its modules for languages, beside it: lib/unit/modules, or below the system's own lib."""
    root = Path(UNITD).resolve().parent.parent
    found = [path.parent for pattern in ("lib*/unit/modules", "lib/*/unit/modules")
             for path in sorted(root.glob(pattern + "/python*.unit.so"))]
    return found[0] if UNITD and found else None


def speaks(version):
    """Whether a module is there that runs Python of *version*, a pair: it is linked to that library."""
    library = ("libpython%d.%d" % version).encode()
    return modules() is not None and any(library in path.read_bytes() for path in modules().glob("python*.unit.so"))


def await_configuration(child):
    """Wait until Unit has taken its configuration, or refused it.

    Its listener is open a moment before it knows the port by which the application answers: of the requests in that
    moment some are lost for ever ("get_port_handler: port not found" in its log; src/nxt_router.c
    `nxt_router_thread_start` adds the port by a message). Its status is told when that is over
    (src/nxt_controller.c `nxt_controller_check_postpone_request`).
    """
    ask(str(child.directory / "control.sock"), "GET", "/status")
    if "put_config.py" in child.command:
        end, pause = time.monotonic() + DEADLINE, threading.Event()
        while '"success"' not in child.output() and '"error"' not in child.output() and time.monotonic() < end:
            pause.wait(0.03)
