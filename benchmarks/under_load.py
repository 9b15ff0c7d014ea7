"""Whole servers under wrk, guarded and unguarded side by side; and Rack::Lock on Ruby."""

import contextlib
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple

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
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=SERVERS_OWN)
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
                          stdout=subprocess.PIPE, check=True, universal_newlines=True, preexec_fn=CLIENT)
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found and "Non-2xx" not in done.stdout, done.stdout
    return float(found.group(1))


def apart(*processors: int) -> Callable[[], None]:
    """Keeps a process on those *processors*, where there are as many: who moves about makes times of his own."""
    def keep() -> None:
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > max(processors):
            os.sched_setaffinity(0, processors)
    return keep


CLIENT, SERVERS_OWN = apart(0), apart(1)


def load(quick: bool) -> Dict[str, Any]:
    """The guarded server's throughput as a part of the unguarded one's, in rounds of four short runs; a minute each.

    A round is bare, guarded, guarded, bare, and the next one the other way round: what the machine does meanwhile, be
    it faster and faster or slower, falls upon both.
    """
    found: Dict[str, Any] = {}
    for name, command in SERVERS.items():
        missing = [tool for tool in ("wrk", command[0]) if shutil.which(tool) is None]
        if missing:
            found[name] = {"missing": ", ".join("%s (apt install wrk)" % tool if tool == "wrk" else Path(tool).name
                                                for tool in missing)}
            continue
        with served(command, "bare") as bare, served(command, "guarded") as guarded:
            wrk(bare, 1), wrk(guarded, 1)
            rounds = [_round(bare, guarded, turn) for turn in range(3 if quick else 14)]
        ratios = [mine / other for mine, other in rounds]
        found[name] = {"ratio": statistics.median(ratios), "middle": paired.by_lot(ratios), "ratios": ratios,
                       "rate": statistics.median(other for _, other in rounds)}
    return found


def _round(bare: int, guarded: int, turn: int) -> Tuple[float, float]:
    """Requests for each second, guarded and bare."""
    first, second = (bare, guarded) if turn % 2 else (guarded, bare)
    rates: Dict[int, float] = {bare: 0, guarded: 0}
    for port in first, second, second, first:
        rates[port] += wrk(port, 1) / 2
    return rates[guarded], rates[bare]


def rack(quick: bool) -> Dict[str, Any]:
    """What Rack::Lock and an empty middleware add on Ruby, in nanoseconds."""
    done = subprocess.run(["ruby", str(HERE / "rack_lock.rb")], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          universal_newlines=True) if shutil.which("ruby") else None
    if done is None or done.returncode:
        return {"missing": "ruby with rack (apt install ruby ruby-rack)"}
    empty, lock = map(float, done.stdout.split())
    return {"empty": empty, "lock": lock}
