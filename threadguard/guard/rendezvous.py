"""A place where probes meet: two that are held in one process at the same time prove that it is threaded.

Holding is bounded in time and in number, and waits with the primitive of the context, so that greenlets can meet too.
Where any waiting would stop the others (an event loop) nobody is held.
"""

import time
from typing import Any, Dict, List, Optional

from threadguard.process.waiting import Waiter, new_waiter

LONGEST = 2.0
"""Seconds for which a probe is held at the most."""
MOST = 8
"""How many are held at once at the most: two are enough to meet."""


class Probe:
    """One probe: whether it met another, and how long it was held."""

    def __init__(self, waiter: Optional[Waiter]) -> None:
        self.waiter = waiter
        self.met = False
        self.held = 0.0


class Rendezvous:
    """The probes that are held in this process."""

    def __init__(self) -> None:
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """In a forked child: nobody is held."""
        self._held: List[Probe] = []

    def hold(self, environ: Dict[str, Any], seconds: float) -> Probe:
        """Hold the calling probe until a second one comes, for *seconds* at the most."""
        probe, start = Probe(new_waiter(environ)), time.monotonic()
        try:
            self._held.append(probe)  # first: of two that come at once, the later sees the other
            if not self._meet(probe) and probe.waiter is not None and len(self._held) <= MOST:
                probe.waiter.wait(min(seconds, LONGEST))
                probe.held = time.monotonic() - start
        finally:
            if probe in self._held:
                self._held.remove(probe)
        return probe

    def _meet(self, probe: Probe) -> bool:
        for other in [each for each in list(self._held) if each is not probe]:
            other.met = probe.met = True
            if other.waiter is not None:
                other.waiter.wake()
        return probe.met
