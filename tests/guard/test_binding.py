"""The option ``thread``: an application that is bound to a thread is called on no other one."""

import asyncio
import os
import threading

import pytest
from conftest import Response, forked_without_hooks, in_thread, new_environ, without_hooks

from threadguard import OptionError, ThreadedDeploymentError, ThreadGuard
from threadguard.guard.binding import finding_at_startup
from threadguard.model import Reading, Source
from threadguard.servers import SERVERS, never_runs_on_main
from threadguard.servers.origin import Origin


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def status_of(guard):
    return Response(guard).status


def codes_of(caplog):
    return [record.code for record in caplog.records if hasattr(record, "code")]


OK, REFUSED = "200 OK", "503 Service Unavailable"


def test_main_refuses_a_request_on_another_thread(guarded, caplog):
    """And lets in those that come on the main one, before and after."""
    guard = guarded(hello, thread="main")
    assert (status_of(guard), in_thread(lambda: status_of(guard)), status_of(guard)) == (OK, REFUSED, OK)
    assert codes_of(caplog).count("TG207") == 1
    stats = guard.stats()
    assert (stats.requests, stats.refused, stats.in_flight) == (2, 1, 0)
    assert guard.verdict.status == "single-threaded", "the thread says nothing of the server's capacity"


def test_same_refuses_a_request_on_another_thread(guarded, monkeypatch):
    """Once a request has come from the server."""
    guard = guarded(hello, thread="same")
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: Origin.SERVER)
    assert (status_of(guard), in_thread(lambda: status_of(guard)), status_of(guard)) == (OK, REFUSED, OK)
    response = in_thread(lambda: Response(guard))
    assert b"TG207" in response.body and guard.stats().refused == 2


@pytest.mark.parametrize("thread", ["same", "main"])
def test_under_log_it_is_reported(guarded, caplog, thread, monkeypatch):
    """The request enters; it is told once, with the thread that is wanted and the stack."""
    guard = guarded(hello, thread=thread, policy="log")
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: Origin.SERVER)
    assert status_of(guard) == OK
    assert [in_thread(lambda: status_of(guard)) for _ in range(3)] == [OK] * 3
    assert codes_of(caplog).count("TG207") == 1
    assert "wanted: " in caplog.text and "entering: GET /" in caplog.text and guard.stats().requests == 4


@pytest.mark.parametrize("origin", [Origin.ELSEWHERE, Origin.POOL])
def test_a_call_from_elsewhere_never_sets_the_thread(guarded, monkeypatch, origin):
    """And is checked only once it is known."""
    guard = guarded(hello, thread="same")
    origins = [origin, Origin.SERVER]
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: origins.pop(0))
    assert in_thread(lambda: status_of(guard)) == OK, "a job warms the application up"
    assert status_of(guard) == OK, "the server"
    assert in_thread(lambda: status_of(guard)) == REFUSED, "the job again"


def test_a_thread_of_which_nothing_is_known_gives_way_to_the_server_s(guarded, monkeypatch):
    """A thread that warmed the application up and still lives does not keep the server out."""
    guard = guarded(hello, thread="same")
    origins = [Origin.PLAIN, Origin.SERVER]
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: origins.pop(0))
    warmed, end = threading.Event(), threading.Event()
    warmer = threading.Thread(target=lambda: (status_of(guard), warmed.set(), end.wait(60)))
    warmer.start()
    assert warmed.wait(60)
    assert status_of(guard) == OK
    end.set()
    warmer.join(60)


def test_a_thread_that_has_ended_is_forgotten_where_nothing_is_known_of_it(guarded):
    """A timer's warm-up, and then an unknown server."""
    guard = guarded(hello, thread="same")
    assert [in_thread(lambda: status_of(guard)), status_of(guard), status_of(guard)] == [OK] * 3


def test_a_nested_call_is_not_compared(guarded, monkeypatch):
    """It runs where its request runs; so does what a section's owner calls."""
    inner = []

    def app(environ, start_response):
        if environ["PATH_INFO"] == "/outer":
            inner.append(Response(guard, new_environ(PATH_INFO="/inner")).status)
        return hello(environ, start_response)

    guard = guarded(app, thread="main")
    assert Response(guard, new_environ(PATH_INFO="/outer")).status == OK and inner == [OK]
    with guard.inside("job"):
        assert status_of(guard) == OK


