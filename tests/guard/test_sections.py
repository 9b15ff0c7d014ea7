"""Sections: work that is no request takes the turn, and nothing else of it is a request's."""

import asyncio
import gc
import os
import signal
import threading
from contextlib import contextmanager
from time import monotonic

import pytest
from conftest import (
    DEADLINE, Response, forked_with_hooks, forked_without_hooks, held_inside, hello, in_thread, new_environ, until,
    without_hooks,
)

import threadguard
from threadguard import Busy, OptionError
from threadguard.guard import groups
from threadguard.guard.ledger import FAST_PATH
from threadguard.guard.queue import RequestQueue

TURNS = ["refuse", "serialize"]


def held_at(gate):
    """An application whose requests for /held stay inside until *gate* is opened, and others do not."""
    return lambda environ, start_response: (gate if environ["PATH_INFO"] == "/held" else hello)(environ, start_response)


def in_background(function):
    """A thread that runs *function*, and the list of what it returned or raised."""
    results = []

    def run():
        try:
            results.append(function())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, results


@contextmanager
def held_section(guard, name="held", enter=None):
    """A section that another thread holds during the block, or until the event that it gives is set."""
    entered, end = threading.Event(), threading.Event()

    def hold():
        with guard.inside(name) if enter is None else enter():
            entered.set()
            assert end.wait(DEADLINE)

    thread, results = in_background(hold)
    try:
        assert entered.wait(DEADLINE)
        yield end
    finally:
        end.set()
        thread.join(DEADLINE)
        assert results == [None]


