"""The fixture ``threadguard``: guards of single applications, expected overlaps, requests sent together."""

import pytest
from threadguard.testing import fixture

pytest_plugins = ["pytester", "plugin_rig"]

TWO_OVERLAP = '''
from werkzeug.test import Client

def test_overlaps(threadguard):
    meet(Client(threadguard(Meeting())))
'''


def test_a_guarded_application_serves_as_it_did(suite):
    """A test whose requests come one after the other passes, and sees the application's own answer."""
    suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    app = threadguard(hello)
    client = Client(app)
    assert [client.get("/").data, client.get("/").data] == [b"hello", b"hello"]
    assert app.stats().requests == 2
''')
    suite.run().assert_outcomes(passed=1)


def test_an_overlap_is_an_error_of_its_test_and_of_no_other(suite):
    """The test in which two requests met has an error at its tear-down; those before and after it pass."""
    result = suite.write('''
from werkzeug.test import Client

def test_before(threadguard):
    Client(threadguard(hello)).get("/")
''' + TWO_OVERLAP + '''
def test_after(threadguard):
    Client(threadguard(hello)).get("/")
''').run()
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_overlaps*", "ERROR test_it.py::test_overlaps*"])


def test_the_error_names_both_requests_and_both_stacks(suite):
    """The error is the report of the guard: which request was inside, which entered, and where both stood."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    is_inside, both = threading.Event(), threading.Barrier(2)
    def wait_inside(environ, start_response):
        is_inside.set()
        both.wait(DEADLINE)
        return hello(environ, start_response)
    client = Client(threadguard(wait_inside))
    def send_later():
        is_inside.wait(DEADLINE)
        client.get("/b")
    in_threads(lambda: client.get("/a"), send_later)
''').run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([
        "TG301 two requests were inside the application at once",
        "  inside: GET /a, in thread *", "*, in wait_inside",
        "  entering: GET /b, in thread *", "*, in send_later", "  remedy: *"])


def test_each_guard_has_a_group_of_its_own(suite):
    """Two applications that are guarded separately may each have a request inside at the same time."""
    suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    both = Meeting()
    one, two = Client(threadguard(both)), Client(threadguard(both))
    in_threads(lambda: one.get("/a"), lambda: two.get("/b"))
''').run().assert_outcomes(passed=1)


def test_guards_of_a_named_group_share_it(suite):
    """Two applications that are guarded under one name may not have a request inside at the same time."""
    suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    both = Meeting()
    one, two = Client(threadguard(both, group="x")), Client(threadguard(both, group="x"))
    in_threads(lambda: one.get("/a"), lambda: two.get("/b"))

def test_a_later_group_of_that_name_is_another(threadguard):
    Client(threadguard(hello, group="x")).get("/")
''').run().assert_outcomes(passed=2, errors=1)


def test_all_overlaps_of_a_test_are_one_error(suite):
    """Two applications in which requests met make one error, with both reports."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    meet(Client(threadguard(Meeting())))
    meet(Client(threadguard(Meeting(), policy="log")))
''').run()
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("TG301 two requests were inside the application at once") == 2


def test_overlaps_beyond_the_fifth_are_only_counted(suite):
    """Five overlaps are shown with both sides, and the number of the others."""
    result = suite.write('''
def test_it(threadguard):
    threadguard.together(threadguard(hello), ["/%d" % number for number in range(8)])
''').run()
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("TG301 two requests were inside the application at once") == 5
    result.stdout.fnmatch_lines(["and 2 more"])


SESSION = '''
import pytest
from threadguard.testing import fixture
from apps import hello, Meeting, DEADLINE
from werkzeug.test import Client

@pytest.fixture(scope="%s")
def client(threadguard):
    yield Client(threadguard(app()))

app = Meeting
'''


@pytest.mark.parametrize("scope", ["session", "module"])
def test_a_guard_may_live_longer_than_a_test(suite, scope):
    """A guard of the session or the module fails that test alone in which its overlap was."""
    result = suite.write('''
def test_one(client):
    client.application.app.app.barrier = threading.Barrier(1)
    assert client.get("/").data == b"/"

def test_two(client):
    client.application.app.app.barrier = threading.Barrier(2)
    meet(client)

def test_three(client):
    client.application.app.app.barrier = threading.Barrier(1)
    client.get("/")

def test_four(client):
    client.application.app.app.barrier = threading.Barrier(2)
    meet(client)
''', conftest=SESSION % scope).run("-v")
    result.assert_outcomes(passed=4, errors=2)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_two*", "ERROR test_it.py::test_four*"])


def test_what_a_test_leaves_inside_is_nothing_to_the_next(suite):
    """A body that a thread of the first test still holds is not inside for the second."""
    suite.write('''
held, go_on = [], threading.Event()

def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    yield b"two"

@pytest.fixture(scope="module")
def app(threadguard):
    yield threadguard(stream)
    go_on.set()

def test_one(app):
    started = threading.Event()
    def half_read():
        body = app({"PATH_INFO": "/"}, lambda *args: None)
        held.append((body, next(body)))
        started.set()
        go_on.wait(DEADLINE)
    threading.Thread(target=half_read, daemon=True).start()
    assert started.wait(DEADLINE)

def test_two(app):
    assert list(app({"PATH_INFO": "/"}, lambda *args: None)) == [b"one", b"two"]
''').run().assert_outcomes(passed=2)


def test_an_overlap_in_a_finalizer_is_an_error_of_the_last_test(suite):
    """What a module's finalizer does belongs to the test after which it runs."""
    result = suite.write('''
from werkzeug.test import Client

@pytest.fixture(scope="module")
def client(threadguard):
    client = Client(threadguard(Meeting()))
    yield client
    meet(client)

def test_one(client):
    pass

def test_two(client):
    pass
''').run()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["ERROR test_it.py::test_two*"])


