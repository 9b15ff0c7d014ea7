"""The live proof, and ``threadguard probe`` as it is typed."""

import itertools
import json
import os
import socket
import threading
from contextlib import contextmanager

import pytest
from conftest import hello

from threadguard.cli import main
from threadguard.observe import probe
from threadguard.observe.probe import Outcome, ProbeError, Prober, Seen, findings_of
from threadguard.report import text
from threadguard.servers.readers import ANY_SERVER
from threadguard.testing.server import serve

pytest.importorskip("werkzeug.serving", reason="needs the package Werkzeug")
TOKEN = "t0ken"
ANSWER = {"host": "h", "pid": 1, "met": False, "held": 0.1, "can_hold": True, "verdict": "single-threaded",
          "remedy": "threads = 1"}


def test_the_application_itself_is_never_asked(guarded):
    """Only the probe endpoint is."""
    paths = []

    def app(environ, start_response):
        paths.append(environ["PATH_INFO"])
        return hello(environ, start_response)

    with serve(guarded(app, policy="log", server_threads=1)) as server:
        with pytest.raises(ProbeError, match="there is no probe endpoint at /-/tg/probe"):
            Prober(server.url + "/-/tg", TOKEN).run(4, 2)
    assert set(paths) == {"/-/tg/probe"}


def answering(status, body=b"", **headers):
    """An application that always gives this answer."""
    def app(environ, start_response):
        start_response(status, list(headers.items()))
        return [body]
    return app


def saying(**changes):
    """An application that always answers as a guard does, but for *changes*."""
    return answering("200 OK", json.dumps({**ANSWER, **changes}).encode())


@pytest.mark.parametrize("app, message", [
    (answering("404 Not Found"), r"there is no probe endpoint at /-/tg/probe \(HTTP 404\)"),
    (answering("200 OK", b"<html>hello</html>"), r"there is no probe endpoint at /-/tg/probe \(HTTP 200\)"),
    (answering("200 OK", b"[1]"), "there is no probe endpoint"),
    (answering("200 OK", b'{"met": false, "pid": 1, "held": 1%s}' % (b"0" * 400)), "there is no probe endpoint"),
    (answering("200 OK", b"[" * 60000), "there is no probe endpoint"),
    (answering("502 Bad Gateway", b"<html>"), r"\(HTTP 502\)"),
    (answering("302 Found", Location="https://site.example/-/tg/probe?hold=1"),
     "redirects to 'https://site.example/-/tg': give the URL that is behind it"),
    *((saying(**change), "there is no probe endpoint") for change in (
        {"pid": 10 ** 30}, {"pid": -1}, {"pid": True}, {"met": 1}, {"held": "x"}, {"held": "nan"}, {"held": -1},
        {"held": None})),
])
def test_what_is_no_guard_is_one_clear_error(app, message):
    """Whatever answers there: also a value that no guard gives, of which only a wrong result could be made."""
    with serve(app) as server, pytest.raises(ProbeError, match=message):
        Prober(server.url + "/-/tg", TOKEN).run(4, 2)


@pytest.mark.parametrize("url, token, message", [
    *((url, TOKEN, "is no http or https URL") for url in (
        "ftp://x/", "localhost:8000/-/tg", "http:///x", "", "http://[::1/x", "http://h:port/x", "http://h:99999/x")),
    ("http://127.0.0.1:{gone}/-/tg", TOKEN, "no answer from 127.0.0.1:"),
    ("https://127.0.0.1:{port}/-/tg", TOKEN, "no answer from 127.0.0.1:.*SSL"),
    ("http://me:secret@nowhere.invalid/-/tg", TOKEN, "^no answer from nowhere.invalid: (?!.*secret)"),
    ("http://h/-/tg", "a\nb", "the token has a character that no header may have$"),
    ("http://h/-/tg", "a\0", "the token has a character that no header may have$"),
])
def test_what_cannot_be_asked_is_one_clear_error(url, token, message):
    """It goes to a log: without a traceback of sockets, and without a password."""
    with serve(hello) as server:
        with serve(hello) as gone:
            pass
        with pytest.raises(ProbeError, match=message):
            Prober(url.format(port=server.port, gone=gone.port), token).run(4, 2)


@pytest.mark.parametrize("token", ["caf\xe9", "\u20ac", "voil\xe0", "\udce4\udcf6"])
def test_a_token_of_any_letters_is_taken(token, guarded):
    """As UTF-8, by the guard as well; one that is no UTF-8 as the bytes that it has."""
    guard = guarded(hello, health_path="/-/tg", health_token=token, server_threads=1)
    with serve(guard) as server:
        assert Prober(server.url + "/-/tg", token, hold=0.01).run(2, 1).failures == []


