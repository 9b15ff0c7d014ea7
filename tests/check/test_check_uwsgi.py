"""uWSGI reads its dialect as threadguard does: the real uWSGI is started, and says how many cores it maps."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

from threadguard.check import check_command

TIMEOUT = 120
BASE = {"base.ini": "[uwsgi]\nthreads = 2\n"}
ANSWERS = [
    ("[uwsgi]\nthreads = 4\n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads=4 # x\n", "--ini s.ini", {}),
    ("  [uwsgi]\n  threads  =  4  \n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads = four\n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads\n", "--ini s.ini", {}),
    ("[uwsgi]\nThreads = 4\n", "--ini s.ini", {}),
    ("[uwsgi]\n;threads = 4\n[x]\nthreads = 9\n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads = 4\n[x]\nthreads = 9\n", "--ini s.ini:x", {}),
    ("[uwsgi]\nini = :x\n[x]\nthreads = 9\n", "--ini s.ini", {}),
    ("[uwsgi]\nenable-threads = true\n", "--ini s.ini", {}),
    ("[uwsgi]\ninherit = base.ini\nthreads = 1\n", "--ini s.ini", {}),
    ("[uwsgi]\ninclude = base.ini\nthreads = 1\n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads = 1\nini = %d/base.ini\n", "--ini s.ini", {}),
    ("[uwsgi]\nn = 3\nthreads = %(n)\n", "--ini s.ini", {}),
    ("[uwsgi]\nset-ph = n=3\nthreads = %(n)\n", "--ini s.ini", {}),
    ("[uwsgi]\nset = threads=5\n", "--ini s.ini", {}),
    ("[uwsgi]\nthreads = $(N)\n", "--ini s.ini", {"N": "6"}),
    ("[uwsgi]\nthreads = 4\n", "--ini s.ini --threads 2", {}),
    ("[uwsgi]\nthreads = 4\n", "--threads 2 s.ini", {}),
    ("[uwsgi]\nthreads = 4\n", "s.ini --threads 2", {}),
    ("[uwsgi]\nmaster\n", "--ini s.ini", {"UWSGI_THREADS": "7"}),
    ("[uwsgi]\nthreads = 2\n", "--ini s.ini", {"UWSGI_THREADS": "7"}),
    ("[uwsgi]\nthreads = 2\n", "", {"UWSGI_INI": "s.ini"}),
    ("[uwsgi]\nasync = 5\nthreads = 1\n", "--ini s.ini", {}),
    ("[uwsgi]\nasync = 5\nthreads = 3\n", "--ini s.ini", {}),
    ("[uwsgi]\n", "--ini s.ini -M --threads=3", {}),
    ("[uwsgi]\n", "--ini s.ini -Mp1 --async 4", {}),
]


@pytest.mark.parametrize("text, arguments, variables", ANSWERS)
def test_uwsgi_maps_as_many_cores_as_the_check_says(text, arguments, variables, tmp_path, monkeypatch):
    """Sections, includes, placeholders, variables, and which of several values counts."""
    program = shutil.which("uwsgi")
    if program is None:
        pytest.skip("uwsgi is not installed")
    monkeypatch.chdir(tmp_path)
    for name, content in {"s.ini": text, **BASE}.items():
        (tmp_path / name).write_text(content)
    # Without an application it starts nothing that serves, and ends by itself.
    done = subprocess.run([program, "--socket", "x.sock", "--need-app"] + shlex.split(arguments), timeout=TIMEOUT,
                          env={"PATH": os.environ["PATH"], **variables}, universal_newlines=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    cores = int(re.search(r"for (\d+) cores", done.stdout).group(1))
    (finding,) = check_command(["uwsgi"] + shlex.split(arguments), variables).findings
    said = re.search(r"lets (one|\d+) requests? at", finding.sentence).group(1)
    assert int(said.replace("one", "1")) == cores
