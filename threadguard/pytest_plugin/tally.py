"""The sums of a session, and the rows of the tests to be listed: plain data, which travels between processes."""

from typing import Any, Dict, Iterable, List


class Tally:
    """What is printed at the end. :param is_long: keep the row of each test, not only of those with a finding."""

    def __init__(self, is_long: bool) -> None:
        self.is_long = is_long
        self.tests = 0
        self.overlaps = 0
        self.peak = 0
        self.apps: Dict[str, int] = {}
        """Requests by application."""
        self.rows: List[Dict[str, Any]] = []

    def add_quiet(self, calls: Iterable[str]) -> None:
        """A test that is not listed, with the name of the application for each of its requests."""
        self.tests += 1
        self.peak = self.peak or 1
        for name in calls:
            self.apps[name] = self.apps.get(name, 0) + 1

    def add(self, row: Dict[str, Any]) -> None:
        """A test with its row (see `Case.row`)."""
        self._sum(1, row)
        if self.is_long or row["overlaps"] or row["threaded"]:
            self.rows.append(row)

    def _sum(self, tests: int, other: Dict[str, Any]) -> None:
        self.tests += tests
        self.overlaps += other["overlaps"]
        self.peak = max(self.peak, other["peak"])
        for name, requests in other["apps"].items():
            self.apps[name] = self.apps.get(name, 0) + requests

    def data(self) -> Dict[str, Any]:
        """All of it, for `merge` in another process."""
        return {"tests": self.tests, "overlaps": self.overlaps, "peak": self.peak, "apps": self.apps, "rows": self.rows}

    def merge(self, data: Dict[str, Any]) -> None:
        """Add what another process counted."""
        self._sum(data["tests"], data)
        self.rows += data["rows"]
