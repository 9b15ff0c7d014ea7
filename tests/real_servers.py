"""Real servers for tests: a directory that every user may read, with a guarded site, and a port for each."""

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import webob
from programs import Program, free_ports, program

import threadguard
from threadguard.observe.probe import ENOUGH, Prober

BIN = Path(sys.executable).parent
SYSTEM_PYTHON = "/usr/bin/python3"
PLUGINS = Path("/usr/lib/uwsgi/plugins")
APACHE = Path("/usr/lib/apache2/modules")
DEADLINE = 120.0


@contextmanager
def directory():
    """A new directory, for servers that give up their rights as well."""
    path = Path(tempfile.mkdtemp(prefix="threadguard-"))
    try:
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(str(path), ignore_errors=True)


def stage(path):
    """Copy threadguard and WebOb into *path*, for the system's own Python. Returns why it cannot use them, or None."""
    for package in (threadguard, webob):
        source = Path(package.__file__).parent
        shutil.copytree(str(source), str(path / source.name), ignore=shutil.ignore_patterns("__pycache__"))
    if not os.access(SYSTEM_PYTHON, os.X_OK):
        return "there is no %s" % SYSTEM_PYTHON
    done = subprocess.run([SYSTEM_PYTHON, "-W", "ignore", "-c", "import threadguard, webob"], cwd=str(path),
                          stderr=subprocess.PIPE, universal_newlines=True, timeout=DEADLINE)
    return done.stderr.strip().splitlines()[-1] if done.returncode else None


def lacks_uwsgi():
    """Why uWSGI cannot be started, or None."""
    there = program("uwsgi-core") and (PLUGINS / "python3_plugin.so").exists()
    return None if there else "uWSGI is not installed: make setup-servers installs it"


def lacks_apache():
    """Why Apache cannot be started with mod_wsgi, or None."""
    there = program("apache2") and (APACHE / "mod_wsgi.so").exists()
    return None if there else "Apache with mod_wsgi is not installed: make setup-servers installs it"


def lacks(name):
    """Why the program *name* cannot be started, or None; those of this environment come first."""
    if (BIN / name).exists() or program(name):
        return None
    return "%s is not installed" % name


def words(command):
    """*command* with the path of its program, that of this environment first."""
    here = BIN / command[0]
    return [str(here) if here.exists() else program(command[0]) or command[0]] + list(command[1:])


def environment():
    """This environment's programs first, and no variable that a server or the guard reads."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith(("THREADGUARD_", "GUNICORN_", "UWSGI_", "WEB_", "PROMETHEUS_"))}
    return {**kept, "PATH": "%s:%s:/usr/sbin" % (BIN, kept.get("PATH", "")), "PYTHONDONTWRITEBYTECODE": "1"}


def run(command, path, **variables):
    """Exit status and output of *command*, which ends by itself."""
    done = subprocess.run(words(command), cwd=str(path), env={**environment(), **variables}, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=DEADLINE)
    return done.returncode, done.stdout


def ask(port, path, headers=()):
    """One GET on a connection of its own: status, headers, body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
    try:
        connection.request("GET", path, headers={"Connection": "close", **dict(headers)})
        response = connection.getresponse()
        return response.status, dict(response.getheaders()), response.read().decode("utf-8")
    finally:
        connection.close()


def start(name, command, path, **variables):
    """A `Program` that is not started yet; ``with`` starts and ends it."""
    return Program(name, words(command), path, **{
        "PATH": environment()["PATH"], "PYTHONPATH": str(path), "PYTHONWARNINGS": "ignore",
        "PYTHONDONTWRITEBYTECODE": "1", **variables})


@contextmanager
def serving(name, command, path, port, **variables):
    """*command*, once it answers on *port*."""
    with start(name, command, path, **variables) as running:
        running.until(lambda: ask(port, "/-/threadguard"))
        yield running


def probed(port, token, processes, hold):
    """What enough probes find: of all *processes*, each with two that met, or with so many alone that none can meet.

    Which process a request reaches is the kernel's choice, and one that is still loading its site gets hardly any.
    """
    prober = Prober("http://127.0.0.1:%d/-/threadguard" % port, token, hold)
    end = time.monotonic() + DEADLINE
    while True:
        outcome = prober.run(64, 16, processes=processes, deadline=DEADLINE)
        seen = outcome.processes.values()
        decided = all(process.met or outcome.luck(process) <= ENOUGH for process in seen)
        if decided and not outcome.missing or time.monotonic() > end:
            assert (len(seen), outcome.failures) == (processes, [])
            return outcome


__all__ = ["ask", "directory", "free_ports", "lacks", "lacks_apache", "lacks_uwsgi", "probed", "run", "serving",
           "stage", "start", "words"]
