"""`race` on an application that was not made for it: Mercurial's hgweb, with the repositories of the demonstration."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("mercurial")
DEMO = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "examples",
                    "demo_hgweb")
TEST = """
import gc, os, pathlib, sys
sys.path.insert(0, {demo!r})
import repositories

def test_hgweb(threadguard, tmp_path):
    os.environ["DEMO_HGWEB_CONFIG"] = str(repositories.make(tmp_path))
    from site_hgweb import application
    gc.freeze()  # hgweb collects garbage at each request, and pytest has loaded much that is none
    paths = ["/%s/raw-rev/tip" % one.name for one in repositories.REPOSITORIES]
    report = threadguard.race(threadguard(application), *paths, points=8, within=["mercurial.hgweb"])
    print(report)
    assert report.status == 1
    for pair in report.pairs:
        first, = pair.wrong
        file, line, function = first.stack[0]
        assert file.replace(os.sep, "/").endswith("mercurial/hgweb/hgweb_mod_inner.py") and function == "_runwsgi"
        assert "encoding.encoding = " in pathlib.Path(file).read_text().splitlines()[line - 2] + (
            pathlib.Path(file).read_text().splitlines()[line - 3])
        assert first.happened == 10
"""


def test_the_line_behind_the_write_is_found(tmp_path):
    """The first line that goes wrong is that behind hgweb's assignment of ``encoding.encoding``, ten of ten times."""
    (tmp_path / "test_it.py").write_text(TEST.format(demo=DEMO))
    variables = dict(os.environ, HGRCPATH=os.devnull, HGENCODING="utf-8", HGPLAIN="1",
                     PYTHONPATH=os.pathsep.join(sys.path))
    ended = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
                           cwd=str(tmp_path), env=variables, timeout=600, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, universal_newlines=True)
    assert ended.returncode == 0, ended.stdout
