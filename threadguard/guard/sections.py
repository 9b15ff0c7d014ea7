"""Sections: work that is no request, but must not run beside one.

A scheduler's job, an event handler of Flask-SocketIO, a signal's handler touch the same module globals as requests do.
``with guard.inside("nightly job"):`` takes the turn for such work. The section announces itself first: while one is
announced or inside, the group inspects every request and keeps a line, so that a busy server does not keep the section
out for ever, and requests pay nothing while there is none. Who owns a section, a context or an asyncio task, may call
the application in it, and enter others: they are nested.
"""

from functools import wraps
from time import monotonic
from typing import Any, Callable, List, Optional, TypeVar, overload

from threadguard import options
from threadguard.errors import Busy
from threadguard.guard.group import Group
from threadguard.guard.groups import group_named
from threadguard.guard.pending import SectionEntry
from threadguard.process import contexts
from threadguard.report import text as report

_F = TypeVar("_F", bound=Callable[..., Any])


@overload
def inside(name: str, *, group: Optional[str] = None, timeout: Optional[float] = None) -> "Section": ...


@overload
def inside(name: _F) -> _F: ...


def inside(name: Any, *, group: Optional[str] = None, timeout: Optional[float] = None) -> Any:
    """Take the turn for work that is no request: ``with inside("nightly job"):``, ``async with``, or as a decorator.

    :param name: what the work is called in reports. ``@inside`` alone takes the name of the function that it decorates.
    :param group: the group of guards to whose requests the work must not run beside; by default that of all guards.
    :param timeout: seconds to wait for the turn, `serialize_timeout` of the group's guards by default.
    :raises Busy: (a `TimeoutError`) if the turn cannot be had in that time, or at once where waiting would stop what
        holds it: in a coroutine use ``async with``.
    :raises OptionError: (a `ValueError`) for a name, a group or a timeout that is not allowed.

    Where every guard of the group has the policy ``log`` nothing waits: a request and a section that are inside at once
    are reported (TG307).
    """
    return section(group_named(None if group is None else options.convert("group", group)), name, timeout)


def section(group: Group, name: Any, timeout: Optional[float]) -> Any:
    """See `inside`, for *group*."""
    if timeout is not None:
        timeout = options.convert("serialize_timeout", timeout, "timeout of a section")
    if callable(name):
        return Section(group, getattr(name, "__qualname__", type(name).__qualname__), timeout)(name)
    if not isinstance(name, str) or not name.strip():
        raise options.OptionError("TG901 threadguard: a section needs a name, such as inside(\"nightly job\");"
                                  " %s is none" % options.shown(name))
    return Section(group, name, timeout)


class Section:
    """Work that takes the turn: a context manager, for ``with`` and ``async with``, and a decorator."""

    def __init__(self, group: Group, name: str, timeout: Optional[float]) -> None:
        self._group = group
        self._name = name
        self._timeout = timeout
        self._open: List[SectionEntry] = []
        """The innermost last: one object may be entered more than once, also by several at once."""

    def __enter__(self) -> "Section":
        began, entry = monotonic(), self._begin()
        try:
            if self._has_to_wait(entry):
                entry.ticket = self._group.queue.acquire(entry, self._seconds, bool)
                self._entered(entry, began)
        except BaseException:
            self._end(entry)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        mine = [entry for entry in self._open if entry.is_mine()]
        self._end((mine or self._open)[-1])  # a coroutine or a generator may be closed by another than its owner

    async def __aenter__(self) -> "Section":
        began, entry = monotonic(), self._begin()
        try:
            if self._has_to_wait(entry):
                entry.ticket = await self._group.queue.acquire_in_task(entry, self._seconds)
                self._entered(entry, began)
        except BaseException:
            self._end(entry)
            raise
        return self

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def __call__(self, function: _F) -> _F:
        """*function*, each call of which is a section."""
        import inspect  # takes half as long to load as this package
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("%s is a generator function, which ends before its code runs: write `with inside(…)` into"
                            " it" % self._name)
        if inspect.iscoroutinefunction(function):
            @wraps(function)
            async def run_in_task(*args: Any, **kwargs: Any) -> Any:
                async with Section(self._group, self._name, self._timeout):  # goes, with its entry, if it is not left
                    return await function(*args, **kwargs)
            return run_in_task  # type: ignore[return-value]

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with Section(self._group, self._name, self._timeout):
                return function(*args, **kwargs)
        return run  # type: ignore[return-value]

    @property
    def _seconds(self) -> float:
        return self._group.serialize_timeout if self._timeout is None else self._timeout

    def _begin(self) -> SectionEntry:
        """An entry that this object holds from now on: what is interrupted leaves nothing that nobody holds."""
        entry = SectionEntry(self._name)
        self._open.append(entry)
        return entry

    def _has_to_wait(self, entry: SectionEntry) -> bool:
        """Announce *entry*. Not if its owner is inside already; and where the guards only log it enters at once."""
        group, ledger = self._group, self._group.ledger
        group.notice_fork()
        if ledger.is_nested():
            return False
        ledger.announce(entry)
        if group.takes_turns:
            return True
        ticket = next(ledger.tickets)
        ledger.inside[ticket] = entry
        ledger.enter_section()
        other = ledger.classify(ticket, entry, self._seconds).other  # before it has its ticket: then it is nested
        entry.ticket = ticket
        if other is not None:
            group.observe_beside_section(entry, other)
        return False

    def _entered(self, entry: SectionEntry, began: float) -> None:
        if entry.ticket is None:
            reason = "within %g seconds" % self._seconds
            if monotonic() - began < self._seconds:
                reason = "at once, and to wait here would stop what has it: in a coroutine, use `async with`"
            holder = self._group.ledger.holder(self._seconds)
            request, place = self._group.ledger.place_of(holder) if holder is not None else (None, contexts.NOWHERE)
            raise Busy("section %r did not get its turn %s\n  %s" % (
                self._name, reason, report.side("inside", request, place)))
        self._group.ledger.enter_section()

    def _end(self, entry: SectionEntry) -> None:
        try:
            self._group.ledger.withdraw(entry)
        finally:
            self._open.remove(entry)
