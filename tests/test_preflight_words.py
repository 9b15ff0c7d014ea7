"""Command lines taken apart: shells, variables, wrappers, options, and the assignments of a Python file."""

import sys

import pytest

from threadguard.preflight import arguments, literals, shell, wrappers
from threadguard.preflight.formats.image_paths import Image
from threadguard.preflight.model import CannotTell, Command, Unreadable
from threadguard.preflight.source import Source


@pytest.mark.parametrize("text, expected", [
    ("a b", [["a", "b"]]),
    ("a 'b c' \"d\"", [["a", "b c", "d"]]),
    ("a && b || c; d | e & f", [["a"], ["b"], ["c"], ["d"], ["e"], ["f"]]),
    ("a \\\n b\nc", [["a", "b"], ["c"]]),
    ("a > log 2>&1 < in b >> more", [["a", "b"]]),
    ("a --n 2 >log", [["a", "--n", "2"]]),
    ("a '> no' x", [["a", "> no", "x"]]),
    ("a --n $(nproc --all) `b c` ${X:-y z}", [["a", "--n", "$(nproc --all)", "`b c`", "${X:-y z}"]]),
    ("(a; b)", [["a"], ["b"]]),
    ("", []),
])
def test_a_shell_takes_a_text_apart(text, expected):
    """Into simple commands and their words; redirections go, substitutions stay whole."""
    found = [[shell.expand(word, {}) for word in words] for words, _ in shell.commands(text)]
    assert [words for words in found if words] == expected


def test_a_quote_that_is_not_closed_is_no_command():
    """A shell would ask for more."""
    with pytest.raises(Unreadable, match="No closing quotation"):
        list(shell.commands("a 'b"))


@pytest.mark.parametrize("word, known, complete", [
    ("$A-$B", "1-$B", "1-"), ("${A}", "1", "1"), ("${B:-2}", "${B:-2}", "2"), ("${A:-2}", "1", "1"),
    ("${EMPTY:-2}", "2", "2"), ("${EMPTY-2}", "", ""), ("${A:+x}", "x", "x"), ("${B+x}", "${B+x}", ""),
    ("$(A)", "$(A)", "$(A)"), ("100$", "100$", "100$"), ("$1$@${2:-3}", "$1$@${2:-3}", "$1$@${2:-3}"),
])
def test_variables_are_filled_in_as_far_as_they_are_known(word, known, complete):
    """Of one that is not among them nothing is known, unless they are all there are."""
    env = {"A": "1", "EMPTY": ""}
    assert (shell.expand(word, env), shell.expand(word, env, True)) == (known, complete)


@pytest.mark.parametrize("words, expected", [
    ("A=1 B=2 gunicorn x", "gunicorn x"), ("env A=1 gunicorn", "gunicorn"), ("env -i gunicorn", "gunicorn"),
    ("env -S 'A=1 gunicorn x' y", "gunicorn x y"), ("env '-iSgunicorn x' y", "gunicorn x y"),
    ("env '--split-string=gunicorn x' y", "gunicorn x y"), ("env -- gunicorn", "gunicorn"),
    ("env -vu A -uB --unset C --unset=D -a x gunicorn", "gunicorn"), ("uv run -m gunicorn", "gunicorn"),
    ("python -Im gunicorn", "gunicorn"), ("python -Xdev gunicorn", "gunicorn"), ("exec -a name gunicorn", "gunicorn"),
    ("nohup nice -n 3 ionice -c2 gunicorn", "gunicorn"), ("timeout 5 gunicorn", "gunicorn"),
    ("python3.12 -m gunicorn x", "gunicorn x"), ("pypy3 -u gunicorn", "gunicorn"),
    ("python -W error -mgunicorn x", "gunicorn x"),
    ("poetry run gunicorn", "gunicorn"), ("poetry install", "poetry install"), ("uv run -p 3.12 gunicorn", "gunicorn"),
    ("python -c 'x'", "python -c x"), ("sh script.sh", "sh script.sh"), ("bash -ec 'a; b'", "a|b"),
    ("sh -c \"env X=1 sh -c 'gunicorn y'\"", "gunicorn y"), ("chpst -u www:www gunicorn", "gunicorn"), ("", ""),
])
def test_wrappers_are_looked_through(words, expected):
    """What the command starts in the end is left; a wrapper in a form that is not known stays."""
    found = [" ".join(command.words) for command in wrappers.unwrap(Command(tuple(shell.split(words))))]
    assert "|".join(found) == expected


