"""Broken and hostile input: exit status 2 or 3, clear lines, nothing that lasts, nothing raised."""

import os
import resource
import select
import signal
import sys
import time

import pytest

from threadguard import cli
from threadguard import check as check_package
from threadguard.check import execute

SECONDS = 60
"""More than any of these takes on a slow machine, and far less than what they would take unbounded."""
NAMES = ("site.ini", "gunicorn.conf.py", "uwsgi.json", "uwsgi.xml", "uwsgi.yaml", "compose.yaml", "site.conf",
         "site.service", "Procfile", "Dockerfile", "file")


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def check(capsys):
    """Run ``threadguard check`` within `SECONDS`: its exit status, and the lines on stdout."""
    def run(*words):
        begun = time.monotonic()
        status = cli.main(["check"] + list(words))
        assert time.monotonic() - begun < SECONDS
        return status, capsys.readouterr().out.splitlines()
    return run


def headlines(lines):
    """The first line of each finding."""
    return [line for line in lines if not line.startswith("  ")]


@pytest.mark.parametrize("name", NAMES)
def test_a_binary_file_is_unreadable(name, place, check):
    """What holds NUL bytes is no text, whatever its name says."""
    (place / name).write_bytes(b"[uwsgi]\n\0\x01\xff" + bytes(range(256)) * 40)
    status, lines = check(name)
    assert (status, lines) == (2, ["%s: TG902 %s cannot be read" % (name, name),
                                   "  because: it is binary, or in an encoding such as UTF-16"])


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_fifty_megabytes_is_unreadable(name, place, check):
    """It is not read to its end."""
    with open(str(place / name), "wb") as stream:
        stream.write(b"[server:main]\nuse = egg:waitress\n")
        for _ in range(50):
            stream.write(b"# nothing\n" * 104858)
    assert check(name) == (2, ["%s: TG902 %s cannot be read" % (name, name), "  because: it is longer than 512 KiB"])


@pytest.mark.parametrize("name, text", [
    ("site.ini", "[app:main]\nuse = egg:Site\n" + 300000 * "\n"),
    ("site.ini", "[app:main]\nuse = egg:Site\n[server:" + 30000 * "\t" + "x\n"),
    ("site.conf", 300000 * "\n" + "WSGIScriptAlias / /site.wsgi\n"),
    ("site.conf", "<VirtualHost" + 300000 * " " + "* x\n</VirtualHost>\n"),
    ("site.ini", "[server:main]\nuse = egg:waitress\nthreads" + 300000 * " " + "x = 1\n"),
], ids=["empty lines of an ini file", "tabs in a section's name", "empty lines", "blanks in a section",
        "blanks in an option"])
def test_many_blanks_do_not_last(name, text, place, check):
    """No pattern looks at each blank once for every other one."""
    (place / name).write_text(text)
    status, lines = check(name)
    assert status in (2, 3) and headlines(lines)


@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_noise_is_unreadable_or_unknown(name, place, check):
    """Four megabytes of brackets, quotes, dollars and line ends break no reader, and none takes them for a setting."""
    noise = "".join("([{\"'$`<%%;&|=:\\\n"[number * 7919 % 17] for number in range(200000))
    (place / name).write_text("services:\n[Service]\n" + noise)
    status, lines = check(name)
    assert status in (2, 3)
    assert len(headlines(lines)) == 1


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_file_says_nothing_that_could_be_judged(name, place, check):
    """An empty gunicorn.conf.py is gunicorn's default; any other empty file is none that anybody serves from."""
    if name.startswith("compose"):
        pytest.importorskip("yaml", reason="PyYAML is not installed")
    (place / name).write_text("")
    status, lines = check(name)
    assert status == (0 if name.endswith(".py") else 3 if name == "Procfile" else 2)
    assert len(headlines(lines)) == 1


def test_what_is_no_file_is_unreadable(place, check):
    """Missing, a directory, a FIFO that nobody writes to, a device that never ends: one line each, at once."""
    os.mkfifo("pipe")
    (place / "folder").mkdir()
    for name, why in (("missing.ini", "No such file or directory"), ("folder", "Is a directory"),
                      ("pipe", "it is no regular file"), ("/dev/zero", "it is no regular file")):
        assert check(name) == (2, ["%s: TG902 %s cannot be read" % (name, name), "  because: " + why])


def test_a_name_with_a_nul_is_unreadable(check):
    """No file can be called so."""
    assert check("a\0b")[0] == 2


