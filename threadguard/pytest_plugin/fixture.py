"""The fixture ``threadguard``: guards for single applications, expected overlaps, requests that are sent together."""

import re
import weakref
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

import pytest

from threadguard.report import text as report
from threadguard.testing.gate import PATIENCE
from threadguard.guard.group import Group
from threadguard.guard.middleware import ThreadGuard
from threadguard.model import Finding
from threadguard.guard.policies import ThreadedDeploymentError
from threadguard.pytest_plugin.cases import Case, Watched
from threadguard.pytest_plugin.doors import name_of
from threadguard.pytest_plugin.groups import QuietGroup, guard_in, guards_in, is_used, move, new_group
from threadguard.testing.together import Entrance, WSGIApp, together

if TYPE_CHECKING:
    from threadguard.pytest_plugin.session import Session

__all__ = ["Guards", "Overlaps"]


class _Inner(NamedTuple):
    """A guard that was in the application already. While the outer one lives it is of the same group: it passes on."""

    guard: ThreadGuard
    first: Group


class _Made(NamedTuple):
    """A guard that the fixture made."""

    guard: "weakref.ref[ThreadGuard]"
    app: str
    inner: List[_Inner]


class Overlaps:
    """What `Guards.expect_overlap` saw; it is known at the end of the block."""

    def __init__(self) -> None:
        self.findings: List[Finding] = []
        """One for each overlap: a `threadguard.Finding` with both requests, contexts and stacks in its evidence."""

    def __str__(self) -> str:
        return report.text_of_all(self.findings)


class Guards:
    """The fixture ``threadguard``."""

    def __init__(self, session: "Session") -> None:
        self._session = session
        self._made: List[_Made] = []
        self._named: Dict[str, Group] = {}

    def __call__(self, app: WSGIApp, policy: str = "log", *, group: Optional[str] = None,
                 **options: Any) -> ThreadGuard:
        """*app*, guarded. An overlap that the guard sees fails the test that runs then, with both requests.

        :param policy: and *options*: as `threadguard.ThreadGuard` takes them.
        :param group: guards of the same name share a group. By default each has one of its own, and a new one in each
            test where it lives longer than one.

        A guard that *app* has already becomes one of the same group, and passes on what this one lets in.
        """
        old = self._named.get(group) if group is not None else None
        entrance = Entrance(app)
        inner = [_Inner(one, one._group) for one in guards_in(app)]
        ours = old or new_group(group or "pytest", QuietGroup)
        guard = guard_in(ours, entrance if callable(app) else app, policy=policy, **options)
        entrance.waits = guard.policy != "serialize"
        if group is not None:
            self._named[group] = ours
        made = _Made(weakref.ref(guard), name_of(app), inner)
        self._made.append(made)
        if self._session.case is not None:
            _enter(made, ours, self._session.case)
        return guard

    def renew(self, case: Case) -> None:
        """Before a test: give each guard that lives on a new group, if its own is used."""
        made, self._made = self._made, []
        renewed: Dict[int, Group] = {}
        for one in made:
            guard = one.guard()
            if guard is None:
                _restore(one)
                continue
            old = guard._group
            if id(old) not in renewed:
                renewed[id(old)] = new_group(old.name, QuietGroup) if is_used(old) else old
            if renewed[id(old)] is not old:
                move([guard], old, renewed[id(old)])
            self._made.append(one)
            _enter(one, guard._group, case)
        self._named = {group.name: group for group in renewed.values() if group.name in self._named}

    def restore(self) -> None:
        """At the end: what was in the applications goes back to its group."""
        for one in self._made:
            _restore(one)

    @contextmanager
    def expect_overlap(self, match: Optional[str] = None) -> Iterator[Overlaps]:
        """Expect that an overlap is seen in the block: it is no error, and if there is none the test fails.

        *match* is a regular expression that the report of one of them has to contain, as in `pytest.raises`. A block
        that runs in several threads at once is content with an overlap that any of them caused.
        """
        session, overlaps = self._session, Overlaps()
        before = session.seen()
        yield overlaps
        overlaps.findings = session.expect(session.seen() - before)
        if not overlaps.findings:
            pytest.fail("DID NOT OVERLAP: no request entered while another was inside", pytrace=False)
        if match is not None and not re.search(match, str(overlaps)):
            pytest.fail("no overlap matches %r; there was\n%s" % (match, overlaps), pytrace=False)

    def together(self, app: WSGIApp, requests: Sequence[Any], *, threads: Optional[int] = None, timeout: float = 30.0,
                 patience: float = PATIENCE) -> List[Any]:
        """See `threadguard.testing.together`. In a test that is marked ``thread_unsafe`` it sends from one thread."""
        if self._session.is_thread_unsafe:
            threads = 1
        return together(app, requests, threads=threads, timeout=timeout, patience=patience)


def _enter(made: _Made, group: Group, case: Case) -> None:
    for one in made.inner:
        _join(one.guard, group)
    case.watch(Watched(group, made.app, fails=True))


def _join(guard: ThreadGuard, group: Group) -> None:
    try:
        guard.join(group, group._evidence.server_threads)
    except ThreadedDeploymentError:  # it stays where it is, and refuses there
        return


def _restore(made: _Made) -> None:
    for one in made.inner:
        _join(one.guard, one.first)
