"""The rules, each on stacks made for it. What they make of whole servers is in test_rules_recipes.py."""

import _thread
import gc
import logging
import queue
import socket
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from threadguard import rules
from threadguard.model import Source
from threadguard.process.facts import Process
from threadguard.rules.accepting import sources_of
from threadguard.rules.code import loops, variables_used
from threadguard.rules.reach import Reach

LIMIT = 60


class Guard:
    """Stands for a guard of the group."""

    stats = verdict = None

    def __call__(self, environ, start_response):
        return []


GUARD = Guard()


def is_guard(thing):
    return thing is GUARD


def look(answers, app=None):
    """What the rules say here, put into the queue *answers*."""
    with Process({}) as process:
        answers.put(rules.on_request(process, is_guard))


def parked(function, *args):
    """Start *function* in a thread that does not keep the process alive."""
    thread = threading.Thread(target=function, args=args, daemon=True)
    thread.start()
    return thread


def waiting(function, *args):
    """The same, once the thread waits for its work: until then it is in no loop that anybody could see."""
    thread, tick = parked(function, *args), threading.Event()
    waits = any(innermost(thread) in ("wait", "accept") or tick.wait(0.01) for _ in range(LIMIT * 100))
    assert waits, "the thread did not come to its work"
    return thread


def innermost(thread):
    """The name of the function that *thread* is in."""
    frame = sys._current_frames().get(thread.ident)
    return frame and frame.f_code.co_name


def work(jobs, *more):
    while True:
        function, args = jobs.get()
        if function is None:
            return
        function(*args)


def work_for(jobs, app):
    while True:
        function, args = jobs.get()
        if function is None:
            return
        function(*args, app)


def asked(jobs):
    """What the rules say in the worker that takes from *jobs*."""
    answers = queue.Queue()
    jobs.put((look, (answers,)))
    return answers.get(timeout=LIMIT)


def ended(threads, jobs):
    for _ in threads:
        jobs.put((None, None))
    for thread in threads:
        thread.join(LIMIT)


def test_the_rules_have_names_of_their_own():
    """A reading is kept under the name of its rule: no two may share one."""
    names = [rule.__name__ for rule in rules.RULES]
    assert len(names) == len(set(names))


def test_a_call_on_the_main_thread_shows_nothing():
    """Nobody accepts, nobody waits, nothing is pooled: the flag has to tell."""
    answers = queue.Queue()
    look(answers)
    assert answers.get() == []


def test_two_workers_of_a_queue_are_siblings_and_one_is_none():
    """The second worker makes the difference, not that mine is not the main thread."""
    jobs = queue.Queue()
    threads = [waiting(work, jobs)]
    assert asked(jobs) == []
    threads.append(waiting(work, jobs))
    (reading,) = asked(jobs)
    assert (reading.source, reading.capacity) == (Source.STRUCTURE, None)
    assert "1 other threads are in the same loop of work" in reading.evidence
    ended(threads, jobs)


@pytest.mark.parametrize("shared", [
    pytest.param(threading.Lock(), id="a lock"),
    pytest.param(threading.Semaphore(3), id="a semaphore"),
    pytest.param(threading.Condition(), id="a condition"),
    pytest.param(logging.getLogger("shared"), id="a logger"),
    pytest.param({"option": 1}, id="a dict of settings"),
    pytest.param([1], id="a list"),
    pytest.param(print, id="a function"),
])
def test_workers_of_two_queues_are_no_siblings_whatever_else_they_share(shared):
    """They take their work from different places: one serves, the other does the application's jobs."""
    mine, other = queue.Queue(), queue.Queue()
    threads = [waiting(work, mine, shared), waiting(work, other, shared)]
    assert asked(mine) == []
    ended(threads[:1], mine)
    ended(threads[1:], other)


def test_workers_that_both_have_the_guard_in_hand_are_siblings():
    """Two queues, and both workers call the guarded application."""
    mine, other = queue.Queue(), queue.Queue()
    threads = [waiting(work_for, mine, GUARD), waiting(work_for, other, GUARD)]
    assert [reading.source for reading in asked(mine)] == [Source.STRUCTURE]
    ended(threads[:1], mine)
    ended(threads[1:], other)


@pytest.mark.parametrize("number", [1, 3])
def test_an_executor_says_how_many_it_runs(number):
    """1 included. Its idle threads are no siblings besides."""
    with ThreadPoolExecutor(number) as executor:
        together = threading.Barrier(number)
        for future in [executor.submit(together.wait, LIMIT) for _ in range(number)]:
            future.result(LIMIT)
        answers = queue.Queue()
        executor.submit(look, answers).result(LIMIT)
        (reading,) = answers.get()
    assert (reading.source, reading.capacity) == (Source.POOL, number)


def test_an_executor_that_is_gone_has_no_more_threads_than_it_had():
    """Its last jobs still run; nobody can add a thread."""
    executor, go, answers = ThreadPoolExecutor(4), threading.Event(), queue.Queue()
    gone = weakref.ref(executor)
    executor.submit(lambda: go.wait(LIMIT) and look(answers))
    del executor
    gc.collect()
    assert gone() is None
    go.set()
    assert [reading.capacity for reading in answers.get(timeout=LIMIT)] == [1]


def frameless(monkeypatch, idle, start):
    monkeypatch.setattr(Process, "frameless", lambda process: idle)
    answers = queue.Queue()
    start(look, (answers,))
    return [reading.evidence for reading in answers.get(timeout=LIMIT)]