@pytest.fixture
def checked(guarded):
    return guarded(hello, policy="log", health_path="/-/tg", health_token=TOKEN, server_threads=1)


@pytest.mark.parametrize("requests, concurrency", [(1, 1), (2, 2), (2, 16), (16, 1)])
def test_probes_that_are_never_two_at_once_prove_nothing(checked, requests, concurrency):
    """The first one is alone in any case: a threaded server is not cleared by it."""
    with serve(checked, threaded=True) as server:
        outcome = Prober(server.url + "/-/tg", TOKEN, hold=0.01).run(requests, concurrency)
    [seen] = outcome.processes.values()
    assert (seen.met, outcome.luck(seen)) == (0, 1.0)


def seen(pid=1, requests=9, held=9, **changes):
    """A process, as the keys and values of an `Outcome`."""
    return {("h", pid): Seen("h", pid, requests, held=held, **{"verdict": "single-threaded", **changes})}


def several(number, each):
    return {key: value for pid in range(number) for key, value in seen(pid, each, each).items()}


@pytest.mark.parametrize("outcome, status, codes", [
    pytest.param(Outcome(4, several(1, 4)), "single-threaded", {"TG206"}, id="one process needs few"),
    pytest.param(Outcome(16, several(4, 16)), "single-threaded", {"TG206"}, id="four processes, the default number"),
    pytest.param(Outcome(16, several(16, 1)), "unknown", {"TG404"}, id="one request each says nothing"),
    pytest.param(Outcome(16, seen(requests=64, held=0)), "unknown", {"TG404"}, id="an event loop can hold none"),
    pytest.param(Outcome(16, seen(met=2), expected=4), "threaded", {"TG306", "TG404"}, id="three are missing"),
    pytest.param(Outcome(8, seen(verdict="threaded")), "threaded", {"TG201"}, id="its guard has seen its pool"),
    pytest.param(Outcome(8, seen(), ["no answer"]), "unknown", {"TG206", "TG404"}, id="a probe failed"),
])
def test_how_sure_an_outcome_is(outcome, status, codes):
    """No two that met is an answer only where chance would have brought two together; what is proved is proved."""
    assert (outcome.status, {finding.code for finding in findings_of(outcome)}) == (status, codes)


# -- what answers is not trusted


def test_the_texts_of_an_answer_are_escaped_and_cut():
    """They are printed: into a terminal, or a log where a line may be a command."""
    app = saying(host="x\n::stop-commands::\x1b[2J\u202e", remedy="r" * 5000, verdict="fine", can_hold="yes")
    with serve(app) as server:
        [seen] = Prober(server.url + "/-/tg", TOKEN).run(2, 1).processes.values()
    assert seen.host == "x\\n::stop-commands::\\x1b[2J\\u202e"
    assert len(seen.remedy) < 300 and (seen.verdict, seen.held) == ("unknown", 0)


def slow_server(chunks):
    """A server that sends *chunks* to each connection, one every 50 ms, for ever if they have no end."""
    listener = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def answer(connection):
        with connection:
            connection.recv(65536)
            try:
                for chunk in chunks():
                    connection.sendall(chunk)
                    if ended.wait(0.05):
                        return
            except OSError:
                return

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=answer, args=(connection,)))
            threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()

    @contextmanager
    def running():
        try:
            yield "http://127.0.0.1:%d/-/tg" % listener.getsockname()[1]
        finally:
            ended.set()
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            for thread in threads:
                thread.join(60)
    return running()


@pytest.mark.parametrize("chunks, message", [
    pytest.param(lambda: iter(lambda: b"", None), "not there at the deadline|timed out", id="never"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n"], itertools.repeat(b"X-A: b\r\n")),
                 "not there at the deadline|100 headers", id="headers that drip"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"[")),
                 "not there at the deadline|its answer has no end", id="a body that drips"),
    pytest.param(lambda: itertools.chain([b"HTTP/1.1 200 OK\r\n\r\n"], itertools.repeat(b"[" * 50000)),
                 "its answer has no end", id="a body without end"),
])
def test_an_answer_that_never_ends_is_given_up(chunks, message):
    """At the deadline of the whole, or at the size that no answer has."""
    with slow_server(chunks) as url:
        with pytest.raises(ProbeError, match=message):
            Prober(url, TOKEN).run(4, 2, deadline=1)


