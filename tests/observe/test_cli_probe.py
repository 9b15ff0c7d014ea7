"""``threadguard probe`` as it is typed."""

import json
import os

import pytest
from test_probe import TOKEN, hello, served

from threadguard.cli import main
from threadguard.observe.probe import Outcome, Prober, Seen
from threadguard.servers.readers import ANY_SERVER
from threadguard.observe.probe import findings_of


@pytest.fixture
def url(guarded, request):
    guard = guarded(hello, policy="log", health_path="/-/tg", health_token=TOKEN, server_threads=1)
    with served(guard, getattr(request, "param", False)) as base:
        yield base + "/-/tg"


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


@pytest.mark.parametrize("number", ["0", "-1", "many", "100000000"])
def test_numbers_are_checked(number, capsys):
    """As argparse does, with exit status 2."""
    with pytest.raises(SystemExit) as raised:
        main(["probe", "http://127.0.0.1:1/", "--token", TOKEN, "--requests", number])
    assert raised.value.code == 2
    assert "argument --requests: invalid number from 1 to 10000" in capsys.readouterr().err


@pytest.mark.parametrize("seconds", ["nan", "inf", "0", "3", "soon"])
def test_the_time_to_hold_is_checked(seconds, capsys):
    """What holds nobody would prove nothing."""
    with pytest.raises(SystemExit) as raised:
        main(["probe", "http://127.0.0.1:1/", "--token", TOKEN, "--hold", seconds])
    assert raised.value.code == 2
    assert "argument --hold: invalid number of seconds from 0.01 to 2" in capsys.readouterr().err


@pytest.mark.parametrize("fail_on, status", [("", 3), ("unknown", 1), ("threaded", 0)])
def test_what_cannot_be_told_is_3(url, fail_on, status, capsys):
    """One request proves nothing; --fail-on says what to make of it."""
    words = ["probe", url, "--token", TOKEN, "--requests", "1", "--hold", "0.01"]
    assert main(words + (["--fail-on", fail_on] if fail_on else [])) == status
    assert capsys.readouterr().out.splitlines()[1].endswith("TG404 unknown")


def test_a_process_whose_guard_knows_better_is_threaded():
    """No two met, but the guard of that process has seen its pool."""
    outcome = Outcome(8, {("h", 1): Seen("h", 1, requests=9, held=9, verdict="threaded")})
    assert [finding.code for finding in findings_of(outcome)] == ["TG201"]


def test_probes_that_failed_are_told():
    """Nothing is cleared by answers that never came."""
    outcome = Outcome(8, {("h", 1): Seen("h", 1, requests=9, held=9, verdict="single-threaded")}, ["no answer"])
    assert [finding.code for finding in findings_of(outcome)] == ["TG206", "TG404"]
    assert outcome.status == "unknown"


# -- forms

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


@pytest.mark.parametrize("seconds", ["0", "nan", "later"])
def test_the_deadline_is_checked(seconds, capsys):
    """As argparse does."""
    with pytest.raises(SystemExit) as raised:
        main(["probe", "http://127.0.0.1:1/", "--token", TOKEN, "--deadline", seconds])
    assert raised.value.code == 2
    assert "argument --deadline: invalid number of seconds from 1 to 86400" in capsys.readouterr().err
