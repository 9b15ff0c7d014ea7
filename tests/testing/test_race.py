"""`race` finds the races of twelve small applications and none in twelve right ones, each time, with the line."""

import gc
import os
import subprocess
import sys
import threading
import time

import pytest
from race_apps import RACY, RIGHT, answer

from threadguard import ThreadGuard
from threadguard.testing import assert_no_race, race

REPEATS = int(os.environ.get("RACE_REPEATS", "1"))
"""How often each application is tried: `RACE_REPEATS=20 pytest tests/testing/test_race.py` tries the promise."""


def wrapped(app):
    """*app* behind a guard, which is behind another middleware."""
    guard = ThreadGuard(app)

    def middleware(environ, start_response):
        return guard(environ, start_response)

    return middleware, guard


def first_of(report):
    """The first difference of the first pair."""
    return report.pairs[0].differences[0]


@pytest.mark.parametrize("name", RACY)
def test_race_is_found(name):
    """An application with a race is told so in every run, with a line that reproduces it ten of ten times."""
    for _ in range(REPEATS):
        report = race(RACY[name], "/a", "/b")
        assert report.status == 1, report
        assert [one.times for pair in report.pairs for one in pair.differences if one.times != 10] == []
        assert "race_apps.py" in str(report) and "TG308" in str(report)


@pytest.mark.parametrize("name", RACY)
def test_race_is_found_through_a_guard(name):
    """A guard, also below a middleware, lets the requests of a race pass, and counts none of them."""
    for _ in range(REPEATS):
        app, guard = wrapped(RACY[name])
        assert race(app, "/a", "/b").status == 1
        assert (guard.stats().requests, guard.stats().overlaps, guard.verdict.status) == (0, 0, "unknown")


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.parametrize("guarded", [False, True], ids=["bare", "guarded"])
def test_nothing_is_found(name, guarded):
    """An application that is right, by a lock or because its requests share nothing, is never accused."""
    for _ in range(REPEATS):
        app = wrapped(RIGHT[name])[0] if guarded else RIGHT[name]
        report = race(app, "/a", "/b")
        assert report.status == 0, report


def test_guard_frames_are_not_stepped():
    """A guarded function has as many lines as a bare one."""
    bare, guarded = (race(app, "/a", "/b", points=1).pairs[0].lines
                     for app in (RIGHT["pure_function"], ThreadGuard(RIGHT["pure_function"])))
    assert bare == guarded == 4


def test_guard_guards_again_afterwards():
    """When the race is over, or was interrupted, guards count again."""
    call = ThreadGuard.__call__

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(RIGHT["pure_function"], "/a", "/b", progress=interrupt)
    assert ThreadGuard.__call__ is call
    assert gc.isenabled()


def test_request_from_elsewhere_is_guarded_meanwhile():
    """A thread that was there before the race is none of its requests: its guard counts."""
    guard, go, done = ThreadGuard(lambda environ, start_response: answer(start_response, "fine")), *(
        threading.Event() for _ in range(2))

    def other():
        go.wait(60)
        guard({"REQUEST_METHOD": "GET", "wsgi.multithread": False}, lambda status, headers: None)
        done.set()

    threading.Thread(target=other, daemon=True).start()

    def app(environ, start_response):
        go.set()
        assert done.wait(60)
        return answer(start_response, "fine")

    assert race(app, "/a", "/b", points=1).status == 0
    assert guard.stats().requests == 1


def test_first_line_of_the_window_is_that_after_the_write():
    """With few points the first line that goes wrong is still found: the one after the shared state was written."""
    def app(environ, start_response):
        global shared
        unimportant = [number for number in range(200)]
        shared = environ["PATH_INFO"]
        text = "hello "
        unimportant = [number for number in unimportant[:150]]
        return answer(start_response, text + shared)

    found = first_of(race(app, "/a", "/b", points=5))
    assert found.seen[0].stack[0][1] == app.__code__.co_firstlineno + 4


def test_at_tries_one_place():
    """`at` pauses the first request before that line alone."""
    report = race(RACY["module_global"], "/a", "/b", at=2)
    assert [(pair.a, pair.tried) for pair in report.pairs] == [("GET /a", 1)]
    assert report.status == 1
    assert race(RACY["module_global"], "/a", "/b", at=1).status == 0
    assert race(RACY["file_mask"], "/a", "/b", at=4).status == 1  # where one pause finds nothing, both are paused