@contextmanager
def handling(handle):
    """A handler of SIGALRM during the block."""
    before = signal.signal(signal.SIGALRM, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


def waits(guard, number=1):
    """Whether *number* stand in line."""
    return lambda: len(guard._ledger.line) >= number


@pytest.mark.parametrize("policy", TURNS)
def test_a_request_that_meets_a_section_waits_and_is_served(guarded, policy):
    """A single-threaded server's request is not refused for a job of the application's own."""
    guard = guarded(hello, policy=policy)
    with held_section(guard):
        thread, results = in_background(lambda: Response(guard).status)
        until(waits(guard))
        assert not results
    thread.join(DEADLINE)
    assert results == ["200 OK"] and guard.verdict.status == "single-threaded"


@pytest.mark.parametrize("policy, paths", [("refuse", []), ("serialize", ["/1", "/2"])])
def test_the_line_is_kept_in_order(guarded, gate, policy, paths):
    """A request that came before the section is served before it, and it is ahead of every request that comes later."""
    order, held = [], held_at(gate)

    def app(environ, start_response):
        order.append(environ["PATH_INFO"])
        return held(environ, start_response)

    guard = guarded(app, policy=policy, serialize_timeout=DEADLINE)

    def job():
        with guard.inside("job"):
            order.append("job")

    works = [lambda path=path: Response(guard, new_environ(PATH_INFO=path)) for path in paths]
    works.insert(1, job)
    with held_inside(guard, gate):
        threads = []
        for number, work in enumerate(works, 1):
            threads.append(in_background(work)[0])
            until(waits(guard, number))
        until(lambda: not guard._ledger.marks[FAST_PATH])
    for thread in threads:
        thread.join(DEADLINE)
    assert order == ["/held", *paths[:1], "job", *paths[1:]]


@pytest.mark.parametrize("policy", [*TURNS, "log"])
def test_a_call_by_the_owner_is_nested(guarded, policy):
    """A job may call the application through a test client, and enter further sections."""
    guard = guarded(hello, policy=policy, serialize_timeout=0.1)
    with guard.inside("job"), guard.inside("part"):
        assert Response(guard).status == "200 OK"
        assert guard.stats().in_flight == 0
    assert guard.stats().requests == 1 and guard.stats().sections == 1


@pytest.mark.parametrize("policy", TURNS)
def test_a_section_in_a_request_is_nested(guarded, policy):
    """The request has the turn already."""
    seen = []

    def app(environ, start_response):
        with guard.inside("part of it"):
            seen.append(guard.stats().sections)
        return hello(environ, start_response)

    guard = guarded(app, policy=policy, serialize_timeout=0.1)
    assert Response(guard).status == "200 OK" and seen == [0]


def test_a_second_request_that_comes_while_one_waits_is_a_collision(guarded, caplog):
    """As it would be without the section: the server lets two in. The section is not said to be stuck."""
    guard = guarded(hello)
    with held_section(guard):
        first, served = in_background(lambda: Response(guard).status)
        until(waits(guard))
        assert in_thread(lambda: Response(guard, new_environ(PATH_INFO="/second")).status) == "503 Service Unavailable"
        [finding] = [one for one in guard.verdict.findings if one.code == "TG302"]
        assert "entering: GET /second" in finding.evidence and "inside: GET /," in finding.evidence
    first.join(DEADLINE)
    assert served == ["503 Service Unavailable"], "the verdict is threaded: it is not let in either"
    stats = guard.stats()
    assert (stats.requests, stats.refused, stats.in_flight) == (0, 2, 0)
    assert "TG304" not in caplog.text


def test_a_second_request_is_a_collision_also_if_the_first_has_entered_just_before_it_waits(guarded, gate, monkeypatch):
    """It met the section alone; the one that waited has its turn before it stands in line."""
    guard = guarded(gate)
    acquire, second = guard._group.queue.acquire, new_environ(PATH_INFO="/second")

    def late(request, *args, **keywords):
        if request is second:
            end.set()
            assert gate.inside.acquire(timeout=DEADLINE)
            threading.Timer(0.05, gate.open.set).start()  # it would wait for that otherwise
        return acquire(request, *args, **keywords)

    monkeypatch.setattr(guard._group.queue, "acquire", late)
    with held_section(guard) as end:
        first, served = in_background(lambda: Response(guard).status)
        until(waits(guard))
        assert in_thread(lambda: Response(guard, second).status) == "503 Service Unavailable"
    first.join(DEADLINE)
    assert served == ["200 OK"] and guard.verdict.findings[0].code == "TG302"


def test_a_request_beside_a_request_is_a_collision_while_a_section_waits(guarded, gate):
    """The line is the section's, and no way in for others."""
    guard = guarded(gate)
    with held_inside(guard, gate):
        section, done = in_background(lambda: guard.inside("job").__enter__() and None)
        until(waits(guard))
        assert in_thread(lambda: Response(guard).status) == "503 Service Unavailable"
    section.join(DEADLINE)
    assert guard.verdict.findings[0].code == "TG302"


@pytest.mark.parametrize("policy, code", [("refuse", "TG307"), ("serialize", "TG305")])
def test_a_request_waits_for_a_section_no_longer_than_serialize_timeout(guarded, policy, code):
    """Then it is 503 with Retry-After."""
    guard = guarded(hello, policy=policy, serialize_timeout=0.05)
    with held_section(guard):
        response = in_thread(lambda: Response(guard))
        assert response.status == "503 Service Unavailable" and code.encode() in response.body
        assert ("Retry-After", "1") in response.headers
    assert Response(guard).status == "200 OK" and guard.verdict.status == "single-threaded"


@pytest.mark.parametrize("policy", TURNS)
def test_a_section_that_does_not_get_its_turn_raises_busy(guarded, gate, policy):
    """It names the section, and the request that is inside with its stack; and it leaves nothing behind."""
    guard = guarded(gate, policy=policy)
    with held_inside(guard, gate):
        with pytest.raises(Busy, match=r"(?s)'job' did not get its turn within 0.05 seconds.*GET /held.*in __call__"):
            guard.inside("job", timeout=0.05).__enter__()
        assert isinstance(Busy(), TimeoutError) and not guard._ledger.sections
    assert Response(guard).status == "200 OK"


def test_the_timeout_is_by_default_that_of_the_group_s_guards(guarded, gate):
    """A request that waits for its own job ends in Busy, and not never."""
    guard = guarded(gate, serialize_timeout=0.05)
    with held_inside(guard, gate), pytest.raises(Busy, match="within 0.05 seconds"):
        threadguard.inside("job", group=guard._group.name).__enter__()


def test_under_log_both_run_and_are_reported(guarded, caplog):
    """With both stacks, once; and it says nothing of the server."""
    guard = guarded(hello, policy="log")
    with held_section(guard, "nightly job"):
        assert [Response(guard).status for _ in range(3)] == ["200 OK"] * 3
    [record] = [record for record in caplog.records if "TG307" in record.getMessage()]
    text = record.getMessage()
    assert "inside: section 'nightly job'" in text and "in hold" in text and "entering: GET /" in text
    assert "policy refuse or serialize" in text
    stats = guard.stats()
    assert (stats.overlaps, stats.requests, stats.peak) == (0, 3, 1)
    assert guard.verdict.status == "single-threaded"


def test_under_log_a_section_does_not_hide_an_overlap_of_requests(guarded, gate):
    """What a request meets among requests is told as before, however many reports there are of sections."""
    guard = guarded(held_at(gate), policy="log")
    guard._group.reports_kept = 1  # of the section
    with held_section(guard), held_inside(guard, gate):
        assert Response(guard).status == "200 OK"
        assert guard.stats().overlaps == 1 and guard.stats().peak == 2
        assert [finding.code for finding in guard.verdict.findings if finding.code.startswith("TG3")] == ["TG301"]


def test_a_section_under_log_that_meets_a_request_is_reported(guarded, gate, caplog):
    """It enters beside it."""
    guard = guarded(gate, policy="log")
    with held_inside(guard, gate), guard.inside("job"):
        assert guard.stats().sections_inside == 1
    assert "entering: section 'job'" in caplog.text


def test_sections_are_counted_apart(guarded):
    """Never as requests."""
    guard = guarded(hello)

    def counts():
        stats = guard.stats()
        return stats.sections, stats.sections_inside, stats.in_flight, stats.requests, stats.peak

    with held_section(guard):
        assert counts() == (1, 1, 0, 0, 0)
    Response(guard)
    assert counts() == (1, 0, 0, 1, 1)


def test_sections_take_turns_among_themselves(guarded):
    """Two jobs of a scheduler do not run at once, also where no request ever comes."""
    guard = guarded(hello)
    with held_section(guard), pytest.raises(Busy, match="inside: section 'held'"):
        guard.inside("job", timeout=0.05).__enter__()


def test_the_fast_path_is_open_again_after_a_section(guarded):
    """Requests pay nothing while none is announced or inside."""
    guard = guarded(hello, server_threads=1, serialize_timeout=0.01)
    while not guard._ledger.marks[FAST_PATH]:
        Response(guard)
    with guard.inside("job"):
        assert in_thread(lambda: Response(guard)).status == "503 Service Unavailable"
    assert guard._ledger.marks[FAST_PATH] and not guard._ledger.sections and not guard._ledger.inside


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_a_section_leaves_nothing_behind(guarded, error):
    """Of whatever kind."""
    guard = guarded(hello)
    with pytest.raises(error), guard.inside("job"):
        raise error
    assert in_thread(lambda: Response(guard).status) == "200 OK" and guard.stats().sections_inside == 0


def test_a_section_whose_thread_has_ended_is_over(guarded):
    """Nothing will leave it."""
    guard = guarded(hello)
    section = guard.inside("job")
    in_thread(section.__enter__)
    assert in_thread(lambda: Response(guard).status) == "200 OK"
    assert not guard._ledger.sections


@pytest.mark.skipif(not hasattr(__import__("sys"), "getrefcount"), reason="PyPy counts no references")
def test_a_section_that_nothing_holds_any_more_is_over(guarded):
    """An exception can strike between the entering and the block: its `__exit__` is never called."""
    guard = guarded(hello)
    guard.inside("job").__enter__()
    gc.collect()
    assert in_thread(lambda: Response(guard).status) == "200 OK"
    assert guard.stats().sections_inside == 0 and not guard._ledger.inside


@without_hooks
@pytest.mark.parametrize("fork", [forked_with_hooks, forked_without_hooks])
def test_a_section_that_is_open_at_a_fork_is_the_parent_s(guarded, fork):
    """The child serves, and its end of the block does no harm in the parent."""
    guard = guarded(hello)
    section = guard.inside("job")

    def child():
        # No thread is started in it: without hooks the locks of the parent's other threads may stay taken.
        served = Response(guard).status == "200 OK" and guard.stats().sections_inside == 0
        section.__exit__()
        return served and Response(guard).status == "200 OK" and guard.stats().sections == 0

    with section:
        assert fork(child)
        assert guard.stats().sections_inside == 1
    assert guard.stats().sections_inside == 0


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_s_handler_enters_over_a_request_of_its_own_thread(guarded):
    """It runs on the stack of the request that it interrupts."""
    entered = threading.Event()

    def handle(number, frame):
        with guard.inside("handler", timeout=0.05):
            entered.set()

    def app(environ, start_response):
        signal.setitimer(signal.ITIMER_REAL, 0.001)
        until(entered.is_set)  # in steps: another thread may get the signal, and does not wake this one
        return hello(environ, start_response)

    guard = guarded(app)
    with handling(handle):
        assert Response(guard).status == "200 OK"


@pytest.mark.parametrize("policy", TURNS)
@pytest.mark.parametrize("work", ["section", "request"])
def test_a_signal_s_handler_is_nested_in_a_request_that_has_just_got_its_turn(guarded, monkeypatch, policy, work):
    """It does not wait for what it interrupts, and is no collision with that: the turn is had, and not yet told."""
    guard = guarded(hello, policy=policy, serialize_timeout=DEADLINE)
    enter, handled = guard._group.queue._enter, []

    def handle():
        if work == "request":
            return Response(guard, new_environ(PATH_INFO="/handler")).status
        with guard.inside("handler", timeout=0.05):
            return "200 OK"

    def interrupted(request, patience):
        ticket = enter(request, patience)
        if ticket is not None and not handled:
            handled.append(None)
            handled.append(handle())
        return ticket

    with held_section(guard):
        monkeypatch.setattr(guard._group.queue, "_enter", interrupted)
        thread, results = in_background(lambda: Response(guard).status)
        until(waits(guard))
    thread.join(DEADLINE)
    assert results + handled == ["200 OK", None, "200 OK"] and guard.verdict.status == "single-threaded"


# -- coroutines


def test_a_task_waits_for_a_request_of_another_thread(guarded, gate):
    """And its loop runs others meanwhile."""
    guard = guarded(gate)
    steps = []

    async def job():
        async with guard.inside("job"):
            steps.append("job")

    async def other():
        while not guard._ledger.line:
            await asyncio.sleep(0)
        steps.append("other")
        gate.open.set()

    async def main():
        await asyncio.gather(job(), other())

    with held_inside(guard, gate):
        asyncio.run(main())
    assert steps == ["other", "job"]


def test_where_waiting_would_stop_the_holder_it_is_busy_at_once(guarded):
    """A plain `with`, or a request, on the loop's own thread beside a section of another task."""
    guard = guarded(hello, serialize_timeout=DEADLINE)

    async def beside():
        with pytest.raises(Busy, match="to wait here would stop what has it: in a coroutine, use `async with`"):
            guard.inside("job").__enter__()
        return Response(guard).status

    async def main():
        async with guard.inside("held"):
            assert Response(guard).status == "200 OK", "a call by the task is nested"
            return await asyncio.ensure_future(beside())

    before = monotonic()
    assert asyncio.run(main()) == "503 Service Unavailable"
    assert monotonic() - before < DEADLINE / 2


def test_a_request_on_a_loop_waits_for_a_section_of_a_thread(guarded):
    """Its thread goes on, whatever stops here: tornado's single-threaded server refuses nobody for a job."""
    guard = guarded(hello)

    async def main():
        return Response(guard).status

    with held_section(guard):
        thread, results = in_background(lambda: asyncio.run(main()))
        until(waits(guard))
    thread.join(DEADLINE)
    assert results == ["200 OK"]


def test_a_request_on_a_loop_waits_for_a_section_that_is_about_to_enter(guarded, monkeypatch):
    """It is announced, and nothing has the turn: its thread goes on, whatever stops here."""
    guard = guarded(hello)
    Response(guard)
    may_enter, enter = threading.Event(), RequestQueue._enter

    def enter_late(queue, request, patience):
        may_it = type(request) is dict or queue.line and may_enter.wait(DEADLINE)
        return enter(queue, request, patience) if may_it else None

    async def main():
        return Response(guard).status

    monkeypatch.setattr(RequestQueue, "_enter", enter_late)
    section, _ = in_background(lambda: guard.inside("job").__enter__().__exit__())
    until(waits(guard))
    thread, results = in_background(lambda: asyncio.run(main()))
    until(lambda: waits(guard, 2)() or results)
    may_enter.set()
    section.join(DEADLINE)
    thread.join(DEADLINE)
    assert results == ["200 OK"]


def test_what_stops_an_event_loop_is_ahead_of_its_tasks_that_wait(guarded):
    """A task looks for its turn now and then: a request, or a plain `with`, does not give way to it meanwhile."""
    guard, order = guarded(hello, serialize_timeout=DEADLINE), []

    async def job():
        async with guard.inside("job"):
            order.append("task")

    async def main():
        with held_section(guard):
            task = asyncio.ensure_future(job())
            while not guard._ledger.line:
                await asyncio.sleep(0)
        order.append(Response(guard).status)
        with guard.inside("plain"):
            order.append("plain")
        await task

    asyncio.run(main())
    assert order == ["200 OK", "plain", "task"]


def test_a_cancelled_task_leaves_nothing_behind(guarded):
    """Neither one that waits, nor one that is inside."""
    guard = guarded(hello)

    async def job():
        async with guard.inside("job"):
            await asyncio.sleep(DEADLINE)

    async def main():
        tasks = [asyncio.ensure_future(job()) for _ in range(2)]
        while not guard._ledger.line or not guard._ledger.inside:
            await asyncio.sleep(0)
        for task in reversed(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())
    assert Response(guard).status == "200 OK" and not guard._ledger.line and not guard._ledger.sections


# -- who owns it, and what it stands beside


def test_another_context_may_end_the_section_of_a_generator(guarded):
    """Whichever thread drops it last closes it."""
    guard = guarded(hello)

    def generator():
        with guard.inside("job"):
            yield

    suspended = generator()
    in_thread(lambda: next(suspended) or True)
    suspended.close()
    assert not guard._ledger.sections and not guard._ledger.inside


def test_another_context_may_end_the_section_of_a_coroutine(guarded):
    """Its event loop was closed while it waited."""
    guard = guarded(hello)

    async def job():
        async with guard.inside("job"):
            await asyncio.get_running_loop().create_future()

    async def main(coroutine):
        asyncio.ensure_future(coroutine)
        while not guard.stats().sections_inside:
            await asyncio.sleep(0)

    coroutine, loop = job(), asyncio.new_event_loop()
    loop.set_exception_handler(lambda loop, context: None)  # of a task that was pending at the end
    loop.run_until_complete(main(coroutine))
    loop.close()
    assert in_thread(lambda: coroutine.close() or True)
    assert not guard._ledger.sections and not guard._ledger.inside


def test_one_object_may_be_entered_again_and_by_several(guarded):
    """Its owner's is nested; another's waits."""
    guard = guarded(hello)
    section = guard.inside("job")

    def enter():
        with section:
            return guard.stats().sections

    with section:
        with section:
            assert guard.stats().sections == 1
        assert guard.stats().sections_inside == 1
        thread, results = in_background(enter)
        until(waits(guard))
    thread.join(DEADLINE)
    assert results == [2] and guard.stats().sections_inside == 0


def test_groups_that_are_nested_in_opposite_order_end_in_busy(guarded):
    """One gives way, and the other goes on."""
    names = ["one order", "the other"]
    guards = [guarded(hello, group=name) for name in names]
    both = threading.Barrier(2)

    def nest(outer, inner, timeout):
        with outer.inside("outer"):
            both.wait(DEADLINE)
            with inner.inside("inner", timeout=timeout):
                return "inside"

    threads = [in_background(lambda: nest(*guards, 0.05)), in_background(lambda: nest(*guards[::-1], DEADLINE))]
    for thread, _ in threads:
        thread.join(DEADLINE)
    [[first], [second]] = [results for _, results in threads]
    assert isinstance(first, Busy) and second == "inside"
    for name in names:
        groups._groups.pop(name)._end_watches()


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs setitimer")
def test_a_signal_s_handler_is_ahead_of_what_it_interrupts(guarded, gate):
    """A section that waits in the same thread cannot go on before the handler has returned."""
    order = []

    def handle(number, frame):
        gate.open.set()
        with guard.inside("handler", timeout=DEADLINE):
            order.append("handler")

    guard = guarded(gate)
    with handling(handle), held_inside(guard, gate):
        threading.Thread(target=lambda: until(waits(guard)) or os.kill(os.getpid(), signal.SIGALRM)).start()
        with guard.inside("main", timeout=DEADLINE):
            order.append("main")
    assert order == ["handler", "main"]


@pytest.mark.parametrize("body", [lambda: (chunk for chunk in [b"a", b"b"]), lambda: Closing()])
@pytest.mark.parametrize("policy", TURNS)
def test_a_section_waits_until_a_body_is_finished(guarded, policy, body):
    """The last chunk made, and `close()` returned."""
    guard = guarded(lambda environ, start_response: body(), policy=policy)
    Response(guard)
    order, chunks = [], guard(new_environ(), hello)
    iterator = iter(chunks)
    next(iterator)
    section, _ = in_background(lambda: guard.inside("job").__enter__() and order.append("job"))
    until(waits(guard))
    next(iterator)
    assert not order
    order.extend(iterator)
    getattr(chunks, "close", lambda: order.append("end"))()
    section.join(DEADLINE)
    assert order[-1] == "job"


class Closing:
    """Two chunks, and something to close."""

    def __init__(self):
        self.chunks = iter([b"a", b"b"])

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)

    def close(self):
        """There is nothing to do."""


