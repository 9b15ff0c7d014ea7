"""threadguard keeps WSGI applications that are not thread-safe in single-threaded processes.

`ThreadGuard` wraps the application, finds out whether the server lets more than one request into this process at once,
and refuses, serialises or logs.
"""

from typing import TYPE_CHECKING, Any

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
    from threadguard.inspection import inspect_process
    from threadguard.model import Finding, Stats, Verdict
else:
    _HOMES = {"Finding": "model", "Stats": "model", "Verdict": "model", "inside": "guard.sections",
              "inspect_process": "inspection"}
    """What is loaded when somebody asks for it, or builds the first guard: dataclasses and logging take their time."""

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError("module 'threadguard' has no attribute %r" % name)
        import importlib
        return getattr(importlib.import_module("threadguard." + _HOMES[name]), name)