def test_another_encoding_does_not_hide_the_settings(place, check):
    """A comment in Latin-1 is no reason to give up on uWSGI's or Apache's file."""
    (place / "uwsgi.ini").write_bytes(b"[uwsgi]\n; r\xe9glage\nthreads = 4\n")
    assert headlines(check("uwsgi.ini")[1]) == ["uwsgi.ini:3: TG101 uWSGI lets 4 requests at once into each process"]


@pytest.mark.parametrize("way", ["--no-exec", "--exec"])
def test_an_encoding_that_nobody_knows_is_unreadable(way, place, check):
    """A cookie names a codec that Python has not."""
    if way == "--exec":
        pytest.importorskip("gunicorn", reason="gunicorn is not installed")
    (place / "gunicorn.conf.py").write_text("# -*- coding: klingon -*-\nthreads = 4\n")
    assert check(way, "gunicorn.conf.py")[0] == 2


@pytest.mark.parametrize("text, why", [
    (b"; r\xe9glage\n[server:main]\n", "it is not in UTF-8, and PasteDeploy reads no other encoding"),
    (b"\xef\xbb\xbf[server:main]\nuse = egg:waitress\n", "File contains no section headers."),
])
def test_an_ini_file_that_pastedeploy_would_not_read_says_why(text, why, place, check):
    """Latin-1, and a mark at its beginning."""
    pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    (place / "site.ini").write_bytes(text)
    status, lines = check("site.ini")
    assert (status, lines[1].startswith("  because: " + why)) == (2, True), lines


def test_control_characters_do_not_reach_the_terminal(place, check):
    """A file cannot colour, erase or forge lines through what is quoted from it."""
    (place / "site.ini").write_text("[server:main]\nuse = egg:\x1b[2Jwaitress\x07\n")
    text = "\n".join(check("site.ini")[1])
    assert "\x1b" not in text and "\x07" not in text


@pytest.mark.parametrize("command", [
    "$KEY a", "/bin/sh -c '$KEY a; b'", "/bin/sh $KEY", "/usr/bin/gunicorn -c $KEY a", "/usr/bin/gunicorn a",
    "/usr/bin/gunicorn -${KEY} a", "/usr/bin/uwsgi $KEY.ini", "/usr/bin/waitress-serve a $KEY", "/usr/bin/pserve $KEY",
    "/usr/bin/uvicorn --interface $KEY a", "/usr/bin/hypercorn wsgi:$KEY", "/usr/bin/granian a",
    "/usr/bin/functions-framework --target a", "/usr/bin/python -m $KEY", "/usr/bin/env -S \"$KEY a\"",
    "/bin/sh -c '$LONG; b'",
])
def test_no_value_of_a_file_of_variables_is_printed(command, place, check):
    """Whatever a message quotes: the name of the variable stands in its place."""
    (place / "site.env").write_text("KEY=hunter2\nTHREADS=hunter2\nGRANIAN_INTERFACE=hunter2\nLONG=%s\n"
                                    "GUNICORN_CMD_ARGS=-k hunter2\n" % ("hunter2" * 20))
    (place / "site.service").write_text("[Service]\nWorkingDirectory=%s\nEnvironmentFile=%s/site.env\n"
                                        "ExecStart=%s\n" % (place, place, command))
    lines = check("site.service")[1]
    assert lines and "hunter" not in "".join(lines)


def test_a_name_cannot_forge_a_line(place, check):
    """A line end in a file's name comes out escaped."""
    (place / "a\nb.ini").write_text("[uwsgi]\nthreads = 1\n")
    status, lines = check("a\nb.ini")
    assert (status, len(lines), lines[0][:18]) == (0, 1, "a\\nb.ini:2: TG100 ")


