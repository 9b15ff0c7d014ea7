"""Child processes of the tests: every wait has a deadline, every child is ended by its own pid."""

import http.client
import os
import re
import signal
import socket
import subprocess
import threading
from typing import NamedTuple

DEADLINE = 60.0
"""Seconds that a server may take to start or to end: a busy machine."""


def environment(home, **more):
    """The environment of a child: nothing of the user's own, least of all settings of git, hg or threadguard."""
    # Kallithea 0.7 runs on Pythons newer than itself, and its libraries say so at every start.
    return dict(PATH=os.environ.get("PATH", os.defpath), HOME=str(home), LC_ALL="C.UTF-8", PYTHONWARNINGS="ignore",
                HGRCPATH=os.devnull, HGPLAIN="1", HGUSER="lab", GIT_CONFIG_NOSYSTEM="1", GIT_TERMINAL_PROMPT="0",
                GIT_AUTHOR_NAME="lab", GIT_AUTHOR_EMAIL="lab@example.com", GIT_COMMITTER_NAME="lab",
                GIT_COMMITTER_EMAIL="lab@example.com", **more)


def run(command, env, directory, status=0, timeout=240):
    """What *command* prints. Fails with that text if its exit status is not *status*."""
    done = subprocess.run(list(command), env=dict(env), cwd=str(directory), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
    text = done.stdout.decode("utf-8", "replace")
    assert done.returncode == status, "%s: exit status %s\n%s" % (" ".join(command), done.returncode, text)
    return text


class Child:
    """A server in a process of its own, for the time of a ``with`` block; its stdout and stderr go to a file."""

    def __init__(self, command, env, directory, port, host="127.0.0.1"):
        self.command, self.port, self.host = list(command), port, host
        self._env, self._directory = dict(env), directory
        self._log = directory / ("server-%d.log" % port)

    def __enter__(self):
        with self._log.open("wb") as log:
            # A session of its own: what the server starts can be ended with it, and nothing else.
            self._process = subprocess.Popen(self.command, env=self._env, cwd=str(self._directory),
                                             stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def __exit__(self, *exc):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._process.wait(30)

    @property
    def log(self):
        """What the server said so far."""
        return self._log.read_text("utf-8", "replace")

    def says(self, word, times=1, log=None):
        """Wait until *word* is *times* in what the server says, or in its own *log*. Fails at the deadline."""
        pause = threading.Event()
        file = log or self._log
        for _ in range(int(DEADLINE / 0.1)):
            if file.exists() and file.read_text("utf-8", "replace").count(word) >= times:
                return
            assert self._process.poll() is None, self.log
            pause.wait(0.1)
        raise AssertionError("not %d times %r in %s\n%s" % (times, word, file.name, self.log))

    def ended(self):
        """The exit status of a server that does not start. Fails if it is still there at the deadline."""
        try:
            return self._process.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            raise AssertionError("%s did not end\n%s" % (" ".join(self.command), self.log)) from None

    def answers(self, path="/"):
        """Status and body for *path*, asked for until somebody listens."""
        pause = threading.Event()
        for _ in range(int(DEADLINE / 0.1)):
            try:
                return self.get(path)
            except ConnectionError:
                assert self._process.poll() is None, "%s ended\n%s" % (" ".join(self.command), self.log)
                pause.wait(0.1)
        raise AssertionError("%s does not listen\n%s" % (" ".join(self.command), self.log))

    def get(self, path, timeout=DEADLINE):
        """Status and body of one request. Raises OSError where there is no answer in *timeout* seconds."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def listens(self):
        """Whether anybody accepts connections at the port."""
        with socket.socket() as client:
            client.settimeout(5)
            return client.connect_ex((self.host, self.port)) == 0


def lines_of(text, word):
    """The lines of *text* that hold *word*."""
    return [line for line in text.splitlines() if word in line]


def wrongs(text):
    """The lines of *text* that say that something is wrong: those with a code but TG100, which says that nothing is."""
    return [line for line in lines_of(text, "TG") if "TG100" not in line]


class Said(NamedTuple):
    """A finding as it is printed, without what a logger puts before its lines."""

    head: str
    because: str
    remedy: str


def findings(text):
    """The findings of threadguard in *text*, each in the one form that findings have."""
    form = r"(?m)((?:[^\s:]+:\d+: )?TG\d+ .*)\n  because: (.*)\n  remedy:  (.*)$"
    return {Said(*found) for found in re.findall(form, text)}


def the_finding(text):
    """The one finding in *text*, however often it is there. Fails with the text if there is none, or more."""
    found = findings(text)
    assert len(found) == 1, text
    return found.pop()
