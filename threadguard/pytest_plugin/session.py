"""What the plugin does in a session in which it is used: it watches each test from its set-up to its tear-down."""

import sys
from typing import TYPE_CHECKING, Any, Dict, Generator, List, Optional, Set, Tuple

import pytest

from threadguard.pytest_plugin import FAIL, OFF, mode_of
from threadguard.pytest_plugin.cases import Case, Watched
from threadguard.pytest_plugin.clients import changes
from threadguard.pytest_plugin.doors import Doors, name_of
from threadguard.pytest_plugin.patches import Patches
from threadguard.pytest_plugin.summary import Tally, wants_all, write

if TYPE_CHECKING:
    from threadguard.model import Finding
    from threadguard.pytest_plugin.fixture import Guards
    from threadguard.pytest_plugin.groups import Registered


class Session:
    """The hooks. :param mode: for tests that are not marked."""

    def __init__(self, config: pytest.Config, mode: str) -> None:
        self._config = config
        self._mode = mode
        self._doors = Doors()
        self._patches = Patches(changes(self._doors))
        self._tally = Tally(wants_all(config.option))
        self._guards: "Optional[Guards]" = None
        self._doors.knows_guards = lambda: self._guards is not None or self._registered is not None
        self._made_by_others: "Optional[Registered]" = None
        self.case: Optional[Case] = None

    @property
    def guards(self) -> "Guards":
        """The fixture ``threadguard``."""
        if self._guards is None:
            from threadguard.pytest_plugin.fixture import Guards
            self._guards = Guards(self)
        return self._guards

    @property
    def _registered(self) -> "Optional[Registered]":
        """The groups of guards that the application made itself; None where there are none."""
        groups = sys.modules.get("threadguard.guard.groups")
        if groups is None or not groups._groups:
            return None
        if self._made_by_others is None:
            from threadguard.pytest_plugin.groups import Registered
            self._made_by_others = Registered()
        return self._made_by_others

    def guard_clients(self) -> None:
        """Guard what test clients call, in tests of another mode than off."""
        self._patches.make()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """A test begins."""
        self.begin(item)

    def begin(self, item: Any) -> None:
        """Watch *item* from now on."""
        case = Case(item, mode_of(item, self._mode))
        if self._guards is not None:
            self._guards.renew(case)
        registered = self._registered
        if case.mode != OFF and registered is not None:
            registered.renew()
        self.case = self._doors.case = case

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, None]:
        """A test ends, and with it the fixtures that nobody needs any more: an overlap in it is its error."""
        outcome = yield
        failure = self._end()
        if outcome.excinfo is not None:
            item.add_report_section("teardown", "threadguard", failure)  # beside the error that there is already
        elif failure:
            _fail(outcome, failure)

    def _end(self) -> str:
        """Stop watching the test; what to fail it with."""
        case, self.case, self._doors.case = self._all_of(self.case), None, None
        if case is None:
            return ""
        if case.is_quiet and not self._tally.is_long:
            if case.calls:
                self._tally.add_quiet(case.calls)
            return ""
        row = case.row()
        if row["requests"] and case.mode != OFF:
            self._tally.add(row)
        return case.failure()

    def _all_of(self, case: Optional[Case]) -> Optional[Case]:
        """*case* with the groups that the application made during it."""
        registered = self._registered
        if case is not None and case.mode != OFF and registered is not None:
            for group in registered.all():
                apps = sorted({name_of(guard.app) for guard in group.guards})
                name = " and ".join(apps) or "an application that is gone"
                case.watch(Watched(group, name, case.mode == FAIL))
        return case

    def seen(self) -> Set[Tuple[int, int]]:
        """The overlaps in this test until now."""
        case = self._all_of(self.case)
        return case.seen() if case is not None else set()

    def expect(self, overlaps: Set[Tuple[int, int]]) -> "List[Finding]":
        """*overlaps* are no errors; what they are."""
        return self.case.expect(overlaps) if self.case is not None else []

    @property
    def is_thread_unsafe(self) -> bool:
        """Whether the test is marked as one that must not run in several threads."""
        return self.case is not None and self.case.item.get_closest_marker("thread_unsafe") is not None

    def pytest_sessionfinish(self) -> None:
        """A worker of pytest-xdist hands its rows to the one who prints."""
        output = getattr(self._config, "workeroutput", None)
        if output is not None:
            output["threadguard"] = self._tally.data()

    def merge(self, data: Dict[str, Any]) -> None:
        """Take the rows of a worker that has ended."""
        self._tally.merge(data)

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print what was seen, unless tests were only collected."""
        if self._tally.tests or self._mode != OFF and not self._config.option.collectonly:
            write(terminalreporter, self._mode, self._tally)

    def pytest_unconfigure(self) -> None:
        """Leave everything as it was."""
        self._patches.take_back()
        if self._guards is not None:
            self._guards.restore()
        if self._made_by_others is not None:
            self._made_by_others.restore()


def _fail(outcome: Any, text: str) -> None:
    """Let the hook of *outcome* fail with *text*, also with a pluggy before 1.1, as Debian 12 has beside pytest 7.2."""
    try:
        pytest.fail(text, pytrace=False)
    except pytest.fail.Exception as failure:
        if hasattr(outcome, "force_exception"):
            outcome.force_exception(failure)
        else:
            outcome._excinfo = type(failure), failure, failure.__traceback__