def test_probes_that_are_late_have_failed():
    """The deadline is for all of them: what was answered by then counts."""
    first = threading.Lock()

    def chunks():
        answer = json.dumps(ANSWER).encode()
        yield b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(answer)
        yield answer if first.acquire(blocking=False) else b""
        while True:
            yield b""

    with slow_server(chunks) as url:
        outcome = Prober(url, TOKEN).run(6, 2, deadline=2)
    assert ([seen.requests for seen in outcome.processes.values()], len(outcome.failures)) == ([1], 5)
    assert outcome.status == "unknown" and "not there at the deadline" in outcome.failures[-1]


# -- how many processes there are


@pytest.mark.parametrize("requests, hold, expected, missing, status, number", [
    pytest.param(8, 0.01, 3, 2, "unknown", 8 * probe.ROUNDS, id="fewer than expected are not cleared"),
    pytest.param(12, 0.02, 1, 0, "single-threaded", 12, id="no more probes than were asked for")])
def test_as_many_probes_as_it_takes(checked, requests, hold, expected, missing, status, number):
    """Where processes are missing, more are sent, and no more than so many, however sure those are that answered."""
    with serve(checked) as server:
        outcome = Prober(server.url + "/-/tg", TOKEN, hold=hold).run(requests, requests // 2, processes=expected)
    assert (outcome.missing, outcome.status) == (missing, status)
    assert sum(each.requests for each in outcome.processes.values()) == number


def test_the_remedy_is_the_servers_own(guarded):
    """As the guard of that process knows it."""
    guard = guarded(hello, health_path="/-/tg", health_token=TOKEN)
    with serve(guard) as server:
        [seen] = Prober(server.url + "/-/tg", TOKEN, hold=0.01).run(2, 1).processes.values()
    assert seen.remedy == text.one_line(guard._group.remedy) and "threaded" in seen.remedy


# -- the command


@pytest.fixture
def url(guarded, request):
    guard = guarded(hello, policy="log", health_path="/-/tg", health_token=TOKEN, server_threads=1)
    with serve(guard, getattr(request, "param", False)) as server:
        yield server.url + "/-/tg"


VERDICTS = ("single-threaded", "threaded")
QUICK = ["--requests", "16", "--concurrency", "8", "--hold", "0.05"]


@pytest.mark.parametrize("url, status, code", [(False, 0, "TG206"), (True, 1, "TG306")], indirect=["url"])
def test_the_exit_status_tells(url, status, code, capsys):
    """0 single-threaded, 1 threaded, and each process that was seen."""
    hold = ["--hold", "1"] if status else []  # two that meet are let go at once, however late the second comes
    assert main(["probe", url, "--token", TOKEN] + QUICK + hold) == status
    out, err = capsys.readouterr()
    head, row, total, *remedies = out.splitlines()
    host, pid, probes, met, *_ = row.split()
    assert head.split()[:4] == ["host", "pid", "probes", "met"] and row.endswith("%s %s" % (code, VERDICTS[status]))
    assert (int(pid), int(probes), int(met) > 0) == (os.getpid(), 16, bool(status))
    assert total == "1 process on 1 host: " + VERDICTS[status]
    assert [line.startswith("  remedy:  ") for line in remedies] == [True] * status
    assert err == "", "progress is for a terminal"


def test_the_token_may_come_from_the_environment(url, monkeypatch, capsys):
    """Where no list of processes shows it."""
    monkeypatch.setenv("THREADGUARD_HEALTH_TOKEN", TOKEN)
    assert main(["probe", url, "--format", "json"] + QUICK) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "single-threaded"


@pytest.mark.parametrize("words, message", [
    (["probe", "{url}"], "--token, or the variable THREADGUARD_HEALTH_TOKEN, is needed"),
    (["probe", "{url}", "--token", "wrong"], "the token is not the one"),
    (["probe", "nowhere", "--token", TOKEN], "'nowhere' is no http or https URL"),
])
def test_wrong_use_is_one_clear_line(url, words, message, capsys, monkeypatch):
    """Exit status 2."""
    monkeypatch.delenv("THREADGUARD_HEALTH_TOKEN", raising=False)
    assert main([word.format(url=url) for word in words]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option, takes, values", [
    ("--requests", "number from 1 to 10000", ["0", "-1", "many", "100000000"]),
    ("--hold", "number of seconds from 0.01 to 2", ["nan", "inf", "0", "3", "soon"]),
    ("--deadline", "number of seconds from 1 to 86400", ["0", "nan", "later"])])
def test_numbers_are_checked(option, takes, values, capsys):
    """As argparse does, with exit status 2: what holds no request would prove nothing."""
    for value in values:
        with pytest.raises(SystemExit) as raised:
            main(["probe", "http://127.0.0.1:1/", "--token", TOKEN, option, value])
        assert raised.value.code == 2
        assert "argument %s: invalid %s value" % (option, takes) in capsys.readouterr().err