def test_a_body_may_enter_a_section_while_it_is_made_and_closed(guarded):
    """Its request has the turn."""
    class Body(Closing):
        def __next__(self):
            with guard.inside("chunk", timeout=0.05):
                return super().__next__()

        def close(self):
            with guard.inside("close", timeout=0.05):
                closed.append(guard.stats().in_flight)

    closed = []
    guard = guarded(lambda environ, start_response: Body())
    Response(guard)
    assert closed == [1] and guard.stats().sections == 0


def test_guards_of_one_group_with_several_policies(guarded):
    """The one that logs lets its request pass; those of the others wait in one line."""
    logs, refuses, serializes = [guarded(hello, policy=policy) for policy in ("log", "refuse", "serialize")]
    with held_section(logs):
        assert in_thread(lambda: Response(logs).status) == "200 OK"
        threads = []
        for number, guard in enumerate([refuses, serializes], 1):
            threads.append(in_background(lambda guard=guard: Response(guard).status))
            until(waits(logs, number))
    for thread, results in threads:
        thread.join(DEADLINE)
        assert results == ["200 OK"]
    assert [report.code for report in logs._group.reports] == ["TG307"] and logs.verdict.status == "single-threaded"


@without_hooks
def test_a_section_that_waits_at_a_fork_is_the_parent_s(guarded, gate):
    """The child, which has no such thread, serves and enters at once."""
    guard = guarded(held_at(gate))

    def child():
        with guard.inside("child", timeout=0.05):
            assert Response(guard).status == "200 OK"
        return not guard._ledger.line and guard.stats().sections == 1

    with held_inside(guard, gate):
        section, results = in_background(lambda: guard.inside("job").__enter__() and None)
        until(waits(guard))
        assert forked_without_hooks(child) and waits(guard)()
    section.join(DEADLINE)
    assert results == [None]


