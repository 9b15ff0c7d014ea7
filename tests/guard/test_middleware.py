"""The way of a request through the guard, under each policy."""

import copy
import gc
import logging
import os
import pickle
import threading
from functools import partial

import pytest
from conftest import (
    DEADLINE, Chunks, Response, forked_without_hooks, hello, held_inside, in_chunks, in_thread, new_environ, returning,
    start_response, until, without_hooks,
)

from threadguard import OptionError, ThreadedDeploymentError, ThreadGuard

POLICIES = ["refuse", "serialize", "log"]


# -- refuse


def test_a_second_request_is_refused_while_one_is_inside(guarded, gate):
    """The application is not entered; one line of text tells the code, and no settings and no stacks."""
    guard = guarded(gate)
    with held_inside(guard, gate) as responses:
        refused = Response(guard)
    assert refused.status == "503 Service Unavailable"
    assert refused.body == b"503 Service Unavailable: this process is not single-threaded (threadguard TG302)\n"
    assert dict(refused.headers)["Content-Type"] == "text/plain; charset=UTF-8"
    assert dict(refused.headers)["Content-Length"] == str(len(refused.body))
    assert (gate.entered, responses[0].body) == (["/held"], b"let go")


def test_after_a_collision_every_request_is_refused(guarded, gate):
    """A process that was proved threaded stays so until it ends, also for a lonely request."""
    guard = guarded(gate)
    with held_inside(guard, gate):
        Response(guard)
    assert Response(guard).status == "503 Service Unavailable"
    assert guard.verdict.status == "threaded"
    assert guard.verdict.findings[0].code == "TG302"
    stats = guard.stats()
    assert (stats.in_flight, stats.peak, stats.requests, stats.refused, stats.overlaps) == (0, 1, 1, 2, 0)


def test_what_was_seen_is_not_to_be_declared_away(guarded, gate):
    """The way out for an unknown server is none for one that was seen to be threaded."""
    guard = guarded(gate, policy="log")
    with held_inside(guard, gate, new_environ(wsgi__multithread=True)), held_inside(guard, gate):
        pass
    assert "server_threads" not in guard.verdict.findings[0].remedy


def test_an_unknown_server_that_declares_threads_is_believed_and_the_way_out_named(guarded, caplog):
    """wsgi.multithread True, and nothing else known: every request is refused, and server_threads = 1 is named."""
    guard = guarded(hello)
    assert Response(guard, new_environ(wsgi__multithread=True)).status == "503 Service Unavailable"
    assert guard.verdict.declared_only
    assert "server_threads = 1" in guard.verdict.findings[0].remedy
    assert [record.levelname for record in caplog.records] == ["ERROR"]


def test_the_operator_s_word_is_stronger_than_the_flag(guarded):
    """server_threads = 1 lets a server pass that says wsgi.multithread True of its one thread."""
    guard = guarded(hello, server_threads=1)
    assert Response(guard, new_environ(wsgi__multithread=True)).body == b"hello"
    assert guard.verdict.status == "single-threaded"
    assert [finding.code for finding in guard.verdict.findings] == ["TG103", "TG205"]


def test_building_a_guard_raises_where_startup_shows_threads(guarded):
    """server_threads = 4 is a threaded deployment; the guard that was not built has no say about the next one."""
    with pytest.raises(ThreadedDeploymentError, match="TG103 .*4 requests at once") as raised:
        guarded(hello, server_threads=4)
    assert raised.value.verdict.capacity == 4
    assert isinstance(raised.value, RuntimeError)
    assert Response(guarded(hello, server_threads=1)).body == b"hello"


def test_a_guard_built_in_a_group_already_proved_raises(guarded, gate):
    """What was proved of the process holds for every guard of the group."""
    guard = guarded(gate)
    with held_inside(guard, gate):
        Response(guard)
    with pytest.raises(ThreadedDeploymentError, match="TG302"):
        guarded(hello)


def test_guards_of_one_group_agree_about_the_server(guarded):
    """Two guards of one group with different server_threads are an error that names both numbers."""
    guarded(hello, policy="log", server_threads=1)
    with pytest.raises(OptionError, match="server_threads = 2 .*another guard of group .* has 1"):
        guarded(hello, policy="log", server_threads=2)