class TestGunicornConfIsCode:
    """A gunicorn.conf.py that gunicorn executes may do what it likes."""

    @pytest.fixture(autouse=True)
    def gunicorn(self):
        """The real one."""
        pytest.importorskip("gunicorn", reason="gunicorn is not installed")

    @pytest.mark.parametrize("code, why", [
        pytest.param("raise ValueError('no')", "ValueError: no (it exited with status 1)", id="raises"),
        pytest.param("import sys; sys.exit('bye')", "bye (it exited with status 1)", id="exits with a text"),
        pytest.param("import sys; sys.exit(0)", "it exited with status 0", id="exits with success"),
        pytest.param("import os; os._exit(0)", "it exited with status 0", id="ends at once"),
        pytest.param("import os; os._exit(7)", "it exited with status 7", id="ends at once with a status"),
        pytest.param("import os; os.kill(os.getpid(), 9)", "it was ended by signal 9", id="is killed"),
        pytest.param("threads = 'four'", None, id="sets a value of the wrong type"),
        pytest.param("def f(): f()\nf()", None, id="never ends a recursion"),
        pytest.param("threads = (", None, id="is no Python"),
        pytest.param("threads = int(input())", "EOFError: EOF when reading a line (it exited with status 1)",
                     id="asks for a number"),
        pytest.param("import sys; threads = int(sys.stdin.read())", None, id="reads its input to the end"),
        pytest.param("import os; os.close(0); os.close(1); os.close(2); raise SystemExit", None,
                     id="closes everything"),
        pytest.param("import os; os.killpg(0, 9)", "it was ended by signal 9", id="kills its group"),
    ])
    def test_one_that_gunicorn_would_not_start_with_is_unreadable(self, code, why, place, check):
        """The last words of gunicorn say why."""
        (place / "gunicorn.conf.py").write_text(code + "\n")
        status, lines = check("--exec", "gunicorn.conf.py")
        assert (status, len(headlines(lines))) == (2, 1)
        if why is not None:
            assert lines[1] == "  because: gunicorn does not start with it: " + why

    @pytest.mark.parametrize("code", [
        pytest.param("print('{\"values\": 1}' * 100000)", id="prints"),
        pytest.param("import sys; sys.stderr.write('x' * 1000000)", id="writes a megabyte of errors"),
        pytest.param("import os; os.fork()", id="forks"),
        pytest.param("import os, time\nif not os.fork():\n    threads = 1\n    time.sleep(600)", id="forks and waits"),
        pytest.param("import threading, time; threading.Thread(target=time.sleep, args=(600,)).start()",
                     id="leaves a thread running"),
        pytest.param("import atexit, time; atexit.register(time.sleep, 600)", id="waits at its end"),
        pytest.param("import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)", id="ignores signals"),
        pytest.param("import sys; sys.stdin.read()", id="reads its empty input"),
        pytest.param("import os; os.chdir('/')", id="goes elsewhere"),
    ])
    def test_what_else_it_does_has_no_say(self, code, place, check):
        """The settings of the process that gunicorn began are read, and nothing is waited for."""
        (place / "gunicorn.conf.py").write_text("threads = 3\n%s\n" % code)
        status, lines = check("--exec", "gunicorn.conf.py")
        assert (status, lines[0].partition(" ")[2]) == (
            1, "TG101 gunicorn's gthread worker lets 3 requests at once into each process")

    def test_one_that_never_ends_cannot_be_told(self, place, check, monkeypatch):
        """After some seconds nobody waits any longer, and it is ended."""
        (place / "pid").touch()
        (place / "gunicorn.conf.py").write_text("import os\nwith open('pid', 'w') as it: it.write(str(os.getpid()))\n"
                                                "while True: print('x' * 1000)\n")
        for seconds in (1.0, 4.0, 15.0):  # a busy machine may need longer to begin with it
            monkeypatch.setattr(execute, "SECONDS", seconds)
            assert check("--exec", "gunicorn.conf.py")[0] == 3
            if (place / "pid").read_text():
                break
        with pytest.raises(ProcessLookupError):
            os.kill(int((place / "pid").read_text()), 0)

    def test_what_it_leaves_running_is_ended(self, place, check):
        """A child that it starts does not outlive the check, nor does it hold the answer back."""
        (place / "gunicorn.conf.py").write_text(
            "import subprocess\nheld = open('held', 'wb')\n"
            "subprocess.Popen(['sleep', '600'], stdout=held, close_fds=False)\nthreads = 2\n")
        os.mkfifo("held")
        held = os.open("held", os.O_RDONLY | os.O_NONBLOCK)
        try:
            assert check("--exec", "gunicorn.conf.py")[0] == 1
            readable, _, _ = select.select([held], [], [], SECONDS)
            assert readable and os.read(held, 1) == b""  # nobody has it open any more
        finally:
            os.close(held)

    def test_what_escapes_does_not_hold_the_answer_back(self, place, check):
        """A child in a session of its own outlives the check, with the pipe that the answer came through."""
        (place / "gunicorn.conf.py").write_text(
            "import subprocess\nchild = subprocess.Popen(['sleep', '600'], close_fds=False, start_new_session=True)\n"
            "open('pid', 'w').write(str(child.pid))\nthreads = 2\n")
        try:
            assert check("--exec", "gunicorn.conf.py")[0] == 1
        finally:
            os.kill(int((place / "pid").read_text()), signal.SIGKILL)

    def test_a_spoilt_answer_is_no_answer(self, place, check):
        """It may write to any descriptor that it finds."""
        (place / "gunicorn.conf.py").write_text(
            "import os\nfor number in range(3, 64):\n    try:\n        os.write(number, b'garbage')\n"
            "    except OSError:\n        pass\n")
        status, lines = check("--exec", "gunicorn.conf.py")
        assert (status, lines[1][:59]) == (2, "  because: gunicorn's configuration spoilt the answer: b'ga")

    def test_check_says_that_it_executes_it(self, place, capsys):
        """On stderr, naming the file and the way out; nothing is said where nothing is executed."""
        (place / "gunicorn.conf.py").write_text("open('ran', 'w').close()\n")
        cli.main(["check", "gunicorn.conf.py"])
        assert capsys.readouterr().err == ""
        assert not (place / "ran").exists()
        cli.main(["check", "--exec", "gunicorn.conf.py"])
        assert capsys.readouterr().err == (
            "threadguard: gunicorn reads gunicorn.conf.py, which executes it, as --exec asks\n")
        assert (place / "ran").exists()