def test_wrappers_set_the_environment_and_the_directory():
    """env, cd, export and assignments count for what comes after them."""
    text = "export A=1; cd /srv && B=2 env -u A -C site C=3 gunicorn; uwsgi"
    found = list(wrappers.unwrap(Command(("sh", "-c", text))))
    assert [(command.words[0], dict(command.env), command.directory) for command in found] == [
        ("gunicorn", {"B": "2", "C": "3"}, "/srv/site"), ("uwsgi", {"A": "1"}, "/srv")]


@pytest.mark.parametrize("words", [
    "env -C site", "env -Csite", "env --chdir=site", "env --chdir site", "poetry -C site run", "sudo -u www -D site",
    "poetry run --directory=site", "uv --directory site run", "uv run --directory=site"])
def test_wrappers_go_to_a_directory(words):
    """Relative names of files start there, however the option is written."""
    found, = wrappers.unwrap(Command(tuple(shell.split(words + " gunicorn")), directory="/srv"))
    assert (found.words, found.directory) == (("gunicorn",), "/srv/site")


@pytest.mark.parametrize("words", [
    "env -uA", "env -u A", "env --unset=A", "env --unset A", "env -i", "env -", "env -vi"])
def test_env_takes_variables_away(words):
    """They are not set for what it starts."""
    found, = wrappers.unwrap(Command(tuple(shell.split(words + " gunicorn")), {"A": "1"}))
    assert (found.words, dict(found.env)) == (("gunicorn",), {})


@pytest.mark.parametrize("words", ["uv run --env-file .env", "uv run --env-file=.env", "chpst -e /etc/site/env"])
def test_a_wrapper_that_reads_variables_from_a_file_cannot_be_told(words):
    """They may hold any option of the server."""
    with pytest.raises(CannotTell, match="may set any variable"):
        list(wrappers.unwrap(Command(tuple(shell.split(words + " gunicorn")))))


@pytest.mark.parametrize("text, expected", [
    (". venv/bin/activate && uwsgi", ". uwsgi"),
    ("source /venv/bin/activate; uwsgi", ". uwsgi"),
    ("if [ $A ]; then uwsgi; else gunicorn; fi", ". [ $A ]|. uwsgi|. gunicorn"),
    ("while true; do uwsgi; done", ". true|. uwsgi"), ("{ ! uwsgi; }", ". uwsgi"),
    ("pushd a && uwsgi", "a uwsgi"), ("cd && uwsgi", "cd uwsgi"), ("cd - && uwsgi", "- uwsgi"),
    ("(cd a && make); uwsgi", "a make|. uwsgi"), ("cd a && make & uwsgi", "a make|. uwsgi"),
    ("[ $A ] && cd a; uwsgi", ". [ $A ]|. or a uwsgi"), ("if true; then cd a; fi; uwsgi", ". true|. or a uwsgi"),
    ("case $A in uwsgi) b ;; a|c) exec $A ;; esac; uwsgi", ". b|. $A|. uwsgi"),
    ("for a in 1 2; do uwsgi; done", ". uwsgi"), ("f() { uwsgi; }; function g { a; }; f", ". uwsgi|. a|. f"),
    ("pserve a.ini#main b # c", ". pserve a.ini#main b"), ("# start\nuwsgi a", ". uwsgi a"),
    ("uwsgi >> \"$LOG\" 2>&1 a", ". uwsgi a"), ("uwsgi $(a $(b c)) $((1 + (2)))", ". uwsgi $(a $(b c)) $((1 + (2)))"),
    ("sh -c 'T=4 uwsgi $T'", ". uwsgi $T"),
])
def test_a_shell_decides_between_commands(text, expected):
    """Each that may run is looked at; a directory that is not known is none of this machine's."""
    found = wrappers.unwrap(Command(("sh", "-c", text)))
    assert "|".join("%s %s" % (each.directory, " ".join(each.words)) for each in found) == expected


