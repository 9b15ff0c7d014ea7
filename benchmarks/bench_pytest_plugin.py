"""What the pytest plugin costs: a suite of 1,000 trivial WSGI tests without it, and with it unused; and the start.

    python benchmarks/bench_pytest_plugin.py [rounds]

The environment needs pytest and Werkzeug beside threadguard. Every run is a process of its own, and CPU seconds are
compared, which a busy machine disturbs less than the clock. The runs of a round follow each other in an order that
turns from round to round; the figure is the median of the rounds' ratios. In each round the suite holds another number
of objects: when Python collects all its garbage, at a heap of what size, costs such a run up to 5 % more or less, and a
few objects more (one more module imported, by whomever) move that moment. Exit status 1 if a goal is missed.
"""

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

TESTS = 1000
GOAL_RATIO = 1.03
GOAL_START = 0.020

HEAD = '''
from werkzeug.test import Client

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]

client = Client(app)
'''
CONFTEST = "import os\nheld = [[] for _ in range(int(os.environ['HELD']))]\n"
HELD = 2503
"""So many objects more in each round."""
TEST = '''
def test_%d():
    assert client.get("/%d").data == b"hello"
'''
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:threadguard"]
PLUGIN = ["-p", "threadguard.pytest_plugin"]
RUNS = {
    "without": ([], "%d passed" % TESTS),
    "unused": (PLUGIN, "%d passed" % TESTS),
}
"""The arguments of each run, and what it must print."""

START = '''
import time, pytest, _pytest.config
config = _pytest.config.get_config()
start = time.%s()
config.pluginmanager.import_plugin("threadguard.pytest_plugin")
print(time.%s() - start)
''' % (("process_time",) * 2)


def cpu_seconds(name, directory, held):
    """The CPU time of the run of that *name*, which must succeed, while the suite holds *held* objects."""
    arguments, wanted = RUNS[name]
    environment = dict(os.environ, PYTEST_DISABLE_PLUGIN_AUTOLOAD="1", HELD=str(held))
    with tempfile.TemporaryFile("w+") as output:
        child = subprocess.Popen(PYTEST + arguments, cwd=directory, env=environment, stdout=output)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = status
        output.seek(0)
        text = output.read()
    if status != 0 or wanted not in text:
        raise SystemExit("pytest %s failed, or did not print %r:\n%s" % (" ".join(arguments), wanted, text[-2000:]))
    return usage.ru_utime + usage.ru_stime


def ratios(directory, rounds):
    """For each round, how often the time without the plugin the run with it takes."""
    found = []
    for number in range(rounds + 1):
        names = list(RUNS)[number % 2:] + list(RUNS)[:number % 2]
        seconds = {name: cpu_seconds(name, directory, HELD * number) for name in names}
        if number > 0:  # the first round compiles
            found.append(seconds["unused"] / seconds["without"])
    return found


def start_seconds(directory, rounds):
    """CPU seconds that loading the plugin adds to a pytest that has started, the least of all."""
    command = [sys.executable, "-c", START]
    return min(float(subprocess.check_output(command, cwd=directory)) for _ in range(rounds + 1))


def main(rounds=15):
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "pytest.ini").write_text("[pytest]\n")
        Path(directory, "conftest.py").write_text(CONFTEST)
        Path(directory, "test_trivial.py").write_text(
            HEAD + "".join(TEST % (number, number) for number in range(TESTS)))
        found = ratios(directory, rounds)
        start = start_seconds(directory, rounds)
    ratio = statistics.median(found)
    print("%d trivial WSGI tests, plugin unused: %.3f of the time without it (median of %d pairs, %.3f to %.3f)" % (
        TESTS, ratio, rounds, min(found), max(found)))
    print("goal: at most %.2f" % GOAL_RATIO)
    print("start when unused: %.1f ms (goal: under %.0f)" % (1000 * start, 1000 * GOAL_START))
    return 0 if ratio <= GOAL_RATIO and start < GOAL_START else 1


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in sys.argv[1:])))
