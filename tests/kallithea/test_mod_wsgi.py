"""Kallithea with the guard under Apache: the WSGI script of Kallithea's documentation, judged by mod_wsgi's settings.

The script calls loadapp on the ini file, whose section ``[server:main]`` then serves nobody and must not be looked at.
"""

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from children import Child, the_finding, wrongs
from clients import push_git, push_hg
from conftest import fresh_instance
from documentation import block, moved
from instance import BIN
from programs import free_ports

APACHE = shutil.which("apache2", path=os.environ.get("PATH", "") + ":/usr/sbin")
MODULES = Path("/usr/lib/apache2/modules")
USER = "www-data"

# What Apache's own configuration has; the part that concerns Kallithea is the one of docs/kallithea.md.
SURROUNDINGS = """\
ServerRoot {directory}
ServerName localhost
Listen 127.0.0.1:{port}
PidFile {directory}/apache-{port}.pid
ErrorLog {directory}/error-{port}.log
LoadModule mpm_event_module {modules}/mod_mpm_event.so
LoadModule authz_core_module {modules}/mod_authz_core.so
LoadModule wsgi_module {modules}/mod_wsgi.so
{user}
WSGISocketPrefix {directory}/wsgi
<Directory {directory}>
    Require all granted
</Directory>
"""
DAEMON = "processes=4 threads=1"


@pytest.fixture(scope="module", autouse=True)
def apache(debian_s_python):
    """Skip where Apache or mod_wsgi for this Python is missing."""
    if APACHE is None or not (MODULES / "mod_wsgi.so").exists():
        pytest.skip("Apache with mod_wsgi is not on this machine (Debian: apache2, libapache2-mod-wsgi-py3;"
                    " make setup-servers)")
    built_for = (MODULES / "mod_wsgi.so").resolve().name.rpartition("-")[2]
    if built_for != "%d.%d" % sys.version_info[:2]:
        pytest.skip("mod_wsgi is built for Python %s, Kallithea's environment has %s" % (
            built_for, sys.version.split()[0]))


@pytest.fixture(scope="module")
def instance():
    """An instance of its own: it is given to Apache's user."""
    with fresh_instance() as made:
        yield made


@pytest.fixture(scope="module")
def home():
    """The virtual environment as Apache's user can read it: itself, or a copy."""
    if _reads(BIN.parent):
        yield BIN.parent
        return
    with tempfile.TemporaryDirectory(prefix="threadguard-kallithea-venv-") as directory:
        copy = Path(directory) / "venv"
        shutil.copytree(str(BIN.parent), str(copy), symlinks=True)
        os.chmod(directory, 0o755)
        if not _reads(copy):
            pytest.skip("the user %s cannot run %s: set THREADGUARD_KALLITHEA_PYTHON to one that it can" % (
                USER, os.path.realpath(sys.executable)))
        yield copy


def _reads(home):
    """Whether Apache's user can import Kallithea from the virtual environment *home*."""
    command = [str(home / "bin" / "python"), "-W", "ignore", "-c", "import kallithea"]
    if _apache_user() is not None:
        command = ["setpriv", "--reuid", USER, "--regid", USER, "--clear-groups", *command]
    return subprocess.run(command, cwd="/", stderr=subprocess.DEVNULL, timeout=60).returncode == 0


def _apache_user():
    """The user that Apache changes to: none but root may change."""
    return USER if os.getuid() == 0 else None


def _apache(instance, ini, home, daemon):
    """Apache as the documentation says, with *daemon* as the processes and threads of its WSGIDaemonProcess."""
    directory, [port] = instance.directory, free_ports(1)
    user = "User %s\nGroup %s" % (USER, USER) if _apache_user() else ""
    places = {"/srv/kallithea/venv": str(home), "/srv/kallithea/my.ini": str(ini), "/srv/kallithea": str(directory)}
    (directory / "dispatch.wsgi").write_text(moved(block("python", "loadapp"), places))
    directives = moved(block("apache", "WSGIDaemonProcess"), places)
    assert directives.count(DAEMON) == 1
    configuration = directory / ("apache-%d.conf" % port)
    configuration.write_text(
        SURROUNDINGS.format(directory=directory, port=port, modules=MODULES, user=user)
        + directives.replace(DAEMON, "%s python-path=%s home=%s" % (daemon, directory, directory)))
    _hand_over(directory)
    return Child([str(APACHE), "-f", str(configuration), "-D", "FOREGROUND"], instance.env, directory, port)


def _hand_over(directory):
    """Give *directory* with all that is in it to Apache's user."""
    if _apache_user() is not None:
        record = pwd.getpwnam(USER)
        for name, _, files in os.walk(str(directory)):
            for path in [name, *(os.path.join(name, file) for file in files)]:
                os.chown(path, record.pw_uid, record.pw_gid)


def _log_of(instance, server):
    return instance.directory / ("error-%d.log" % server.port)


def _error_log(instance, server):
    return _log_of(instance, server).read_text("utf-8", "replace")


def _told(log):
    """*log* without what Apache puts before each line of a traceback."""
    return "\n".join(line.rpartition("] ")[2] for line in log.splitlines())


def test_a_single_threaded_daemon_serves(instance, home):
    """`processes=4 threads=1` works: pages, hg and git pushes with their journal; nothing is reported."""
    # threads = 4 of a server that does not serve: gearbox would, and is not what runs here.
    ini = instance.ini("guarded", "[server:main]", "threads=4")
    with _apache(instance, ini, home, DAEMON) as server:
        assert server.answers()[0] == 200, _error_log(instance, server)
        pushed = [push_hg(instance, server), push_git(instance, server)]
    assert [row for row in instance.journal() if row in pushed] == pushed
    assert wrongs(_error_log(instance, server)) == []


@pytest.mark.parametrize("daemon, threads", [
    pytest.param("processes=4", 15, id="processes=4 alone"),
    pytest.param("processes=1 threads=2", 2, id="threads=2"),
])
def test_a_threaded_daemon_is_refused(instance, home, daemon, threads):
    """Every page is an error and Kallithea is not entered, for the 15 threads of a daemon that is told none too."""
    ini = instance.ini("guarded", witness=True)
    with _apache(instance, ini, home, daemon) as server:
        statuses = {server.answers(path)[0] for path in ("/", "/_admin/login", "/r1", "/g1")}
    said = the_finding(_told(_error_log(instance, server)))
    assert said.head == "TG101 mod_wsgi's daemon lets %d requests at once into each process" % threads
    assert "%d thread" % threads in said.because
    assert said.remedy.startswith("WSGIDaemonProcess NAME processes=N threads=1")
    assert (statuses, instance.entered) == ({500}, [])


def test_the_documentation_shows_what_the_log_says_before_any_request(instance, home):
    """The script is loaded when the process starts, so the refusal is in the log before the first request."""
    with _apache(instance, instance.ini("guarded"), home, "processes=1") as server:
        server.says("remedy:", log=_log_of(instance, server))
    assert the_finding(_told(_error_log(instance, server))) == the_finding(block("text", "mod_wsgi"))
