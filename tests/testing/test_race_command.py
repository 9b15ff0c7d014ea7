"""``threadguard race``: what is typed, what it prints, and its exit status."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from threadguard import cli

SITE = """
import time
user = None

def application(environ, start_response):
    global user
    user = environ["PATH_INFO"]
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
    text = "%s %s " % (environ["REQUEST_METHOD"], body)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [(text + user).encode()]

def headers(environ, start_response):
    body = application(environ, start_response)
    return [body[0].replace(b" ", b" " + environ["HTTP_X_USER"].encode() + b" ", 1)]

def right(environ, start_response):
    print("printed by the application")
    start_response("200 OK", [])
    return [environ["PATH_INFO"].encode()]

def clock(environ, start_response):
    start_response("200 OK", [])
    return [b"%f" % time.time()]

def without_time(body):
    return b""

def create_app():
    return application

def broken(environ, start_response):
    raise LookupError(environ["PATH_INFO"])
"""
INI = """
[app:main]
use = call:site_race:make
[filter:guard]
use = egg:threadguard
[pipeline:guarded]
pipeline = guard main
"""


@pytest.fixture
def site(tmp_path):
    """A directory with `SITE`."""
    (tmp_path / "site_race.py").write_text(SITE + "\ndef make(config, **options):\n    return application\n")
    (tmp_path / "production.ini").write_text(INI)
    (tmp_path / "body.txt").write_text("sent")
    (tmp_path / "fails.py").write_text("1 / 0")
    return tmp_path


@pytest.fixture
def run(site):
    """Run ``threadguard race`` there; gives status, stdout and stderr."""
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

    def run(*words, **variables):
        ended = subprocess.run([sys.executable, "-m", "threadguard", "race", *words], cwd=str(site), timeout=120,
                               env=dict(os.environ, PYTHONPATH=root, **variables), stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, universal_newlines=True)
        return ended.returncode, ended.stdout, ended.stderr

    return run


@pytest.mark.parametrize("target", ["site_race:application", "site_race:create_app()", "config:production.ini",
                                    "config:production.ini#guarded"])
def test_race_is_found(run, target):
    """Exit status 1, with the file and the line, and each finding has a command that finds it again."""
    if target.startswith("config:"):
        pytest.importorskip("paste.deploy")
    status, out, err = run(target, "/a", "/b")
    assert status == 1
    assert "site_race.py:8: TG308 GET /a is answered wrongly when GET /b runs while it is paused here" in out
    assert "body b'GET  /b' instead of b'GET  /a'" in out
    assert "happened 10 of 10 times" in out
    assert "Each request is sent up to 920 times to %s, in this process: what it writes is written." % target in err
    command = out.split("10 of 10 times: threadguard race ")[1].split("\n")[0]
    status, out, err = run(*shlex.split(command))
    assert (status, out.count("TG308")) == (1, 1)


@pytest.mark.parametrize("words, status, said", [
    (["right"], 0, "GET /a (200 OK, 2 bytes), paused at 3 of its 3 lines while GET /b (200 OK, 2 bytes) ran: nothing"),
    (["clock"], 3, "--normalize"),
    (["clock", "--normalize", "site_race:without_time"], 0, "nothing found"),
    (["broken"], 3, "both requests fail also alone")])
def test_no_race_is_found(run, words, status, said):
    """Exit status 0 with how many lines there were, or 3. What the application prints is no part of the report."""
    ended, out, err = run("site_race:" + words[0], "/a", "/b", *words[1:])
    assert ended == status
    assert said in out
    assert "printed by the application" not in out
    assert ("printed by the application" in err) == (words == ["right"])


def test_json(run):
    """`--json` prints one object."""
    status, out, _ = run("site_race:application", "/a", "/b", "--json", "--all")
    report = json.loads(out)
    assert status == report["status"] == 1
    assert report["pairs"][0]["wrong"][0]["stack"][0][:2] == ["site_race.py", 8]
    assert report["pairs"][0]["lines"] == report["pairs"][0]["tried"] == 5


def test_method_header_and_body(run):
    """A request is METHOD:PATH; headers are sent with all, and the body with those that may have one."""
    status, out, _ = run("site_race:headers", "POST:/x", "/y", "--header", "X-User: ann", "--body", "body.txt")
    assert status == 1
    assert "body b'POST ann sent /y' instead of b'POST ann sent /x'" in out
    command = out.split("10 of 10 times: threadguard race ")[1].split("\n")[0]
    assert run(*shlex.split(command))[0] == 1


@pytest.mark.parametrize("words, said", [
    (("site_race", "/a"), "APPLICATION 'site_race' is not allowed"),
    (("nowhere:app", "/a"), "there is no module nowhere"),
    (("site_race:nix", "/a"), "has no nix"),
    (("fails:app", "/a"), "'fails:app' cannot be loaded: ZeroDivisionError"),
    (("config:nowhere.ini", "/a"), "there is no file 'nowhere.ini'"),
    (("site_race:application", "a"), "'a' is no request"),
    (("site_race:application", "get:/a"), "'get:/a' is no request"),
    (("site_race:application", "POST"), "'POST' is no request"),
    (("site_race:application", "/a", "--body", "nowhere"), "--body nowhere cannot be read: No such file"),
    (("site_race:application", "/a", "--header", "X"), "'X' is no header"),
    (("site_race:application", "/a", "--header", "X: a\nb"), "is no header"),
    (("site_race:application", "/\u00fc"), "is no request"),
    (("site_race:application", "/a", "--at", "x"), "invalid int value: 'x'"),
    (("site_race:application", "/a", "--within", "nowhere"), "within 'nowhere': No module named 'nowhere'"),
    (("site_race:application", "/a", "--at", "99"), "there is no line 99"),
    (("site_race:application", "/a", "--points", "0"), "0 is not allowed"),
    (("site_race:application", "/a", "--normalize", "site_race"), "--normalize 'site_race' is not allowed"),
    (("site_race:application", "/a", "--normalize", "site_race:user"), "which is no function"),
    (("site_race:application",), "the following arguments are required: REQUEST")])
def test_wrong_use(site, monkeypatch, capsys, words, said):
    """Exit status 2 with one sentence."""
    monkeypatch.chdir(site)
    monkeypatch.setattr(sys, "path", sys.path[:])
    for module in ("site_race", "fails"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    if words[0].startswith("config:"):
        pytest.importorskip("paste.deploy")
    try:
        status = cli.main(["race", *words])
    except SystemExit as error:
        status = error.code
    out, err = capsys.readouterr()
    assert (status, out) == (2, "")
    assert said in err.splitlines()[-1]


def test_variable_of_the_guard_is_left_alone(run):
    """THREADGUARD_APP, set for a server, makes no guard here, and stays set for the application."""
    assert run("site_race:right", "/a", "/b", "--points", "1", THREADGUARD_APP="nowhere:app")[0] == 0


def test_coverage_measures_beside_it(tmp_path):
    """coverage with its own tracer sees what B runs, and race finds what it finds without."""
    pytest.importorskip("coverage.tracer")
    (tmp_path / "site_covered.py").write_text(
        "state = {}\n\n\ndef application(environ, start_response):\n    state['path'] = environ['PATH_INFO']\n"
        "    start_response('200 OK', [])\n    return [state['path'].encode()]\n")
    (tmp_path / "run.py").write_text(
        "from site_covered import application\nfrom threadguard.testing import race\n"
        "assert race(application, '/a', '/b').status == 1\n")
    variables = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    variables.update(PYTHONPATH=os.pathsep.join([str(tmp_path), *sys.path]), COVERAGE_CORE="ctrace")
    coverage = [sys.executable, "-W", "ignore", "-m", "coverage"]
    subprocess.run([*coverage, "run", "--include=*/site_covered.py", "run.py"], cwd=str(tmp_path), env=variables,
                   check=True, timeout=120)
    done = subprocess.run([*coverage, "report", "-m"], cwd=str(tmp_path), env=variables, check=True, timeout=120,
                          stdout=subprocess.PIPE, universal_newlines=True)
    assert "100%" in done.stdout, done.stdout


def test_fixture(threadguard):
    """The fixture has both, and a race that is proved is no overlap of its guard."""
    def application(environ, start_response):
        start_response("200 OK", [])
        return [environ["PATH_INFO"].encode()]

    guard = threadguard(application)
    assert threadguard.race(guard, "/a", "/b").status == 0
    assert threadguard.assert_no_race(guard, "/a", "/b").status == 0
    assert guard.stats().requests == 0


def test_fixture_fails_with_the_report(threadguard):
    """`assert_no_race` fails with the report as its message."""
    state = {}

    def application(environ, start_response):
        state["path"] = environ["PATH_INFO"]
        start_response("200 OK", [])
        return [state["path"].encode()]

    with pytest.raises(AssertionError, match=r"test_race_command\.py:\d+: TG308 GET /a is answered wrongly"):
        threadguard.assert_no_race(threadguard(application), "/a", "/b")


def test_overlap_in_a_test(threadguard):
    """The report of an overlap in a test has the queries and no frames but the application's, and sends to `race`."""
    def application(environ, start_response):
        start_response("200 OK", [])
        return [b""]

    with threadguard.expect_overlap() as overlaps:
        threadguard.together(threadguard(application), ["/a?q=1", "/b?q=2"])
    assert "GET /a?q=1" in str(overlaps) and "GET /b?q=2" in str(overlaps)
    assert "threading.py" not in str(overlaps) and "sending.py" not in str(overlaps)
    assert "threadguard.race" in str(overlaps) and "processes" not in str(overlaps)