def test_a_request_behind_a_section_that_stays_names_it(guarded, caplog):
    """TG304, in words of a section."""
    guard = guarded(hello, serialize_timeout=0.05)
    with held_section(guard, "nightly job"):
        in_thread(lambda: Response(guard))
    assert "a section was inside for longer than a request waits for it" in caplog.text
    assert "inside: section 'nightly job'" in caplog.text


def test_a_section_beside_bodies_of_its_own_loop_is_no_interleaving(guarded):
    """Under log it is reported as a section's, and proves nothing of the server."""
    guard = guarded(lambda environ, start_response: (chunk for chunk in [b"a", b"b", b"c"]), policy="log")

    async def main():
        body = iter(guard(new_environ(), hello))
        next(body)
        async with guard.inside("job"):
            next(body)
        list(body)

    asyncio.run(main())
    assert guard.stats().overlaps == 0 and guard.verdict.status == "single-threaded"
    assert [report.code for report in guard._group.reports] == ["TG307"]


def test_a_body_of_its_own_loop_holds_up_a_section_of_a_task(guarded):
    """The loop goes on with the body meanwhile."""
    guard, order = guarded(lambda environ, start_response: (order.append("chunk") or b"a" for _ in range(3))), []

    async def job():
        async with guard.inside("job"):
            order.append("job")

    async def main():
        body = iter(guard(new_environ(), hello))
        next(body)
        task = asyncio.ensure_future(job())
        while not guard._ledger.line:
            await asyncio.sleep(0)
        list(body)
        await task

    asyncio.run(main())
    assert order == ["chunk"] * 3 + ["job"]


