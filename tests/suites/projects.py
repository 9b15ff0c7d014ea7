"""Projects whose own test suites run under ``--threadguard=fail``: what each shows without, and what the plugin saw.

Counted on CPython 3.11 with the packages of requirements.txt.
"""

from typing import NamedTuple, Tuple


class Project(NamedTuple):
    """One project, as its sdist on PyPI has it."""

    name: str
    version: str
    sha256: str
    """Of the sdist."""
    counts: str
    """The end of pytest's last line: the same without the plugin and with it."""
    guarded: str
    """The first line of the plugin's summary."""
    findings: Tuple[str, ...] = ()
    """The tests with a finding, each with its first line. Only a server of the suite's own may be one."""

    def __str__(self) -> str:
        return "%s %s" % (self.name, self.version)


def _threaded(test: str) -> str:
    """WebTest's StopableWSGIServer is waitress with its four threads."""
    return "THREADED tests/%s - TG201 waitress lets 4 requests at once into each process" % test


PROJECTS = (
    Project(
        "WebOb", "1.8.11", "aa8c27231070b135c025e567a9cd7eda03f4df71352ffaac740cb6a75f0f81a5",
        "2488 passed, 9 skipped, 1 xfailed",
        "150 requests to 25 applications in 87 tests: at most 1 inside at once, 0 overlaps"),
    Project(
        "WebTest", "3.0.7", "7aeab50f970d46c068e7a36dd162cb242591edf72a1d04efd21374772b931741",
        "206 passed",
        "374 requests to 27 applications in 137 tests: at most 1 inside at once, 0 overlaps",
        (_threaded("test_app.py::TestWSGIProxy::test_proxy_with_environ"),
         _threaded("test_app.py::TestWSGIProxy::test_proxy_with_url"),
         _threaded("test_http.py::TestServer::test_server"),
         _threaded("test_http.py::TestServer::test_wsgi_wrapper"))),
    Project(
        "Flask", "3.1.3", "0ef0e52b8a9cd932855379197dd8f94047b359ca0a78695144304cb45f87c9eb",
        "490 passed",
        "489 requests to 24 applications in 238 tests: at most 1 inside at once, 0 overlaps"),
)