def test_single_request_meets_itself():
    """One request is sent against itself."""
    report = race(RACY["module_global"], "/a")
    assert [(pair.a, pair.b) for pair in report.pairs] == [("GET /a", "GET /a")]
    assert report.status == 0


def test_all_pairs_of_several_requests():
    """Of three requests each is paused for each other one."""
    report = race(RIGHT["pure_function"], "/a", "/b", "/c?x=1", points=1)
    assert len(report.pairs) == 6
    assert {pair.a for pair in report.pairs} == {"GET /a", "GET /b", "GET /c?x=1"}


def clock(environ, start_response):
    return answer(start_response, "at %f" % time.time())


def seconds(environ, start_response):
    return answer(start_response, "at %d" % time.time())


@pytest.mark.parametrize("app", [clock, seconds])
def test_answers_that_differ_anyway(app):
    """Where the answers tell the time they cannot be compared, unless that is taken out."""
    report = race(app, "/a", "/b")
    assert report.status == 3
    with pytest.raises(AssertionError, match="cannot compare|otherwise than before"):
        assert_no_race(app, "/a", "/b")
    assert race(app, "/a", "/b", normalize=lambda body: body[:2]).status == 0


def test_ignored_header():
    """A header that differs each time can be left out of the comparison."""
    numbers = iter(range(100000))

    def app(environ, start_response):
        start_response("200 OK", [("X-Number", str(next(numbers)))])
        return [b""]

    assert race(app, "/a", "/b").status == 3
    assert race(app, "/a", "/b", ignore_headers=["x-number"]).status == 0


def test_state_that_a_pause_changes_for_good_is_said():
    """Where the requests are answered otherwise after a pause, alone as well, the report says after which one."""
    seen = set()

    def app(environ, start_response):
        global current
        current = environ["PATH_INFO"]
        if current != environ["PATH_INFO"]:
            seen.add(current)
        return answer(start_response, repr(sorted(seen)))

    report = race(app, "/a", "/b")
    assert report.status == 3
    assert "noticed after A was paused at" in str(report)


def test_wrong_answer_that_does_not_come_again():
    """What was wrong once and never again is reported as that, and proves nothing."""
    healed = []

    def app(environ, start_response):
        global asked
        asked = environ["PATH_INFO"]
        text = "hello "
        if asked != environ["PATH_INFO"] and not healed:
            healed.append(True)
            return answer(start_response, text + asked)
        return answer(start_response, text + environ["PATH_INFO"])

    report = race(app, "/a", "/b")
    assert report.status == 3
    assert "tried again it happened 0 of 10 times: at=2" in str(report)


def test_deadlock_is_found():
    """Two locks that are taken in either order: both requests wait for each other, and the report says where."""
    locks = {"/a": threading.Lock(), "/b": threading.Lock()}

    def app(environ, start_response):
        first = environ["PATH_INFO"]
        with locks[first]:
            other = "/b" if first == "/a" else "/a"
            with locks[other]:
                return answer(start_response, "both")

    report = race(app, "/a", "/b", timeout=1)
    assert report.status == 3
    assert "no answer after 1 seconds: one request is at " in str(report)
    assert str(report).count("test_race.py:%d in app" % (app.__code__.co_firstlineno + 4)) == 2
    assert len(report.pairs) == 1


def test_waiting_for_a_lock_is_counted():
    """Where B waits for a lock that A holds, the pause ends after milliseconds, which the report counts."""
    began = time.monotonic()
    report = race(RIGHT["with_lock"], "/a", "/b", at=4)
    assert list(report.pairs[0].waited) == [4]
    assert "race_apps.py" in report.pairs[0].waited[4]
    assert report.status == 0
    assert time.monotonic() - began < 3


def test_slow_request_is_no_waiting_one():
    """A request that sleeps, or waits for its own worker, as it does alone is waited for."""
    def app(environ, start_response):
        worker = threading.Thread(target=time.sleep, args=(0.06,))
        worker.start()
        worker.join()
        return answer(start_response, environ["PATH_INFO"])

    report = race(app, "/a", "/b", points=2)
    assert report.status == 0
    assert [pair.waited for pair in report.pairs] == [{}, {}]


