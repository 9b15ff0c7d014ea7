"""The log: each finding once for a process, repeats counted and summed up at most once a minute."""

import logging
import time
import traceback
from typing import Callable, Dict, Iterable, Set

from threadguard.process import contexts
from threadguard.report import text as report
from threadguard.model import Finding
from threadguard.process.tally import Tally

log = logging.getLogger("threadguard")
MINUTE = 60.0


def _log(level: int, text: str, *args: object) -> None:
    """Log it. What a filter or a handler raises is shown, as by `logging.Handler.handleError`, and costs no request."""
    try:
        log.log(level, text, *args)
    except Exception:  # noqa: B902  somebody else's handler: the application would not have met it
        if logging.raiseExceptions:
            traceback.print_exc()


class Telling:
    """What this process has told."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: Set[object] = set()
        self._repeats: Dict[str, Tally] = {}
        self._summed: Dict[str, int] = {}
        self._last = clock()
        self._mutex = contexts.new_mutex()

    def once(self, level: int, findings: Iterable[Finding]) -> None:
        """Log each of *findings* that was not logged before."""
        for finding in findings:
            if self._is_new(finding):
                _log(level, "%s", report.text_of(finding))

    def once_by_code(self, level: int, finding: Finding) -> None:
        """Log *finding* unless one of its code was logged before."""
        if self._is_new(finding.code):
            _log(level, "%s", report.text_of(finding))

    def _is_new(self, key: object) -> bool:
        with self._mutex:
            is_new = key not in self._told
            self._told.add(key)
        return is_new

    def again(self, code: str) -> None:
        """What *code* stands for was found once more."""
        tally = self._repeats.get(code) or self._repeats.setdefault(code, Tally())
        tally.add()
        if self._clock() - self._last >= MINUTE:
            self._sum_up()

    def _sum_up(self) -> None:
        with self._mutex:
            if self._clock() - self._last < MINUTE:
                return
            self._last = self._clock()
            before, self._summed = self._summed, {code: tally.total() for code, tally in self._repeats.items()}
        for code, total in sorted(self._summed.items()):
            if total > before.get(code, 0):
                _log(logging.ERROR, "%s again, %d times since the last report of it", code, total - before.get(code, 0))
