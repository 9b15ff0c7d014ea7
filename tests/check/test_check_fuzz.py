"""Fuzzing of configuration files: whatever becomes of one, the check ends soon, with a status of its own and a reason.

No file takes longer than two seconds of the processor, or 200 MiB. ``EXAMPLES=10000`` in the environment tries that
many, other ones than usual.
"""

import os
import re
import resource
import shlex
import shutil
import signal

import pytest
from check import command_cases, file_cases, ini_cases

from threadguard import cli

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
st = hypothesis.strategies

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
SECONDS, MIB, DEADLINE = 2, 200, 120
CASES = [case for case in command_cases.CASES + ini_cases.CASES + file_cases.CASES if case.files]
HEADLINE = re.compile(r"(\S.*: |)TG\d{3} \S", re.DOTALL)
ENCODINGS = ("utf-8",) * 10 + ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7")
BEGINNINGS = {
    "site.ini": "[DEFAULT]\nx = 1\n[app:main]\nuse = egg:site\n[server:main]\nuse = egg:waitress\nthreads = ",
    "uwsgi.ini": "[uwsgi]\nthreads = ", "uwsgi.xml": "<uwsgi><threads>", "uwsgi.json": '{"uwsgi": {"threads": ',
    "uwsgi.yaml": "uwsgi:\n  threads: ", "unit.json": '{"applications": {"a": {"type": "python", "threads": ',
    "gunicorn.conf.py": "threads = ", "site.conf": "LoadModule wsgi_module m.so\nWSGIScriptAlias / ",
    "site.service": "[Service]\nExecStart=/usr/bin/uwsgi ", "Procfile": "web: uwsgi ",
    "supervisord.conf": "[program:web]\nenvironment = A=1,\ncommand = uwsgi ",
    "Dockerfile": "FROM a\nENV A=1 B=$A\nCMD uwsgi ", "compose.yaml": "services:\n  a:\n    command: uwsgi ",
    "pod.yaml": "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    args: [uwsgi, ",
    "nginx.conf": "server ",
}
BITS = st.sampled_from([
    "\n", " ", "\t", "\r\n", "=", ":", "[", "]", "{", "}", "(", ")", "<", "</a>", "<a>", ">", '"', "'", "`", "\\",
    "\\\n",
    "$", "$A", "${A}", "${A:-", "$(",
    "$$", "%", "%(x)s", "%(", "%%", "@(", "@A@", "#", ";", "&&", "|", ",", "-", "--a",
    "--threads ", "-k gevent ", "1", "9", "a", "a.", "a=", "A=b ", "env ", "sh -c '", "- ", "? ", "&a ", "*a ",
    "<<: *a\n",
    "\n  ", "if 1:\n ", "lambda:", "not ", "1+", "f(", "[0]", "[server:a]\n", "x = %(x)s%(x)s\n", "Define A ${A}${A}\n",
    "<VirtualHost *>\n", "Include *\n", "WSGIProcessGroup a\n", "WSGIDaemonProcess a\n", "FROM a\n", "ENV A=$A$A\n",
    "RUN <<E\n", "inherit = *\n", "ini = uwsgi.ini\n", "if-env = A\n", "Environment=A=b\n", "EnvironmentFile=*\n", "\0",
    "\ue000", "\x1b[2J", "\u2028", "{{", "{%", "<!ENTITY a 'b'>", "&a;", "1e999", "services:\n", "extends: a\n",
    "a:\n", "\udcff\udcfe", "\ufeff", "1" * 5000, "\ud800", "\u2028١", "(" * 300, "[" * 300, "include = ", "-- ", "|| ",
    '"""'])
COUNTS = st.sampled_from([1, 1, 1, 2, 7, 40, 700, 9000, 120000])
PARTS = st.lists(st.tuples(BITS | st.text(max_size=8), COUNTS), min_size=1, max_size=8).map(
    lambda parts: "".join(bit * count for bit, count in parts)[:500000])


def settings(more):
    """Without a deadline of hypothesis' own, and the same examples each time unless more are asked for."""
    return hypothesis.settings(max_examples=EXAMPLES * more, deadline=None, database=None,
                               derandomize=EXAMPLES == 25, suppress_health_check=list(hypothesis.HealthCheck))


class TooLong(BaseException):
    """Nothing in between takes it for an error of its own."""


def too_long(signum, frame):
    raise TooLong


@pytest.fixture
def check(tmp_path, monkeypatch, capsys):
    """``threadguard check`` of files: it ends in time, with a finding in its one form, and without a traceback."""
    place = tmp_path / "place"
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGPROF, too_long)

    def checked(files, words):
        shutil.rmtree(str(place), ignore_errors=True)
        for name, content in files.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
        monkeypatch.chdir(place)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        signal.alarm(DEADLINE)  # for what only waits
        signal.setitimer(signal.ITIMER_PROF, SECONDS)
        try:
            status = cli.main(["check"] + words)
        except SystemExit as end:
            status = end.code
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.alarm(0)
        said, complained = capsys.readouterr()
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < MIB * 1024
        assert status in (0, 1, 2, 3) and "TG402" not in said and "Traceback" not in complained, (said, complained)
        assert HEADLINE.match(said) or status == 2 and complained, (said, complained)
    return checked


@pytest.mark.parametrize("name", sorted(BEGINNINGS))
def test_no_file_takes_longer_or_more(name, check):
    """Bits of each format, repeated up to a hundred thousand times, below a beginning that makes it one."""
    @settings(1)
    @hypothesis.given(PARTS)
    def one(text):
        check({name: (BEGINNINGS[name] + text)[:500000].encode("utf-8", "surrogatepass")}, [name])
    one()


def test_a_broken_configuration_is_judged_or_called_unreadable(check, monkeypatch):
    """A file of a table with bits, or a part of another one, in the place of some of it, and in any encoding."""
    @settings(12)
    @hypothesis.given(st.sampled_from(CASES), st.data())
    def one(case, data):
        victim = data.draw(st.sampled_from(sorted(case.files)))
        text, other = case.files[victim], data.draw(st.sampled_from(CASES)).files
        at, end = sorted(data.draw(st.tuples(*[st.integers(0, len(text))] * 2)))
        middle = data.draw(PARTS | st.sampled_from(sorted(other.values())) | st.just(text[at:end] * 3000))
        broken = (text[:at] + middle + text[end if data.draw(st.booleans()) else at:])[:600000]
        encoding = data.draw(st.sampled_from(ENCODINGS))
        files = {name: content.encode() for name, content in case.files.items()}
        files[victim] = broken.encode(encoding, "surrogatepass" if encoding == "utf-8" else "replace")
        with monkeypatch.context() as variables:
            for name, value in case.env.items():
                variables.setenv(name, value)
            check(files, shlex.split(case.arguments))
    one()