def test_greenlets_take_turns_and_one_that_is_killed_leaves_nothing_behind(guarded):
    """The owner is the greenlet; whether it waits or is inside when it is killed."""
    gevent = pytest.importorskip("gevent", reason="gevent is not installed")
    guard, order = guarded(hello), []

    def job(name):
        with guard.inside(name, timeout=DEADLINE):
            order.append(name)
            gevent.sleep(0 if name in "ab" else DEADLINE)
            assert Response(guard).status == "200 OK"
            order.append(name)

    def main():
        gevent.joinall([gevent.spawn(job, name) for name in "ab"], timeout=DEADLINE, raise_error=True)
        inside, waiting = [gevent.spawn(job, name) for name in "cd"]
        while not guard._ledger.line:
            gevent.sleep(0)
        request = gevent.spawn(lambda: Response(guard).status)
        waiting.kill()
        inside.kill()
        status = request.get(timeout=DEADLINE)
        gevent.get_hub().destroy()
        return status

    assert in_thread(main) == "200 OK"
    assert order == list("aabb") + ["c"]
    assert not guard._ledger.sections and not guard._ledger.inside and not guard._ledger.line


def test_a_section_in_gevent_s_hub_is_ahead_of_the_greenlets_that_it_stops(guarded):
    """As a signal's handler, which runs in the hub where no greenlet does: it cannot switch to another."""
    gevent = pytest.importorskip("gevent", reason="gevent is not installed")
    guard, order = guarded(hello, serialize_timeout=DEADLINE), []

    def job(name):
        with guard.inside(name):
            order.append(name)

    def in_hub():
        end.set()
        job("hub")

    def main():
        greenlet = gevent.spawn(job, "greenlet")
        while not guard._ledger.line:
            gevent.sleep(0)
        gevent.get_hub().loop.run_callback(in_hub)
        greenlet.get(timeout=DEADLINE)
        gevent.get_hub().destroy()
        return order

    with held_section(guard) as end:
        assert in_thread(main) == ["hub", "greenlet"]