# -- log


def test_under_log_all_run_and_each_overlap_is_counted(guarded, gate, caplog):
    """A request that enters beside others is one overlap; only the first is logged."""
    guard = guarded(gate, policy="log")
    with held_inside(guard, gate), held_inside(guard, gate, "/second"), held_inside(guard, gate):
        assert guard.stats().in_flight == 3
    stats = guard.stats()
    assert (stats.in_flight, stats.peak, stats.requests, stats.refused, stats.overlaps) == (0, 3, 3, 0, 2)
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_an_overlap_report_names_both_sides(guarded, gate, caplog):
    """Both requests, both contexts and both stacks are in the log, and no query string."""
    guard = guarded(gate, policy="log")
    with held_inside(guard, gate):
        late = new_environ(PATH_INFO="/\x1b[31m\nlate", QUERY_STRING="token=secret", REQUEST_METHOD="P\tST")
        with held_inside(guard, gate, late):
            pass
    [record] = [record for record in caplog.records if record.levelname == "ERROR"]
    text = record.getMessage()
    assert text.startswith("TG301 two requests were inside the application at once\n")
    assert "GET /held, in thread " in text and "P\\tST /\\x1b[31m\\nlate, in thread " in text
    assert "self.open.wait" in text, "the stack of the one inside"
    assert text.count("held_inside") == 0 and text.count("in <lambda>") == 2, "both stacks, each down to its thread"
    assert "secret" not in text


# -- serialize


def test_under_serialize_the_second_waits_for_the_first(guarded, gate):
    """Both are served, one after the other, and nothing overlaps."""
    guard = guarded(gate, policy="serialize")
    second = []
    with held_inside(guard, gate):
        thread = threading.Thread(target=lambda: second.append(Response(guard)))
        thread.start()
        assert not gate.inside.acquire(timeout=0.1)
        until(lambda: len(guard._group.queue.line) == 1)
        assert guard.stats().in_flight == 1
    thread.join(DEADLINE)
    assert second[0].body == b"let go"
    stats = guard.stats()
    assert (stats.in_flight, stats.peak, stats.requests, stats.refused, stats.overlaps) == (0, 1, 2, 0, 0)


def test_under_serialize_a_long_wait_ends_with_503_and_retry_after(guarded, gate, caplog):
    """Who waits longer than serialize_timeout is told when to come again, and one ERROR names the holder."""
    guard = guarded(gate, policy="serialize", serialize_timeout=0.05)
    with held_inside(guard, gate):
        first, second = Response(guard), Response(guard)
    assert (first.status, second.status) == ("503 Service Unavailable",) * 2
    assert dict(first.headers)["Retry-After"] == "1"
    [error] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert error.startswith("TG304 ") and "GET /held" in error and "self.open.wait" in error


def test_serialising_is_said_once_and_loudly(guarded, gate, caplog):
    """Nobody runs serialised without knowing, and nobody reads it twice."""
    guard = guarded(gate, policy="serialize", serialize_timeout=0.05, server_threads=2)
    assert "TG305" in caplog.text
    caplog.clear()
    with held_inside(guard, gate):
        Response(guard)
    assert [record.getMessage()[:5] for record in caplog.records] == ["TG304"]
    caplog.clear()
    assert Response(guard).body == b"let go"
    assert caplog.text == ""


def test_under_serialize_the_application_sees_a_single_threaded_server(guarded):
    """wsgi.multithread is False inside."""
    seen = []

    def app(environ, start_response):
        seen.append(environ["wsgi.multithread"])
        return hello(environ, start_response)

    Response(guarded(app, policy="serialize"), new_environ(wsgi__multithread=True))
    assert seen == [False]


@pytest.mark.parametrize("body", [
    pytest.param(lambda: (chunk for chunk in [b"a", b"b"]), id="a generator"),
    pytest.param(partial(Chunks, [b"a", b"b"]), id="an iterable with close"),
])
def test_under_serialize_the_turn_lasts_until_the_body_is_closed(guarded, body):
    """A streamed body keeps its place until it is finished: each who comes is told to come again."""
    guard = guarded(returning(body), policy="serialize", serialize_timeout=0.05)
    first = guard(new_environ(), start_response)
    assert next(iter(first)) == b"a"
    for _ in range(2):
        assert in_thread(lambda: Response(guard)).status == "503 Service Unavailable"
    first.close()
    assert in_thread(lambda: Response(guard)).body == b"ab"


