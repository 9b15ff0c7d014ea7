"""A gate that opens when everybody who is expected stands before it, or has gone another way."""

import threading
import time

PATIENCE = 5.0
"""Seconds after which a gate opens although somebody is missing: something keeps them from coming."""


class Gate:
    """A barrier for *expected* threads that some of them may never reach.

    :param patience: seconds after which it opens in any case.
    """

    def __init__(self, expected: int, patience: float) -> None:
        self._mutex = threading.Lock()
        self._expected = expected
        self._open = threading.Event()
        self._end = time.monotonic() + patience

    def place(self) -> "Place":
        """The place of one of those who are expected."""
        return Place(self)

    def seconds_left(self) -> float:
        """Until it opens in any case."""
        return max(0.0, self._end - time.monotonic())

    def strike_off(self) -> None:
        """One less is expected."""
        with self._mutex:
            self._expected -= 1
            if self._expected <= 0:
                self._open.set()

    def wait(self) -> None:
        """Wait until it opens."""
        self._open.wait(self.seconds_left())


class Place:
    """One who is expected at a gate, once."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._is_expected = True

    def leave(self) -> None:
        """Come no more. Also after having come, where it does nothing."""
        if self._is_expected:
            self._is_expected = False
            self._gate.strike_off()

    def wait(self) -> None:
        """Come, and wait for the others; at the second time there is nothing to wait for."""
        if self._is_expected:
            self.leave()
            self._gate.wait()
