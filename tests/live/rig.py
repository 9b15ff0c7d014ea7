"""Starting real servers: a child in its own directory and process group, watched, and stopped by its own pid."""

import http.client
import importlib.util
import itertools
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path

import unitd

CHILD = Path(__file__).parent / "child"
BIN = Path(sys.executable).parent
OLD = {name: os.environ.get("THREADGUARD_LIVE_" + name.upper(), "") for name in ("old", "older", "first")}
"""The Pythons of the environments with old versions."""
START, ANSWER, STOP = 60.0, 60.0, 3.0
"""Seconds a server may take until its port answers, for one answer, and to end by itself when it is told to."""
TURNS = itertools.count(random.randrange(1500))


class Died(AssertionError):
    """The child ended before it answered."""


def free_port():
    """A new port, below the range that the kernel gives to clients, apart for each pytest worker.

    Some servers cannot have one whose last connections have just been closed.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    while True:
        port = 20000 + worker % 8 * 1500 + next(TURNS) % 1500
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Child:
    """A running server. ``with Child(...) as child`` ends it, whatever happens."""

    def __init__(self, command, files=None, env=None, python="new", staged=False):
        self.python = OLD.get(python, sys.executable)
        self.command, self.files, self.extra, self.staged = command, dict(files or {}), dict(env or {}), staged
        self.token = uuid.uuid4().hex
        self.directory = Path(tempfile.mkdtemp(prefix="threadguard-live-"))
        self.directory.chmod(0o777)
        self.mark, self.log = self.directory / "entered", self.directory / "output"

    def __enter__(self):
        try:
            self.lay_out()
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc):
        try:
            self.stop()
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)

    process = None
    never_answers = False

    def lay_out(self):
        """Put the child's modules and the row's files into its directory, readable for whom Apache becomes."""
        for path in CHILD.glob("*.py"):
            shutil.copy(str(path), str(self.directory))
        if self.staged:
            stage(self.directory)

    def fill(self, text):
        """Replace the places that only a started child knows."""
        places = {"{port}": str(self.port), "{dir}": str(self.directory), "{bin}": str(Path(self.python).parent),
                  "{py}": self.python, "{site}": str(self.directory / "site"), "{user}": user(),
                  "{token}": self.token, "{mod_wsgi}": mod_wsgi(self.python), "{home}": sys.base_prefix,
                  "{unitd}": unitd.UNITD, "{unit_modules}": str(unitd.modules())}
        for place, value in places.items():
            text = text.replace(place, value)
        return text

    def start(self):
        """Launch it on a port of its own."""
        self.port = free_port()
        for name, text in self.files.items():
            path = self.directory / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(self.fill(text))
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                shlex.split(self.fill(self.command)), cwd=str(self.directory), env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True)
        if "{unitd}" in self.command:
            unitd.await_configuration(self)

    def environment(self):
        """The child's environment variables: nothing of pytest's, and what the truth needs."""
        kept = {name: os.environ[name] for name in ("HOME", "LANG", "LC_ALL", "TMPDIR") if name in os.environ}
        path = [str(self.directory)] + ([str(self.directory / "site")] if self.staged else [])
        path += os.environ.get("THREADGUARD_LIVE_PATH", "").split()
        own = {"PATH": "%s:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" % Path(self.python).parent,
               "PYTHONPATH": ":".join(path), "TRUTH_TOKEN": self.token, "TRUTH_MARK": str(self.mark),
               "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}
        return {**kept, **own, **{name: self.fill(value) for name, value in self.extra.items()}}

    def output(self):
        """What it wrote so far, its own log files included."""
        logs = [self.log] + sorted(self.directory.glob("*.log")) + [self.directory / "express/error_log"]
        return "".join(log.read_text(errors="replace") for log in logs if log.exists())

    def entered(self):
        """How many requests entered the application."""
        return len(self.mark.read_text().splitlines()) if self.mark.exists() else 0

    def watch(self):
        """Raise if it has ended."""
        if self.process.poll() is not None:
            raise Died("exit %s of %s\n%s" % (self.process.returncode, self.command, self.output()[-6000:]))

    def wait(self, seconds=START):
        """Its exit status, once it has ended by itself; None if it stays up."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def first(self, ask):
        """The first answer: *ask* is tried until the port is open, while the child is alive."""
        deadline, pause, again = time.monotonic() + START, threading.Event(), 2
        while True:
            try:
                return ask(self.port)
            except ConnectionRefusedError:
                if self.process.poll() is not None and again and "in use" in self.output().lower():
                    again -= 1
                    self.start()
                self.watch()
                assert time.monotonic() < deadline, "port never opened: %s\n%s" % (self.command, self.output()[-6000:])
                pause.wait(0.03)

    def stop(self):
        """End the process, then whatever is left of its group."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.terminate()
            self.wait(STOP)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(ANSWER)


def user():
    """Whom Apache becomes when it is started by root."""
    return "www-data" if os.getuid() == 0 else str(os.getuid())


def packages(python):
    """Where the environment of *python* has its modules."""
    return next(Path(python).parent.parent.glob("lib/python*/site-packages"), Path("/nonexistent"))


def mod_wsgi(python):
    """The Apache module that PyPI's mod_wsgi built in the environment of *python*, or an empty string."""
    return next(map(str, (packages(python) / "mod_wsgi/server").glob("*.so")), "")


def stage(directory):
    """Copy threadguard and WebOb beside the application, for a Python that is not this environment's."""
    for package in ("threadguard", "webob"):
        source = Path(importlib.util.find_spec(package).origin).parent
        shutil.copytree(str(source), str(directory / "site" / package), ignore=shutil.ignore_patterns("__pycache__"))


def get(port, path, method="GET", headers=(), timeout=ANSWER):
    """One request on a connection of its own: (status, headers, body)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, headers={"Connection": "close", **dict(headers)})
        response = connection.getresponse()
        return response.status, response.getheaders(), response.read()
    finally:
        connection.close()


def at_once(number, ask):
    """What *number* threads get that ask at the same time; the first error is raised."""
    ready, answers, errors = threading.Barrier(number), [], []

    def run():
        try:
            ready.wait(ANSWER)
            answers.append(ask())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(2 * ANSWER)
    if errors:
        raise errors[0]
    return answers