def test_under_serialize_one_who_comes_is_not_inside(guarded):
    """A request draws its ticket before it waits: that is no interleaving with the body that has the turn."""
    guard = guarded(returning(partial(Chunks, [b"a", b"b"])), policy="serialize")
    body = guard(new_environ(), start_response)
    ticket = next(guard._ledger.tickets)
    guard._ledger.inside[ticket] = new_environ()
    assert list(body) == [b"a", b"b"]
    guard._ledger.leave(ticket)
    assert guard.stats().overlaps == 0


@pytest.mark.parametrize("policy", ["refuse", "log"])
def test_under_serialize_one_waits_for_the_requests_of_another_guard_too(guarded, gate, policy):
    """The guards of a group share who is inside, whatever their policies are."""
    other = guarded(gate, policy=policy)
    entered = []
    guard = guarded(lambda environ, start: entered.append(other.stats().in_flight) or hello(environ, start),
                    policy="serialize", serialize_timeout=0.1)
    with held_inside(other, gate):
        assert Response(guard).headers[-1] == ("Retry-After", "1") and entered == []
        waiting = guarded(guard.app, policy="serialize")
        thread = threading.Thread(target=lambda: Response(waiting))
        thread.start()
    thread.join(DEADLINE)
    assert not thread.is_alive() and entered == [1]
    assert guard.stats().requests == 2 and guard.stats().overlaps == 0
    assert Response(guard).status == "200 OK"


def test_under_serialize_who_waits_is_served_in_order(guarded, gate):
    """The line is first in, first out."""
    guard = guarded(gate, policy="serialize")
    with held_inside(guard, gate, "/0"):
        waiting = []
        for number in range(1, 4):
            waiting.append(threading.Thread(target=Response, args=(guard, new_environ(PATH_INFO="/%d" % number))))
            waiting[-1].start()
            until(lambda: len(guard._group.queue.line) == len(waiting))
    for thread in waiting:
        thread.join(DEADLINE)
    assert gate.entered == ["/0", "/1", "/2", "/3"]


# -- no false alarm


class Asking:
    """An iterable that asks as it is asked for its iterator."""

    def __init__(self, ask):
        self.ask = ask

    def __iter__(self):
        return iter([self.ask()])


NESTED = {
    "in its call": lambda ask: [ask()],
    "in iter()": Asking,
    "in a chunk of a generator": lambda ask: (ask() for _ in range(1)),
    "in a chunk of an iterator": lambda ask: map(lambda _: ask(), [1]),
}


def by_next(body):
    """What a server gets that asks by `next` alone."""
    return b"".join(iter(partial(next, iter(body), None), None))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("make", NESTED.values(), ids=NESTED)
@pytest.mark.parametrize("take", [b"".join, by_next], ids=["by a loop", "by next()"])
def test_a_nested_call_passes(guarded, policy, make, take):
    """The application may call itself through the guard, on the same stack: its request stays inside meanwhile."""
    seen = []

    def ask():
        answer = Response(guard, new_environ(PATH_INFO="/inner")).body
        seen.append(guard.stats().in_flight)
        return answer

    def app(environ, start_response):
        start_response("200 OK", [])
        return make(ask) if environ["PATH_INFO"] == "/outer" else [b"inner"]

    guard = guarded(app, policy=policy, serialize_timeout=0.05)
    assert take(guard(new_environ(PATH_INFO="/outer"), start_response)) == b"inner" and seen == [1]
    stats = guard.stats()
    assert (stats.in_flight, stats.requests, stats.refused, stats.overlaps) == (0, 2, 0, 0)
    assert guard.verdict.status == "single-threaded"


def test_a_nested_call_beside_an_overlap_is_none_of_its_own(guarded, gate):
    """What a request calls itself is part of it, whoever else is inside."""
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/outer":
            Response(guard, new_environ(PATH_INFO="/inner"))
        return hello(environ, start_response)

    guard, other = guarded(app, policy="log"), guarded(gate, policy="log")
    with held_inside(other, gate):
        Response(guard, new_environ(PATH_INFO="/outer"))
    assert guard.stats().overlaps == 1


