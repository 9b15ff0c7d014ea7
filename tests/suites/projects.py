"""Projects whose own test suites run with their applications behind a guard that refuses, and what each suite shows.

Counted on CPython 3.11 with the packages of requirements.txt.
"""

from typing import NamedTuple


class Project(NamedTuple):
    """One project, as its sdist on PyPI has it."""

    name: str
    version: str
    sha256: str
    """Of the sdist."""
    counts: str
    """The end of pytest's last line: the same without the guard and with it."""
    requests: int
    """That its test clients send, all of them through a guard."""

    def __str__(self) -> str:
        return "%s %s" % (self.name, self.version)


PROJECTS = (
    Project(
        "WebOb", "1.8.11", "aa8c27231070b135c025e567a9cd7eda03f4df71352ffaac740cb6a75f0f81a5",
        "2488 passed, 9 skipped, 1 xfailed", 128),
    Project(
        "WebTest", "3.0.7", "7aeab50f970d46c068e7a36dd162cb242591edf72a1d04efd21374772b931741",
        "206 passed", 364),
    Project(
        "Flask", "3.1.3", "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
        "490 passed", 489),
)
