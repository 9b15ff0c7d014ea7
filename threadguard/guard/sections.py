"""Sections: work that is no request, but must not run beside one.

A scheduler's job, an event handler of Flask-SocketIO, a signal's handler touch the same module globals as requests do.
``with guard.inside("nightly job"):`` takes the turn for such work. A section stands in the line of the group's queue
like a request under ``serialize``, whatever the policy is: so a busy server does not keep it out for ever, and requests
pay nothing while there is none. Who owns a section, a context or an asyncio task, may call the application in it, and
enter others: they are nested.
"""

from functools import wraps
from time import monotonic
from typing import Any, Callable, List, Optional, TypeVar, overload

from threadguard import options
from threadguard.errors import Busy
from threadguard.guard.group import Group
from threadguard.guard.groups import group_named
from threadguard.guard.pending import SectionEntry
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
        entry, began = self._begin(), monotonic()
        try:
            if self._takes_turn(entry):
                self._enter(entry, self._group.queue.acquire(entry, self._seconds), began)
        except BaseException:
            self._end(entry)
            raise
        return self

    async def __aenter__(self) -> "Section":
        entry, began = self._begin(), monotonic()
        try:
            if self._takes_turn(entry):
                self._enter(entry, await self._group.queue.acquire_in_task(entry, self._seconds), began)
        except BaseException:
            self._end(entry)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        mine = [entry for entry in self._open if entry.is_mine()]
        self._end((mine or self._open)[-1])  # a coroutine or a generator may be closed by another than its owner

    async def __aexit__(self, *error: object) -> None:
        self.__exit__()

    def __call__(self, function: _F) -> _F:
        """*function*, each call of which is a section, of an object that goes with it if it is interrupted."""
        import inspect  # takes half as long to load as this package
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError("%s is a generator function, which ends before its code runs: write `with inside(…)` into"
                            " it" % self._name)

        @wraps(function)
        async def run_in_task(*args: Any, **kwargs: Any) -> Any:
            async with Section(self._group, self._name, self._timeout):
                return await function(*args, **kwargs)

        @wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            with Section(self._group, self._name, self._timeout):
                return function(*args, **kwargs)

        wrapped: Any = run_in_task if inspect.iscoroutinefunction(function) else run
        return wrapped  # type: ignore[no-any-return]

    @property
    def _seconds(self) -> float:
        return self._group.serialize_timeout if self._timeout is None else self._timeout

    def _begin(self) -> SectionEntry:
        """An entry that this object holds: what is inside and nothing but the ledger refers to is cleared away."""
        entry = SectionEntry(self._name)
        self._open.append(entry)
        return entry

    def _takes_turn(self, entry: SectionEntry) -> bool:
        """Whether *entry* needs the turn: its owner may have it, and where the guards only log it enters at once."""
        group, ledger = self._group, self._group.ledger
        group.notice_fork()
        if ledger.is_nested():
            return False
        if {guard.policy for guard in list(group.guards)} != {"log"}:
            return True
        ticket = next(ledger.tickets)
        ledger.inside[ticket] = entry
        other = ledger.classify(ticket, entry, self._seconds).other
        ledger.count_section(ticket)
        if other is not None:
            group.observe("TG307", entry, other)
        return False

    def _enter(self, entry: SectionEntry, ticket: Optional[int], began: float) -> None:
        ledger = self._group.ledger
        if ticket is None:
            reason = "within %g seconds" % self._seconds
            if monotonic() - began < self._seconds:
                reason = "at once, and to wait here would stop what has it: in a coroutine, use `async with`"
            raise Busy("section %r did not get its turn %s\n  %s" % (
                self._name, reason, report.side("inside", *ledger.place_of(ledger.holder(self._seconds)))))
        ledger.count_section(ticket)

    def _end(self, entry: SectionEntry) -> None:
        try:
            for ticket in self._group.ledger.calls_of(entry):
                self._group.ledger.leave(ticket)
        finally:
            self._open.remove(entry)
