"""The groups of the guards in a test suite: made for one test, and changed before the next.

What is left of one test (a body that another thread still holds, the proof that requests met) is nothing to the next.
"""

import itertools
from typing import Any, Dict, Iterable, List

from threadguard.guard import groups
from threadguard.guard.group import Group
from threadguard.guard.middleware import ThreadGuard
from threadguard.guard.policies import ThreadedDeploymentError
from threadguard.pytest_plugin.cases import KEPT
from threadguard.rules.reach import Reach

_numbers = itertools.count()


class QuietGroup(Group):
    """A group that logs nothing: the plugin reports what it saw."""

    def tell(self) -> None:
        """See `Group`."""


def new_group(name: str, kind: type = Group) -> Group:
    """A group that keeps enough overlaps for a test to tell them apart."""
    group: Group = kind(name)
    group.reports_kept = KEPT
    return group


def guard_in(group: Group, app: Any, **options: Any) -> ThreadGuard:
    """A guard of *app* in *group*, which the process does not know by name. Raises what `ThreadGuard` raises."""
    name = "pytest %d" % next(_numbers)
    groups._groups[name] = group
    try:
        return ThreadGuard(app, group=name, **options)
    finally:
        del groups._groups[name]


def is_used(group: Group) -> bool:
    """Whether *group* has seen a request."""
    return bool(group.reports or group.stats().requests)


def move(guards: Iterable[ThreadGuard], old: Group, new: Group) -> None:
    """Let *guards* of *old* join *new*. A guard that would refuse to be built there stays where it is."""
    for guard in list(guards):
        try:
            guard.join(new, old._evidence.server_threads)
        except ThreadedDeploymentError:
            continue
        old.guards.discard(guard)


def guards_in(app: Any) -> List[ThreadGuard]:
    """The guards that *app* is or leads to, by the ways in which middlewares and frameworks hold an application."""
    found: List[ThreadGuard] = []

    def collect(thing: object) -> bool:
        if isinstance(thing, ThreadGuard):
            found.append(thing)
        return False

    Reach(lambda thing: isinstance(thing, ThreadGuard)).leads([app], collect)
    return found


class Registered:
    """The groups that the application under test made itself, by name: the process knows them."""

    def __init__(self) -> None:
        self._before: Dict[str, Group] = {}

    def all(self) -> List[Group]:
        """Those that have seen a request."""
        return [group for group in list(groups._groups.values()) if is_used(group)]

    def renew(self) -> None:
        """Put a new group in the place of each that is used, for its guards and for those to come."""
        for name, old in list(groups._groups.items()):
            if is_used(old):
                self._before.setdefault(name, old)
                groups._groups[name] = new_group(name)
                move(old.guards, old, groups._groups[name])
            groups._groups[name].reports_kept = KEPT

    def restore(self) -> None:
        """Put the first ones back."""
        for name, first in self._before.items():
            old, groups._groups[name] = groups._groups[name], first
            move(old.guards, old, first)
