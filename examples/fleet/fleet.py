"""Four guarded instances behind HAProxy, scraped and probed: one is misconfigured, one hangs, one is missing.

    python examples/fleet/fleet.py

Needs gunicorn, waitress and prometheus_client beside threadguard, and Debian's packages haproxy and prometheus; make
fleet makes an environment that has the former. It
listens on free ports of the loopback only, writes into a directory that it removes, and ends what it started. The exit
status is 0 only if everything was as it must be.
"""

import csv
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from programs import Program, Prometheus, free_ports, get, program

try:
    import threadguard  # noqa: F401
except ImportError:
    sys.exit("fleet.py: threadguard is not installed: pip install . in the checkout, or make fleet")

HERE = Path(__file__).resolve().parent
TOKEN = "a secret of the fleet"
PYTHON = sys.executable


def missing() -> Optional[str]:
    """What has to be installed first, and how."""
    for name in ("haproxy", "prometheus"):
        if program(name) is None:
            return "%s is not installed: apt-get install %s" % (name, name)
    for name in ("gunicorn", "waitress", "prometheus_client"):
        try:
            __import__(name)
        except ImportError:
            return "%s is not installed: pip install %s" % (name, name)
    return None


class Load:
    """Clients that ask the proxy all the time, and note what was not answered with 200."""

    def __init__(self, port: int, clients: int = 2) -> None:
        self._port = port
        self._ended = threading.Event()
        self.answered = 0
        self.lost: List[str] = []
        self._threads = [threading.Thread(target=self._ask, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(30)

    def _ask(self) -> None:
        while not self._ended.wait(0.02):
            try:
                status, body = get(self._port, "/", timeout=30)
            except Exception as error:
                status, body = 0, repr(error)
            if (status, body) == (200, "hello\n"):
                self.answered += 1
            else:
                self.lost.append("%d %s" % (status, body))


class Fleet:
    """The instances, the proxy before them, and the Prometheus that watches them.

    a and c run gunicorn with two workers each, b and d waitress: six processes.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = dict(zip(("proxy", "stats", *"abcd"), free_ports(6)))
        self.instances: Dict[str, Program] = {}
        self.proxy: Program
        self._stack = ExitStack()

    def __enter__(self) -> "Fleet":
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        for instance in self.instances.values():
            instance.__exit__()
        self._stack.close()

    def _start(self) -> None:
        rules = (HERE.parent / "monitoring" / "alerts.yml").read_text()
        rules = re.sub(r"for: \d+m\n", "for: 2s\n", rules)  # minutes would be too long here
        (self.directory / "alerts.yml").write_text(rules)
        (self.directory / "haproxy.cfg").write_text(self._filled("haproxy.cfg"))
        for name in "ac":
            self.start_gunicorn(name)
        for name in "bd":
            self.start_waitress(name, "--threads=1")
        for name, instance in self.instances.items():
            instance.until(partial(self._is_well, name))
        self.proxy = self._stack.enter_context(Program("haproxy", [program("haproxy"), "-f", "haproxy.cfg", "-db"],
                                                       self.directory))
        self.proxy.until(lambda: {self.state(name) for name in "abcd"} == {"UP"})
        self.prometheus = self._stack.enter_context(Prometheus(self._filled("prometheus.yml"), self.directory))

    def _is_well(self, name: str) -> bool:
        return bool(get(self.ports[name], "/-/threadguard")[0] == 200)

    def _filled(self, name: str) -> str:
        text = (HERE / name).read_text()
        for place, port in self.ports.items():
            text = text.replace("{%s}" % place, str(port))
        return text

    def _run(self, name: str, *command: str, **variables: str) -> Program:
        running = Program(name, [PYTHON, "-m", *command, "site_fleet:application"], self.directory, INSTANCE=name,
                          TOKEN=TOKEN, PYTHONPATH=str(HERE), **variables)
        self.instances[name] = running.__enter__()
        return running

    def start_gunicorn(self, name: str) -> Program:
        """An instance of two processes, which share their metrics: each is told of, whichever is scraped."""
        metrics = self.directory / ("metrics-" + name)
        metrics.mkdir()
        # A worker that hangs is killed after --timeout; here it shall be seen before that.
        return self._run(name, "gunicorn", "--workers=2", "--timeout=600", "--bind=127.0.0.1:%d" % self.ports[name],
                         PROMETHEUS_MULTIPROC_DIR=str(metrics))

    def start_waitress(self, name: str, *options: str, **variables: str) -> Program:
        """An instance of one process."""
        return self._run(name, "waitress", "--listen=127.0.0.1:%d" % self.ports[name], *options, **variables)

    def deploy_b(self, *options: str, **variables: str) -> Program:
        """Stop b, and start it anew with *options* for waitress."""
        self.stop("b")
        b = self.start_waitress("b", *options, **variables)
        self.let_in("b")
        return b

    def keep_out(self, name: str) -> None:
        """Let the instance *name* finish what it has, and send it nothing more."""
        self._tell_proxy("set server instances/%s state drain" % name)
        self.until(lambda: self._row(name)["scur"] == "0")

    def let_in(self, name: str) -> None:
        """Send requests to the instance *name* as soon as it is well."""
        self._tell_proxy("set server instances/%s state ready" % name)

    def stop(self, name: str) -> None:
        """End the instance *name*, without a request of its being lost."""
        self.keep_out(name)
        self.instances[name].__exit__()

    def worker_of(self, name: str) -> int:
        """A process of the instance *name* that serves, by its number."""
        query = 'threadguard_verdict{name="%s", status="single-threaded"} == 1' % name
        labels, _ = self.until(lambda: self.prometheus.ask(query))[0]
        return int(labels["process_pid"])

    def _tell_proxy(self, command: str) -> None:
        with socket.socket(socket.AF_UNIX) as proxy:
            proxy.settimeout(10)
            proxy.connect(str(self.directory / "haproxy.sock"))
            proxy.sendall(command.encode() + b"\n")
            answer = proxy.recv(4096)
        assert not answer.strip(), answer

    def state(self, server: str) -> str:
        """What HAProxy makes of *server*: UP, DOWN, or a word in between."""
        return self._row(server)["status"]

    def _row(self, server: str) -> Dict[str, str]:
        page = get(self.ports["stats"], "/;csv")[1]
        rows = csv.DictReader(page.lstrip("# ").splitlines())
        return next(row for row in rows if (row["pxname"], row["svname"]) == ("instances", server))

    def alerts(self) -> Set[str]:
        """The alerts that fire."""
        firing: Set[str] = self.prometheus.firing()
        return firing

    def values(self, query: str) -> Dict[str, float]:
        """The result of *query* by the name of the instance."""
        return {labels["name"]: value for labels, value in self.prometheus.ask(query)}

    def until(self, holds: Callable[[], Any]) -> Any:
        """The first true result of *holds*."""
        return self.proxy.until(holds)

    def probe(self, hold: float = 0.2) -> Tuple[int, List[str]]:
        """Prove each of the six processes single-threaded, through the proxy: exit status, and what is said.

        Where one of them is missing it asks four times as often: each request then need not be held for long.
        """
        done = subprocess.run(
            [PYTHON, "-m", "threadguard", "probe", "--processes=6", "--concurrency=8", "--hold=%g" % hold,
             "http://127.0.0.1:%d/-/threadguard" % self.ports["proxy"]],
            env={**os.environ, "THREADGUARD_HEALTH_TOKEN": TOKEN}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            universal_newlines=True, timeout=300)
        return done.returncode, done.stdout.splitlines()


def act_1(fleet: Fleet, say: Callable[[str], object]) -> None:
    """All is well."""
    fleet.until(lambda: fleet.values('max by (name) (threadguard_verdict{status="single-threaded"}) == 1').keys()
                == set("abcd"))
    fleet.until(lambda: not fleet.alerts())
    status, said = fleet.probe()
    assert (status, said[-1]) == (0, "6 processes on 1 host: single-threaded"), said
    say("four instances, six processes: the probe meets each, and no two requests in any; no alert fires")


def act_2(fleet: Fleet, say: Callable[[str], object]) -> None:
    """b is deployed with threads: it does not start."""
    b = fleet.deploy_b("--threads=4")
    assert b.process.wait(60) == 1 and "threadguard.ThreadedDeploymentError: TG101 waitress lets 4" in b.output()
    fleet.until(lambda: fleet.state("b").startswith("DOWN"))
    fleet.until(lambda: "ThreadguardInstanceDown" in fleet.alerts())
    say("b is deployed with --threads=4: the start is refused, HAProxy takes it out, ThreadguardInstanceDown fires")


def act_3(fleet: Fleet, say: Callable[[str], object]) -> None:
    """It is forced up: it answers, and the health endpoint keeps it out of service."""
    b = fleet.deploy_b("--threads=4", THREADGUARD_POLICY="log")
    b.until(lambda: get(fleet.ports["b"], "/-/threadguard")[0] == 503)
    fleet.until(lambda: "ThreadguardThreaded" in fleet.alerts())
    assert fleet.state("b").startswith("DOWN")
    # A scrape that a busy machine made too late leaves a gap, and no values.
    assert fleet.until(lambda: fleet.values('sum by (name) (threadguard_requests_total{name="b"})')) == {"b": 0}
    say("b is forced up with policy log: health says fail, HAProxy sends it nothing, ThreadguardThreaded fires")


def act_4(fleet: Fleet, say: Callable[[str], object]) -> None:
    """The setting is mended."""
    fleet.deploy_b("--threads=1")
    fleet.until(lambda: fleet.state("b") == "UP")
    fleet.until(lambda: not fleet.alerts() & {"ThreadguardInstanceDown", "ThreadguardThreaded"})
    say("b is deployed with --threads=1: HAProxy takes it back, and the alerts end")


def act_5(fleet: Fleet, say: Callable[[str], object]) -> None:
    """A worker of c hangs: the other one goes on serving, so that HAProxy sees nothing of it."""
    fleet.keep_out("c")
    hung = fleet.worker_of("c")
    os.kill(hung, signal.SIGSTOP)
    try:
        fleet.let_in("c")
        fleet.until(lambda: "ThreadguardSilentProcesses" in fleet.alerts())
        status, said = fleet.probe(hold=0.05)
        assert (status, "TG404 1 of 6 processes did not answer" in said) == (3, True), said
        assert fleet.state("c") == "UP"
        assert fleet.until(lambda: fleet.values('threadguard_silent_processes{name="c"}')) == {"c": 1}
    finally:
        os.kill(hung, signal.SIGCONT)
    fleet.until(lambda: "ThreadguardSilentProcesses" not in fleet.alerts())
    say("a worker of c hangs: ThreadguardSilentProcesses fires until it goes on, and the probe misses one of six")


def act_6(fleet: Fleet, say: Callable[[str], object]) -> None:
    """d is not there."""
    fleet.stop("d")
    status, said = fleet.probe(hold=0.05)
    assert (status, said[-4]) == (3, "5 processes on 1 host (6 expected): unknown"), said
    fleet.until(lambda: "ThreadguardInstanceDown" in fleet.alerts())
    say("d is not there: the probe misses one of six, and exits with 3")


ACTS = (act_1, act_2, act_3, act_4, act_5, act_6)


def run(directory: Path, say: Callable[[str], object]) -> Load:
    """Play all acts in *directory* under load. Raises AssertionError where something is not as it must be."""
    with Fleet(directory) as fleet, Load(fleet.ports["proxy"]) as load:
        for act in ACTS:
            act(fleet, say)
            assert not load.lost, load.lost
    assert not load.lost, load.lost
    return load


def main() -> int:
    """Play it and tell."""
    lacking = missing()
    if lacking is not None:
        print("fleet.py: " + lacking, file=sys.stderr)
        return 2
    os.environ.pop("THREADGUARD_POLICY", None)
    with tempfile.TemporaryDirectory() as directory:
        try:
            load = run(Path(directory), lambda text: print("- " + text, flush=True))
        except AssertionError as error:
            print("fleet.py: not as it must be: %s" % error, file=sys.stderr)
            return 1
    print("%d requests were made meanwhile, and each was answered" % load.answered)
    return 0


if __name__ == "__main__":
    sys.exit(main())