def test_an_overlap_hides_no_other_error(suite):
    """If the tear-down fails too, that error is shown with the report."""
    result = suite.write('''
@pytest.fixture
def broken():
    yield
    raise RuntimeError("the fixture's own error")
''' + TWO_OVERLAP.replace("(threadguard)", "(broken, threadguard)", 1)).run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([
        "*RuntimeError: the fixture's own error", "*Captured threadguard teardown*", "TG301 *"])


class OldOutcome:
    """What pluggy 0.12 to 1.0 gives to a wrapper of a hook, which may not raise (pluggy/_result.py)."""

    _excinfo = None


def test_an_overlap_is_an_error_with_an_old_pluggy_too():
    """Before pluggy 1.2 no hook has wrapper=True, and before 1.1 no outcome has force_exception."""
    outcome = OldOutcome()
    fixture._fail(outcome, "TG301")
    kind, failure, _ = outcome._excinfo
    assert kind is pytest.fail.Exception and str(failure) == "TG301"
    hooks = [hook.pytest_impl for hook in vars(fixture.WatchedTests).values() if hasattr(hook, "pytest_impl")]
    assert hooks and not any(hook.get("wrapper") for hook in hooks)


def test_an_expected_overlap_is_no_error(suite):
    """In `expect_overlap` an overlap is what the test is about; what it was can be asked for afterwards."""
    suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    with threadguard.expect_overlap() as overlaps:
        meet(Client(threadguard(Meeting())))
    assert [finding.code for finding in overlaps.findings] == ["TG301"]
    assert "GET /a" in str(overlaps) and "GET /b" in str(overlaps)
''').run().assert_outcomes(passed=1)


def test_an_expected_overlap_that_does_not_come_fails_the_test(suite):
    """As with `pytest.raises`, nothing is a failure where an overlap is expected."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    with threadguard.expect_overlap():
        Client(threadguard(hello)).get("/")
''').run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["DID NOT OVERLAP: no request entered while another was inside"])


def test_what_is_expected_can_be_told(suite):
    """*match* has to be found in a report, as in `pytest.raises`."""
    result = suite.write('''
from werkzeug.test import Client

@pytest.mark.parametrize("match", ["/b", "/nowhere"])
def test_it(threadguard, match):
    with threadguard.expect_overlap(match=match):
        meet(Client(threadguard(Meeting())))
''').run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["no overlap matches '/nowhere'; there was"])


@pytest.mark.parametrize("order", ["expected, unexpected", "unexpected, expected"])
def test_only_the_overlaps_in_the_block_are_expected(suite, order):
    """One before or after `expect_overlap` is an error still, also in the same application."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    client = Client(threadguard(Meeting()))
    def expected():
        with threadguard.expect_overlap():
            meet(client)
    def unexpected():
        client.application.app.app.barrier.reset()
        meet(client)
    for step in (%s):
        step()
''' % order).run()
    result.assert_outcomes(passed=1, errors=1)
    assert result.stdout.str().count("TG301 two requests were inside the application at once") == 1


def test_an_exception_in_the_block_comes_out(suite):
    """What fails where an overlap was expected is told, not that there was none."""
    result = suite.write('''
def test_it(threadguard):
    with threadguard.expect_overlap():
        raise RuntimeError("its own")
''').run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *RuntimeError: its own"])
    result.stdout.no_fnmatch_line("*DID NOT OVERLAP*")


def test_an_overlap_in_a_block_that_raises_was_expected_all_the_same(suite):
    """A test whose block saw its overlap and then fails is one failure, without an error at its tear-down."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    with threadguard.expect_overlap() as overlaps:
        meet(Client(threadguard(Meeting())))
        raise RuntimeError("its own")

