"""Whole servers under wrk, guarded and unguarded side by side; and Rack::Lock on Ruby."""

import contextlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List

import paired

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SERVERS = {
    "gunicorn, sync": [str(BIN / "gunicorn"), "--workers=1", "--bind=127.0.0.1:{port}", "hello:{app}"],
    "uWSGI": [str(BIN / "uwsgi"), "--http-socket=127.0.0.1:{port}", "--master", "--processes=1", "--disable-logging",
              "--need-app", "--die-on-term", "--module=hello:{app}", "--virtualenv=" + sys.prefix],
}


def free_port() -> int:
    """A port that nobody has at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def served(command: List[str], app: str) -> Iterator[int]:
    """The port at which *command* serves *app* during the block."""
    port = free_port()
    process = subprocess.Popen([part.format(port=port, app=app) for part in command], cwd=str(HERE),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline, tick = time.monotonic() + 20, threading.Event()
        while time.monotonic() < deadline and process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            tick.wait(0.05)
        if process.poll() is not None:
            raise ChildProcessError("%s ended with status %d" % (command[0], process.returncode))
        yield port
    finally:
        process.terminate()
        process.wait(10)


def wrk(port: int, seconds: int) -> float:
    """Requests for each second, from two connections."""
    done = subprocess.run(["wrk", "-t1", "-c2", "-d%ds" % seconds, "http://127.0.0.1:%d/" % port],
                          stdout=subprocess.PIPE, check=True, universal_newlines=True)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found and "Non-2xx" not in done.stdout, done.stdout
    return float(found.group(1))


def load(quick: bool) -> Dict[str, Any]:
    """The guarded server's throughput as a part of the unguarded one's, in pairs of runs."""
    found: Dict[str, Any] = {}
    for name, command in SERVERS.items():
        missing = [tool for tool in ("wrk", command[0]) if shutil.which(tool) is None]
        if missing:
            found[name] = {"missing": ", ".join("%s (apt install wrk)" % tool if tool == "wrk" else Path(tool).name
                                                for tool in missing)}
            continue
        with served(command, "bare") as bare, served(command, "guarded") as guarded:
            wrk(bare, 1), wrk(guarded, 1)
            pairs = []
            for turn in range(5 if quick else 40):
                ports = [bare, guarded] if turn % 2 else [guarded, bare]
                rates = {port: wrk(port, 1) for port in ports}
                pairs.append((rates[guarded], rates[bare]))
        ratios = [mine / other for mine, other in pairs]
        found[name] = {"ratio": statistics.median(ratios), "middle": paired.middle(ratios),
                       "best": max(mine for mine, _ in pairs) / max(other for _, other in pairs),
                       "rate": statistics.median(other for _, other in pairs)}
    return found


def rack(quick: bool) -> Dict[str, Any]:
    """What Rack::Lock and an empty middleware add on Ruby, in nanoseconds."""
    done = subprocess.run(["ruby", str(HERE / "rack_lock.rb")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True) if shutil.which("ruby") else None
    if done is None or done.returncode:
        return {"missing": "ruby with rack (apt install ruby ruby-rack)"}
    empty, lock = map(float, done.stdout.split())
    return {"empty": empty, "lock": lock}
