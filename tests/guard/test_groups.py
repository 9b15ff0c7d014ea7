"""The groups of a process, and the watch over pools that start late."""

import gc
import threading
import urllib.request
from wsgiref.simple_server import make_server

import pytest
from conftest import DEADLINE, Response, hello

from threadguard import ThreadedDeploymentError
from threadguard.guard import groups

waitress = pytest.importorskip("waitress", reason="needs the package waitress")


def start_waitress(app, threads):
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=threads)
    server.task_dispatcher.shutdown()
    server.close()


@pytest.fixture(autouse=True)
def thread_start():
    """No test leaves a wrapper behind: `guarded` ends the watches before this looks."""
    before = threading.Thread.start
    yield before
    assert threading.Thread.start is before


def test_without_a_name_all_guards_are_of_one_group():
    """What is not thread-safe is the process's."""
    assert groups.group_named(None) is groups.group_named("default")


def test_a_pool_that_starts_late_is_refused_before_the_port_opens(guarded):
    """waitress is handed an application that is guarded already: the error comes out of its start."""
    guard = guarded(hello)
    with pytest.raises(ThreadedDeploymentError, match="TG101 waitress lets 3 requests"):
        start_waitress(guard, 3)
    assert guard.verdict.capacity == 3


@pytest.mark.parametrize("policy, level", [("log", "ERROR"), ("serialize", "WARNING")])
def test_the_other_policies_only_report(guarded, policy, level, caplog):
    """Once, and the server starts."""
    start_waitress(guarded(hello, policy=policy), 3)
    mine = [record for record in caplog.records if record.name == "threadguard"]
    assert [record.levelname for record in mine] == [level]


def test_the_watch_can_be_switched_off(guarded):
    """watch_pool_start=False touches nothing."""
    before = threading.Thread.start
    guard = guarded(hello, watch_pool_start=False)
    assert threading.Thread.start is before
    start_waitress(guard, 3)


def test_the_watch_ends_when_the_server_has_shown_itself(guarded, thread_start):
    """A call that warms the application up is no evidence, and may come before the server begins."""
    guard = guarded(hello)
    Response(guard)
    assert threading.Thread.start is not thread_start
    with make_server("127.0.0.1", 0, guard) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            with urllib.request.urlopen("http://127.0.0.1:%d/" % server.server_port, timeout=DEADLINE) as response:
                assert response.status == 200
        finally:
            server.shutdown()
            thread.join(DEADLINE)
    assert threading.Thread.start is thread_start


def test_the_watch_ends_with_its_guards(guarded, thread_start):
    """A guard that nobody holds any more watches nothing."""
    guard = guarded(hello)
    assert threading.Thread.start is not thread_start
    del guard
    gc.collect()
    assert threading.Thread.start is thread_start
