"""The option ``thread``: an application that is bound to a thread is called on no other one."""

import asyncio
import importlib
import queue
import sys
import threading

import pytest
from conftest import Response, forked_with_hooks, forked_without_hooks, hello, in_thread, new_environ, without_hooks

from threadguard import OptionError, ThreadedDeploymentError, ThreadGuard
from threadguard.model import Reading, Source
from threadguard.servers import SERVERS
from threadguard.servers.main_thread import finding_on_main, never_runs_on_main
from threadguard.servers.origin import Origin
from threadguard.wsgi import make


def status_of(guard):
    return Response(guard).status


def codes_of(caplog):
    return [record.code for record in caplog.records if hasattr(record, "code")]


OK, REFUSED = "200 OK", "503 Service Unavailable"


@pytest.fixture
def served(guarded, monkeypatch):
    """A guard with ``thread = same`` whose calls come from the server, or from where *origins* say, one after the
    other."""
    def served(*origins, **options):
        guard = guarded(hello, **{"thread": "same", **options})
        left = list(origins)
        monkeypatch.setattr(guard._group, "origin_of", lambda environ: left.pop(0) if left else Origin.SERVER)
        return guard
    return served


@pytest.fixture
def lasting(request):
    """Makes threads that live until the end of the test; each calls what it is given, and returns the result."""
    def start():
        jobs, answers = queue.Queue(), queue.Queue()
        thread = threading.Thread(target=lambda: [answers.put(job()) for job in iter(jobs.get, None)])
        thread.start()
        request.addfinalizer(lambda: (jobs.put(None), thread.join(60)))
        return lambda job: jobs.put(job) or answers.get(timeout=60)
    return start


def test_main_refuses_a_request_on_another_thread(guarded, caplog):
    """And lets in those that come on the main one, before and after."""
    guard = guarded(hello, thread="main")
    assert (status_of(guard), in_thread(lambda: status_of(guard)), status_of(guard)) == (OK, REFUSED, OK)
    assert codes_of(caplog).count("TG207") == 1
    stats = guard.stats()
    assert (stats.requests, stats.refused, stats.in_flight) == (2, 1, 0)
    assert guard.verdict.status == "single-threaded", "the thread says nothing of the server's capacity"


def test_same_refuses_a_request_on_another_thread(served):
    """Once a request has come from the server."""
    guard = served()
    assert (status_of(guard), in_thread(lambda: status_of(guard)), status_of(guard)) == (OK, REFUSED, OK)
    response = in_thread(lambda: Response(guard))
    assert b"TG207" in response.body and guard.stats().refused == 2


@pytest.mark.parametrize("thread", ["same", "main"])
def test_under_log_it_is_reported(served, caplog, thread):
    """The request enters; it is told once, with the thread that is wanted and the stack."""
    guard = served(thread=thread, policy="log")
    assert status_of(guard) == OK
    assert [in_thread(lambda: status_of(guard)) for _ in range(3)] == [OK] * 3
    assert codes_of(caplog).count("TG207") == 1
    assert "wanted: " in caplog.text and "entering: GET /" in caplog.text and guard.stats().requests == 4


def test_the_number_of_a_thread_that_has_ended_is_not_taken_for_it(served):
    """The next thread often gets the number that `threading.get_ident` gives, and is another one all the same."""
    guard, idents = served(), []

    def request():
        idents.append(threading.get_ident())
        return status_of(guard)

    answers = [in_thread(request) for _ in range(8)]
    assert answers == [OK] + [REFUSED] * 7
    assert len(set(idents)) < 8, "no number came again: this test has shown nothing"


def test_the_answer_says_why(guarded):
    """The process may well be single-threaded; and the answer to HEAD leaves nothing inside."""
    guard = guarded(hello, thread="main")
    response = in_thread(lambda: Response(guard, new_environ(REQUEST_METHOD="HEAD")))
    assert response.status == REFUSED
    response = in_thread(lambda: Response(guard))
    assert b"on another thread than the application needs (threadguard TG207)" in response.body
    assert guard.stats().in_flight == 0 and guard.stats().requests == 0


@pytest.mark.parametrize("origin", [Origin.ELSEWHERE, Origin.POOL])
def test_a_call_from_elsewhere_never_sets_the_thread(served, origin):
    """And is checked only once it is known."""
    guard = served(origin)
    assert in_thread(lambda: status_of(guard)) == OK, "a job warms the application up"
    assert status_of(guard) == OK, "the server"
    assert in_thread(lambda: status_of(guard)) == REFUSED, "the job again"


