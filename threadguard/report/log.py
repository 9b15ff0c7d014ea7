"""The log: each finding is logged once by a process, repeats are counted and summed up at most once a minute.

`logging.config.fileConfig` and `dictConfig` disable every logger that they do not name, unless they are told not to,
and an application may call them at any time: Alembic's env.py does it. A finding is heard all the same. What the
operator set is obeyed: level, handlers, filters, propagate, `logging.disable`, and `disabled` if the logger was so when
the guard was built.

All records of a code have the same `msg`, and differ in their `args`: Sentry and others group by it. Each has fields,
as ``extra`` makes them, for who looks for a code or writes JSON: see `FIELDS`.
"""

import contextlib
import logging
import os
import sys
import time
import traceback
from typing import Any, Callable, Dict, Optional, Tuple

from threadguard.model import Finding
from threadguard.process.tally import Tally
from threadguard.report import text

NAME = "threadguard"
FIELDS = ("code", "verdict", "server", "capacity", "group", "pid", "remedy", "repeats")
"""What a record of a finding has beside the attributes of every record. *capacity* and *server* are None where they are
not known, *repeats* is how often it was found again since the last record of the code."""
MINUTE = 60.0

_logger: Optional[logging.Logger] = None
"""Kept, since `logging.getLogger` takes a lock, which a fork without Python's hooks may leave taken."""
_was_enabled = False
"""Whether a guard was built while the logger was enabled."""


def is_heard() -> bool:
    """Whether a guard that is being built now is heard even if the logger is disabled later.

    The logger is made by the first call, and not on import: what does not exist is not disabled by a configuration that
    comes before the guard. Its child is there to be disabled by configurations only: so the operator's own ``disabled``
    is told from theirs where an earlier guard was built.
    """
    global _logger, _was_enabled
    _logger, child = logging.getLogger(NAME), logging.getLogger(NAME + ".configured")
    heard = not _logger.disabled or _was_enabled and child.disabled
    _was_enabled = _was_enabled or heard
    return heard


def write(level: int, template: str, args: Tuple[object, ...], fields: Dict[str, Any], heard: bool) -> None:
    """Log a record with *fields*, if need be through a disabled logger that is to be *heard*.

    What a filter or a handler raises is shown, as by `logging.Handler.handleError`, and costs no request.
    """
    try:
        _write(_logger or logging.getLogger(NAME), level, template, args, fields, heard)
    except Exception:  # noqa: B902  somebody else's handler: the application would not have met it
        with contextlib.suppress(Exception):  # nothing reads the standard error any more, and there is no other
            if logging.raiseExceptions:
                traceback.print_exc()


def _write(logger: logging.Logger, level: int, template: str, args: Tuple[object, ...], fields: Dict[str, Any],
           heard: bool) -> None:
    """Do what `logging.Logger.log` does, but for what a logger that is disabled meanwhile leaves out.

    Agents patch `makeRecord` and `callHandlers` (sentry_sdk/integrations/logging.py), which are called here as there.
    """
    if logger.disabled and not heard or level <= logger.manager.disable or level < logger.getEffectiveLevel():
        return
    line = sys._getframe().f_lineno
    record = logger.makeRecord(logger.name, level, __file__, line, template, args, None, "write")
    for name, value in fields.items():
        record.__dict__.setdefault(name, value)  # a record factory of the operator's may have a field of the name
    kept: Any = logger.filter(record)
    if kept:
        logger.callHandlers(kept if isinstance(kept, logging.LogRecord) else record)


def log_override(policy: str, override: str) -> None:
    """Log that the environment overrides the *policy* of a guard that is being built."""
    write(logging.WARNING, "THREADGUARD_POLICY overrides the policy: %s instead of %s", (override, policy),
          {"pid": os.getpid()}, is_heard())


class FindingLog:
    """What one group has logged in this process. *facts* gives the fields that do not come from a finding.

    It takes no lock: an exception that strikes between two bytecodes could leave one taken.
    """

    def __init__(self, facts: Callable[[], Dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._facts = facts
        self._clock = clock
        self._heard = False
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Nothing has been logged in this process."""
        self._logged: Dict[str, object] = {}
        self._repeats: Dict[str, Tally] = {}
        self._summed: Dict[str, int] = {}
        self._summary = 0
        self._summaries: Dict[int, Tuple[float]] = {0: (self._clock(),)}

    def note_guard(self) -> None:
        """A guard is being built: from now on findings are heard, unless the logger is disabled now."""
        self._heard = is_heard() or self._heard

    def log_once(self, level: int, finding: Finding) -> None:
        """Log *finding*, unless one of the same sentence was logged.

        Two sources that say the same of a server, its settings and then its threads, are one cause.
        """
        mark = object()
        if self._logged.setdefault(finding.sentence, mark) is mark:
            self.log(level, finding)

    def log(self, level: int, finding: Finding) -> None:
        """Log *finding*."""
        self._log(level, finding.code, text.arguments_of(finding), finding.remedy)

    def count_repeat(self, code: str) -> None:
        """What *code* stands for was found once more."""
        tally = self._repeats.get(code) or self._repeats.setdefault(code, Tally())
        tally.add()
        if self._is_minute_over():
            self._sum_up()

    def _is_minute_over(self) -> bool:
        """Whether the last summary was a minute ago: true for one of those that ask at once."""
        now, number = (self._clock(),), self._summary
        while number + 1 in self._summaries:
            number += 1
        last = self._summaries.get(number, now)
        if now[0] - last[0] < MINUTE or self._summaries.setdefault(number + 1, now) is not now:
            return False
        self._summary = number + 1
        self._summaries.pop(number, None)
        return True

    def _sum_up(self) -> None:
        before, self._summed = self._summed, {code: tally.total() for code, tally in dict(self._repeats).items()}
        for code, total in sorted(self._summed.items()):
            repeats = total - before.get(code, 0)
            if repeats > 0:
                again = "again, %d times since the last report of it" % repeats
                self._log(logging.ERROR, code, ("", again), repeats=repeats)

    def _log(self, level: int, code: str, args: Tuple[str, str], remedy: str = "", repeats: int = 0) -> None:
        fields = {"code": code, **self._facts(), "pid": os.getpid(), "remedy": remedy, "repeats": repeats}
        write(level, text.template_of(code), args, fields, self._heard)
