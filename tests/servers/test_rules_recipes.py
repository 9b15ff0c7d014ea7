"""The rules, tried on home-made launch recipes: each is started for real, judged on its first request, then measured.

The name of a recipe tells what it is. One that ends in ``_threaded`` lies: its flag is False. One that ends in
``_lone`` lies as well: its flag is True, and its pool object or its server proves that it has one worker. One that ends
in ``_single`` proves nothing and is honest: its flag is False, and no rule may accuse it. One that ends in
``_believed`` shows nothing but its flag, which is True and wrong.
"""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

HELD = 3
"""How many requests are sent at once."""
LIMIT = 120
"""Seconds that one recipe may take on a busy machine."""
MODULES = ("threads", "stdlib", "executors", "greenlets", "objects", "stages", "beside", "people", "loops",
           "bridges", "libraries", "pools", "starts")
starting = threading.Lock()
"""Held while a child is started: some kernels do not stand two threads that do so at once."""
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def names():
    """The recipes: functions that say in their name what they are."""
    for module in MODULES:
        path = os.path.join(ROOT, "tests", "rules_recipes", module + ".py")
        with open(path) as text:
            found = re.findall(r"^def (\w+_(?:threaded|lone|single|believed))\(", text.read(), re.MULTILINE)
        yield from ("%s.%s" % (module, name) for name in found)


def ask(port, path):
    """The answer of the application to one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
    try:
        connection.request("GET", path)
        return json.loads(connection.getresponse().read())
    finally:
        connection.close()


def most_inside(ports):
    """The truth: how many of some requests at once were inside at the same time."""
    answers = []
    threads = [threading.Thread(target=lambda port: answers.append(ask(port, "/hold")["most"]), args=(port,))
               for port in (ports * HELD)[:HELD]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(LIMIT)
    return max(answers, default=0)


def outcome(name):
    """Run the recipe *name*: why it can't be run, or its first verdict and the truth."""
    flag = str(name.endswith(("_lone", "_believed")))
    with starting:
        child = subprocess.Popen([sys.executable, "-m", "tests.rules_recipes", name, flag], cwd=ROOT,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                                 start_new_session=True)
    deadline = threading.Timer(LIMIT, signal_all, (child, signal.SIGKILL))
    deadline.start()
    try:
        line = child.stdout.readline()
        if line.startswith("skip"):
            return line[5:].strip(), None, None
        assert line, child.stderr.read()
        ports = [int(port) for port in line.split()]
        return None, ask(ports[0], "/"), most_inside(ports)
    finally:
        deadline.cancel()
        end(child)


def end(child):
    """End *child* and its own, which may write down first what they did: make coverage counts what runs there."""
    signal_all(child, signal.SIGTERM)
    try:
        child.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        signal_all(child, signal.SIGKILL)
        child.communicate(timeout=LIMIT)


def signal_all(child, number):
    """Send it to the session of *child*: a recipe may fork the process that serves."""
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        pass


@pytest.fixture(scope="module")
def outcomes(request):
    """The outcomes to come of all recipes that are asked for, a few at a time: most of them only wait."""
    wanted = [item.callspec.params["name"] for item in request.session.items if item.originalname == OUTCOME]
    with ThreadPoolExecutor(4) as executor:
        yield {name: executor.submit(outcome, name) for name in wanted}


OUTCOME = "test_a_recipe_is_judged_by_what_it_does"


@pytest.mark.parametrize("name", list(names()))
def test_a_recipe_is_judged_by_what_it_does(name, outcomes):
    """A threaded recipe that says False is threaded by its first request; a single-threaded one never is."""
    missing, first, truth = outcomes[name].result(2 * LIMIT)
    if missing:
        pytest.skip(missing)
    threaded, believed = name.endswith("_threaded"), name.endswith("_believed")
    assert truth > 1 if threaded else truth == 1
    assert first["declared_only"] == (believed or name.endswith("_single")), first
    assert first["status"] == ("threaded" if threaded or believed else "single-threaded"), first