def test_a_greenlet_that_waits_as_its_thread_ends_does_not_keep_the_line(guarded):
    """It can never go on, and the package greenlet runs none of its `finally`."""
    gevent = pytest.importorskip("gevent", reason="gevent is not installed")
    guard = guarded(hello)

    def main():
        gevent.spawn(guard.inside("lost").__enter__)
        gevent.sleep(0)
        return waits(guard)()

    with held_section(guard):
        assert in_thread(main)
    assert Response(guard).status == "200 OK" and not guard._ledger.line


def test_a_section_of_a_greenlet_that_has_ended_is_over(guarded):
    """Also for a later greenlet at the same address."""
    greenlet = pytest.importorskip("greenlet", reason="greenlet is not installed")
    guard = guarded(hello)
    section = guard.inside("job")

    def look():
        guard._ledger.is_nested() and seen.append("nested")

    seen = []
    for _ in range(20):
        greenlet.greenlet(section.__enter__).switch()
        greenlet.greenlet(look).switch()
    assert not seen and guard.stats().sections_inside == 0


@pytest.mark.parametrize("backend", ["asyncio", "uvloop", "trio"])
def test_tasks_of_every_event_loop(guarded, backend):
    """The owner is the task: others take turns, cancelled or not, and where a plain `with` meets one it is busy."""
    module = pytest.importorskip(backend)
    sleep = asyncio.sleep if backend == "uvloop" else module.sleep
    guard, order = guarded(hello), []

    async def job(name):
        async with guard.inside(name):
            order.append(name)
            with pytest.raises(Busy, match="at once, and to wait here would stop what has it"):
                await in_another_task(enter_at_once)
            await sleep(0)
            order.append(name)

    async def enter_at_once():
        guard.inside("job").__enter__()

    async def in_another_task(function, *arguments):
        if backend != "trio":
            return await asyncio.ensure_future(function(*arguments))
        errors = []

        async def run():
            try:
                await function(*arguments)
            except Exception as error:
                errors.append(error)

        async with module.open_nursery() as nursery:
            nursery.start_soon(run)
        for error in errors:
            raise error

    async def main():
        if backend != "trio":
            return await asyncio.gather(job("a"), job("b"))
        async with module.open_nursery() as nursery:
            for name in "ab":
                nursery.start_soon(job, name)

    if backend == "uvloop":
        loop = module.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
    else:
        module.run(main) if backend == "trio" else module.run(main())
    assert order in (list("aabb"), list("bbaa")) and guard.stats().sections == 2