@pytest.mark.parametrize("code", [
    pytest.param("(" * 5000, id="brackets"),
    pytest.param("threads = " + "-" * 20000 + "1", id="signs"),
    pytest.param("threads = " + "+".join(["1"] * 5000), id="a sum"),
    pytest.param("x = " + "[" * 80 + "]" * 80 + "\n" + "if 1:\n" * 3, id="half a block"),
])
def test_deep_python_breaks_no_reader(code, place, check):
    """What the parser of Python itself gives up on is unreadable or unknown."""
    (place / "gunicorn.conf.py").write_text(code + "\n")
    assert check("gunicorn.conf.py")[0] in (2, 3)


@pytest.mark.parametrize("name, text", [
    pytest.param("uwsgi.json", "[" * 200000, id="JSON"),
    pytest.param("uwsgi.json", '{"uwsgi": ' * 100000, id="JSON objects"),
    pytest.param("uwsgi.json", '{"uwsgi": [1, 2]}', id="a list for an object"),
    pytest.param("unit.json", '{"applications": {"a": {"type": "python", "threads": 1e999}}}', id="infinity"),
    pytest.param("uwsgi.xml", "<uwsgi>" * 100000, id="XML"),
    pytest.param("uwsgi.xml", '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa">' + "".join(
        '<!ENTITY b%d "%s">' % (number, "&a;" * 10) for number in range(10))
        + "]><uwsgi><threads>&b9;</threads></uwsgi>", id="XML entities"),
    pytest.param("uwsgi.xml", '<!DOCTYPE x SYSTEM "file:///etc/passwd"><uwsgi>', id="half an XML"),
    pytest.param("site.conf", "<VirtualHost *>\n" * 50000, id="Apache's sections"),
    pytest.param("site.conf", "Include *\nWSGIScriptAlias / /a\n", id="a file that includes its directory"),
    pytest.param("supervisord.conf", "[program:a]\ncommand" + " " * 400000 + "x\n", id="blanks before no sign"),
    pytest.param("supervisord.conf", "[program:a]\ncommand = uwsgi\n" + " a\n" * 100000, id="lines of a value"),
    pytest.param("site.service", "[Service]\nExecStart=" + "\\\n" * 100000 + "uwsgi 'x\n", id="continued lines"),
    pytest.param("site.conf", "Define A %s\n" % ("a" * 60000) + "X ${A}\n" * 49000, id="a long variable of Apache's"),
    pytest.param("site.conf", "Define A0 %s\n" % ("x" * 16) + "".join(
        'Define A%d "${A%d}${A%d}"\n' % (number + 1, number, number) for number in range(32)), id="twice as long"),
    pytest.param("Dockerfile", "FROM a\nENV A=%s\nCMD uwsgi %s" % ("a" * 60000, "$A " * 15000), id="a long variable"),
    pytest.param("Dockerfile", "FROM a\nENV A=%s\n" % ("a" * 2000) + "ENV %s\n" % " ".join(
        "b%d=$A" % number for number in range(900)) * 50, id="many variables of one"),
    pytest.param("Procfile", "web: uwsgi %s\n" % ("a" * 1000000), id="a command of a megabyte"),
    pytest.param("Procfile", "".join("p%d: uwsgi\n" % number for number in range(100000)), id="many processes"),
    pytest.param("Procfile", "web: " + "uwsgi;" * 10000 + "\n", id="many commands"),
    pytest.param("Procfile", "web: " + "env " * 10000 + "uwsgi\n", id="many wrappers"),
    pytest.param("site.ini", "".join("[server:s%d]\nuse = egg:waitress\n" % number for number in range(20000)),
                 id="many servers"),
    pytest.param("site.ini", "[server:main]\nuse = egg:waitress\nthreads = %(threads)s\n", id="a value of itself"),
    pytest.param("site.ini", "[server:main]\nuse = egg:waitress\n[server:main]\nuse = egg:waitress\n", id="twice"),
    pytest.param("site.ini", "[server:main\nuse = egg:waitress\n[app:x]\n", id="half a header"),
    pytest.param("site.ini", "[server:main]\n= 4\nuse\n", id="no options"),
])
def test_a_file_that_blows_up_is_unreadable_or_unknown(name, text, place, check):
    """In no time, and without taking the memory that it asks for."""
    if name.endswith(".ini"):
        pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    (place / name).write_text(text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status, lines = check(name)
    assert status in (2, 3)
    assert len(headlines(lines)) == 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 * 1024


def test_filters_of_filters_do_not_last(place, check):
    """PasteDeploy follows each use again: twice as many for each section more."""
    pytest.importorskip("paste.deploy", reason="PasteDeploy is not installed")
    (place / "site.ini").write_text("[app:main]\nuse = egg:x\nfilter-with = f0\n" + "".join(
        "[filter:f%d]\nuse = f%d\nfilter-with = f%d\n" % (number, number + 1, number + 1) for number in range(40))
        + "[filter:f40]\nuse = egg:x\n")
    status, lines = check("site.ini")
    assert status == 2 and "are more than 300" in "".join(lines)


def test_files_of_files_do_not_last(place, check):
    """Each of these would be read as often as ways lead to it."""
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    for number in range(10):
        (place / ("compose%d.yaml" % number)).write_text(
            "include: [%s]\nservices: {a: {image: b}}\n" % ", ".join(["compose%d.yaml" % (number + 1)] * 9))
    status, lines = check("compose0.yaml")
    assert status == 2 and len(lines) < 10


@pytest.mark.parametrize("text", [
    pytest.param("a: &a [x]\n" + "".join("%s: &%s [%s]\n" % (
        chr(98 + number), chr(98 + number), ", ".join(["*" + chr(97 + number)] * 9)) for number in range(20))
        + "uwsgi:\n  threads: *u\n", id="aliases of aliases"),
    pytest.param("uwsgi: &a\n  <<: *a\n  threads: 4x: 5\n", id="half a mapping"),
    pytest.param("uwsgi: " + "[" * 20000, id="brackets"),
    pytest.param("uwsgi:\n" + "  a: 1\n" * 200000, id="more than a megabyte"),
])
def test_yaml_that_blows_up_is_unreadable_or_harmless(text, place, check):
    """Aliases are not multiplied out, and what is too long for PyYAML is not given to it."""
    pytest.importorskip("yaml", reason="PyYAML is not installed")
    (place / "uwsgi.yaml").write_text(text)
    assert check("uwsgi.yaml")[0] in (0, 2, 3)


def test_yaml_without_pyyaml_cannot_be_told(place, check, monkeypatch):
    """There is no second parser for it."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    (place / "uwsgi.yaml").write_text("uwsgi:\n  threads: 4\n")
    assert check("uwsgi.yaml")[0] == 3


@pytest.mark.parametrize("lines, status", [
    ("use = egg:waitress\nthreads = 1", 0), ("use = egg:waitress#main\nthreads = 4", 1),
    ("use = egg:waitress\nthreads = %(n)s", 3), ("use = config:other.ini", 3),
    ("get threads = n\nuse = egg:waitress", 3),
])
def test_without_pastedeploy_a_plain_section_is_read_and_no_other(lines, status, place, check, monkeypatch):
    """What PasteDeploy would resolve cannot be told without it."""
    monkeypatch.setitem(sys.modules, "paste.deploy", None)
    (place / "site.ini").write_text("[server:main]\n%s\n" % lines)
    assert check("site.ini")[0] == status


def test_without_pastedeploy_an_option_of_default_is_dropped_too(place, check, monkeypatch):
    """As PasteDeploy drops it: the server is left with its own default."""
    monkeypatch.setitem(sys.modules, "paste.deploy", None)
    (place / "site.ini").write_text("[DEFAULT]\nthreads = 1\n[server:main]\nuse = egg:waitress\nthreads = 1\n")
    assert check("site.ini")[0] == 1


def test_a_reader_that_fails_is_a_finding(place, check, monkeypatch):
    """A mistake of threadguard's own is told as such, and counts as not known."""
    def fail(text, command):
        raise ZeroDivisionError("a mistake")
    monkeypatch.setattr(check_package, "_read", fail)
    (place / "gunicorn.conf.py").write_text("threads = 1\n")
    assert check("gunicorn.conf.py") == (3, [
        "TG402 the check of gunicorn.conf.py failed", "  because: ZeroDivisionError: a mistake",
        "  remedy:  please report it"])
