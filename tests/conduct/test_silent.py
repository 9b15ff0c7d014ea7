"""Under serialize, a client that reads nothing: who waits is told to come again in time, on servers of four threads.

``SILENT=60`` in the environment makes it read nothing for so many seconds.
"""

import os
import time

import pytest
from fire import TABLE, assert_serves, hanging, line, settled, started, stats, until
from rig import at_once, get

SILENT = float(os.environ.get("SILENT", "2.5"))
TIMEOUT, SLACK = 1.0, 30.0
"""What a request waits for its turn, and what the machine may add to that."""


def told_in_time(port):
    """Two requests at once: both are told to come again, after the time that they wait and not much later."""
    begin = time.monotonic()
    for status, headers, _ in at_once(2, lambda: get(port, "/good", timeout=TIMEOUT + SLACK)):
        assert status == 503
        assert {name.title(): value for name, value in headers}["Retry-After"] == "1"
    assert TIMEOUT <= time.monotonic() - begin < TIMEOUT + SLACK


@pytest.mark.parametrize("path", ["generator", "stream"])
@pytest.mark.parametrize("server", TABLE)
def test_a_client_that_reads_nothing_holds_up_nobody_for_longer_than_the_timeout(server, path):
    """Its request keeps the turn and is named; once it is gone, a thousand requests are served and nobody is inside."""
    with started(server, threads=4, limit=300, FAULTY_POLICY="serialize") as child:
        child.first(stats)
        with hanging(child.port, line(b"/" + path.encode()), 1):
            end = time.monotonic() + SILENT
            refused = 0
            while not refused or time.monotonic() < end:
                told_in_time(child.port)
                refused += 2
            assert until(child.port, lambda found: found["in_flight"] == 1)["in_flight"] == 1
        assert settled(child.port)["in_flight"] == 0
        found = assert_serves(child.port)
        assert (found["refused"], found["overlaps"], found["peak"]) == (refused, 0, 1)
        assert "TG304" in child.output() and path in child.output()
