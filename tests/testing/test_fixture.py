"""The fixture ``threadguard``: guards of single applications, expected overlaps, requests sent together."""

import pytest
from threadguard.testing import fixture

pytest_plugins = ["pytester", "plugin_rig"]

CLIENT = "from werkzeug.test import Client\n"
TWO_OVERLAP = '''
def test_overlaps(threadguard):
    meet(Client(threadguard(Meeting())))
'''
OVERLAP = "TG301 two requests were inside the application at once"


@pytest.mark.parametrize("passed, source", [
    pytest.param(1, '''
def test_it(threadguard):
    app = threadguard(hello)
    client = Client(app)
    assert [client.get("/").data, client.get("/").data] == [b"hello", b"hello"]
    assert app.stats().requests == 2
''', id="a guarded application serves as it did"),
    pytest.param(1, '''
def test_it(threadguard):
    both = Meeting()
    one, two = Client(threadguard(both)), Client(threadguard(both))
    in_threads(lambda: one.get("/a"), lambda: two.get("/b"))
''', id="each guard has a group of its own"),
    pytest.param(2, '''
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
''', id="a body that a thread of one test still holds is not inside for the next"),
    pytest.param(1, '''
def test_it(threadguard):
    with threadguard.expect_overlap() as overlaps:
        meet(Client(threadguard(Meeting())))
    assert [finding.code for finding in overlaps.findings] == ["TG301"]
    assert "GET /a" in str(overlaps) and "GET /b" in str(overlaps)
''', id="an expected overlap is no error, and can be asked for"),
    pytest.param(3, '''
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
''', id="under refuse the second gets 503, a collision that may be expected; serialize has none"),
    pytest.param(2, '''
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
''', id="a guard inside hands on what the fixture lets in, and is then as it was"),
    pytest.param(1, '''
@pytest.mark.thread_unsafe(reason="the application is not")
def test_it(threadguard):
    threads = set()
    def app(environ, start_response):
        threads.add(threading.current_thread())
        return hello(environ, start_response)
    assert len(threadguard.together(threadguard(app), ["/a", "/b"])) == 2
    assert threads == {threading.current_thread()}
''', id="a test that is marked thread_unsafe sends from one thread"),
    pytest.param(1, '''
def test_it(threadguard):
    both_in = threading.Barrier(2)
    def block():
        with threadguard.expect_overlap():
            both_in.wait(DEADLINE)
            meet(Client(threadguard(Meeting())))
            both_in.wait(DEADLINE)
        return True
    assert in_threads(block, lambda: block()) == [True, True]
''', id="blocks of several threads do not take each other's overlaps away"),
    pytest.param(1, '''
def test_it(threadguard):
    with pytest.raises(TypeError, match="which is callable; None is not"):
        threadguard(None)
''', id="only an application is guarded"),
])
def test_a_suite_that_does_as_it_should_passes(suite, passed, source):
    """It sees the applications' own answers, and no overlap is its error."""
    suite.write(CLIENT + source).run().assert_outcomes(passed=passed)