@pytest.mark.parametrize("policy", POLICIES)
def test_a_guard_inside_a_guard_counts_once(guarded, policy):
    """A request that its group has counted already is passed straight on."""
    guard = guarded(guarded(hello, policy=policy, serialize_timeout=0.05), policy=policy, serialize_timeout=0.05)
    assert Response(guard).body == b"hello"
    assert guard.stats().requests == 1


def test_the_inner_guard_may_be_called_by_a_lazy_body(guarded):
    """A middleware that is a generator calls the inner guard only when it is iterated: the same request still."""
    inner = guarded(hello)

    def lazy(environ, start_response):
        yield from inner(environ, start_response)

    guard = guarded(lazy)
    assert Response(guard).body == b"hello"
    assert (guard.stats().requests, guard.stats().in_flight) == (1, 0)


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
@pytest.mark.parametrize("app", [
    pytest.param(in_chunks, id="a generator"),
    pytest.param(returning(partial(Chunks, [b"a"])), id="an iterable"),
    pytest.param(returning(partial(map, bytes, [b"a"])), id="a map"),
])
def test_a_body_that_nobody_iterates_any_more_is_no_collision(guarded, policy, app):
    """The same thread has gone on to the next request: the earlier body was abandoned."""
    guard = guarded(app, policy=policy, serialize_timeout=0.05)
    kept = [guard(new_environ(), start_response) for _ in range(3)]
    assert Response(guard).status == "200 OK"
    assert guard.stats().refused == 0
    assert len(kept) == 3


def in_greenlet(function):
    """The result of *function*, called in a greenlet that has ended."""
    return pytest.importorskip("greenlet", reason="needs the package greenlet").greenlet(function).switch()


@pytest.mark.parametrize("policy", ["refuse", "serialize"])
@pytest.mark.parametrize("run", [in_thread, in_greenlet])
def test_the_body_of_a_context_that_is_dead_is_no_collision(guarded, policy, run):
    """Nobody will iterate it any more, though it is still referred to."""
    guard = guarded(in_chunks, policy=policy, serialize_timeout=0.05)
    kept = run(lambda: guard(new_environ(), start_response))
    assert Response(guard).body == b"one two"
    assert kept is not None


def test_a_body_in_a_garbage_cycle_is_no_collision(guarded):
    """Nothing can reach it any more, though the collector has not come yet."""
    guard = guarded(in_chunks)
    parked, go = threading.Event(), threading.Event()

    def leave_garbage():
        cycle = [guard(new_environ(), start_response)]
        cycle.append(cycle)
        del cycle
        parked.set()
        assert go.wait(DEADLINE)

    gc.collect()
    gc.disable()
    thread = threading.Thread(target=leave_garbage)
    thread.start()
    try:
        assert parked.wait(DEADLINE)
        assert Response(guard).body == b"one two"
    finally:
        gc.enable()
        go.set()
        thread.join(DEADLINE)


def test_the_body_of_a_living_thread_is_inside(guarded):
    """A streamed response that may still be iterated is a collision for another thread."""
    guard = guarded(in_chunks)
    body = guard(new_environ(), start_response)
    assert next(body) == b"one "
    assert in_thread(lambda: Response(guard)).status == "503 Service Unavailable"
    assert guard.stats().in_flight == 1
    assert list(body) == [b"two"]
    assert guard.stats().in_flight == 0


@pytest.mark.parametrize("app, end", [
    pytest.param(in_chunks, lambda body: body.close(), id="a generator, closed"),  # its finally never runs
    pytest.param(in_chunks, lambda body: None, id="a generator, dropped"),
    pytest.param(returning(partial(Chunks, [b"a"])), lambda body: None, id="an iterable, dropped"),
    pytest.param(returning(partial(Chunks, [b"a"])), lambda body: in_thread(lambda: body.close() or True),
                 id="an iterable, closed on another thread"),
])
def test_a_body_that_was_never_iterated_is_finished(guarded, app, end):
    """By its close(), wherever it is called, or because nothing can iterate it any more."""
    guard = guarded(app)
    end(guard(new_environ(), start_response))
    gc.collect()
    assert guard.stats().in_flight == 0
    assert Response(guard).status == "200 OK"


