"""threadguard keeps WSGI applications that are not thread-safe in single-threaded processes.

`ThreadGuard` wraps the application, finds out whether the server lets more than one request into this process at once,
and refuses, serialises or logs.
"""

from typing import TYPE_CHECKING, Any, Optional

from threadguard.errors import (
    Busy,
    LoadError,
    OptionError,
    ProbeError,
    SharingError,
    StillInside,
    ThreadedDeploymentError,
    ThreadguardError,
)
from threadguard.guard.middleware import ThreadGuard

__version__ = "0.1.0"

__all__ = ["Busy", "Finding", "LoadError", "OptionError", "ProbeError", "SharingError", "Stats", "StillInside",
           "ThreadGuard", "ThreadedDeploymentError", "ThreadguardError", "Verdict", "inside", "inspect_process"]

if TYPE_CHECKING:
    from threadguard.guard.sections import inside
    from threadguard.model import Finding, Stats, Verdict
else:
    _HOMES = {"Finding": "model", "Stats": "model", "Verdict": "model", "inside": "guard.sections"}
    """What is loaded when a program asks for it, or builds the first guard: dataclasses and logging take their time."""

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError("module 'threadguard' has no attribute %r" % name)
        import importlib
        return getattr(importlib.import_module("threadguard." + _HOMES[name]), name)


def inspect_process(ini: Optional[str] = None) -> "Verdict":
    """What can be known of this process now, by what its server shows while it starts; nothing is guarded.

    :param ini: a PasteDeploy file whose [server:main] is going to serve, for where no server is running yet. What the
        process itself shows is stronger: its server is on the stack, this one is merely configured.

    Nothing is raised for a file that cannot be read: it is a finding (TG902) of a verdict that says ``unknown``.
    """
    from dataclasses import replace

    from threadguard.model import Reading, Source
    from threadguard.servers import judge, readers

    answers = readers.at_startup()
    readings, notes = dict(answers.readings), list(answers.notes)
    if ini is not None:
        from threadguard.check import read_server

        for item in read_server(ini, "main"):
            if isinstance(item, Reading):
                readings["the file"] = replace(item, source=Source.FILE)
            else:
                notes.append(item)
    return judge.judge(readings.values(), notes)
