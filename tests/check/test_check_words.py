"""Command lines taken apart: one plain command, variables, wrappers, options, and the assignments of a Python file."""

import sys

import pytest

from threadguard.check import command_lines, gunicorn, words
from threadguard.check.model import Command
from threadguard.check.source import CannotTell, Source, Tree, Unreadable
from threadguard.check.words import ASSUMED, Environment, Word, shown

OPEN = Environment({"A": Word.of("1"), "EMPTY": Word.of(""), "TWO": Word.of("a b")}, ASSUMED, "the platform")
CLOSED = Environment(OPEN.variables)


def unwrapped(text, **more):
    """The command that *text*, split as a shell splits, starts in the end."""
    return command_lines.unwrap(Command(tuple(map(Word.of, words.split(text))), **more))


@pytest.mark.parametrize("text, expected", [
    ("a b", ["a", "b"]), ("a 'b c' \"d\"", ["a", "b c", "d"]), ("a \\\n b", ["a", "b"]), ("  a\tb ", ["a", "b"]),
    ("a --n $(nproc --all) `b c` ${X:-y z}", ["a", "--n", "$(nproc --all)", "`b c`", "${X:-y z}"]),
    ("a '; no' \"&& no\" \\; x", ["a", "; no", "&& no", ";", "x"]), ("a # b", ["a"]), ("a#b", ["a#b"]), ("", []),
    ("a '' b", ["a", "", "b"]), ("a$A'b'\"c\"", ["a1bc"]), ("a '$A' \\$A \"\\$A\"", ["a", "$A", "$A", "$A"]),
    ("a $TWO", ["a", "a", "b"]), ("a \"$TWO\"", ["a", "a b"]), ("a $EMPTY b", ["a", "b"]), ("a \"$EMPTY\"", ["a", ""]),
])
def test_one_plain_command_is_taken_apart(text, expected):
    """Quotation marks, variables that are known, substitutions that stay whole."""
    assert [shown(word) for word in words.plain(text, OPEN)] == expected


@pytest.mark.parametrize("text", ["a; b", "a && b", "a || b", "a | b", "a & b", "a\nb", "(a)", "a > log", "a $((1))"])
def test_a_script_for_a_shell_is_not_interpreted(text):
    """More than one command, or a redirection: the command that it ends in is to be named."""
    with pytest.raises(CannotTell, match="is a script for a shell"):
        words.plain(text, CLOSED)


def test_a_quote_that_is_not_closed_is_no_command():
    """A shell would ask for more."""
    with pytest.raises(Unreadable, match="a quotation mark is not closed"):
        words.plain("a 'b", CLOSED)


@pytest.mark.parametrize("word, known, complete", [
    ("$A-$B", "1-?$B", "1-"), ("${A}", "1", "1"), ("${B:-2}", "?${B:-2}", "2"), ("${A:-2}", "1", "1"),
    ("${EMPTY:-2}", "2", "2"), ("${EMPTY-2}", "", ""), ("${A:+x}", "x", "x"), ("${B+x}", "?${B+x}", ""),
    ("$(A)", "?$(A)", "?$(A)"), ("100$", "100$", "100$"), ("$1$@${2:-3}", "?$1?$@?${2:-3}", "?$1?$@?${2:-3}"),
])
def test_variables_are_filled_in_as_far_as_they_are_known(word, known, complete):
    """Of one that is not among them nothing is known, unless they are all there are. A mark stands before the rest."""
    assert [str(words.expand(word, each)).replace(words.MARK, "?") for each in (OPEN, CLOSED)] == [known, complete]


def test_a_value_of_a_file_of_variables_is_quoted_as_it_is_written():
    """The word remembers the variable."""
    environment = CLOSED.having({"PASSWORD": "hunter2"})
    word, = words.plain("--threads=$PASSWORD", environment)
    assert (str(word), word.written) == ("--threads=hunter2", "--threads=$PASSWORD")
    given = words.parse([word], "--threads").last("--threads")
    assert (str(given), given.written) == ("hunter2", "--threads=$PASSWORD")


