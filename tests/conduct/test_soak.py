"""Mixed traffic under wrk on four processes: nothing grows, nobody stays inside, nobody is accused.

``REQUESTS`` in the environment is how many are served at the least; ``make soak`` serves 360,000, as many as come in an
hour at a hundred a second.
"""

import json
import os
import re
import shutil
import subprocess
import threading
import time

import pytest
from fire import HERE, hang_up, line, quick, started, stats
from rig import at_once, get

REQUESTS = int(os.environ.get("REQUESTS", "30000"))
LONGEST = 1200
PROCESSES = 4
MEMORY, BLOCKS = 4 << 20, 500
"""What memory and objects may grow by in each process from third to third of the requests, whatever their number. What
a server begins to keep when something first happens to it is not ours: 210 objects at the most were seen in a third,
150 where no guard was."""
BIG = b"POST /read HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 5000000\r\n\r\n" + b"x" * 5000000


def of_each(port):
    """What each process tells of itself, by its number; once nobody is inside."""
    found, deadline = {}, time.monotonic() + 60
    while len(found) < PROCESSES or any(told["in_flight"] for told in found.values()):
        assert time.monotonic() < deadline, found
        for answer in at_once(2 * PROCESSES, lambda: get(port, "/holds")[2]):
            told = json.loads(answer)
            found[told["pid"]] = told
    return found


def wrk(port, requests):
    """How many requests were answered: *requests* or somewhat more."""
    answered, deadline = 0, time.monotonic() + LONGEST
    command = "wrk -t1 -c16 -d5s --timeout 20s -s %s http://127.0.0.1:%d/" % (HERE / "mixed.lua", port)
    while answered < requests:
        assert time.monotonic() < deadline, "only %d requests in %d seconds" % (answered, LONGEST)
        done = subprocess.run(command.split(), stdout=subprocess.PIPE, universal_newlines=True, timeout=60)
        assert done.returncode == 0, done.stdout
        answered += int(re.search(r"(\d+) requests in", done.stdout).group(1))
    return answered


class Rude(threading.Thread):
    """Clients who hang up while they send or receive, and who send much, until they are told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port, self.enough, self.rounds, self.error = port, threading.Event(), 0, None

    def run(self):
        try:
            while not self.enough.wait(0.1):
                hang_up(self.port, BIG[:2000])
                hang_up(self.port, line(b"/generator"), self.rounds % 3 * 50000)
                hang_up(self.port, line(b"/stream"), self.rounds % 3 * 50000)
                assert b"hello" in quick(self.port, BIG)
                self.rounds += 1
        except BaseException as error:
            self.error = error

    def __enter__(self):
        self.start()

    def __exit__(self, *exc):
        self.enough.set()
        self.join(60)
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("server", ["gunicorn", "uWSGI"])
def test_nothing_grows(server):
    """From a third of the requests on: objects, memory and descriptors of each process; then every count is right.

    What grew with the requests would grow in the last third as much as in the second.
    """
    if shutil.which("wrk") is None:
        pytest.skip("needs wrk: make setup-servers")
    with started(server, processes=PROCESSES, limit=60) as child:
        child.first(stats)
        answered, marks = 0, []
        for _ in range(3):
            with Rude(child.port):
                answered += wrk(child.port, REQUESTS // 3)
            marks.append(of_each(child.port))
        first, second, last = marks
        assert first.keys() == second.keys() == last.keys()
        for earlier, later in (first, second), (second, last):
            assert total(later) - total(earlier) >= REQUESTS // 4 > 2 * PROCESSES * BLOCKS
            for process in first:
                assert_flat(earlier[process], later[process])
        for told in last.values():
            assert (told["in_flight"], told["refused"], told["overlaps"], told["peak"]) == (0, 0, 0, 1)
            assert told["status"] == "single-threaded"
        assert total(last) >= answered


def total(of_all):
    return sum(told["requests"] for told in of_all.values())


def assert_flat(before, after):
    """One object that a request leaves behind would show."""
    requests = after["requests"] - before["requests"]
    print("requests %d, objects %+d, memory %+d KB, descriptors %+d" % (
        requests, after["blocks"] - before["blocks"], (after["memory"] - before["memory"]) >> 10,
        after["descriptors"] - before["descriptors"]))
    assert after["blocks"] - before["blocks"] <= BLOCKS
    assert after["memory"] - before["memory"] <= MEMORY
    assert after["descriptors"] <= before["descriptors"]