@pytest.mark.parametrize("text, expected", [
    ("T=4; uwsgi $T", "4"), ("export T=4; uwsgi $T", "4"), ("declare -x T=4; uwsgi $T", "4"),
    ("export -- T=4; uwsgi $T", "4"), ("T=4; export T; uwsgi $T", "4"), ("T=1; T+=4; uwsgi $T", "14"),
    ("true && T=4 && uwsgi $T", "4"), ("T=4; T=4 || false; uwsgi $T", "4"), ("{ T=4; }; uwsgi $T", "4"),
    ("T=8; (T=1; uwsgi $T)", "1"), ("T=8; (T=1); uwsgi $T", "8"), ("T=8; T=1 & uwsgi $T", "8"),
    ("T=8; [ $A ] && T=1; uwsgi $T", "${T}"), ("T=8; [ $A ] || T=1 && uwsgi $T", "${T}"),
    ("T=8; if [ $A ]; then T=1; else T=2; fi; uwsgi $T", "${T}"), ("T=8; case $A in b) T=1 ;; esac; uwsgi $T", "${T}"),
    ("T=8; a | read T; uwsgi $T", "${T}"), ("T=1; read T < a; uwsgi $T", "${T}"), ("T=1; unset T; uwsgi $T", "$T"),
    ("T=1; for T in 2 3; do uwsgi $T; done", "${T}"), ("T=8; f() { T=1; }; uwsgi $T", "${T}"),
    ("T+=4; uwsgi $T", "${T}4"), (": ${T:=4}; uwsgi $T", "${T}"), ("T='a b'; uwsgi $T", "a|b"),
    ("T='a b'; uwsgi \"$T\"", "a b"), ("T=; uwsgi $T a", "a"), ("T=; uwsgi \"$T\" a", "|a"),
    ("T='a b'; U=$T; uwsgi $U", "a|b"),
    ("T='a b'; export U=$T; uwsgi \"$U\"", "a b"), ("T=\"a $(b c)\"; uwsgi $T", "$T"),
    ("T=1; uwsgi '$T' \\$T", "$T|$T"),
    ("C='uwsgi a'; $C b", "a|b"), ("uwsgi \"$@\" $1", "$@|$1"),
])
def test_a_variable_is_known_if_every_way_sets_it(text, expected):
    """What only one way through a script sets is not known after it; outside of quotes a value is split."""
    found = [each for each in wrappers.unwrap(Command(("sh", "-c", text))) if each.words[0] == "uwsgi"]
    assert ["|".join(each.words[1:]) for each in found] == [expected]


@pytest.mark.parametrize("text", [". ./env.sh && uwsgi", "source .env; exec uwsgi", "eval $(cat .env) && uwsgi",
                                  "export $(grep -v '^#' .env | xargs) && uwsgi", "export $VARS; uwsgi",
                                  "alias uwsgi='uwsgi --threads 4'; uwsgi"])
def test_what_a_shell_sources_cannot_be_told(text):
    """It may set any variable that the server reads."""
    with pytest.raises(CannotTell, match="may set any variable"):
        list(wrappers.unwrap(Command(("sh", "-c", text))))


@pytest.mark.parametrize("text, why", [
    ("T=aaaaaaaaaaaaaaaa; " + "T=$T$T; " * 60 + "uwsgi $T", "longer than 128 KiB"),
    ("T=1 || a; " * 9000, "1000 commands"), ("if " * 40000, "50 blocks"), ("(" * 100, "50 blocks"),
    ("$(" * 60000, "1000 commands|50 blocks"),
])
def test_a_script_that_nobody_means_is_refused(text, why):
    """Within seconds, and with the memory that it takes to write it down."""
    with pytest.raises(Unreadable, match=why):
        list(wrappers.unwrap(Command(("sh", "-c", text))))


