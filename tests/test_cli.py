"""The command ``threadguard``."""

import json
import os
import subprocess
import sys

import pytest

import threadguard
from threadguard import cli
from threadguard.codes import CODES
from threadguard.check.command_lines import COMMANDS
from threadguard.servers import SERVERS

THREADED = "[uwsgi]\nthreads = 4\n"
TIMEOUT = 120
NOTHING_WRONG = ("TG100", "TG103", "TG200", "TG204", "TG205", "TG206", "TG405")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory with a right file, a wrong one, and one that cannot be told."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "right.ini").write_text("[uwsgi]\nthreads = 1\n")
    (tmp_path / "wrong.ini").write_text(THREADED)
    (tmp_path / "untold.ini").write_text("[uwsgi]\nthreads = %k\n")
    return tmp_path


def run(*words, **environment):
    """The command as a process of its own."""
    root = os.path.dirname(os.path.dirname(threadguard.__file__))
    return subprocess.run(
        [sys.executable, "-m", "threadguard"] + list(words), timeout=TIMEOUT, universal_newlines=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root, **environment})


def test_a_correct_file_says_so_in_one_line(capsys):
    """Silence is no answer."""
    assert cli.main(["check", "right.ini"]) == 0
    assert capsys.readouterr().out == (
        "right.ini:2: TG100 uWSGI lets one request at a time into each process, assuming that uWSGI's command line and"
        " environment set neither threads nor async\n")


def test_a_wrong_file_says_why_and_what_to_change(capsys):
    """File and line, the sentence, the evidence, the remedy."""
    assert cli.main(["check", "wrong.ini"]) == 1
    assert capsys.readouterr().out == (
        "wrong.ini:2: TG101 uWSGI lets 4 requests at once into each process\n"
        "  because: threads = 4\n"
        "  remedy:  threads = 1; for more throughput processes = N\n")


def test_all_targets_are_printed_and_the_worst_decides(capsys):
    """Also where the first one would do to know."""
    assert cli.main(["check", "wrong.ini", "none.ini", "untold.ini", "right.ini", "--", "uwsgi"]) == 1
    said = [line.split()[1 if ":" in line.split()[0] else 0] for line in capsys.readouterr().out.splitlines()
            if line[0] != " "]
    assert said == ["TG101", "TG902", "TG403", "TG100", "TG100"]
    assert cli.main(["check", "none.ini", "untold.ini"]) == 2
    assert cli.main(["check", "right.ini", "untold.ini"]) == 3


def test_fail_on_decides_what_becomes_of_what_cannot_be_told(capsys):
    """As an error, or as a warning on stderr."""
    assert cli.main(["check", "--fail-on", "unknown", "untold.ini"]) == 1
    assert capsys.readouterr().err == ""
    assert cli.main(["check", "--fail-on", "threaded", "untold.ini"]) == 0
    assert capsys.readouterr().err == (
        "threadguard: warning: what cannot be told counts as single-threaded, by --fail-on threaded\n")
    assert cli.main(["check", "--fail-on", "threaded", "wrong.ini"]) == 1


def test_quiet_says_nothing_of_what_is_in_order(capsys):
    """And all of what is not."""
    assert cli.main(["check", "-q", "right.ini"]) == 0
    assert capsys.readouterr().out == ""
    assert cli.main(["check", "--quiet", "right.ini", "wrong.ini"]) == 1
    assert capsys.readouterr().out.startswith("wrong.ini:2: TG101")


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_forms_for_machines_are_one_document(form, capsys):
    """Whatever the findings are."""
    assert cli.main(["check", "--format", form, "right.ini", "wrong.ini", "none.ini"]) == 1
    json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("words", [
    [], ["nonsense"], ["check", "--format", "yaml", "x"], ["check", "--fail-on", "luck", "x"], ["explain", "--", "x"],
    ["check", "--nonsense"],
])
def test_wrong_use_exits_with_2(words, capsys):
    """argparse says what is wrong."""
    with pytest.raises(SystemExit) as caught:
        cli.main(words)
    assert caught.value.code == 2
    assert "threadguard" in capsys.readouterr().err


def test_check_of_nothing_is_wrong_use(capsys):
    """Neither a file nor a command."""
    assert cli.main(["check"]) == cli.main(["check", "--"]) == 2
    assert capsys.readouterr().err == "threadguard check: name a file, or a command after --\n" * 2


@pytest.mark.parametrize("words, meant", [
    ("gunicorn --threads 4 app:app", "-- gunicorn --threads 4 app:app"), ("-q uwsgi site.ini", "-q -- uwsgi site.ini"),
])
def test_a_forgotten_mark_gets_a_hint(words, meant, capsys):
    """A command that stands where a file should: wrong use, and how it is meant."""
    try:
        status = cli.main(["check"] + words.split())
    except SystemExit as caught:
        status = caught.code
    assert status == 2
    hint = "a command stands after --: threadguard check %s\n" % meant.replace("-q ", "")
    assert capsys.readouterr().err.endswith(hint)


def test_nothing_is_executed_unless_it_is_asked_for(place, capsys):
    """Neither by default nor with --no-exec; --exec says so first."""
    (place / "gunicorn.conf.py").write_text("open('ran', 'w').close()\nthreads = int('1')\n")
    assert [cli.main(["check"] + words + ["gunicorn.conf.py"]) for words in ([], ["--no-exec"])] == [3, 3]
    assert capsys.readouterr().err == "" and not (place / "ran").exists()