@pytest.mark.parametrize("fail_on, status", [("", 3), ("unknown", 1), ("threaded", 0)])
def test_what_cannot_be_told_is_3(url, fail_on, status, capsys):
    """One request proves nothing; --fail-on says what to make of it."""
    words = ["probe", url, "--token", TOKEN, "--requests", "1", "--hold", "0.01"]
    assert main(words + (["--fail-on", fail_on] if fail_on else [])) == status
    assert capsys.readouterr().out.splitlines()[1].endswith("TG404 unknown")


SEVEN = {(host, pid): Seen(host, pid, requests=9, held=9, verdict="single-threaded")
         for host, pids in (("web-1", range(0, 7, 2)), ("web-2", range(1, 7, 2))) for pid in pids}


@pytest.fixture
def found(monkeypatch, capsys):
    """Type the command, with an outcome that is given: status, lines and complaints."""
    def run(outcome, *words):
        monkeypatch.setattr(Prober, "run", lambda self, *numbers, **limits: outcome)
        return main(["probe", "http://h/-/tg", "--token", TOKEN, *words]), capsys.readouterr().out.splitlines()
    return run


def test_the_total_says_how_many_processes_on_how_many_hosts(found):
    """Beneath one short line for each."""
    status, lines = found(Outcome(16, SEVEN))
    assert (status, len(lines), lines[-1]) == (0, 9, "7 processes on 2 hosts: single-threaded")
    assert max(len(line) for line in lines) < 80


def test_what_is_missing_is_said_in_numbers(found):
    """Exit status 3, and what to do."""
    status, lines = found(Outcome(16, SEVEN, expected=9), "--processes", "9")
    assert (status, lines[8]) == (3, "7 processes on 2 hosts (9 expected): unknown")
    assert lines[9:11] == ["TG404 2 of 9 processes did not answer",
                           "  because: --processes 9, and 7 processes on 2 hosts did"]
    assert lines[11].startswith("  remedy:  see whether they run") and len(lines) == 12


def test_each_remedy_is_said_once_and_in_the_servers_own_words(found):
    """As its guard told it; of a guard of an earlier version, the one for any server."""
    both = {**SEVEN, ("web-3", 7): Seen("web-3", 7, requests=9, met=2, remedy="threads = 1"),
            ("web-3", 8): Seen("web-3", 8, requests=9, met=4, remedy="threads = 1"),
            ("web-3", 9): Seen("web-3", 9, requests=9, met=4)}
    status, lines = found(Outcome(16, both))
    assert (status, lines[11:]) == (1, ["10 processes on 3 hosts: threaded", "  remedy:  threads = 1",
                                        "  remedy:  " + ANY_SERVER])


@pytest.mark.parametrize("word", ["-q", "--quiet"])
def test_quietly_nothing_is_said_of_what_is_in_order(found, word):
    """And of a mixed fleet only what is not."""
    assert found(Outcome(16, SEVEN), word) == (0, [])
    status, lines = found(Outcome(16, {**SEVEN, ("web-3", 7): Seen("web-3", 7, requests=9, met=2, remedy="r")}), word)
    assert (status, len(lines), lines[1].split()[0]) == (1, 4, "web-3")


def test_json_has_each_process_in_numbers(found):
    """Beside what threadguard check gives."""
    status, lines = found(Outcome(16, SEVEN, expected=9), "--format", "json")
    told = json.loads("\n".join(lines))
    assert (status, told["status"], told["expected"], told["missing"], told["failures"]) == (3, "unknown", 9, 2, 0)
    assert len(told["processes"]) == 7 and len(told["targets"][0]["findings"]) == 8
    assert told["processes"][0] == {
        "host": "web-1", "pid": 0, "status": "single-threaded", "requests": 9, "met": 0, "held": 9,
        "chance": told["processes"][0]["chance"], "verdict": "single-threaded", "remedy": ""}


@pytest.mark.parametrize("form", ["sarif", "github"])
def test_the_other_forms_are_those_of_check(found, form):
    """A finding for each process, whatever the host calls itself."""
    outcome = Outcome(16, {("h", 1): Seen("h\n::error::", 1, requests=9, met=2)})
    status, lines = found(outcome, "--format", form)
    assert status == 1 and "TG306" in "".join(lines) and "::error::" not in lines


def test_colours_where_they_are_asked_for(found, monkeypatch):
    """As of a pipeline's log."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    _, lines = found(Outcome(16, SEVEN))
    assert lines[1].endswith("\033[1;32mTG206 single-threaded\033[0m")