# -- the count survives


class Failing(Chunks):
    """A body that raises where it is told to."""

    def __init__(self, where, error):
        super().__init__([b"a"])
        self.where, self.error = where, error

    def __iter__(self):
        if self.where == "iter":
            raise self.error
        return self

    def __next__(self):
        if self.where == "next":
            raise self.error
        return super().__next__()

    def close(self):
        super().close()
        if self.where == "close":
            raise self.error


def failing(where, error):
    def app(environ, start_response):
        if where == "call":
            raise error
        start_response("200 OK", [])
        if where == "started":
            raise error
        return Failing(where, error)
    return app


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit])
@pytest.mark.parametrize("where", ["call", "started", "iter", "next", "close"])
def test_no_exception_leaves_a_count_behind(guarded, policy, error, where):
    """Whatever is raised, wherever, comes through unchanged, and nobody stays inside."""
    problem = error("on purpose")
    guard = guarded(failing(where, problem), policy=policy)
    with pytest.raises(error) as raised:
        Response(guard)
    assert raised.value is problem
    assert guard.stats().in_flight == 0


def test_an_interrupt_as_soon_as_the_turn_is_had_gives_it_back(guarded, gate, monkeypatch):
    """A signal's handler may raise between any two calls: the turn would not be had ever again."""
    guard = guarded(gate, policy="serialize", serialize_timeout=DEADLINE)
    queue = guard._group.queue

    def interrupted(environ, seconds, log_stuck, **options):
        gate.open.set()
        assert type(queue).acquire(queue, environ, seconds, log_stuck, **options) is not None
        raise KeyboardInterrupt

    with held_inside(guard, gate):
        monkeypatch.setattr(queue, "acquire", interrupted, raising=False)
        with pytest.raises(KeyboardInterrupt):
            Response(guard)
    monkeypatch.undo()
    assert guard.stats().in_flight == 0
    assert in_thread(lambda: Response(guard).status) == "200 OK"