def test_pipenv_reads_variables_of_its_own(tmp_path):
    """A .env beside the Pipfile."""
    command = Command(("pipenv", "run", "uwsgi"), directory=str(tmp_path))
    assert [each.words for each in wrappers.unwrap(command)] == [("uwsgi",)]
    (tmp_path / ".env").write_text("UWSGI_THREADS=4\n")
    with pytest.raises(CannotTell, match="pipenv run reads .env, which may set any variable"):
        list(wrappers.unwrap(command))


def test_wrappers_without_end_cannot_be_told():
    """Nobody means a hundred of them."""
    with pytest.raises(CannotTell, match="more than 20 wrappers"):
        list(wrappers.unwrap(Command(("env",) * 100 + ("gunicorn",))))


VALUES, FLAGS = "-k,--worker-class --threads -b,--bind", "-D,--daemon --preload"


@pytest.mark.parametrize("words, options, rest", [
    ("--threads 4 app", {"--threads": ["4"]}, ["app"]), ("--threads=4 --threads 5", {"--threads": ["4", "5"]}, []),
    ("-k gevent -kgthread", {"--worker-class": ["gevent", "gthread"]}, []),
    ("-Dk gevent app", {"--daemon": [""], "--worker-class": ["gevent"]}, ["app"]),
    ("--preload app -- --threads", {"--preload": [""]}, ["app", "--threads"]),
    ("--other value app", {}, ["app"]), ("--other=value app", {}, ["app"]), ("--port $PORT app", {}, ["app"]),
    ("-b $BIND app", {"--bind": ["$BIND"]}, ["app"]), ("-", {}, ["-"]),
])
def test_arguments_are_taken_apart_by_a_table(words, options, rest):
    """Known options are collected by their long form; an unknown one takes a word that looks like a value."""
    given = arguments.parse(words.split(), VALUES, FLAGS)
    assert (given.options, given.words) == (options, rest)


@pytest.mark.parametrize("words, why", [
    ("--thr 4", "--thr may be short for --threads"), ("$OPTIONS app", r"\$OPTIONS may stand for any options"),
    ("--other $OPTIONS", r"\$OPTIONS may stand for any options"), ("-xk gevent", "-xk may be several options in one"),
])
def test_arguments_that_may_mean_anything_cannot_be_told(words, why):
    """An abbreviation, a variable, options in one word: none is guessed."""
    with pytest.raises(CannotTell, match=why):
        arguments.parse(words.split(), VALUES, FLAGS)


def test_an_option_without_its_value_is_wrong():
    """The server would refuse it too."""
    with pytest.raises(Unreadable, match="--threads has no value"):
        arguments.parse(["--threads"], VALUES, FLAGS)


@pytest.mark.parametrize("code, expected", [
    ("threads = 4", 4), ("threads = 1\nthreads = 2", 2), ("a = threads = 3", 3), ("workers = 4", "default"),
    ("threads = -1", -1), ("threads = ['a', 'b']", ["a", "b"]), ("a.b = {}\na['x'] = 1\nthreads = 4", 4),
    ("def f():\n    other = 1\nthreads = 4", 4),
])
def test_plain_assignments_are_known(code, expected):
    """The last one counts."""
    assert literals.Literals(Source("conf.py", code)).get("threads", "default") == expected


@pytest.mark.parametrize("code, line", [
    ("threads = cpus()", 1), ("threads = 1\nthreads += 3", 2), ("if x:\n    threads = 4", 2), ("threads: int = 4", 1),
    ("for threads in range(4): pass", 1), ("from conf import threads", 1), ("import threads", 1), ("del threads", 1),
    ("threads, x = 4, 5", 1), ("def f():\n    global threads\n    threads = 4", 3),
    ("with open(x) as threads: pass", 1),
    ("\nfrom base import *", 2), ("\n\nexec(text)", 3), ("globals()['threads'] = 4", 1), ("def threads(): pass", 1),
    ("x = 1\nsys.modules[__name__].threads = 4", 2), ("names['threads'] = 4", 1), ("f.__globals__[key] = 4", 1),
    ("try: pass\nexcept E as threads: pass", 2), ("[0 for threads in x]", 1), ("m.threads, x = 4, 5", 1),
    ("if (threads := 4): pass", 1), ("class A:\n    threads = 1", 2), ("threads = f'{4}'", 1),
])
def test_anything_else_cannot_be_told(code, line):
    """Expressions, conditions, loops, imports, and what can set any name; the finding names the line."""
    with pytest.raises(CannotTell) as caught:
        literals.Literals(Source("conf.py", code)).get("threads")
    assert (caught.value.file, caught.value.line) == ("conf.py", line)


