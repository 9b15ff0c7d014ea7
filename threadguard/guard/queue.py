"""Turns: one request of a group at a time, those who wait in the order in which they came."""

import time
from collections import deque
from typing import Any, Callable, Deque, Dict, Optional

from threadguard.process import contexts
from threadguard.guard.ledger import Ledger
from threadguard.process.waiting import Waiter, new_waiter

_SLICE = 0.5
"""Seconds after which the first in line looks for itself: a holder can end without telling, by losing its
thread, or its last reference, as part of a cycle that the collector has not seen; and guards with another policy tell
nobody."""


class Turns:
    """The line in front of a `Ledger`."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.start_afresh()

    def start_afresh(self) -> None:
        """In a forked child: nobody holds the turn, nobody waits."""
        self._mutex = contexts.new_mutex()
        self._line: Deque[Waiter] = deque()
        self._holder: Optional[int] = None

    def take(self, environ: Dict[str, Any], seconds: float, stuck: Callable[[int], object]) -> Optional[int]:
        """A ticket that is inside, and alone; None where it cannot be had within *seconds*.

        *stuck* is called with the ticket that held the turn all the while, if one did.
        """
        waiter = None
        try:
            with self._mutex:
                ticket = None if self._line else self._enter(environ)
                holder = self._holder
                waiter = new_waiter(environ) if ticket is None else None
                if waiter is None:
                    return ticket
                self._line.append(waiter)
            ticket = self._wait(waiter, environ, seconds)
        except BaseException:  # what strikes may strike as the waiting begins, or as it steps out of the line
            self._step_out(waiter)
            raise
        if ticket is None and holder is not None and holder == self._holder:
            stuck(holder)
        return ticket

    def _wait(self, waiter: Waiter, environ: Dict[str, Any], seconds: float) -> Optional[int]:
        left, end = seconds, time.monotonic() + seconds
        try:
            # Who left just before *waiter* stood in line has woken nobody: look again before the first waiting.
            ticket = self._enter_first(waiter, environ)
            while ticket is None and left > 0:
                waiter.wait(min(left, _SLICE))
                ticket = self._enter_first(waiter, environ)
                if ticket is None:
                    self._collect_if_first(waiter)
                left = end - time.monotonic()
            return ticket
        finally:
            self._step_out(waiter)

    def _step_out(self, waiter: Optional[Waiter]) -> None:
        with self._mutex:
            if waiter in self._line:
                self._line.remove(waiter)  # type: ignore[arg-type]
        self.pass_on()

    def _enter_first(self, waiter: Waiter, environ: Dict[str, Any]) -> Optional[int]:
        with self._mutex:
            return self._enter(environ) if self._line[0] is waiter else None

    def _collect_if_first(self, waiter: Waiter) -> None:
        with self._mutex:
            holder = self._holder if self._line[0] is waiter else None
        if holder is not None:
            self._ledger.collect(holder)

    def _enter(self, environ: Dict[str, Any]) -> Optional[int]:
        ledger = self._ledger
        if self._holder is not None and ledger.is_inside(self._holder):
            return None
        ticket = next(ledger.tickets)
        ledger.inside[ticket] = environ
        if len(ledger.inside) > 1:  # another guard of the group, whose policy knows no turns, may have let somebody in
            other = ledger.look_around(ticket, environ).collision
            if other is not None:
                ledger.withdraw(ticket)
                self._holder = other
                return None
        self._holder = ticket
        return ticket

    def leave(self, ticket: int) -> None:
        """*ticket* leaves, and with it the turn."""
        self._ledger.leave(ticket)
        self.pass_on()

    def give_back(self, environ: Dict[str, Any]) -> None:
        """The call for *environ* is over, by an exception: whatever turn it had got, it leaves with it."""
        for ticket in self._ledger.calls_of(environ):
            self._ledger.leave(ticket)
        self.pass_on()

    def pass_on(self) -> None:
        """Whoever held the turn may have left: wake the first in line."""
        try:
            first = self._line[0]
        except IndexError:
            return
        first.wake()