def test_under_an_event_loop_it_is_the_thread(guarded, monkeypatch):
    """Each task of the loop runs on it."""
    guard = guarded(hello, thread="same")
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: Origin.SERVER)

    async def request():
        return status_of(guard)

    async def main():
        return await asyncio.gather(request(), request())

    assert asyncio.run(main()) == [OK, OK]


def test_a_greenlet_is_a_context_of_its_own(guarded, monkeypatch):
    """What is bound to a greenlet, as Playwright's sync API, is not another one's."""
    greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet")
    guard = guarded(hello, thread="same")
    monkeypatch.setattr(guard._group, "origin_of", lambda environ: Origin.SERVER)
    assert status_of(guard) == OK
    assert greenlet.greenlet(lambda: status_of(guard)).switch() == REFUSED


@without_hooks
@pytest.mark.parametrize("thread", ["same", "main"])
@pytest.mark.parametrize("fork", ["with hooks", "without"])
def test_a_fork_forgets_the_thread(guarded, thread, fork):
    """The child has one thread, which is its main one, whichever forked it."""
    guard = guarded(hello, thread=thread)
    assert status_of(guard) == OK

    def from_a_thread():
        if fork == "without":
            return forked_without_hooks(lambda: status_of(guard) == OK)
        pid = os.fork()
        if not pid:
            os._exit(0 if status_of(guard) == OK else 1)
        return os.waitpid(pid, 0)[1] == 0

    assert from_a_thread() and in_thread(from_a_thread)


@pytest.mark.parametrize("thread", ["same", "main"])
def test_serialize_cannot_keep_a_thread(thread):
    """Each request waits, and runs, on the thread that it came on: it says so when it is built."""
    with pytest.raises(OptionError, match="thread = %s cannot be kept under policy = serialize" % thread):
        ThreadGuard(hello, thread=thread, policy="serialize")


def test_serialize_in_an_emergency_reports_as_log_does(guarded, monkeypatch, caplog):
    """THREADGUARD_POLICY is for three in the morning: no deployment stops starting because of it."""
    monkeypatch.setenv("THREADGUARD_POLICY", "serialize")
    guard = guarded(hello, thread="main")
    assert in_thread(lambda: status_of(guard)) == OK and "TG207" in codes_of(caplog)


def test_nothing_is_between_where_it_is_not_set(guarded):
    """It costs nothing then."""
    assert guarded(hello)._application is hello


# -- before the first request

SETTING = dict(source=Source.SETTING, capacity=1, evidence="threads = 1")


@pytest.mark.parametrize("server", ["waitress", "cheroot", "mod_wsgi's daemon", "a2wsgi", "gunicorn's gthread worker"])
def test_a_server_that_never_runs_requests_on_the_main_thread_is_named(server):
    """With a server that does."""
    finding = finding_at_startup(Reading(server=server, **SETTING))
    assert finding.code == "TG105" and server in finding.sentence and "gunicorn --worker-class sync" in finding.remedy


@pytest.mark.parametrize("server", ["gunicorn's sync worker", "uWSGI", "wsgiref", "mod_wsgi embedded in Apache"])
def test_a_server_that_may_run_requests_on_the_main_thread_is_not(server):
    """Its first request tells."""
    assert finding_at_startup(Reading(server=server, **SETTING)) is None


def test_every_server_says_where_requests_run():
    """`threadguard servers` shows it."""
    assert all(server.RUNS_ON for server in SERVERS)
    never = [server.NAME for server in SERVERS if never_runs_on_main(Reading(server=server.NAME, **SETTING))]
    assert {"waitress", "cheroot", "granian", "hypercorn", "a2wsgi", "uvicorn"} <= set(never)


def test_it_is_refused_at_startup(guarded, monkeypatch):
    """Building the guard raises, as for a threaded deployment; under log it is an error in the log."""
    from threadguard.servers import waitress
    reading = Reading(server="waitress", on_stack=True, **SETTING)
    monkeypatch.setattr(waitress, "at_startup", lambda process: reading)
    with pytest.raises(ThreadedDeploymentError, match="TG105 waitress never runs requests on the main thread"):
        guarded(hello, thread="main")
    assert guarded(hello, thread="same").verdict.status == "single-threaded"
    assert guarded(hello, thread="main", policy="log").verdict.status == "single-threaded"