@pytest.mark.skipif(sys.version_info < (3, 10), reason="Python 3.10 brought match")
def test_a_pattern_sets_a_name_too():
    """``case threads`` binds it."""
    with pytest.raises(CannotTell):
        literals.Literals(Source("conf.py", "match x:\n    case threads: pass")).get("threads")


@pytest.mark.parametrize("word, expected", [
    ("/etc/conf.py", "deploy/conf.py"), ("/srv/other.py", "other.py"), ("/opt/site/app.py", "site/app.py"),
    ("/etc/passwd", "(in the image)/etc/passwd"), ("relative.py", "relative.py"), ("conf.py", "deploy/conf.py"),
    ("/opt/site/none", "(in the image)/opt/site/none"), ("--ini=/etc/conf.py", "--ini=deploy/conf.py"),
    ("-c/etc/conf.py", "-cdeploy/conf.py"), ("file:/etc/conf.py", "file:deploy/conf.py"), ("--x=y", "--x=y"),
    ("/built/app.py", "site/app.py"), ("/site/site", "(in the image)/site/site"),
    ("/opt/../etc/conf.py", "deploy/conf.py"),
])
def test_the_files_of_an_image_are_found_in_its_build_context(word, expected, tmp_path, monkeypatch):
    """By COPY, also from another stage, or below the working directory; all others are no files of this machine."""
    monkeypatch.chdir(tmp_path)
    for name in ("site/app.py", "deploy/conf.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    built = Image(workdir="/work")
    built.copy("site ./out", {})
    image = Image(workdir="/srv")
    for words in ("--chown=1 deploy/conf.py /etc/", "site /opt/site", "site /site", "deploy/conf.py ./",
                  "--from=built /work/out /built", "--from=base /x /etc/passwd"):
        image.copy(words, {"built": built})
    located = image.locate(Command(("program", word), directory="/srv"))
    assert (located.words, located.directory) == (("program", expected), ".")


@pytest.mark.parametrize("copies, directory, expected, is_elsewhere", [
    ([], "/srv", ".", False), ([". ."], "/srv", ".", False), (["src ."], "/srv", "src", False),
    ([". ."], "/srv/src", "src", False), (["src ."], "/other", ".", True), (["missing ."], "/srv", ".", True),
    (["missing* ."], "/srv", ".", False), (["--from=base /srv ."], "/srv", ".", True),
    (["--from=base /bin/x /bin/"], "/srv", ".", False), (["conf ."], "/srv", "conf", False),
    (["conf ./conf"], "/srv", ".", False), (["conf/gunicorn.conf.py ."], "/srv", "conf", False),
    (["src .", "conf/gunicorn.conf.py ."], "/srv", "conf", False),
    (["src/other.py gunicorn.conf.py"], "/srv", ".", True),
])
def test_the_working_directory_of_an_image_is_found_in_its_build_context(copies, directory, expected, is_elsewhere,
                                                                         tmp_path, monkeypatch):
    """Where COPY fills it from; where something else may have filled it, it may hold what is not here."""
    monkeypatch.chdir(tmp_path)
    for name in ("src/other.py", "conf/gunicorn.conf.py"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("")
    image = Image(workdir="/srv")
    for words in copies:
        image.copy(words, {})
    located = image.locate(Command(("program",), directory=directory))
    assert (located.directory, located.is_elsewhere) == (expected, is_elsewhere)