def test_caught(threadguard):
    try:
        with threadguard.expect_overlap() as overlaps:
            meet(Client(threadguard(Meeting())))
            raise RuntimeError("its own")
    except RuntimeError:
        assert [finding.code for finding in overlaps.findings] == ["TG301"]
''').run()
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.no_fnmatch_line("*TG301*")


def test_the_policies_are_the_guards(suite):
    """Under refuse the second gets 503, which is a collision and may be expected; serialize has none."""
    suite.write('''
def test_refuse(threadguard):
    with threadguard.expect_overlap():
        responses = threadguard.together(threadguard(hello, policy="refuse"), ["/a", "/b"])
    assert 503 in [response.status_code for response in responses]

def test_serialize(threadguard):
    app = threadguard(hello, policy="serialize", serialize_timeout=DEADLINE)
    responses = threadguard.together(app, ["/%d" % number for number in range(4)])
    assert [response.status_code for response in responses] == [200] * 4
    assert app.stats().peak == 1

def test_no_policy(threadguard):
    with pytest.raises(ValueError, match="option policy = 'perhaps' is not allowed"):
        threadguard(hello, policy="perhaps")
''').run().assert_outcomes(passed=3)


def test_a_collision_under_refuse_is_an_error_unless_expected(suite):
    """That a request had to be refused is a finding of the test, too."""
    result = suite.write('''
def test_it(threadguard):
    threadguard.together(threadguard(hello, policy="refuse"), ["/a", "/b"])
''').run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["TG302 *"])


def test_a_guard_inside_the_application_hands_on_what_the_fixture_lets_in(suite):
    """The fixture's policy rules while its guard lives; then the application's own is as it was."""
    suite.write('''
from threadguard import ThreadGuard
own = ThreadGuard(hello, policy="refuse", group="of its own")

def middleware(environ, start_response):
    return own(environ, start_response)

def test_it(threadguard):
    with threadguard.expect_overlap():
        responses = threadguard.together(threadguard(middleware), ["/a", "/b"])
    assert [response.status_code for response in responses] == [200, 200]

def test_after():
    assert own.verdict.status == "unknown" and own.stats().requests == 0
    assert own({"PATH_INFO": "/"}, lambda *args: None) == [b"hello"]
''').run().assert_outcomes(passed=2)


def test_a_test_that_is_marked_thread_unsafe_sends_from_one_thread(suite):
    """pytest-run-parallel's marker is known where that is not installed, and `together` respects it."""
    suite.write('''
@pytest.mark.thread_unsafe(reason="the application is not")
def test_it(threadguard):
    threads = set()
    def app(environ, start_response):
        threads.add(threading.current_thread())
        return hello(environ, start_response)
    assert len(threadguard.together(threadguard(app), ["/a", "/b"])) == 2
    assert threads == {threading.current_thread()}
''').run().assert_outcomes(passed=1)


def test_the_fixture_can_be_asked_for_in_the_middle_of_a_test(suite):
    """A fixture that is had by `getfixturevalue` fails the test, as one that is named in advance."""
    suite.write('''
from werkzeug.test import Client

def test_it(request):
    meet(Client(request.getfixturevalue("threadguard")(Meeting())))
''').run().assert_outcomes(passed=1, errors=1)


def test_a_thread_that_overlaps_expected_blocks_makes_both_content(suite):
    """Blocks of several threads, as pytest-run-parallel has them, do not take each other's overlaps away."""
    suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    both_in = threading.Barrier(2)
    def block():
        with threadguard.expect_overlap():
            both_in.wait(DEADLINE)
            meet(Client(threadguard(Meeting())))
            both_in.wait(DEADLINE)
        return True
    assert in_threads(block, lambda: block()) == [True, True]
''').run().assert_outcomes(passed=1)


def test_only_an_application_is_guarded(suite):
    """As `ThreadGuard` says it: a fixture that forgot its return gives None."""
    suite.write('''
def test_it(threadguard):
    with pytest.raises(TypeError, match="which is callable; None is not"):
        threadguard(None)
''').run().assert_outcomes(passed=1)
