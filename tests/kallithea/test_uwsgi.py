"""Kallithea's uWSGI template, with the guard, under Debian's uWSGI."""

import shutil
import subprocess
import sys

import pytest
from children import the_finding, wrongs
from clients import push_git, push_hg
from documentation import block, commands, moved
from instance import BIN

# The command of docs/kallithea.md.
UWSGI = moved(commands("uWSGI")[1], {"/srv/kallithea/venv": str(BIN.parent), "my.ini": "guarded.ini"}).split()


@pytest.fixture(scope="module", autouse=True)
def uwsgi(debian_s_python):
    """Skip where uWSGI or its plugin for this Python is missing."""
    if shutil.which("uwsgi") is None:
        pytest.skip("uwsgi is not on this machine (Debian: uwsgi-core, uwsgi-plugin-python3; make setup-servers)")
    done = subprocess.run(["uwsgi", "--plugin", "python3", "--python-version"], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, timeout=30)
    version = done.stdout.decode().strip()
    if version.split(".")[:2] != ["%d" % number for number in sys.version_info[:2]]:
        pytest.skip("uWSGI's plugin python3 (Debian: uwsgi-plugin-python3) runs Python %s, and Kallithea's environment"
                    " has %s" % (version or "not at all", sys.version.split()[0]))


def test_kallithea_s_own_template_serves(instance):
    """Processes, a master, enable-threads: single-threaded, so pages and pushes work and nothing is reported."""
    ini = instance.ini("guarded", http_server="uwsgi")
    with instance.serve(ini, *UWSGI) as server:
        assert server.answers()[0] == 200
        pushed = [push_hg(instance, server), push_git(instance, server)]
    assert [row for row in instance.journal() if row in pushed] == pushed
    assert wrongs(server.log) == []


@pytest.mark.parametrize("setting, variable", [
    pytest.param("threads=4", "LANG=C.UTF-8", id="threads = 4 in the ini file"),
    pytest.param("vacuum=true", "UWSGI_THREADS=4", id="UWSGI_THREADS=4"),
])
def test_a_threaded_uwsgi_never_serves(instance, setting, variable):
    """Kallithea's template loads the application in the workers, and uWSGI starts them again and again.

    Each try says what to change; no request is answered, and Kallithea is never entered.
    """
    ini = instance.ini("guarded", "[uwsgi]", setting, http_server="uwsgi", witness=True)
    with instance.serve(ini, "env", variable, *UWSGI) as server:
        server.says("TG101", times=2)
        with pytest.raises(OSError):
            server.get("/", timeout=1)
    assert the_finding(server.log) == the_finding(block("text", "uWSGI lets"))
    assert instance.entered == []


def test_a_threaded_uwsgi_that_loads_in_the_master_ends(instance):
    """Without `lazy` the template's `need-app` ends uWSGI at once, with its status 22."""
    ini = instance.ini("guarded", "[uwsgi]", "threads=4", "lazy=false", http_server="uwsgi", witness=True)
    with instance.serve(ini, *UWSGI) as server:
        assert server.ended() == 22
    assert the_finding(server.log) == the_finding(block("text", "uWSGI lets"))
    assert instance.entered == []
