"""The fixture ``threadguard``: guards for single applications, and the overlaps that fail the test they are seen in.

`Guards` is the fixture. `WatchedTests` are the hooks that say which test runs, and fail it at its tear-down. Each test
has groups of its own: what is left of one test (a body that another thread still holds, the proof that requests met)
is nothing to the next, also where a guard lives longer than a test.
"""

import itertools
import re
import threading
import weakref
from contextlib import contextmanager
from typing import Any, Dict, Generator, Iterator, List, NamedTuple, Optional, Sequence, Set, Tuple

import pytest

from threadguard.codes import CODES
from threadguard.guard import groups
from threadguard.guard.group import Group
from threadguard.guard.middleware import ThreadGuard
from threadguard.guard.policies import ThreadedDeploymentError
from threadguard.model import Finding
from threadguard.process import contexts
from threadguard.report import text as report
from threadguard.servers.reach import guards_from
from threadguard.testing.racing import assert_no_race, race
from threadguard.testing.sending import PATIENCE, Entrance, WSGIApp, together
from threadguard.testing.stepping import is_of_application

__all__ = ["Guards", "Overlaps"]

SHOWN = 5
"""How many overlaps are shown with both sides; the others are only counted."""
KEPT = 100
"""How many overlaps a group keeps with both sides: a test may expect some of them and not others."""

_REMEDY = ("threadguard.race(app, one, other) proves whether it does harm, and at which line; with"
           " threadguard.expect_overlap() where it is meant")

_numbers = itertools.count()


class Overlaps:
    """What `Guards.expect_overlap` saw; it is known at the end of the block."""

    def __init__(self) -> None:
        self.findings: List[Finding] = []
        """One for each overlap: a `threadguard.Finding` with both requests, contexts and stacks in its evidence."""

    def __str__(self) -> str:
        return report.text_of_all(self.findings)


class Guards:
    """The fixture ``threadguard``."""

    def __init__(self, tests: "WatchedTests") -> None:
        self._tests = tests
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
        entrance = Entrance(app)
        inner = [(guard, guard._group) for guard in guards_in(app)]
        shared = (self._named.get(group) if group is not None else None) or new_group(group or "pytest")
        guard = _guard_in(shared, entrance if callable(app) else app, policy=policy, **options)
        entrance.waits = guard.policy != "serialize"
        if group is not None:
            self._named[group] = shared
        made = _Made(weakref.ref(guard), inner)
        self._made.append(made)
        made.enter(shared, self._tests.test)
        return guard

    @contextmanager
    def expect_overlap(self, match: Optional[str] = None) -> Iterator[Overlaps]:
        """Expect that an overlap is seen in the block: it is no error, and if there is none the test fails.

        *match* is a regular expression that the report of one of them has to contain, as in `pytest.raises`. A block
        that runs in several threads at once is content with an overlap that any of them caused. What was seen in a
        block that raises was expected all the same.
        """
        test, overlaps = self._tests.test, Overlaps()
        before = test.seen()
        try:
            yield overlaps
        finally:
            overlaps.findings = test.expect(test.seen() - before)
        if not overlaps.findings:
            pytest.fail("DID NOT OVERLAP: no request entered while another was inside", pytrace=False)
        if match is not None and not re.search(match, str(overlaps)):
            pytest.fail("no overlap matches %r; there was\n%s" % (match, overlaps), pytrace=False)

    def together(self, app: WSGIApp, requests: Sequence[Any], *, threads: Optional[int] = None, timeout: float = 30.0,
                 patience: float = PATIENCE) -> List[Any]:
        """See `threadguard.testing.together`. In a test that is marked ``thread_unsafe`` it sends from one thread."""
        item = self._tests.test.item
        is_thread_unsafe = item is not None and item.get_closest_marker("thread_unsafe") is not None
        return together(app, requests, threads=1 if is_thread_unsafe else threads, timeout=timeout, patience=patience)

    race = staticmethod(race)
    assert_no_race = staticmethod(assert_no_race)

    def _renew(self, test: "_Test") -> None:
        """Before a test: give each guard that lives on a new group, if its own is used."""
        made, self._made = self._made, []
        renewed: Dict[int, Group] = {}
        for one in made:
            guard = one.guard()
            if guard is None:
                one.give_back()
                continue
            old = guard._group
            if id(old) not in renewed:
                renewed[id(old)] = new_group(old.name) if old.reports or old.stats().requests else old
            if renewed[id(old)] is not old and _join(guard, renewed[id(old)], old):
                old.guards.discard(guard)
            self._made.append(one)
            one.enter(guard._group, test)
        self._named = {group.name: group for group in renewed.values() if group.name in self._named}


class WatchedTests:
    """The hooks: which test runs, and what was seen in it."""

    def __init__(self) -> None:
        self.guards = Guards(self)
        """The fixture ``threadguard``."""
        self.test = _Test(None)
        """The test that runs; without an item where none does."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test begins."""
        self.begin(item)

    def begin(self, item: Any) -> None:
        """Watch *item* from now on."""
        test = _Test(item)
        self.guards._renew(test)
        self.test = test

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, None]:
        """A test ends, and with it the fixtures that nothing needs any more: an overlap in it is its error."""
        outcome = yield
        failure, self.test = self.test.failure(), _Test(None)
        if outcome.excinfo is not None:
            item.add_report_section("teardown", "threadguard", failure)  # beside the error that there is already
        elif failure:
            _fail(outcome, failure)

    def pytest_unconfigure(self) -> None:
        """The guards that were in the applications go back to their groups."""
        for made in self.guards._made:
            made.give_back()


