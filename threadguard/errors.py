"""What the package raises: one base class, and a standard exception beside it for those who catch that.

Wrong calls of Python's own kind (an application that is not callable) stay a `TypeError`.
"""

from typing import TYPE_CHECKING, Tuple, Type

if TYPE_CHECKING:
    from threadguard.model import Verdict


class ThreadguardError(Exception):
    """The base class of every exception that threadguard raises."""

    def __init_subclass__(cls) -> None:
        """Show each under the name by which it is imported: operators meet it at the end of a traceback."""
        cls.__module__ = "threadguard"


class OptionError(ThreadguardError, ValueError):
    """An option of threadguard has a name or a value that is not allowed (TG901)."""


class ThreadedDeploymentError(ThreadguardError, RuntimeError):
    """The server lets more than one request at once into this process: the guard refuses to be built.

    A `RuntimeError` and never `SystemExit`, which makes gunicorn, uWSGI and mod_wsgi start the worker anew for ever.
    """

    def __init__(self, verdict: "Verdict") -> None:
        from threadguard.report import text as report

        super().__init__(report.text_of_all(verdict.findings))
        self.verdict = verdict

    def __reduce__(self) -> "Tuple[Type[ThreadedDeploymentError], Tuple[Verdict]]":
        """Pickled, as for the process that started this one, it is made of its verdict again."""
        return type(self), (self.verdict,)


class LoadError(ThreadguardError, RuntimeError):
    """What ``THREADGUARD_APP`` names cannot be loaded."""


class ProbeError(ThreadguardError, RuntimeError):
    """The endpoint cannot be asked: wrong URL, no answer, no such endpoint, wrong token."""


class SharingError(ThreadguardError, OSError):
    """A process cannot share its metrics in the directory that it was given."""


class Busy(ThreadguardError, TimeoutError):
    """The turn did not come in time: another request or section is still inside the application."""


class StillInside(ThreadguardError, TimeoutError):
    """A request did not come back from the application in the time that a test gave it."""
