"""Whatever stands in a file, no check of it takes longer than two seconds of the processor, or 200 MiB."""

import os
import resource
import time

import pytest

hypothesis = pytest.importorskip("hypothesis", reason="hypothesis is not installed")
st = hypothesis.strategies

from threadguard.check import check_file  # noqa: E402

EXAMPLES = int(os.environ.get("EXAMPLES", "25"))
SECONDS, MIB = 2.0, 200
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
    "a:\n"])
COUNTS = st.sampled_from([1, 1, 1, 2, 7, 40, 700, 9000, 120000])


@pytest.mark.parametrize("name", sorted(BEGINNINGS))
def test_no_file_takes_longer_or_more(name, tmp_path):
    """Bits of each format, repeated up to a hundred thousand times, below a beginning that makes it one."""
    path = tmp_path / name

    @hypothesis.settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES == 25)
    @hypothesis.given(st.lists(st.tuples(BITS | st.text(max_size=8), COUNTS), min_size=1, max_size=8))
    def check(parts):
        text = BEGINNINGS[name] + "".join(bit * count for bit, count in parts)
        path.write_bytes(text[:500000].encode("utf-8", "replace"))
        before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        checked = check_file(str(path))
        seconds = time.process_time() - begun
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        assert seconds < SECONDS and grown < MIB, (seconds, grown)
        assert checked.findings and "TG402" not in [finding.code for finding in checked.findings]
    check()