# -- decorators, and wrong use


def test_a_function_can_be_decorated(guarded):
    """With a name, without one, as a method and as a coroutine function: each call is a section."""
    guard = guarded(hello)

    @guard.inside("named")
    def named(number):
        return number, guard.stats().sections_inside

    @guard.inside
    def bare():
        return guard.stats().sections_inside

    class Jobs:
        @guard.inside
        def method(self):
            return guard.stats().sections_inside

    @guard.inside
    async def coroutine():
        return guard.stats().sections_inside

    assert (named(5), bare(), Jobs().method(), asyncio.run(coroutine())) == ((5, 1), 1, 1, 1)
    assert named.__name__ == "named" and guard.stats().sections == 4
    assert threadguard.inside(len)("abc") == 3


def test_a_generator_function_is_wrong_use(guarded):
    """It ends before its code runs."""
    def chunks():
        yield 1

    with pytest.raises(TypeError, match="chunks is a generator function, which ends before its code runs"):
        guarded(hello).inside(chunks)


@pytest.mark.parametrize("name", ["", " ", None, 5])
def test_a_section_needs_a_name(guarded, name):
    """It stands in the reports."""
    with pytest.raises(OptionError, match="a section needs a name, such as"):
        guarded(hello).inside(name)


@pytest.mark.parametrize("options, named", [({"timeout": -1}, "timeout of a section"), ({"group": ""}, "group")])
def test_what_is_not_allowed_is_named(options, named):
    """As every option."""
    with pytest.raises(OptionError, match=named):
        threadguard.inside("job", **options)


def test_a_group_needs_no_guard(guarded):
    """Jobs of a process that serves nothing take turns as well."""
    with threadguard.inside("job", group="no guard here"):
        assert groups.group_named("no guard here").stats().sections_inside == 1
    groups._groups.pop("no guard here")
