"""Start real servers with threads, and keep what their operator sees: docs/real_runs/*.txt.

    python docs/real_runs.py [SERVER...]

What `deployments.py` shows to be copied is started in the same way, by the tests: there every request is answered 200.
Each server runs in a directory of its own, with a site that threadguard guards, until it ends or answers one request.
The texts name neither this machine's directories nor its processes. The servers are those of pip install
threadguard[test] and of make setup-servers; what is not installed is named and left as it is.
"""

import contextlib
import http.client
import os
import re
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Dict, Iterable, List, Optional, Tuple

from real_runs_rows import BARE, RUNS, SITE, Run

HERE = Path(__file__).resolve().parent / "real_runs"
DEADLINE = 60.0
SHOWN_PORT = "8080"
_FINDING = re.compile(r"(?:threadguard\.ThreadedDeploymentError: )?TG\d\d\d .*")
_PREFIX = re.compile(r"^.*?(?=(?:threadguard\.ThreadedDeploymentError: )?TG\d\d\d )")


def file_of(server: str) -> Path:
    """Where the text of *server* is kept."""
    return HERE / (re.sub("[^a-z0-9]+", "_", server.lower().replace("'s", "")) + ".txt")


def shown_command(run: Run) -> str:
    """The command as a page shows it."""
    return run.command.replace("{port}", SHOWN_PORT).replace("{dir}/", "").replace("{user}", "www-data")


def path_of(program: str) -> Optional[str]:
    """The program beside this Python, or on the path."""
    here = str(Path(sys.executable).parent)
    return sys.executable if program == "python" else shutil.which(
        program, path=os.pathsep.join([here, os.environ.get("PATH", ""), "/usr/sbin"]))


def missing(run: Run) -> Optional[str]:
    """What is not installed here."""
    program = words(run.command)[1][0]
    return None if path_of(program) else program


def words(command: str) -> Tuple[Dict[str, str], List[str]]:
    """The variables that stand before *command*, and its words."""
    rest, variables = shlex.split(command), {}
    while re.match(r"[A-Z_]+=", rest[0]):
        name, _, value = rest.pop(0).partition("=")
        variables[name] = value
    return variables, rest


def free_port() -> int:
    """One that is not in use, below those that the kernel gives to clients: it stays free until the server has it."""
    while True:
        port = 10000 + secrets.randbelow(10000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A server that is run once, in a directory of its own."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.directory = Path(tempfile.mkdtemp(prefix="run-"))
        self.port = free_port()

    def fill(self, text: str) -> str:
        user = "www-data" if os.getuid() == 0 else str(os.getuid())
        return text.replace("{port}", str(self.port)).replace("{dir}", str(self.directory)).replace("{user}", user)

    def lay_out(self) -> None:
        """The site, what it imports for a Python that is not this environment's, and the files of the run."""
        import threadguard
        import webob

        self.directory.chmod(0o755)
        files = {"mysite.py": SITE, "site_bare.py": BARE, **self.run.files}
        for name, text in files.items():
            (self.directory / name).write_text(self.fill(text))
        if self.run.command.startswith(("uwsgi", "apache2", "unitd")):  # they run Debian's Python
            for package in (threadguard, webob):
                source = Path(str(package.__file__)).parent
                shutil.copytree(str(source), str(self.directory / source.name),
                                ignore=shutil.ignore_patterns("__pycache__"))

    def see(self) -> str:
        """What an operator sees: a refused start, or the answer to a request and the log."""
        self.lay_out()
        variables, command = words(self.fill(self.run.command))
        command[0] = path_of(command[0]) or command[0]
        log = self.directory / "output"
        with open(str(log), "wb") as output:
            process = subprocess.Popen(
                command, cwd=str(self.directory), stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
                env={**os.environ, "PYTHONPATH": str(self.directory), "PYTHONUNBUFFERED": "1",
                     "PYTHONWARNINGS": "ignore", "PYTHONDONTWRITEBYTECODE": "1", **variables})
        try:
            answer = self._settle(process)
        finally:
            _end(process)
        logs = [log] + sorted(self.directory.glob("*.log"))
        return self._told(answer, "".join(each.read_text(errors="replace") for each in logs))

    def _settle(self, process: "subprocess.Popen[bytes]") -> List[str]:
        deadline, pause = time.monotonic() + DEADLINE, threading.Event()
        while time.monotonic() < deadline:
            try:
                status, body = self._get()
                told = ["$ curl http://127.0.0.1:%s/" % SHOWN_PORT] if status == 503 else []
                return told + ([body.strip()] if status == 503 else ["(every request is answered %d)" % status])
            except (OSError, http.client.HTTPException):
                if process.poll() is not None:
                    return ["(exit status %d; no request was served)" % process.returncode]
            pause.wait(0.05)
        raise SystemExit("%s neither answered nor ended" % self.run.command)

    def _get(self) -> "tuple[int, str]":
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", "/", headers={"Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read().decode("utf-8", "replace")
        finally:
            connection.close()

    def _told(self, answer: List[str], log: str) -> str:
        command = shown_command(self.run)
        asked = answer[0].startswith("$")
        lines = ["$ " + command] + (answer if asked else []) + (["", "in the log:"] if asked else [])
        return "\n".join(lines + _findings(log) + ([] if asked else answer)) + "\n"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End it, and then what it started: a reloader leaves its child behind."""
    if process.poll() is None:
        process.terminate()  # which uWSGI's master does not see while it starts its workers
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(30)


def _findings(log: str) -> List[str]:
    """The findings in *log*, each once, without what a server's log puts before a line or adds to it."""
    found: List[str] = []
    for line in log.splitlines():
        line = re.sub(r"^\[.*?\] (?=TG\d\d\d|  because|  remedy|threadguard\.)|\\n", "", line)
        if _FINDING.search(line):
            line = _PREFIX.sub("", line, count=1)
        elif not re.search(r"^.{0,200}?  (because|remedy): ", line):
            continue
        else:
            line = re.sub(r"^.*?(?=  (because|remedy): )", "", line)
        if line not in found and "threadguard.ThreadedDeploymentError: " + line not in found:
            found.append(line.rstrip())
    return found


def see(server: str) -> str:
    """The text of *server*, from a run of now."""
    return see_run(RUNS[server])


def see_run(run: Run) -> str:
    """What an operator sees of *run*."""
    running = Server(run)
    try:
        return running.see()
    finally:
        shutil.rmtree(str(running.directory), ignore_errors=True)


def main(names: Iterable[str]) -> None:
    """Run the servers of *names*, by default all."""
    HERE.mkdir(exist_ok=True)
    for server in names or RUNS:
        lacking = missing(RUNS[server])
        if lacking is not None:
            print("%s: not run, %s is not installed" % (server, lacking))
            continue
        file_of(server).write_text(see(server), encoding="utf-8")
        print("%s: %s" % (server, file_of(server).name))


if __name__ == "__main__":
    main(sys.argv[1:])
