"""A user's program: every public name, used as the documentation shows it. `make types` holds it to mypy and pyright.

It is not run. A value that is Any where the documentation promises a type would pass unnoticed, so what a name gives is
written down beside it.
"""

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Iterable, List, Literal, Optional, Tuple, Type

import pytest
from prometheus_client import CollectorRegistry

from threadguard import (
    Busy,
    Finding,
    LoadError,
    OptionError,
    ProbeError,
    SharingError,
    Stats,
    StillInside,
    ThreadedDeploymentError,
    ThreadGuard,
    ThreadguardError,
    Verdict,
    inside,
    inspect_process,
    metrics,
)
from threadguard.observe.metrics_sharing import share
from threadguard.paste import filter_factory
from threadguard.check import Checked, Options, check_command, check_file
from threadguard.observe.probe import Outcome, Prober, Seen
from threadguard.testing import RaceReport, assert_no_race, race, together
from threadguard.testing.fixture import Guards, Overlaps
from threadguard.testing.server import BackgroundServer, serve
from threadguard.wsgi import load, make

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


def site(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """An application with the types that the standard library's stubs have for WSGI."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


def guarded() -> "WSGIApplication":
    """What ThreadGuard makes is such an application itself."""
    guard: ThreadGuard = ThreadGuard(
        site, policy="serialize", serialize_timeout=30, server_threads=1, group="shop", health_path="/-/threadguard",
        health_token="change me", watch_pool_start=False, thread="any")
    return ThreadGuard(guard)


def told(guard: ThreadGuard) -> Tuple[str, Optional[int], int]:
    """Verdict, findings and counts."""
    verdict: Verdict = guard.verdict
    policy: Literal["refuse", "serialize", "log"] = guard.policy
    status: Literal["single-threaded", "threaded", "unknown"] = verdict.status
    print(policy, status)
    for finding in verdict.findings:
        one: Finding = finding
        place: Tuple[Optional[str], Optional[int]] = (one.file, one.line)
        print(one.code, one.sentence, one.evidence, one.remedy, *place)
    unsure: bool = verdict.declared_only or verdict.unbounded
    stats: Stats = guard.stats()
    counts: List[int] = [stats.in_flight, stats.peak, stats.requests, stats.refused, stats.overlaps, stats.pid,
                         stats.sections, stats.sections_inside]
    assert guard.verdict == Verdict("single-threaded", 1) or unsure or counts
    return verdict.status, verdict.capacity, stats.requests


def refused() -> Optional[ThreadGuard]:
    """The exceptions are those that one expects to catch."""
    try:
        return ThreadGuard(site)
    except ThreadedDeploymentError as error:
        problem: RuntimeError = error
    except OptionError as error:
        wrong: ValueError = error
        raise SystemExit(str(wrong)) from None
    logging.error("not started: %s", problem)
    return None


def misspelt() -> ThreadGuard:
    """A policy that there is not is found by the type checker: without the remark it would complain."""
    return ThreadGuard(site, policy="refuses")  # type: ignore[arg-type]


def caught() -> str:
    """One base class for all of them, and the standard exception that each is as well."""
    errors: Tuple[Type[ThreadguardError], ...] = (
        Busy, LoadError, OptionError, ProbeError, SharingError, StillInside, ThreadedDeploymentError)
    late: Tuple[Type[TimeoutError], ...] = (Busy, StillInside)
    try:
        ThreadGuard(site)
    except ThreadguardError as error:
        return "%s of %d, %d" % (error, len(errors), len(late))
    return ""


@inside
def nightly(day: int) -> str:
    """Work that is no request: each call is a section."""
    return "of day %d" % day


def jobs(guard: ThreadGuard) -> str:
    """The same as a block, of the default group and of a guard's."""
    with inside("report", group="shop", timeout=5), guard.inside("mail"):
        told: str = nightly(1)
    return told


def raced() -> int:
    """Whether the application needs a guard at all."""
    report: RaceReport = race(site, "/a", "/b", points=None)
    statuses: List[str] = [response.status for response in together(site, ["/a", "/b"])]
    return report.status + assert_no_race(site, "/a").status + len(statuses)


def asked() -> int:
    """Ask without guarding."""
    verdict: Verdict = inspect_process("production.ini")
    return 0 if verdict.status == "single-threaded" else 1


def without_code() -> ThreadGuard:
    """What the servers and PasteDeploy call."""
    add: Callable[["WSGIApplication"], ThreadGuard] = filter_factory({"__file__": "production.ini"}, policy="log")
    try:
        app: "WSGIApplication" = load("site_app:app")
        made: ThreadGuard = make({"THREADGUARD_APP": "site_app:app"})
    except LoadError as error:
        sys.exit(str(error))
    return add(ThreadGuard(made) if made.stats().requests else app)


def checked() -> str:
    """What ``threadguard check`` does."""
    options: Options = Options(execute=False, server_name="main")
    both: List[Checked] = [check_file("production.ini", options), check_command(["gunicorn", "site_app:app"], {})]
    findings: Tuple[Finding, ...] = both[0].findings
    worst: str = both[1].status
    return worst + both[0].target + findings[0].code


def probed() -> str:
    """What ``threadguard probe`` does."""
    try:
        outcome: Outcome = Prober("http://127.0.0.1/-/threadguard", "change me", hold=0.1).run(64, 16)
    except ProbeError as error:
        problem: RuntimeError = error
        return str(problem)
    seen: List[Seen] = list(outcome.processes.values())
    unlucky: float = outcome.luck(seen[0])
    return "%s %s %d %g" % (outcome.status, outcome.status_of(seen[0]), seen[0].pid, unlucky)


def measured(directory: Path) -> metrics.Collector:
    """Metrics for both."""
    metrics.instrument()
    share(str(directory))
    return metrics.register(CollectorRegistry())


def served() -> str:
    """A server in the background of a script."""
    with serve(site) as server:
        running: BackgroundServer = server
        return "%s %d" % (running.url, running.port)


@pytest.mark.threadguard(policy="fail")
def test_of_a_user(threadguard: Guards, threadguard_server: Callable[..., BackgroundServer]) -> None:
    """The fixtures."""
    guard: ThreadGuard = threadguard(site, policy="log", group="shop")
    overlaps: Overlaps
    with threadguard.expect_overlap() as overlaps:
        threadguard.together(guard, ["/a", "/b"], timeout=10)
        threadguard_server(guard, threaded=True).stop()
    findings: List[Finding] = overlaps.findings
    assert not findings, str(overlaps)