def test_thread_states_without_frames_are_threads_of_a_pool_in_c(monkeypatch):
    """Two of them, and a thread that Python did not start runs the request."""
    assert frameless(monkeypatch, 2, _thread.start_new_thread) == [
        "2 threads that Python did not start idle beside the one that runs this request"]


@pytest.mark.parametrize("idle, start", [
    pytest.param(1, _thread.start_new_thread, id="only one state"),
    pytest.param(5, lambda function, args: parked(function, *args), id="a thread of Python's"),
    pytest.param(5, lambda function, args: function(*args), id="the main thread"),
])
def test_other_thread_states_say_nothing(monkeypatch, idle, start):
    """A thread that is just ending has no frame either, and a thread of Python's own is of no pool in C."""
    assert frameless(monkeypatch, idle, start) == []


class Proxy:
    """A lazy object that must not be woken up by being looked at."""

    woken = False

    @property
    def __class__(self):
        Proxy.woken = True
        raise RuntimeError("woken up")

    def __getattr__(self, name):
        Proxy.woken = True
        raise RuntimeError("woken up")


def test_lazy_objects_on_the_way_are_not_woken_up():
    """Django's settings, Flask's request: a look at their attributes would evaluate them, or raise."""
    jobs, lazy = queue.Queue(), Proxy()
    threads = [waiting(work, jobs, lazy), waiting(work, jobs, lazy)]
    listener = socket.create_server(("127.0.0.1", 0))

    def accept(listener, lazy, app):
        while True:
            try:
                listener.accept()
            except OSError:
                return

    accepting = waiting(accept, listener, lazy, lazy)
    assert [reading.source for reading in asked(jobs)] == [Source.STRUCTURE]
    assert not Proxy.woken
    ended(threads, jobs)
    listener.shutdown(socket.SHUT_RDWR)
    accepting.join(LIMIT)
    listener.close()


def test_a_look_keeps_nothing_alive_in_the_loops_that_it_looked_at():
    """A connection that a server's loop has let go of is closed at once, however often the loop was looked at."""
    class Connection:
        pass

    jobs, dropped, gone = queue.Queue(), threading.Event(), threading.Event()
    ready = threading.Event()

    def serve():
        connection = Connection()
        weakref.finalize(connection, gone.set)
        ready.set()
        dropped.wait(LIMIT)
        del connection
        gone.wait(LIMIT)

    server, worker = parked(serve), waiting(work, jobs)
    assert ready.wait(LIMIT)
    asked(jobs)
    dropped.set()
    assert gone.wait(LIMIT)
    server.join(LIMIT)
    ended([worker], jobs)


def calls_it():
    return GUARD({}, None)


def hands_it_on():
    return list(map(GUARD, []))


def asks_it():
    return GUARD.stats, GUARD.verdict


@pytest.mark.parametrize("function, serves", [(calls_it, True), (hands_it_on, True), (asks_it, False)])
def test_a_function_leads_to_the_guard_if_it_calls_it_or_hands_it_on(function, serves):
    """A health page asks the guard for its counts, and serves nothing."""
    assert Reach(is_guard).leads([function], is_guard) is serves


class Holder:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


@pytest.mark.parametrize("thing, serves", [
    (Holder(app=Holder(wsgi_app=GUARD)), True),
    (Holder(_application=[GUARD]), True),
    (Holder(registry=Holder(collectors=[GUARD])), False),
    (lambda: GUARD({}, None), True),
    (Holder(app=print), False),
])
def test_only_ways_to_call_something_are_followed(thing, serves):
    """What a server keeps under other names is not what it serves."""
    assert Reach(is_guard).leads([thing], is_guard) is serves


def test_a_circle_of_objects_ends():
    """Servers and their applications know each other."""
    first, second = Holder(), Holder()
    first.app, second.server = second, first
    assert Reach(is_guard).leads([first], is_guard) is False


def handles(value=None):
    try:
        print()
    except ValueError as error:
        print(error)
    if value:
        print(1)
    for one in value:
        print(one)
    return [value, print()]


async def awaits():
    await awaits()


def comes_round():
    while True:
        try:
            print()
        except ValueError:
            continue
        print()


@pytest.mark.parametrize("function, number", [(handles, 1), (awaits, 0)])
def test_a_handler_and_an_await_are_no_loops(function, number):
    """They jump back, and the thread does not come round for more. The for loop is one."""
    assert len(loops(function.__code__)) == number


def test_a_loop_spans_all_that_it_repeats():
    """The first call and the last are in the same loop, with a handler between them."""
    code = comes_round.__code__
    start, end = max(loops(code), key=lambda one: one[1] - one[0])
    assert start < 10 and end - start > 20


def test_names_are_told_apart_by_how_they_are_used():
    """Loaded for more than an attribute, or for attributes only."""
    assert variables_used(asks_it.__code__) == ({"GUARD"}, {"GUARD"})
    assert variables_used(calls_it.__code__)[1] == frozenset()


class Worker:
    """Its loop takes its work from a queue."""

    def __init__(self):
        self.jobs = queue.Queue()

    def run(self):
        found = None
        while found is None:
            found = sources_of((sys._getframe(),))
        return found


def test_a_worker_takes_its_work_from_its_queue_and_its_self():
    """And no rule compares what it finds, which may do anything, or warn."""
    worker = Worker()
    assert [worker.jobs, worker] == worker.run()
