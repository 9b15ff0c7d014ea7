"""Repeated findings: counted, and summed up in the log at most once a minute."""

import logging
import threading
import time
from typing import Callable, Dict

MINUTE = 60.0


class Repeats:
    """Counts what happens again and again, by code."""

    def __init__(self, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> None:
        self._log = log
        self._clock = clock
        self._counts: Dict[str, int] = {}
        self._said = clock()
        self._lock = threading.Lock()

    def count(self, code: str) -> None:
        """*code* was found once more."""
        with self._lock:
            self._counts[code] = self._counts.get(code, 0) + 1
            if self._clock() - self._said < MINUTE:
                return
            counts, self._counts = self._counts, {}
            self._said = self._clock()
        for repeated, times in sorted(counts.items()):
            self._log.error("%s again, %d times since the last report of it", repeated, times)
