"""`race` finds the races of twelve small applications and none in twelve right ones, each time, with the line."""

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


@pytest.fixture(params=[False, True], ids=["bare", "guarded"])
def tried(request, guarded):
    """What makes of an application what is tried: itself, or a guard of it below another middleware. Afterwards no
    guard has counted a request, or judged."""
    guards = []

    def tried(app):
        if not request.param:
            return app
        guard = guarded(app)
        guards.append(guard)
        return lambda environ, start_response: guard(environ, start_response)

    yield tried
    for guard in guards:
        assert (guard.stats().requests, guard.stats().overlaps, guard.verdict.status) == (0, 0, "unknown")


@pytest.mark.parametrize("name", RACY)
def test_race_is_found(name, tried):
    """An application with a race is told so in every run, with a line that reproduces it ten of ten times."""
    for _ in range(REPEATS):
        report = race(tried(RACY[name]), "/a", "/b")
        assert report.status == 1, report
        assert [one.happened for pair in report.pairs for one in pair.wrong if one.happened != 10] == []
        assert "race_apps.py" in str(report) and "TG308" in str(report)


@pytest.mark.parametrize("name", RIGHT)
def test_nothing_is_found(name, tried):
    """An application that is right, by a lock or because its requests share nothing, is never accused."""
    for _ in range(REPEATS):
        report = race(tried(RIGHT[name]), "/a", "/b")
        assert report.status == 0, report


def test_guard_frames_are_not_stepped(guarded):
    """A guarded function has as many lines as a bare one."""
    bare, with_guard = (race(app, "/a", "/b", points=1).pairs[0].lines
                        for app in (RIGHT["pure_function"], guarded(RIGHT["pure_function"])))
    assert bare == with_guard == 4


def test_guard_guards_again_afterwards():
    """When the race is over, or was interrupted, guards count again."""
    call = ThreadGuard.__call__

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        race(RIGHT["pure_function"], "/a", "/b", progress=interrupt)
    assert ThreadGuard.__call__ is call