_Place = Tuple[int, int]
"""An overlap: its group, by identity, and its place in the reports there."""


class _Test:
    """One test: the groups that its guards are in, and the overlaps in them that were expected."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self._groups: Dict[int, Group] = {}
        self._expected: Set[_Place] = set()
        self._mutex = threading.Lock()

    def watch(self, group: Group) -> None:
        """What is seen in *group* belongs to this test."""
        with self._mutex:
            self._groups.setdefault(id(group), group)

    def _reports(self) -> List[Tuple[_Place, Finding]]:
        with self._mutex:
            watched = list(self._groups.values())
        return [((id(group), place), finding) for group in watched for place, finding in enumerate(group.reports)]

    def seen(self) -> Set[_Place]:
        """The overlaps until now."""
        return {place for place, _ in self._reports()}

    def expect(self, overlaps: Set[_Place]) -> List[Finding]:
        """*overlaps* are no errors. What they are; and as many more are kept of each group."""
        with self._mutex:
            self._expected |= overlaps
            for group in self._groups.values():
                group.reports_kept = len(group.reports) + KEPT
        return [finding for place, finding in self._reports() if place in overlaps]

    def failure(self) -> str:
        """What to fail the test with; empty if there is nothing."""
        findings = [finding for place, finding in self._reports() if place not in self._expected]
        lines = [report.text_of_all(findings[:SHOWN])] if findings else []
        return "\n".join(lines + ["and %d more" % (len(findings) - SHOWN)] * (len(findings) > SHOWN))


class _QuietGroup(Group):
    """A group that logs nothing: the failure of the test reports what it saw."""

    def log_findings(self) -> None:
        """See `Group`."""

    def _finding_of_both(self, code: str, earlier: Any, environ: Any) -> Finding:
        """See `Group`. Of a test are told the queries and the application's frames, and no setting of a server."""
        request, place = earlier
        evidence = "in process %d\n  %s\n  %s" % (
            self.ledger.pid, _side("inside", request, place), _side("entering", environ, contexts.here()))
        return Finding(code, CODES[code].title, evidence, _REMEDY)


def _side(name: str, environ: Any, place: contexts.Place) -> str:
    if isinstance(environ, dict) and environ.get("QUERY_STRING"):
        environ = dict(environ, PATH_INFO="%s?%s" % (environ.get("PATH_INFO", ""), environ["QUERY_STRING"]))
    stack = [entry for entry in place.stack if is_of_application((entry.split('"') + [""])[1])]
    return report.side(name, environ, place._replace(stack=stack or ["  (no line of the application yet)\n"]))


def new_group(name: str) -> Group:
    """A group that keeps enough overlaps for a test to tell them apart."""
    group = _QuietGroup(name)
    group.reports_kept = KEPT
    return group


def _guard_in(group: Group, app: Any, **options: Any) -> ThreadGuard:
    """A guard of *app* in *group*, which the process does not know by name. Raises what `ThreadGuard` raises."""
    name = "pytest %d" % next(_numbers)
    groups._groups[name] = group
    try:
        return ThreadGuard(app, group=name, **options)
    finally:
        del groups._groups[name]


def guards_in(app: Any) -> List[ThreadGuard]:
    """The guards that *app* is or leads to, by the ways in which middlewares and frameworks hold an application."""
    return guards_from([app], lambda thing: isinstance(thing, ThreadGuard))


class _Made(NamedTuple):
    """A guard that the fixture made."""

    guard: "weakref.ref[ThreadGuard]"
    inner: List[Tuple[ThreadGuard, Group]]
    """The guards that were in the application already, and their groups. While this one lives they pass on."""

    def enter(self, group: Group, test: _Test) -> None:
        """*test* watches the guard, which is in *group*; those inside of it join that group."""
        for inner, _ in self.inner:
            _join(inner, group, group)
        test.watch(group)

    def give_back(self) -> None:
        """The guards inside go back to the groups that they came from."""
        for inner, first in self.inner:
            _join(inner, first, first)


def _join(guard: ThreadGuard, group: Group, said_by: Group) -> bool:
    """Whether *guard* is in *group* now, with the ``server_threads`` of *said_by*. One that would refuse to be built
    there stays where it is, and refuses there."""
    try:
        guard.join(group, said_by.evidence.server_threads)
    except ThreadedDeploymentError:
        return False
    return True


def _fail(outcome: Any, text: str) -> None:
    """Let the hook of *outcome* fail with *text*, also with a pluggy before 1.1, as Debian 12 has beside pytest 7.2."""
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception as failure:
        if hasattr(outcome, "force_exception"):
            outcome.force_exception(failure)
        else:
            outcome._excinfo = type(failure), failure, failure.__traceback__
