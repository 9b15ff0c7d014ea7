"""The rules, tried on home-made launch recipes: each is started for real, judged on its first request, then measured.

The name of a recipe tells what it is. One that ends in ``_threaded`` lies: its flag is False. One that ends in
``_lone`` lies as well: its flag is True, and its pool object proves that it has one worker. One that ends in
``_single`` proves nothing and is honest: its flag is False, and no rule may accuse it. One that ends in ``_believed``
shows nothing but its flag, which is True and wrong.
"""

import http.client
import json
import os
import re
import subprocess
import sys
import threading

import pytest

HELD = 3
"""How many requests are sent at once."""
MODULES = ("threads", "stdlib", "executors", "greenlets")
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def names():
    """The recipes: functions that say in their name what they are."""
    for module in MODULES:
        path = os.path.join(ROOT, "tests", "rules_recipes", module + ".py")
        with open(path) as text:
            found = re.findall(r"^def (\w+_(?:threaded|lone|single|believed))\(", text.read(), re.MULTILINE)
        yield from ("%s.%s" % (module, name) for name in found)


def ask(port, path):
    """The answer of the application to one request."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
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
        thread.join(20)
    return max(answers)


@pytest.mark.parametrize("name", list(names()))
def test_a_recipe_is_judged_by_what_it_does(name):
    """A threaded recipe that says False is threaded by its first request; a single-threaded one never is."""
    threaded = name.endswith("_threaded")
    flag = str(name.endswith(("_lone", "_believed")))
    child = subprocess.Popen([sys.executable, "-m", "tests.rules_recipes", name, flag], cwd=ROOT,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True)
    try:
        line = child.stdout.readline()
        if line.startswith("skip"):
            pytest.skip(line[5:].strip())
        assert line, child.stderr.read()
        ports = [int(port) for port in line.split()]
        first = ask(ports[0], "/")
        truth = most_inside(ports)
        assert truth > 1 if threaded else truth == 1
        believed = name.endswith("_believed")
        assert first["declared_only"] if believed or name.endswith("_single") else not first["declared_only"], first
        assert first["status"] == ("threaded" if threaded or believed else "single-threaded"), first
    finally:
        child.kill()
        child.communicate(timeout=10)