@pytest.mark.parametrize("text, expected", [
    ("A=1 B=2 gunicorn x", "gunicorn x"), ("env A=1 gunicorn", "gunicorn"), ("env -i gunicorn", "gunicorn"),
    ("env -S 'A=1 gunicorn x' y", "gunicorn x y"), ("env '-iSgunicorn x' y", "gunicorn x y"),
    ("env '--split-string=gunicorn x' y", "gunicorn x y"), ("env -- gunicorn", "gunicorn"),
    ("env -vu A -uB --unset C --unset=D -a x gunicorn", "gunicorn"), ("uv run -m gunicorn", "gunicorn"),
    ("python -Im gunicorn", "gunicorn"), ("python -Xdev gunicorn", "gunicorn"), ("exec -a name gunicorn", "gunicorn"),
    ("nohup nice -n 3 ionice -c2 gunicorn", "gunicorn"), ("timeout 5 gunicorn", "gunicorn"),
    ("python3.12 -m gunicorn x", "gunicorn x"), ("pypy3 -u gunicorn", "gunicorn"),
    ("python -W error -mgunicorn x", "gunicorn x"), ("conda run --no-capture-output -n site gunicorn x", "gunicorn x"),
    ("poetry run gunicorn", "gunicorn"), ("poetry install", "poetry install"), ("uv run -p 3.12 gunicorn", "gunicorn"),
    ("hatch run gunicorn", "gunicorn"), ("s6-setuidgid app gunicorn", "gunicorn"), ("su-exec app gunicorn", "gunicorn"),
    ("dumb-init --rewrite 15:3 -- gunicorn -k sync", "gunicorn -k sync"), ("tini -g -- gunicorn", "gunicorn"),
    ("newrelic-admin run-program gunicorn", "gunicorn"), ("ddtrace-run python -m gunicorn", "gunicorn"),
    ("opentelemetry-instrument --service_name x gunicorn", "gunicorn"), ("python -c 'x'", "python -c x"),
    ("sh -c \"env X=1 sh -c 'gunicorn y'\"", "gunicorn y"), ("chpst -u www:www gunicorn", "gunicorn"), ("", ""),
    ("bash -lc 'exec gunicorn y'", "gunicorn y"), ("unknown gunicorn", "unknown gunicorn"),
    ("dockerize -wait tcp://db:5432 -timeout 5s gunicorn", "gunicorn"), ("authbind --deep gunicorn", "gunicorn"),
])
def test_wrappers_are_looked_through(text, expected):
    """What the command starts in the end is left; a wrapper that is not known stays."""
    assert " ".join(unwrapped(text).words) == expected


@pytest.mark.parametrize("text, why", [
    ("sh script.sh", "is a script for a shell"), ("sh -c 'a; b'", "is a script for a shell"),
    ("bash", "reads its commands from elsewhere"), ("uv run --env-file .env gunicorn", "may set any variable"),
    ("uv run --env-file=.env gunicorn", "may set any variable"), ("chpst -e /etc/env gunicorn", "may set any variable"),
    ("with-contenv gunicorn", "may set any variable"), ("envdir env gunicorn", "may set any variable"),
    ("doppler run -- gunicorn", "may set any variable"), (" ".join(["nohup"] * 100), "more than 20 wrappers"),
])
def test_a_wrapper_that_may_do_anything_cannot_be_told(text, why):
    """A script, and what sets variables that are not here."""
    with pytest.raises(CannotTell, match=why):
        unwrapped(text)


@pytest.mark.parametrize("text", [
    "env -C site", "env -Csite", "env --chdir=site", "env --chdir site", "poetry -C site run", "sudo -u www -D site",
    "poetry run --directory=site", "uv --directory site run", "uv run --directory=site"])
def test_wrappers_go_to_a_directory(text):
    """Relative names of files start there, however the option is written."""
    found = unwrapped(text + " gunicorn", directory="/srv")
    assert (found.words, found.directory) == (("gunicorn",), "/srv/site")


@pytest.mark.parametrize("text", [
    "env -uA", "env -u A", "env --unset=A", "env --unset A", "env -i", "env -", "env -vi", "sudo -u www"])
def test_wrappers_take_variables_away(text):
    """They are not set for what it starts."""
    found = unwrapped(text + " gunicorn", environment=Environment({"A": Word.of("1")}))
    assert (found.words, dict(found.environment.variables)) == (("gunicorn",), {})


def test_pipenv_reads_variables_of_its_own(tmp_path):
    """A .env beside the Pipfile."""
    assert unwrapped("pipenv run uwsgi", directory=str(tmp_path)).words == ("uwsgi",)
    (tmp_path / ".env").write_text("UWSGI_THREADS=4\n")
    with pytest.raises(CannotTell, match="pipenv run reads .env, which may set any variable"):
        unwrapped("pipenv run uwsgi", directory=str(tmp_path))


VALUES, FLAGS = "-k,--worker-class --threads -b,--bind", "-D,--daemon --preload"


@pytest.mark.parametrize("text, options, rest", [
    ("--threads 4 app", {"--threads": ["4"]}, ["app"]), ("--threads=4 --threads 5", {"--threads": ["4", "5"]}, []),
    ("-k gevent -kgthread", {"--worker-class": ["gevent", "gthread"]}, []),
    ("-Dk gevent app", {"--daemon": [""], "--worker-class": ["gevent"]}, ["app"]),
    ("--preload app -- --threads", {"--preload": [""]}, ["app", "--threads"]),
    ("--other value app", {}, ["app"]), ("--other=value app", {}, ["app"]),
    ("-b ?$BIND app", {"--bind": ["?$BIND"]}, ["app"]), ("-", {}, ["-"]),
])
def test_arguments_are_taken_apart_by_a_table(text, options, rest):
    """Known options are collected by their long form; an unknown one takes a word that looks like a value."""
    given = words.parse(text.replace("?", words.MARK).split(), VALUES, FLAGS)
    found = {name: [each.replace(words.MARK, "?") for each in values] for name, values in given.options.items()}
    assert found == options
    assert given.words == rest


