"""threadguard keeps WSGI applications that are not thread-safe in single-threaded processes.

`ThreadGuard` wraps the application, finds out whether the server lets more than one request into this process at once,
and refuses, serialises or logs.
"""

from threadguard.inspection import inspect_process
from threadguard.middleware import ThreadGuard
from threadguard.model import Finding, Stats, Verdict
from threadguard.options import OptionError
from threadguard.policy import ThreadedDeploymentError

__version__ = "0.1.0"

__all__ = ["Finding", "OptionError", "Stats", "ThreadGuard", "ThreadedDeploymentError", "Verdict", "inspect_process"]