def test_a_thread_of_which_nothing_is_known_gives_way_to_the_server_s(served, lasting):
    """A thread that warmed the application up and still lives does not keep the server out."""
    guard = served(Origin.PLAIN)
    assert [lasting()(lambda: status_of(guard)), status_of(guard)] == [OK, OK]


def test_nothing_is_refused_where_no_call_is_certain_to_come_from_the_server(guarded, caplog, lasting):
    """A warm-up on the main thread, and then a server that nobody knows, on a thread of its own: it is reported."""
    guard, server = guarded(hello, thread="same"), lasting()
    assert status_of(guard) == OK
    assert [server(lambda: status_of(guard)) for _ in range(3)] == [OK] * 3
    assert codes_of(caplog).count("TG207") == 1 and guard.stats().refused == 0


def test_a_call_while_a_module_is_imported_never_decides(guarded, caplog, lasting, tmp_path, monkeypatch):
    """Whatever warms the application up there, the server does not serve yet: nothing is said of its own thread."""
    guard, server = guarded(hello, thread="same"), lasting()
    (tmp_path / "warming_up.py").write_text("import builtins\nbuiltins.warm_up()\n")
    monkeypatch.setattr("builtins.warm_up", lambda: status_of(guard), raising=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module("warming_up")
    assert sys.modules.pop("warming_up") and guard.stats().requests == 1
    assert [server(lambda: status_of(guard)) for _ in range(3)] == [OK] * 3
    assert "TG207" not in codes_of(caplog)


def test_the_main_thread_is_more_likely_the_server_s(guarded, caplog, lasting):
    """A scheduler's thread that goes on, and then a server that nobody knows, on the main thread: nothing is wrong."""
    guard, scheduler = guarded(hello, thread="same"), lasting()
    assert [scheduler(lambda: status_of(guard)), status_of(guard), status_of(guard)] == [OK] * 3
    assert "TG207" not in codes_of(caplog)


def test_a_warm_up_on_the_server_s_own_thread_does_not_keep_it_from_being_known(served):
    """However many calls warm the application up, a call on another thread is refused once the server serves."""
    guard = served(*[Origin.PLAIN] * 7)  # it looks at so many of the first hundred calls
    assert [status_of(guard) for _ in range(200)] == [OK] * 200
    assert in_thread(lambda: status_of(guard)) == REFUSED


def test_a_thread_that_has_ended_is_forgotten_where_nothing_is_known_of_it(guarded):
    """A timer's warm-up, and then an unknown server."""
    guard = guarded(hello, thread="same")
    assert [in_thread(lambda: status_of(guard)), status_of(guard), status_of(guard)] == [OK] * 3


def test_a_thread_for_each_request_of_an_unknown_server_is_reported(guarded, caplog):
    """No timer warms an application up so often; nothing is refused."""
    guard = guarded(hello, thread="same")
    assert [in_thread(lambda: status_of(guard)) for _ in range(8)] == [OK] * 8
    assert "TG207" not in codes_of(caplog)
    assert [in_thread(lambda: status_of(guard)) for _ in range(3)] == [OK] * 3
    assert codes_of(caplog).count("TG207") == 1


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


def test_a_call_in_a_section_is_compared_as_any_other(guarded):
    """The section has the turn, but not the thread."""
    guard = guarded(hello, thread="main")

    def job():
        with guard.inside("nightly job"):
            return status_of(guard)

    assert in_thread(job) == REFUSED
    assert (guard.stats().in_flight, guard.stats().sections_inside) == (0, 0)


def test_a_call_in_a_section_never_sets_the_thread(served):
    """It is a job's, and so from elsewhere."""
    guard = served()

    def job():
        with guard.inside("nightly job"):
            return status_of(guard)

    assert [in_thread(job), status_of(guard), in_thread(job)] == [OK, OK, REFUSED]


def test_guards_of_one_group_may_want_different_threads(guarded):
    """What one guard lets pass another one refuses, also for the same request, and the outer one stays inside."""
    inner = guarded(hello, thread="main")
    inside = []

    def handed_on(environ, start_response):
        body = in_thread(lambda: list(inner(environ, start_response)))
        inside.append(outer.stats().in_flight)
        return body

    outer = guarded(handed_on)
    response = Response(outer)
    assert response.status == REFUSED and inside == [1]
    assert (outer.stats().requests, outer.stats().in_flight) == (1, 0)
    assert status_of(inner) == OK


def test_under_an_event_loop_it_is_the_thread(served):
    """Each task of the loop runs on it."""
    guard = served()

    async def request():
        return status_of(guard)

    async def main():
        return await asyncio.gather(request(), request())

    assert asyncio.run(main()) == [OK, OK]


def test_a_greenlet_is_a_context_of_its_own(served):
    """What is bound to a greenlet, as Playwright's sync API, is not another one's."""
    greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet")
    guard = served()
    assert status_of(guard) == OK
    assert greenlet.greenlet(lambda: status_of(guard)).switch() == REFUSED


@without_hooks
@pytest.mark.parametrize("thread", ["same", "main"])
@pytest.mark.parametrize("fork", [forked_with_hooks, forked_without_hooks])
def test_a_fork_forgets_the_thread(guarded, thread, fork):
    """The child has one thread, which is its main one, whichever forked it."""
    guard = guarded(hello, thread=thread)
    assert status_of(guard) == OK
    assert fork(lambda: status_of(guard) == OK)
    # Without hooks the child of a thread may wait for ever for locks of Python's; uWSGI forks from its main thread.
    assert fork is forked_without_hooks or in_thread(lambda: fork(lambda: status_of(guard) == OK))


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


def test_serialize_in_an_emergency_is_none_that_the_environment_wants_for_good(monkeypatch):
    """Where all options are variables, THREADGUARD_POLICY is both: it does not stop the start."""
    variables = {"THREADGUARD_APP": "%s:hello" % __name__, "THREADGUARD_THREAD": "same",
                 "THREADGUARD_POLICY": "serialize"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert make(variables).policy == "serialize"


def test_nothing_is_between_where_it_is_not_set(guarded):
    """It costs nothing then."""
    assert guarded(hello)._application is hello


# -- before the first request

SETTING = dict(source=Source.SETTING, capacity=1, evidence="threads = 1")


@pytest.mark.parametrize("server, remedy", [
    ("waitress", "gunicorn --worker-class sync"), ("cheroot", "gunicorn --worker-class sync"),
    ("a2wsgi", "gunicorn --worker-class sync"), ("mod_wsgi's daemon", "mpm_prefork"),
    ("gunicorn's gthread worker", "--worker-class sync --threads 1, ")])
def test_a_server_that_never_runs_requests_on_the_main_thread_is_named(server, remedy):
    """With what to set on it, or a server that does."""
    finding = finding_on_main(Reading(server=server, **SETTING))
    assert finding.code == "TG105" and server in finding.sentence and remedy in finding.remedy


def test_where_an_ini_file_chooses_the_server_another_one_is_chosen_there():
    """With the file and the line, as for any finding about it."""
    finding = finding_on_main(Reading(server="waitress", file="site.ini", line=3, **SETTING))
    assert (finding.file, finding.line) == ("site.ini", 3) and "use = egg:gunicorn#main" in finding.remedy


@pytest.mark.parametrize("server", ["gunicorn's sync worker", "uWSGI", "wsgiref", "Unit",
                                    "mod_wsgi embedded in Apache"])
def test_a_server_that_may_run_requests_on_the_main_thread_is_not(server):
    """Its first request tells."""
    assert finding_on_main(Reading(server=server, **SETTING)) is None


def test_every_server_says_where_requests_run():
    """`threadguard servers` shows it."""
    assert all(server.RUNS_ON for server in SERVERS)
    never = [server.NAME for server in SERVERS if never_runs_on_main(Reading(server=server.NAME, **SETTING))]
    assert {"waitress", "cheroot", "granian", "hypercorn", "a2wsgi", "uvicorn"} <= set(never)


@pytest.mark.parametrize("options", [{}, {"server_threads": 1}], ids=["read", "said by the operator"])
def test_it_is_refused_at_startup(guarded, monkeypatch, options):
    """Building the guard raises, as for a threaded deployment; under log it is an error in the log."""
    from threadguard.servers import waitress
    reading = Reading(server="waitress", **SETTING)
    monkeypatch.setattr(waitress, "at_startup", lambda process: reading)
    with pytest.raises(ThreadedDeploymentError, match="TG105 waitress never runs requests on the main thread"):
        guarded(hello, thread="main", **options)
    assert guarded(hello, thread="same").verdict.status == "single-threaded"
    assert guarded(hello, thread="main", policy="log").verdict.status == "single-threaded"
