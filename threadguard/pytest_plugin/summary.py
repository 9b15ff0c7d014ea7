"""The section at the end: applications, requests, peak and overlaps, by test."""

from typing import Any, Dict, Iterable, List

_FEW = 10


def counted(number: int, noun: str) -> str:
    """*number* of *noun*, in the plural if it is not one."""
    return "%d %s%s" % (number, noun, "" if number == 1 else "s")


def write(reporter: Any, mode: str, rows: List[Dict[str, Any]]) -> None:
    """Write the section. Tests without a finding are listed where ``-rA`` or ``-v`` asks for all."""
    reporter.section("threadguard: %s" % mode)
    is_long = "A" in reporter.config.option.reportchars or reporter.config.option.verbose > 0
    for line in _totals(rows, is_long):
        reporter.line(line)
    for row in rows:
        for line in _lines(row, is_long):
            reporter.line(line)


def _totals(rows: List[Dict[str, Any]], is_long: bool) -> Iterable[str]:
    apps: Dict[str, int] = {}
    for row in rows:
        for name, requests in row["apps"].items():
            apps[name] = apps.get(name, 0) + requests
    yield "%s to %s in %s: at most %d inside at once, %s" % (
        counted(sum(row["requests"] for row in rows), "request"), counted(len(apps), "application"),
        counted(len(rows), "test"), max((row["peak"] for row in rows), default=0),
        counted(sum(row["overlaps"] for row in rows), "overlap"))
    most = sorted(apps, key=lambda name: (-apps[name], name))
    for name in most if is_long else most[:_FEW]:
        yield "  %s: %s" % (name, counted(apps[name], "request"))
    if len(most) > _FEW and not is_long:
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
