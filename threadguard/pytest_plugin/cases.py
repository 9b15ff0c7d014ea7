"""What was seen in one test: the groups that its guards are in, the overlaps, and those that were expected."""

import threading
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Set, Tuple

if TYPE_CHECKING:
    from threadguard.model import Finding
    from threadguard.pytest_plugin.clientguard import ClientGuard

SHOWN = 5
"""How many overlaps are shown with both sides; the others are only counted."""
KEPT = 100
"""How many overlaps a group keeps with both sides: some of them a test may expect, and others not."""


class Watched(NamedTuple):
    """A group, and what is to be known of it."""

    group: Any
    """A `threadguard.group.Group`, or a `ClientGuard`, which has the same to say of overlaps."""
    app: str
    """The name of the application that it guards; empty where it guards several, which are counted elsewhere."""
    fails: bool
    """Whether an overlap in it fails the test."""
    is_live: bool = False
    """Whether a server of the suite calls it: then a threaded one is a finding."""


class Case:
    """One test."""

    def __init__(self, item: Any, mode: str) -> None:
        self.item = item
        self.mode = mode
        self.calls: List[str] = []
        """The name of the application, for each request of a test client."""
        self.client: "Optional[ClientGuard]" = None
        """The guard of what test clients call. Earlier tests may have had it too, if nothing was seen in them."""
        self._watched: Dict[int, Watched] = {}
        self._expected: Set[Tuple[int, int]] = set()
        self._mutex = threading.Lock()

    def watch(self, watched: Watched) -> None:
        """What is seen in this group belongs to this test."""
        with self._mutex:
            self._watched.setdefault(id(watched.group), watched)

    def _all(self) -> List[Watched]:
        with self._mutex:
            watched = list(self._watched.values())
        if self.client is not None and self.client.reports:
            watched.append(Watched(self.client, "", self.mode == "fail"))
        return watched

    @property
    def is_quiet(self) -> bool:
        """Whether nothing can have been found: test clients called, if anybody did, and in turn."""
        return not self._watched and (self.client is None or not self.client.reports)

    def seen(self) -> Set[Tuple[int, int]]:
        """The overlaps until now, each as its group and its place there."""
        return {(id(watched.group), place) for watched in self._all() for place in range(len(watched.group.reports))}

    def expect(self, overlaps: Set[Tuple[int, int]]) -> "List[Finding]":
        """*overlaps* are no errors. What they are, in words; and as many more are kept of each group."""
        with self._mutex:
            self._expected |= overlaps
        found = []
        for watched in self._all():
            reports = watched.group.reports
            watched.group.reports_kept = len(reports) + KEPT
            found += [finding for place, finding in enumerate(reports) if (id(watched.group), place) in overlaps]
        return found

    def failure(self) -> str:
        """What to fail the test with; empty if there is nothing."""
        return self._told([watched for watched in self._all() if watched.fails])

    def row(self) -> Dict[str, Any]:
        """The test in the summary: plain data, which travels from the workers of pytest-xdist."""
        from threadguard.report import text as report
        from threadguard.model import THREADED
        watched = self._all()
        stats = [one.group.stats() for one in watched]
        apps: Dict[str, int] = {}
        for name in self.calls:
            apps[name] = apps.get(name, 0) + 1
        for one, counted in zip(watched, stats):
            if one.app and counted.requests:
                apps[one.app] = apps.get(one.app, 0) + counted.requests
        refused = sum(finding.code == "TG302" for one in watched for finding in one.group.reports)
        return {
            "test": self.item.nodeid, "apps": apps, "requests": sum(apps.values()),
            "peak": max([1 if apps else 0, *(counted.peak for counted in stats)]),
            "overlaps": refused + sum(counted.overlaps for counted in stats),
            "unexpected": len(self._unexpected(watched)),
            "reports": self._told([one for one in watched if not one.fails]),
            "threaded": [report.text_of(one.group.verdict.findings[0]) for one in watched
                         if one.is_live and one.group.verdict.status == THREADED and not one.group.is_proved],
        }

    def _told(self, watched: List[Watched]) -> str:
        findings = self._unexpected(watched)
        if not findings:
            return ""
        from threadguard.report import text as report
        lines = [report.text_of_all(findings[:SHOWN])]
        return "\n".join(lines + ["and %d more" % (len(findings) - SHOWN)] * (len(findings) > SHOWN))

    def _unexpected(self, watched: List[Watched]) -> "List[Finding]":
        return [finding for one in watched for place, finding in enumerate(one.group.reports)
                if (id(one.group), place) not in self._expected]