def test_options_after_the_mark_belong_to_the_command(capsys):
    """``--quiet`` is uWSGI's there."""
    assert cli.main(["check", "--", "uwsgi", "--threads", "4", "--quiet"]) == 1
    assert capsys.readouterr().out.startswith("TG101")


def test_colours_where_they_are_asked_for(monkeypatch, capsys):
    """As of a pipeline's log; `test_report_formats` says when they are."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert cli.main(["check", "wrong.ini"]) == 1
    assert "\033[1;31mTG101\033[0m" in capsys.readouterr().out


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_explained(code, capsys):
    """What it means and why it matters; how to mend it too, unless it says that nothing is wrong."""
    assert cli.main(["explain", code.lower()]) == 0
    said = capsys.readouterr().out
    assert said.startswith("%s %s\n" % (code, CODES[code].title))
    assert "Why it matters:" in said
    assert ("How to mend it:" in said) == (code not in NOTHING_WRONG)


def test_a_threaded_finding_is_mended_server_by_server(capsys):
    """In each server's own words."""
    cli.main(["explain", "TG101"])
    said = " ".join(capsys.readouterr().out.split())
    for server in SERVERS:
        assert " ".join(("%s: %s" % (server.NAME, server.REMEDY)).split()) in said


def test_explain_takes_several_codes_and_servers(capsys):
    """Also a code by its number alone, and a server by its name or its program."""
    assert cli.main(["explain", "204", "tg301", "waitress", "pserve"]) == 0
    said = capsys.readouterr().out
    starts = ["TG204 declared", "TG301 two requests", "waitress\n", "pserve\n"]
    assert [said.index(start) for start in starts] == sorted(said.index(start) for start in starts)
    assert cli.main(["servers", "UWSGI", "waitress-serve"]) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if line[:1].strip()] == ["uWSGI", "waitress"]


@pytest.mark.parametrize("words, what", [(["explain", "204", "TG999"], "code and no server 'TG999'"),
                                         (["servers", "nonsense"], "server 'nonsense'")])
def test_what_does_not_exist_is_wrong_use(words, what, capsys):
    """It is named."""
    assert cli.main(words) == 2
    assert "there is no %s; without" % what in capsys.readouterr().err


def test_explain_without_a_code_lists_them(capsys):
    """Each with its title."""
    assert cli.main(["explain"]) == 0
    assert capsys.readouterr().out.splitlines() == ["%s  %s" % (code, CODES[code].title) for code in CODES]


def test_servers_lists_what_is_known_of_each(capsys):
    """What is read, when, by which command, where requests run, and the remedy: the same in each form."""
    assert cli.main(["servers", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["server"] for row in rows] == [server.NAME for server in SERVERS]
    assert rows == cli.table_of_servers()
    for form in ("text", "markdown"):
        assert cli.main(["servers", "--format", form]) == 0
        said = " ".join(capsys.readouterr().out.split())
        for server in SERVERS:
            assert server.NAME in said and " ".join(server.RUNS_ON.split()) in said
            for what, _ in server.READS:
                assert " ".join(what.split()) in said


def test_every_command_that_check_knows_is_in_the_table():
    """A program that is not listed would be a secret; Apache's own is mod_wsgi's."""
    listed = {program for row in cli.table_of_servers() for program in row["programs"]}
    for command in COMMANDS:
        if command.name != "Apache":
            assert listed & set(command.programs), command.name


def test_every_subcommand_has_its_help(capsys):
    """Each in the table, and the exit status for all."""
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert all("%s %s" % (name, each.help) in said for name, each in cli.SUBCOMMANDS.items())
    assert "0 single-threaded, 1 threaded, 2 wrong use or unreadable, 3 cannot tell" in said


def test_the_command_runs_as_a_module():
    """With its exit status, its version, and findings on stdout alone."""
    done = run("check", "wrong.ini")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("wrong.ini:2: TG101")
    assert run("--version").stdout == "threadguard %s\n" % threadguard.__version__


def test_a_module_beside_the_checked_file_is_not_the_servers_own(place):
    """It is not imported: what is checked may come from anywhere."""
    (place / "waitress.py").write_text("open('ran', 'w').close()\n")
    assert run("check", "--no-exec", "--", "waitress-serve", "app:app").stdout.startswith("TG101")
    assert not (place / "ran").exists()


def test_a_terminal_that_cannot_show_a_name_is_no_reason_to_fail(place):
    """The name comes out escaped."""
    (place / "é.ini").write_text(THREADED)
    done = run("check", "é.ini", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout[:14]) == (1, "\\xe9.ini:2: TG")


def test_a_reader_that_goes_away_gets_no_traceback(place):
    """``threadguard explain | head -1``."""
    root = os.path.dirname(os.path.dirname(threadguard.__file__))
    child = subprocess.Popen([sys.executable, "-m", "threadguard", "explain"], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root})
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait(TIMEOUT) in (0, 130)


@pytest.mark.parametrize("error, status, said", [
    (ZeroDivisionError("a mistake"), 3, "ZeroDivisionError: a mistake\nthreadguard: it failed; please report it\n"),
    (KeyboardInterrupt(), 130, "")], ids=["a failure", "an interrupt"])
def test_a_failure_of_its_own_is_no_verdict(error, status, said, monkeypatch, capsys):
    """Python would exit with 1, which means threaded. An interrupt ends quietly, with the status that shells know."""
    def fail(arguments):
        raise error
    monkeypatch.setitem(cli.SUBCOMMANDS, "check", cli.SUBCOMMANDS["check"]._replace(run=fail))
    assert cli.main(["check", "right.ini"]) == status
    assert capsys.readouterr().err.endswith(said)