def test_close_reaches_the_body_once(guarded):
    """A second close() is not passed on."""
    chunks = Chunks([b"a"])
    body = guarded(returning(lambda: chunks))(new_environ(), start_response)
    body.close()
    body.close()
    assert chunks.closed == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_starts_with_nobody_inside(guarded, gate):
    """What was inside in the parent, and what was proved there, is not inside in the child."""
    guard = guarded(gate)
    with held_inside(guard, gate):
        Response(guard)
        pid = os.fork()
        if pid == 0:
            gate.open.set()
            good = guard.stats().in_flight == 0 and guard.verdict.status != "threaded"
            good = good and Response(guard).status == "200 OK" and guard.stats().pid == os.getpid()
            os._exit(0 if good and guard.stats().requests == 1 else 1)
        assert os.waitpid(pid, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_request_ends_at_zero_in_both(guarded):
    """The request that forked goes on in parent and child, and leaves both."""
    def app(environ, start_response):
        environ["pid"] = os.fork()
        return hello(environ, start_response)

    guard = guarded(app)
    environ = new_environ()
    Response(guard, environ)
    if environ["pid"] == 0:
        os._exit(guard.stats().in_flight)
    assert os.waitpid(environ["pid"], 0)[1] == 0
    assert guard.stats().in_flight == 0


@without_hooks
@pytest.mark.parametrize("look", [
    pytest.param(lambda guard: Response(guard).status == "200 OK", id="by a request"),
    pytest.param(lambda guard: guard.stats().in_flight == 0, id="by the counts"),
    pytest.param(lambda guard: guard.verdict.status != "threaded", id="by the verdict"),
])
def test_a_fork_that_runs_no_hooks_is_noticed(guarded, gate, look):
    """uWSGI's fork calls no hooks, and in its child nobody is inside, and in the child's child neither."""
    guard = guarded(gate)

    def child():
        gate.open.set()
        return look(guard) and guard.stats().pid == os.getpid()

    with held_inside(guard, gate):
        Response(guard)
        assert forked_without_hooks(lambda: child() and forked_without_hooks(child))
    assert guard.stats().pid == os.getpid() and guard.verdict.status == "threaded"


def test_a_look_at_its_attributes_does_not_slow_the_guard_down(guarded):
    """Nothing of what a request asks for is in a ``__dict__``; who wants to keep something there can."""
    guard = guarded(hello)
    Response(guard)
    assert vars(guard) == {} and not hasattr(guard._ledger, "__dict__")
    guard.remark = "x"
    assert vars(guard) == {"remark": "x"}


@without_hooks
def test_a_request_that_is_alone_notices_a_fork(guarded):
    """Its count is the child's from the first request on."""
    guard = guarded(hello)
    Response(guard)
    Response(guard)
    assert forked_without_hooks(lambda: Response(guard).body == b"hello" and guard._ledger.counts() == (0, 1, 1, 0))


# -- bad input


@pytest.mark.parametrize("app", [None, "app", 3])
def test_an_application_that_is_not_callable_is_named(app):
    """The error shows what was given."""
    with pytest.raises(TypeError, match="is callable; .* is not"):
        ThreadGuard(app)


@pytest.mark.parametrize("flag, status", [
    pytest.param(0, "single-threaded", id="0"), pytest.param(1, "threaded", id="1"),
    pytest.param("True", "unknown", id="the word True"), pytest.param(None, "unknown", id="None"),
])
def test_a_flag_that_is_no_bool_is_taken_for_what_it_says(guarded, flag, status):
    """0 and 1 are as good as False and True; anything else says nothing, and one warning names it."""
    guard = guarded(hello, policy="log")
    assert Response(guard, new_environ(wsgi__multithread=flag)).body == b"hello"
    assert guard.verdict.status == status


def test_an_environ_without_the_flag_warns_once_and_passes(guarded, caplog):
    """The verdict is unknown, requests pass, collisions are still watched."""
    guard = guarded(hello)
    environ = new_environ()
    del environ["wsgi.multithread"]
    for _ in range(20):
        assert Response(guard, dict(environ)).body == b"hello"
    assert guard.verdict.status == "unknown"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "wsgi.multithread" in caplog.text


def test_an_environ_without_path_works(guarded):
    """PATH_INFO may be missing, also in a report."""
    environ = new_environ(wsgi__multithread=True)
    del environ["PATH_INFO"], environ["REQUEST_METHOD"]
    assert Response(guarded(hello), environ).status == "503 Service Unavailable"


@pytest.mark.parametrize("body", [None, "text", b"bytes", 7])
def test_what_is_no_body_goes_to_the_server_as_it_is(guarded, body):
    """The server says what it would say without the guard."""
    guard = guarded(returning(lambda: body))
    assert guard(new_environ(), start_response) is body
    assert guard.stats().in_flight == 0


@pytest.mark.parametrize("again", [
    pytest.param(copy.copy, id="copied"), pytest.param(copy.deepcopy, id="copied deeply"),
    pytest.param(lambda guard: pickle.loads(pickle.dumps(guard)), id="pickled"),
])
def test_an_application_that_can_be_copied_can_be_so_with_its_guard(guarded, again):
    """multiprocessing's spawn hands it on pickled; it is a guard of the same group, with the same options."""
    guard = guarded(hello, policy="serialize", serialize_timeout=7, health_path="/health")
    other = again(guard)
    assert Response(other).body == b"hello" and other is not guard and other.app is hello
    assert (other.policy, other._timeout) == ("serialize", 7.0) and other in guard._group.guards
    assert guard.stats().requests == 1
    assert Response(other, new_environ(PATH_INFO="/health")).body != b"hello"


# -- THREADGUARD_POLICY


def test_the_environment_overrides_the_policy_and_says_so(guarded, monkeypatch, caplog):
    """For an emergency, without an edit."""
    monkeypatch.setenv("THREADGUARD_POLICY", "log")
    guard = guarded(hello, server_threads=4)
    assert guard.policy == "log"
    assert "THREADGUARD_POLICY overrides the policy: log instead of refuse" in caplog.text


def test_a_policy_in_the_environment_that_does_not_exist_is_named(guarded, monkeypatch):
    """A misspelt emergency is not taken for silence, and nobody looks for it in the code."""
    monkeypatch.setenv("THREADGUARD_POLICY", "off")
    with pytest.raises(OptionError, match="policy = 'off' .* refuse, serialize, log .*variable THREADGUARD_POLICY"):
        guarded(hello)