def test_tracer_is_given_back():
    """A tracer that a debugger or coverage has set for new threads is A's again after the pause, and B's all along."""
    traced = set()

    def was_paused():
        pass

    def app(environ, start_response):
        global asked_for
        asked_for = environ["PATH_INFO"]
        if asked_for != environ["PATH_INFO"]:
            was_paused()
        return answer(start_response, environ["PATH_INFO"])

    def tracer(frame, event, arg):
        traced.add(frame.f_code.co_name)

    before = threading._trace_hook  # coverage measures this test as well
    threading.settrace(tracer)
    try:
        assert race(app, "/a", "/b").status == 0
    finally:
        threading.settrace(before)
    assert {"app", "was_paused"} <= traced


def no_start(environ, start_response):
    return [b""]


async def asynchronous(scope, receive, send):
    pass


def raises(environ, start_response):
    raise KeyError(environ["PATH_INFO"])


def text_body(environ, start_response):
    start_response("200 OK", [])
    return ["no bytes"]


def bad_headers(environ, start_response):
    start_response("200 OK", ["no pair"])
    return [b""]


@pytest.mark.parametrize("app, said", [
    (text_body, "both requests fail also alone"), (bad_headers, "both requests fail also alone"),
    (no_start, "without a call of start_response"), (asynchronous, "no line of GET /a was counted"),
    (raises, "both requests fail also alone"), (dict, "no line of GET /a was counted")])
def test_what_is_no_application(app, said):
    """What answers nothing alone is not called thread-safe."""
    report = race(app, "/a", "/b")
    assert report.status == 3
    assert said in str(report)


def test_request_without_an_answer():
    """A request that does not end is given up, with the place where it stands."""
    def app(environ, start_response):
        threading.Event().wait(60)

    report = race(app, "/a", "/b", timeout=0.5)
    assert report.status == 3
    assert "no answer after 0.5 seconds: one request is at " in str(report)
    assert "test_race.py" in str(report)


@pytest.mark.parametrize("keywords", [{"points": 0}, {"at": 0}, {"at": 99}])
def test_numbers_that_are_not_allowed(keywords):
    """Lines count from 1, and end with the request."""
    with pytest.raises(ValueError, match="not allowed|there is no line"):
        race(RIGHT["pure_function"], "/a", "/b", **keywords)


def test_no_request():
    """There is nothing to pause without a request, and what is none is refused."""
    with pytest.raises(TypeError, match="one request or more"):
        race(RIGHT["pure_function"])
    with pytest.raises(TypeError, match="is none of these"):
        race(RIGHT["pure_function"], 5)


@pytest.mark.parametrize("normalize, said", [
    (lambda body: "text", "concat str to bytes"), (lambda body: 1 / 0, "ZeroDivision")])
def test_normalize_that_fails(normalize, said):
    """A function that makes no bytes is named."""
    with pytest.raises(TypeError, match=said):
        race(RIGHT["pure_function"], "/a", "/b", normalize=normalize)


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets(library):
    """Where a library has put greenlets in the place of threads nothing is tried."""
    pytest.importorskip(library)
    patch = {"gevent": "from gevent import monkey; monkey.patch_all()",
             "eventlet": "import eventlet; eventlet.monkey_patch()"}[library]
    program = patch + "\nfrom threadguard.testing import race\nrace(dict, '/a')"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", program], stderr=subprocess.PIPE, timeout=60)
    assert b"ValueError: race needs threads" in ended.stderr


def test_within_a_package():
    """Only lines of the named packages count."""
    report = race(RACY["module_global"], "/a", "/b", within=["race_apps"], points=1)
    assert report.pairs[0].lines == 5
    assert race(RACY["module_global"], "/a", "/b", within=["json"]).status == 3
    with pytest.raises(ValueError, match="within 'race_app': No module named 'race_app'"):
        race(RACY["module_global"], "/a", "/b", within=["race_app"])


def test_lines_of_the_standard_library_do_not_count():
    """What json or logging do is not stepped."""
    def app(environ, start_response):
        import json
        return answer(start_response, json.dumps([1], indent=1))

    assert race(app, "/a", "/b", points=1).pairs[0].lines == 4


def test_import_of_the_module_leaves_the_function():
    """`threadguard.testing.race` is the function, whatever of the package was imported before."""
    program = ("import threadguard.testing.racing, threadguard.testing.sending, threadguard.testing as t\n"
               "assert callable(t.race) and callable(t.together) and callable(t.assert_no_race)")
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