@pytest.mark.parametrize("text, why", [
    ("--thr 4", "--thr may be short for --threads"), ("?$OPTIONS app", r"\$OPTIONS may stand for any options"),
    ("--other ?$OPTIONS", r"\$OPTIONS may stand for any options"), ("-xk gevent", "-xk may be several options in one"),
])
def test_arguments_that_may_mean_anything_cannot_be_told(text, why):
    """An abbreviation, a variable, options in one word: none is guessed."""
    with pytest.raises(CannotTell, match=why):
        words.parse(text.replace("?", words.MARK).split(), VALUES, FLAGS)


def test_an_option_without_its_value_is_wrong():
    """The server would refuse it too."""
    with pytest.raises(Unreadable, match="--threads has no value"):
        words.parse(["--threads"], VALUES, FLAGS)


@pytest.mark.parametrize("code, expected", [
    ("threads = 4", 4), ("threads: int = 4", 4), ("threads = '0x4'", 4), ("threads = -1", -1),
    ("'''a text'''\nimport os\nworkers = os.cpu_count()\nthreads = 4\ndef f(server):\n    other = 1", 4),
    ("a.b = {}\na['x'] = 1\nthreads = 4", 4), ("print(threads)\nthreads = 4", 4),
])
def test_plain_assignments_are_known(code, expected):
    """One, at the top level, of a literal, and the line as it is written."""
    found = gunicorn.Literals(Source("conf.py", code)).get("threads")
    assert (found.value, found.written) == (expected, code.split("\n")[found.line - 1])


def test_a_file_that_sets_nothing_gives_nothing():
    """gunicorn's default counts."""
    assert gunicorn.Literals(Source("conf.py", "workers = 4")).get("threads") is None


@pytest.mark.parametrize("code, line", [
    ("threads = cpus()", 1), ("threads = 1\nthreads += 3", 2), ("threads = 1\nthreads = 2", 2),
    ("if x:\n    threads = 4", 2), ("for threads in range(4): pass", 1), ("from conf import threads", 1),
    ("import threads", 1), ("del threads", 1), ("threads, x = 4, 5", 1), ("a = threads = 3", 1),
    ("def f():\n    global threads\n    threads = 4", 2), ("with open(x) as threads: pass", 1),
    ("\nfrom base import *", 2), ("\n\nexec(text)", 3), ("globals()['threads'] = 4", 1), ("def threads(): pass", 1),
    ("x = 1\nsys.modules[__name__].threads = 4", 2), ("names['threads'] = 4", 1), ("f.__globals__[key] = 4", 1),
    ("try: pass\nexcept E as threads: pass", 2), ("[0 for threads in x]", 1), ("m.threads, x = 4, 5", 1),
    ("if (threads := 4): pass", 1), ("class A:\n    threads = 1", 2), ("threads = f'{4}'", 1),
    ("def when_ready(server):\n    server.cfg.set('threads', 8)", 2), ("x.update(threads=4)", 1),
    ("from builtins import exec as run", 1), ("def f(threads=4): pass", 1), ("lambda: setattr(m, name, 1)", 1),
])
def test_anything_else_cannot_be_told(code, line):
    """Expressions, conditions, loops, imports, hooks, and what can set any name; the finding names the line."""
    with pytest.raises(CannotTell) as caught:
        gunicorn.Literals(Source("conf.py", code)).get("threads")
    assert (caught.value.file, caught.value.line) == ("conf.py", line)


@pytest.mark.parametrize("code", ["if x: workers = 4", "site_setup.apply(__name__)", "for a in b: pass", "assert x"])
def test_a_statement_that_names_no_setting_is_a_doubt(code):
    """It may do anything, so that no proof of one thread is left; four threads stay four."""
    literals = gunicorn.Literals(Source("conf.py", code + "\nthreads = 4"))
    assert literals.get("threads").value == 4
    assert [doubt.line for doubt in literals.doubts] == [1]


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.10 brought match")
def test_a_pattern_sets_a_name_too():
    """``case threads`` binds it."""
    with pytest.raises(CannotTell):
        gunicorn.Literals(Source("conf.py", "match x:\n    case threads: pass")).get("threads")


def test_nothing_outside_of_the_tree_is_read(tmp_path):
    """Neither by ``..``, nor by a symbolic link, nor by an absolute name; a file that is not here is no broken one."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "secret.ini").write_text("[uwsgi]\n")
    (tmp_path / "tree" / "link.ini").symlink_to(tmp_path / "secret.ini")
    tree = Tree((str(tmp_path / "tree"),))
    for name in ("tree/link.ini", "tree/../secret.ini", "secret.ini", "tree/missing.ini"):
        with pytest.raises(CannotTell, match="outside of the directory that is checked|is not here"):
            tree.read(str(tmp_path / name))
    assert tree.matching(str(tmp_path / "*" / "*.ini")) == tree.matching(str(tmp_path / "tree" / "l*")) == []
