"""Hostile requests: nothing of them reaches a log or the health page raw, and no secret of them reaches either."""

import threading

import pytest
from conftest import DEADLINE, Response, held_inside, new_environ

from threadguard.guard.rendezvous import MOST

SECRETS = {
    "QUERY_STRING": "password=secret-query",
    "HTTP_COOKIE": "session=secret-cookie",
    "HTTP_AUTHORIZATION": "Basic secret-authorization",
    "HTTP_X_API_KEY": "secret-key",
    "REMOTE_USER": "secret-user",
}
HOSTILE = [
    pytest.param("/\r\nERROR threadguard: all is well", id="line breaks"),
    pytest.param("/\x1b[2J\x1b]0;owned\x07", id="ANSI escapes"),
    pytest.param("/\x00\x01\x7f\x9b31m", id="control characters"),
    pytest.param("/\xff\xfe\xc0\xaf\xed\xa0\x80", id="invalid UTF-8"),
    pytest.param("/‮gpj.exe​".encode("utf-8").decode("latin-1"), id="text direction"),
    pytest.param("/\u2028\u2029\x85", id="Unicode line separators"),
    pytest.param("/\udc80\ud800", id="surrogates"),
    pytest.param("/<script>alert(1)</script>%s%d{0}", id="markup and formats"),
    pytest.param("/" + "\x1b" * 2 ** 20, id="a megabyte"),
]


def report_of(guarded, gate, caplog, **request):
    """What is logged when *request* meets another that is just like it, and the guard."""
    guard = guarded(gate, policy="log", health_path="/health", health_token="token")
    environ = new_environ(**SECRETS)
    environ.update(request)
    with held_inside(guard, gate, dict(environ)), held_inside(guard, gate, dict(environ)):
        pass
    [text] = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    return text, guard


@pytest.mark.parametrize("place", ["REQUEST_METHOD", "PATH_INFO", "SCRIPT_NAME"])
@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_reaches_a_log_raw(guarded, gate, caplog, place, text):
    """Every line of a report is printable, of a bounded length, and encodes to UTF-8; none is the client's own, and no
    query string nor header value is in it."""
    report, _ = report_of(guarded, gate, caplog, **{place: text})
    lines = report.split("\n")
    assert all(line.isprintable() for line in lines)
    assert max(map(len, lines)) < 1000
    assert not any(line.startswith("ERROR") for line in lines)
    report.encode("utf-8")
    assert "secret" not in report and "secret" not in caplog.text


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
@pytest.mark.parametrize("text", HOSTILE)
def test_the_health_page_shows_no_request_raw_and_no_secret(guarded, gate, caplog, accept, text):
    """Markup is escaped, control characters too, for those with the token."""
    _, guard = report_of(guarded, gate, caplog, PATH_INFO=text)
    health = Response(guard, new_environ(PATH_INFO="/health", HTTP_ACCEPT=accept, HTTP_AUTHORIZATION="Bearer token",
                                         QUERY_STRING="secret-query", HTTP_COOKIE="secret-cookie"))
    page = health.body.decode("utf-8")
    assert "TG301" in page, "it is the page with the report"
    assert "secret" not in page and "Bearer" not in page
    assert all(character.isprintable() or character == "\n" for character in page)
    assert accept == "application/json" or "<script" not in page
    assert len(page) < 50000


def test_without_the_token_the_health_page_tells_the_status_only(guarded, gate, caplog):
    """Nothing of any request, setting or stack is shown."""
    _, guard = report_of(guarded, gate, caplog)
    assert Response(guard, new_environ(PATH_INFO="/health")).body == b'{\n "status": "fail"\n}\n'


@pytest.mark.parametrize("authorization", [
    pytest.param(None, id="no header"),
    pytest.param("Bearer", id="no token"),
    pytest.param("Bearer \xff\xfe\x00", id="invalid UTF-8"),
    pytest.param("Bearer \udc80", id="a surrogate"),
    pytest.param("Bearer " + "x" * 2 ** 20, id="a megabyte"),
    pytest.param("Basic token", id="another scheme"),
])
def test_a_probe_without_the_token_is_not_held(guarded, authorization):
    """It is answered at once: no stranger ties up a worker."""
    guard = guarded(lambda environ, start: pytest.fail("entered"), health_path="/health", health_token="token")
    guard._group.rendezvous.hold = lambda *args: pytest.fail("held")
    environ = new_environ(PATH_INFO="/health/probe", QUERY_STRING="hold=1000000")
    if authorization is not None:
        environ["HTTP_AUTHORIZATION"] = authorization
    assert Response(guard, environ).status == "401 Unauthorized"


@pytest.mark.parametrize("hold", ["1e308", "inf", "nan", "-1", "", "9" * 5000, "0x10", "\xff", "1&hold=1e9"])
def test_a_probe_is_held_for_seconds_at_the_most(guarded, monkeypatch, hold):
    """Whatever it asks for, with the token."""
    waited = []

    class Waiter:
        def wait(self, seconds):
            waited.append(seconds)

    monkeypatch.setattr("threadguard.guard.rendezvous.new_waiter", lambda environ: Waiter())
    guard = guarded(lambda environ, start: pytest.fail("entered"), health_path="/health", health_token="token")
    answer = Response(guard, new_environ(PATH_INFO="/health/probe", QUERY_STRING="hold=" + hold,
                                         HTTP_AUTHORIZATION="Bearer token"))
    assert answer.status == "200 OK"
    assert all(0 <= seconds <= 2 for seconds in waited), waited


def test_few_probes_are_held_at_once(guarded, monkeypatch):
    """The others are answered at once, and the workers go on serving."""
    released, held = threading.Event(), []

    class Waiter:
        def wait(self, seconds):
            held.append(seconds)
            assert released.wait(DEADLINE)

        def wake(self):
            pass

    monkeypatch.setattr("threadguard.guard.rendezvous.new_waiter", lambda environ: Waiter())
    guard = guarded(lambda environ, start: pytest.fail("entered"), policy="log", health_path="/health",
                    health_token="token")
    monkeypatch.setattr(guard._group.rendezvous, "_meet", lambda probe: False)
    environ = new_environ(PATH_INFO="/health/probe", HTTP_AUTHORIZATION="Bearer token")
    answered = threading.Semaphore(0)
    threads = [threading.Thread(target=lambda: (Response(guard, dict(environ)), answered.release()))
               for _ in range(MOST + 4)]
    for thread in threads:
        thread.start()
    try:
        assert all(answered.acquire(timeout=DEADLINE) for _ in range(4))
        assert len(held) <= MOST and guard.stats().in_flight == 0
    finally:
        released.set()
    for thread in threads:
        thread.join(DEADLINE)
        assert not thread.is_alive()
    assert len(held) == MOST