def test_request_from_elsewhere_is_guarded_meanwhile(guarded):
    """A thread that was there before the race is none of its requests: its guard counts."""
    go, done = threading.Event(), threading.Event()
    guard = guarded(RIGHT["pure_function"])

    def other():
        go.wait(60)
        guard({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.multithread": False}, lambda status, headers: None)
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

    found = race(app, "/a", "/b", points=5).pairs[0].wrong[0]
    assert found.stack[0][1] == app.__code__.co_firstlineno + 4


def test_last_line_is_tried_with_few_points():
    """A window of the last lines of a long request is found, be the points as few as two."""
    def app(environ, start_response):
        global shared
        unimportant = [number for number in range(400)]
        start_response("200 OK", [])
        shared = environ["PATH_INFO"].encode()
        return [shared, b"%d" % len(unimportant)]

    assert race(app, "/a", "/b", points=2).status == 1


def test_at_tries_one_place():
    """`at` pauses the first request before that line alone."""
    report = race(RACY["module_global"], "/a", "/b", at=2)
    assert [(pair.a, pair.tried) for pair in report.pairs] == [("GET /a", 1)]
    assert report.status == 1
    assert race(RACY["module_global"], "/a", "/b", at=1).status == 0
    assert race(RACY["file_mask"], "/a", "/b", at=4).status == 1  # where one pause finds nothing, both are paused


def test_all_pairs_of_the_requests():
    """Of three requests each is paused for each other one; a single one meets itself."""
    pairs = race(RIGHT["pure_function"], "/a", "/b", "/c?x=1", points=1).pairs
    assert [pair.indexes for pair in pairs] == [(0, 1), (0, 2), (1, 0), (1, 2), (2, 0), (2, 1)]
    assert {pair.a for pair in pairs} == {pair.b for pair in pairs} == {"GET /a", "GET /b", "GET /c?x=1"}
    report = race(RACY["module_global"], "/a")
    assert [(pair.a, pair.b, pair.status) for pair in report.pairs] == [("GET /a", "GET /a", 0)]


numbers = iter(range(1000000))


def number_in_a_header(environ, start_response):
    start_response("200 OK", [("X-Number", str(next(numbers)))])
    return [b""]


@pytest.mark.parametrize("app, left_out", [
    (lambda environ, start: answer(start, "at %f" % time.time()), {"normalize": lambda body: body[:2]}),
    (lambda environ, start: answer(start, "at %d" % time.time()), {"normalize": lambda body: body[:2]}),
    (lambda environ, start: answer(start, "at " + "zyxwvutsrq"[int(time.time()) % 10]), {
        "normalize": lambda body: body[:2]}),
    (number_in_a_header, {"ignore_headers": ["x-number"]})], ids=["time", "seconds", "letters", "header"])
def test_answers_that_differ_anyway(app, left_out):
    """Where the answers tell the time, or a number that is new each time, they cannot be compared until that is left
    out; also a second that is the same during the race is noticed."""
    with pytest.raises(AssertionError, match="cannot compare|otherwise than before"):
        assert_no_race(app, "/a", "/b")
    assert race(app, "/a", "/b", **left_out).status == 0


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

    report = race(app, "/a", "/b", timeout=0.5)
    assert report.status == 3
    assert "no answer after 0.5 seconds: one request is at " in str(report)
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

    report = race(app, "/a", points=2)
    assert report.status == 0
    assert report.pairs[0].waited == {}


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


def raises(environ, start_response):
    raise KeyError(environ["PATH_INFO"])


async def asynchronous(scope, receive, send):
    pass


def text_body(environ, start_response):
    start_response("200 OK", [])
    return ["no bytes"]


def bad_headers(environ, start_response):
    start_response("200 OK", ["no pair"])
    return [b""]


def without_end(environ, start_response):
    threading.Event().wait(60)


@pytest.mark.parametrize("app, said", [
    (text_body, "both requests fail also alone"), (bad_headers, "both requests fail also alone"),
    (raises, "both requests fail also alone: GET /a (no status, 0 bytes, raises KeyError: '/a')"),
    (lambda environ, start_response: [b""], "without a call of start_response"),
    (asynchronous, "no line of GET /a was counted"), (dict, "no line of GET /a was counted"),
    (without_end, "no answer after 0.5 seconds: one request is at test_race.py:%d in without_end" % (
        without_end.__code__.co_firstlineno + 1))])
def test_what_is_no_application(app, said):
    """What answers nothing alone is not called thread-safe; a request that does not end is given up."""
    report = race(app, "/a", "/b", timeout=0.5)
    assert report.status == 3
    assert said in str(report).replace(os.path.join("tests", "testing", ""), "")


@pytest.mark.parametrize("requests, keywords, error, said", [
    ("ab", {"points": 0}, ValueError, "0 is not allowed"), ("ab", {"at": 0}, ValueError, "0 is not allowed"),
    ("ab", {"at": 99}, ValueError, "GET /a has 4 lines: there is no line 99"),
    ("", {}, TypeError, "one request or more"), ([5], {}, TypeError, "is none of these"),
    ("ab", {"normalize": lambda body: "text"}, TypeError, "concat str to bytes"),
    ("ab", {"normalize": lambda body: 1 / 0}, TypeError, "ZeroDivision"),
    ("ab", {"within": ["race_app"]}, ValueError, "within 'race_app': No module named 'race_app'")])
def test_wrong_use(requests, keywords, error, said):
    """What is not allowed is said before or while the first request is sent."""
    with pytest.raises(error, match=said):
        race(RIGHT["pure_function"], *("/" + one if isinstance(one, str) else one for one in requests), **keywords)


@pytest.mark.parametrize("library", ["gevent", "eventlet"])
def test_greenlets(library):
    """Where a library has put greenlets in the place of threads nothing is tried."""
    pytest.importorskip(library)
    patch = {"gevent": "from gevent import monkey; monkey.patch_all()",
             "eventlet": "import eventlet; eventlet.monkey_patch()"}[library]
    program = patch + "\nfrom threadguard.testing import race\nrace(dict, '/a')"
    ended = subprocess.run([sys.executable, "-W", "ignore", "-c", program], stderr=subprocess.PIPE, timeout=60)
    assert b"ValueError: race needs threads" in ended.stderr


def test_which_lines_count():
    """By default all but those of the standard library, such as of json; otherwise those of the named packages."""
    def app(environ, start_response):
        import json
        return answer(start_response, json.dumps(["x"], indent=1))

    assert race(app, "/a", "/b", points=1).pairs[0].lines == 4
    assert race(app, "/a", "/b", points=1, within=["race_apps"]).pairs[0].lines == 2
    assert race(app, "/a", "/b", within=["sqlite3"]).status == 3
