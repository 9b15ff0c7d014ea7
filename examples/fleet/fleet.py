"""Two guarded instances behind HAProxy, scraped and probed; then one is deployed with threads by mistake.

    python examples/fleet/fleet.py

Needs gunicorn, waitress and prometheus_client beside threadguard, and Debian's packages haproxy and prometheus; make
fleet makes an environment that has the former. It
listens on free ports of the loopback only, writes into a directory that it removes, and ends what it started. The exit
status is 0 only if everything was as it must be.
"""

import csv
import os
import socket
import sys
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Set

from programs import Program, Prometheus, free_ports, get, program

try:
    from threadguard.observe.probe import Outcome, Prober
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
    """The instances a and b, the proxy before them, and the Prometheus that watches them."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = dict(zip(("proxy", "a", "b", "stats"), free_ports(4)))
        self.b: Program
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
        if hasattr(self, "b"):
            self.b.__exit__()
        self._stack.close()

    def _start(self) -> None:
        rules = (HERE.parent / "monitoring" / "alerts.yml").read_text()
        rules = rules.replace("for: 1m\n", "for: 2s\n")  # nobody waits a minute here
        (self.directory / "alerts.yml").write_text(rules)
        (self.directory / "haproxy.cfg").write_text(self._filled("haproxy.cfg"))
        (self.directory / "metrics").mkdir()
        self._stack.enter_context(self._instance("a", [
            PYTHON, "-m", "gunicorn", "--workers=2", "--bind=127.0.0.1:%d" % self.ports["a"], "site_fleet:application"],
            PROMETHEUS_MULTIPROC_DIR=str(self.directory / "metrics"))).until(lambda: self._is_well("a"))
        self.deploy_b("--threads=1").until(lambda: self._is_well("b"))
        self.proxy = self._stack.enter_context(Program("haproxy", [program("haproxy"), "-f", "haproxy.cfg", "-db"],
                                                       self.directory))
        self.proxy.until(lambda: self.state("a") == "UP" and self.state("b") == "UP")
        self.prometheus = self._stack.enter_context(Prometheus(self._filled("prometheus.yml"), self.directory))

    def _is_well(self, name: str) -> bool:
        return bool(get(self.ports[name], "/-/threadguard")[0] == 200)

    def _filled(self, name: str) -> str:
        text = (HERE / name).read_text()
        for place, port in self.ports.items():
            text = text.replace("{%s}" % place, str(port))
        return text

    def _instance(self, name: str, command: List[str], **variables: str) -> Program:
        return Program(name, command, self.directory, INSTANCE=name, TOKEN=TOKEN, PYTHONPATH=str(HERE), **variables)

    def deploy_b(self, *options: str, **variables: str) -> Program:
        """Let b finish what it has and stop it, and start it anew with *options* for waitress."""
        if hasattr(self, "b"):
            self._tell_proxy("set server instances/b state drain")
            self.until(lambda: self._row("b")["scur"] == "0")
            self.b.__exit__()
        self.b = self._instance("b", [PYTHON, "-m", "waitress", "--listen=127.0.0.1:%d" % self.ports["b"], *options,
                                      "site_fleet:application"], **variables).__enter__()
        if hasattr(self, "proxy"):
            self._tell_proxy("set server instances/b state ready")
        return self.b

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

    def probe(self) -> Outcome:
        """Prove each process single-threaded or not, through the proxy."""
        return Prober("http://127.0.0.1:%d/-/threadguard" % self.ports["proxy"], TOKEN).run(80, 6)


def act_1(fleet: Fleet, say: Callable[[str], object]) -> None:
    """All is well."""
    fleet.until(lambda: fleet.values('max by (name) (threadguard_verdict{status="single-threaded"}) == 1').keys()
                == {"a", "b"})
    fleet.until(lambda: not fleet.alerts())
    assert fleet.until(lambda: _certain(fleet.probe())) == "single-threaded"
    say("two instances, three processes: the probe met no two requests in any of them, and no alert fires")


def _certain(outcome: Outcome) -> Optional[str]:
    """What the probe proved of all three processes; None where it did not meet each of them often enough."""
    return outcome.status if len(outcome.processes) == 3 and outcome.status != "unknown" else None


def act_2(fleet: Fleet, say: Callable[[str], object]) -> None:
    """b is deployed with threads: it does not start."""
    status = fleet.deploy_b("--threads=4").process.wait(60)
    assert status == 1 and "threadguard.ThreadedDeploymentError: TG101 waitress lets 4" in fleet.b.output()
    fleet.until(lambda: fleet.state("b").startswith("DOWN"))
    fleet.until(lambda: "ThreadguardInstanceDown" in fleet.alerts())
    say("b is deployed with --threads=4: the start is refused, HAProxy takes it out, ThreadguardInstanceDown fires")


def act_3(fleet: Fleet, say: Callable[[str], object]) -> None:
    """Somebody forces it up: it answers, and the health endpoint keeps it out of service."""
    b = fleet.deploy_b("--threads=4", THREADGUARD_POLICY="log")
    b.until(lambda: get(fleet.ports["b"], "/-/threadguard")[0] == 503)
    fleet.until(lambda: "ThreadguardThreaded" in fleet.alerts())
    assert fleet.state("b").startswith("DOWN")
    # A scrape that a busy machine made too late leaves a gap, and nobody's values.
    assert fleet.until(lambda: fleet.values('sum by (name) (threadguard_requests_total{name="b"})')) == {"b": 0}
    say("b is forced up with policy log: health says fail, HAProxy sends it nothing, ThreadguardThreaded fires")


def act_4(fleet: Fleet, say: Callable[[str], object]) -> None:
    """The setting is mended."""
    fleet.deploy_b("--threads=1")
    fleet.until(lambda: fleet.state("b") == "UP")
    fleet.until(lambda: not fleet.alerts() & {"ThreadguardInstanceDown", "ThreadguardThreaded"})
    say("b is deployed with --threads=1: HAProxy takes it back, and the alerts end")


ACTS = (act_1, act_2, act_3, act_4)


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