@pytest.mark.parametrize("source, outcomes, lines, reports", [
    pytest.param('''
def test_before(threadguard):
    Client(threadguard(hello)).get("/")
''' + TWO_OVERLAP + '''
def test_after(threadguard):
    Client(threadguard(hello)).get("/")
''', {"passed": 3, "errors": 1}, ["*ERROR at teardown of test_overlaps*", "ERROR test_it.py::test_overlaps*"], 1,
                 id="an overlap is an error of its test and of no other"),
    pytest.param('''
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
''', {"passed": 1, "errors": 1}, [OVERLAP, "  inside: GET /a, in thread *", "*, in wait_inside",
                                  "  entering: GET /b, in thread *", "*, in send_later", "  remedy: *"], 1,
                 id="it names both requests and where both stood"),
    pytest.param('''
def test_it(threadguard):
    both = Meeting()
    one, two = Client(threadguard(both, group="x")), Client(threadguard(both, group="x"))
    in_threads(lambda: one.get("/a"), lambda: two.get("/b"))

def test_a_later_group_of_that_name_is_another(threadguard):
    Client(threadguard(hello, group="x")).get("/")
''', {"passed": 2, "errors": 1}, [OVERLAP], 1, id="guards of a named group share it"),
    pytest.param('''
def test_it(threadguard):
    meet(Client(threadguard(Meeting())))
    meet(Client(threadguard(Meeting(), policy="log")))
''', {"passed": 1, "errors": 1}, [OVERLAP], 2, id="all overlaps of a test are one error"),
    pytest.param('''
def test_it(threadguard):
    threadguard.together(threadguard(hello), ["/%d" % number for number in range(8)])
''', {"passed": 1, "errors": 1}, ["and 2 more"], 5, id="overlaps beyond the fifth are only counted"),
    pytest.param('''
@pytest.fixture(scope="module")
def client(threadguard):
    client = Client(threadguard(Meeting()))
    yield client
    meet(client)

def test_one(client):
    pass

def test_two(client):
    pass
''', {"passed": 2, "errors": 1}, ["ERROR test_it.py::test_two*"], 1,
                 id="an overlap in a finalizer is an error of the last test"),
    pytest.param('''
@pytest.fixture
def broken():
    yield
    raise RuntimeError("the fixture's own error")
''' + TWO_OVERLAP.replace("(threadguard)", "(broken, threadguard)", 1), {"passed": 1, "errors": 1}, [
        "*RuntimeError: the fixture's own error", "*Captured threadguard teardown*", "TG301 *"], 1,
                 id="an overlap hides no other error"),
    pytest.param('''
def test_it(threadguard):
    with threadguard.expect_overlap():
        Client(threadguard(hello)).get("/")
''', {"failed": 1}, ["DID NOT OVERLAP: no request entered while another was inside"], 0,
                 id="an expected overlap that does not come is a failure"),
    pytest.param('''
@pytest.mark.parametrize("match", ["/b", "/nowhere"])
def test_it(threadguard, match):
    with threadguard.expect_overlap(match=match):
        meet(Client(threadguard(Meeting())))
''', {"passed": 1, "failed": 1}, ["no overlap matches '/nowhere'; there was"], 1,
                 id="what is expected has to match a report, as in pytest.raises"),
    *(pytest.param('''
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
''' % order, {"passed": 1, "errors": 1}, [OVERLAP], 1, id="only the overlaps in the block: " + order)
      for order in ("expected, unexpected", "unexpected, expected")),
    pytest.param('''
def test_it(threadguard):
    with threadguard.expect_overlap():
        raise RuntimeError("its own")
''', {"failed": 1}, ["E *RuntimeError: its own"], 0, id="an exception in the block comes out"),
    pytest.param('''
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
''', {"passed": 1, "failed": 1}, ["E *RuntimeError: its own"], 0,
                 id="an overlap in a block that raises was expected all the same"),
    pytest.param('''
def test_it(threadguard):
    threadguard.together(threadguard(hello, policy="refuse"), ["/a", "/b"])
''', {"passed": 1, "errors": 1}, ["TG302 *"], 0, id="a collision under refuse is an error unless expected"),
    pytest.param('''
def test_it(request):
    meet(Client(request.getfixturevalue("threadguard")(Meeting())))
''', {"passed": 1, "errors": 1}, [OVERLAP], 1, id="the fixture can be asked for in the middle of a test"),
])
def test_a_suite_is_told_what_overlapped(suite, source, outcomes, lines, reports):
    """By an error at the tear-down of that test alone: the report of the guard, each overlap once."""
    result = suite.write(CLIENT + source).run()
    result.assert_outcomes(**outcomes)
    result.stdout.fnmatch_lines(lines)
    assert result.stdout.str().count(OVERLAP) == reports
    assert ("DID NOT OVERLAP" in result.stdout.str()) is (lines[0].startswith("DID NOT"))


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
