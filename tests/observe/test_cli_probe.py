"""``threadguard probe`` as it is typed."""

import json

import pytest
from test_probe import TOKEN, hello, served

from threadguard.cli import main
from threadguard.observe.probe import Outcome, Seen
from threadguard.subcommands.probe import findings_of


@pytest.fixture
def url(guarded, request):
    guard = guarded(hello, policy="log", health_path="/-/tg", health_token=TOKEN, server_threads=1)
    with served(guard, getattr(request, "param", False)) as base:
        yield base + "/-/tg"


QUICK = ["--requests", "16", "--concurrency", "8", "--hold", "0.05"]


@pytest.mark.parametrize("url, status, code", [(False, 0, "TG206"), (True, 1, "TG306")], indirect=["url"])
def test_the_exit_status_tells(url, status, code, capsys):
    """0 single-threaded, 1 threaded, and each process that was seen."""
    hold = ["--hold", "1"] if status else []  # two that meet are let go at once, however late the second comes
    assert main(["probe", url, "--token", TOKEN] + QUICK + hold) == status
    out, err = capsys.readouterr()
    assert out.startswith(code + " process ") and "16 requests reached it" in out
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
    assert capsys.readouterr().out.startswith("TG404 cannot tell of process ")


def test_a_process_whose_guard_knows_better_is_threaded():
    """No two met, but the guard of that process has seen its pool."""
    outcome = Outcome(8, {("h", 1): Seen("h", 1, requests=9, held=9, verdict="threaded")})
    assert [finding.code for finding in findings_of(outcome)] == ["TG201"]


def test_probes_that_failed_are_told():
    """Nothing is cleared by answers that never came."""
    outcome = Outcome(8, {("h", 1): Seen("h", 1, requests=9, held=9, verdict="single-threaded")}, ["no answer"])
    assert [finding.code for finding in findings_of(outcome)] == ["TG206", "TG404"]
    assert outcome.status == "unknown"
