"""Real programs: started in a directory of their own, watched, and ended by their own pid."""

import http.client
import itertools
import json
import os
import secrets
import shutil
import socket
import subprocess
import threading
import time
from urllib.parse import urlencode

START = 60.0
"""Seconds that a program may take until it answers, and a condition until it holds."""
SBIN = "/usr/sbin:/usr/local/sbin"
PORTS = range(10000, 20000)
"""Below those that the kernel gives to clients, and to who asks for any: nobody gets one before its server has it."""
_turns = itertools.count(secrets.randbelow(len(PORTS)))


def program(name):
    """The path of *name*, also where only root looks; None if it is not installed."""
    return shutil.which(name, path=os.environ.get("PATH", "") + ":" + SBIN)


def free_ports(number):
    """So many ports that nobody has now; never one that was given before."""
    turns = (PORTS[turn % len(PORTS)] for turn in _turns)
    return list(itertools.islice(filter(_is_free, turns), number))


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def get(port, path, timeout=10.0):
    """One request on a connection of its own: status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read().decode("utf-8")
    finally:
        connection.close()


class Program:
    """A running program, its output in *directory*/*name*.log. ``with`` ends it, whatever happens."""

    def __init__(self, name, command, directory, **variables):
        self.name, self.command, self.directory = name, [str(word) for word in command], directory
        self.variables = variables
        self.log = directory / (name + ".log")

    def __enter__(self):
        with open(str(self.log), "ab") as output:
            self.process = subprocess.Popen(
                self.command, cwd=str(self.directory), stdin=subprocess.DEVNULL, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, "PYTHONUNBUFFERED": "1", **self.variables})
        return self

    def __exit__(self, *exc):
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(30)

    def output(self):
        """What it wrote so far."""
        return self.log.read_text(errors="replace")

    def until(self, holds, seconds=START):
        """The first true result of *holds*, which may fail to connect, while the program runs."""
        deadline, pause, last = time.monotonic() + seconds, threading.Event(), None
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "%s ended with %d\n%s" % (
                self.name, self.process.returncode, self.output()[-4000:])
            try:
                last = holds()
                if last:
                    return last
            except (OSError, http.client.HTTPException) as error:
                last = error
            pause.wait(0.1)
        raise AssertionError("%s: not so after %g seconds: %r\n%s" % (self.name, seconds, last, self.output()[-4000:]))


class Prometheus(Program):
    """A Prometheus that scrapes as *configuration* (YAML) says, with its data in *directory*."""

    def __init__(self, configuration, directory):
        [self.port] = free_ports(1)
        self.configuration = configuration
        super().__init__("prometheus", [
            program("prometheus"), "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=warn",
            "--web.listen-address=127.0.0.1:%d" % self.port], directory)

    def __enter__(self):
        (self.directory / "prometheus.yml").write_text(self.configuration)
        super().__enter__()
        self.until(lambda: get(self.port, "/-/ready")[0] == 200)
        return self

    def ask(self, query):
        """The result of *query* now: a list of (labels, value)."""
        answer = json.loads(get(self.port, "/api/v1/query?" + urlencode({"query": query}))[1])
        return [(each["metric"], float(each["value"][1])) for each in answer["data"]["result"]]

    def firing(self):
        """The names of the alerts that fire."""
        alerts = json.loads(get(self.port, "/api/v1/alerts")[1])["data"]["alerts"]
        return {each["labels"]["alertname"] for each in alerts if each["state"] == "firing"}
