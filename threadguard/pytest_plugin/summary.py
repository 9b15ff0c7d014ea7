"""The section at the end: applications, requests, peak and overlaps, by test."""

from typing import Any, Dict, Iterable, List

from threadguard.pytest_plugin import OFF

_FEW = 10
"""So many applications are named."""


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


def counted(number: int, noun: str) -> str:
    """*number* of *noun*, in the plural if it is not one."""
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def wants_all(option: Any) -> bool:
    """Whether the command line asks for the tests without a finding, too: with ``-rA`` or ``-v``."""
    return "A" in getattr(option, "reportchars", "") or getattr(option, "verbose", 0) > 0  # not with -p no:terminal


def write(reporter: Any, mode: str, tally: Tally) -> None:
    """Write the section: where the mode is off it is about the tests that are marked with another."""
    reporter.section("threadguard: %s" % ("marked tests" if mode == OFF else mode))
    for line in _totals(tally):
        reporter.line(line)
    for row in tally.rows:
        for line in _lines(row, tally.is_long):
            reporter.line(line)


def _totals(tally: Tally) -> Iterable[str]:
    apps = tally.apps
    yield "%s to %s in %s: at most %d inside at once, %s" % (
        counted(sum(apps.values()), "request"), counted(len(apps), "application"), counted(tally.tests, "test"),
        tally.peak, counted(tally.overlaps, "overlap"))
    most = sorted(apps, key=lambda name: (-apps[name], name))
    for name in most if tally.is_long else most[:_FEW]:
        yield "  %s: %s" % (name, counted(apps[name], "request"))
    if len(most) > _FEW and not tally.is_long:
        yield "  and %s more; -rA lists all" % counted(len(most) - _FEW, "application")


def _lines(row: Dict[str, Any], is_long: bool) -> Iterable[str]:
    quiet = ("EXPECTED" if row["overlaps"] else "GUARDED") if is_long else ""
    word = "OVERLAP" if row["unexpected"] else "THREADED" if row["threaded"] else quiet
    if word:
        yield "%s %s - %s: %s, peak %d, %s" % (
            word, row["test"], ", ".join(sorted(row["apps"])), counted(row["requests"], "request"), row["peak"],
            counted(row["overlaps"], "overlap"))
    for text in [*row["threaded"], row["reports"]]:
        yield from ("  " + line for line in text.splitlines())
