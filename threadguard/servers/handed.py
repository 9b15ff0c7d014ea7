"""Whether what a server was handed leads to a guarded application, with nothing between that has threads of its own.

A middleware or a function may hand the request on to a pool of one thread: ``lambda *args: pool.apply(app, args)``.
Then the server's own threads bound nothing. Before a request comes nobody can see what will run it, so what hands on
is not followed: the first request tells.
"""

from types import FunctionType
from typing import Any, Iterable

from threadguard.process.facts import dig, is_a
from threadguard.rules.reach import IsGuard, Reach, vars_of

_HANDING_ON = frozenset("submit apply apply_async spawn tpool run_in_executor callInThread deferToThread".split())
"""How pools are given work; `concurrent.futures`, `multiprocessing.pool`, gevent, eventlet, asyncio, Twisted."""


def leads_straight(applications: Iterable[Any], is_guard: IsGuard) -> bool:
    """Whether one of *applications* is, or leads to, what *is_guard* knows."""
    return _Handed(is_guard).leads(applications, is_guard)


class _Handed(Reach):
    """Stops at what hands the request on."""

    def _from(self, thing: Any) -> Iterable[Any]:
        return () if _hands_on(thing) else super()._from(thing)


def _hands_on(thing: Any) -> bool:
    call = thing if is_a(thing, FunctionType) else getattr(type(thing), "__call__", None)
    names = [*(dig(call, "__code__.co_names") or ()), *(dig(call, "__code__.co_freevars") or ())]
    return not _HANDING_ON.isdisjoint(names) or any(
        not _HANDING_ON.isdisjoint(dir(type(value))) for value in vars_of(thing).values())
