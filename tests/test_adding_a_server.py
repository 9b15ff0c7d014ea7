"""docs/adding-a-server.md: the server of that page is really added, to a copy of the package, and then used."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from real_servers import ask, environment, free_ports, serving
from test_docs import blocks

import threadguard

TIMEOUT = 120
POOL = '''"""The server of the page: workers that take connections from a queue."""

import queue
import socket
import sys
import threading
from wsgiref.handlers import SimpleHandler


class Pool:
    def __init__(self, size, app):
        self.size, self.app, self.connections = size, app, queue.Queue()

    def work(self):
        while True:
            connection = self.connections.get()
            with connection, connection.makefile("rb") as reader, connection.makefile("wb") as writer:
                method, path, _ = reader.readline().decode("latin-1").split()
                while reader.readline().strip():
                    pass
                environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "SERVER_PROTOCOL": "HTTP/1.0"}
                SimpleHandler(reader, writer, sys.stderr, environ, multithread=True).run(self.app)


def serve(app, port, size):
    pool, listener = Pool(size, app), socket.create_server(("127.0.0.1", port))
    for _ in range(size):
        threading.Thread(target=pool.work, daemon=True).start()
    while True:
        pool.connections.put(listener.accept()[0])
'''
SITE = """import sys
from threadguard import ThreadGuard
from fantasia.pool import serve

def site(environ, start_response):
    start_response("200 OK", [])
    verdict = guard.verdict
    return [("%s %s %s" % (verdict.status, verdict.capacity, verdict.findings[0].remedy)).encode()]

guard = ThreadGuard(site, policy="log", health_path="/-/threadguard")
serve(guard, int(sys.argv[1]), int(sys.argv[2]))
"""
TUPLES = {"threadguard/servers/__init__.py": ("SERVERS", "threadguard.servers", "fantasia"),
          "threadguard/check/command_lines.py": ("COMMANDS", "threadguard.check", "fantasia.COMMAND"),
          "threadguard/check/__init__.py": ("FORMATS", "threadguard.check", "fantasia.FORMAT")}


def files():
    """The files of the page, each with its name in its first line."""
    return {re.match("# (.*)\n", block.text).group(1): block.text for block in blocks("adding-a-server.md")}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A copy of threadguard with the files of the page, its names in the tuples, and the server itself."""
    path = tmp_path_factory.mktemp("d")
    shutil.copytree(str(Path(threadguard.__file__).parent), str(path / "threadguard"),
                    ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in files().items():
        (path / name).write_text(text)
    for name, (listed, package, module) in TUPLES.items():
        text, number = re.subn(r"(?m)^(%s: .*= \()$" % listed, r"from %s import %s\n\1\n    %s," % (
            package, module.partition(".")[0], module), (path / name).read_text())
        assert number == 1, name
        (path / name).write_text(text)
    (path / "fantasia").mkdir()
    (path / "fantasia" / "__init__.py").write_text("")
    (path / "fantasia" / "pool.py").write_text(POOL)
    (path / "site_fantasia.py").write_text(SITE)
    (path / "one.ini").write_text("[fantasia]\npool_size = 1\n")
    (path / "many.ini").write_text("[fantasia]\nbind = :80\npool_size = 4\n")
    return path


def run(place, *words):
    """Exit status and first line of ``threadguard`` with that server."""
    done = subprocess.run([sys.executable, "-m", "threadguard", *words], cwd=str(place), timeout=TIMEOUT,
                          env={**environment(), "PYTHONPATH": str(place)}, universal_newlines=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout.splitlines()


def test_every_block_of_the_page_is_added():
    """Each is one of the files that a name in a tuple is for."""
    assert set(files()) == {"%s/%s.py" % (package.replace(".", "/"), module.partition(".")[0])
                            for _, package, module in TUPLES.values()}


@pytest.mark.parametrize("size, status, capacity", [(1, "single-threaded", "1"), (4, "threaded", "4")])
def test_its_running_process_is_read(size, status, capacity, place):
    """On the first request, by the reader of the page; its remedy is named."""
    [port] = free_ports(1)
    with serving("server", [sys.executable, "site_fantasia.py", str(port), str(size)], place, port):
        assert ask(port, "/")[2].split(" ", 2)[:2] == [status, capacity]
        assert size == 1 or ask(port, "/")[2].endswith("--pool-size 1, and --processes N for more throughput")


@pytest.mark.parametrize("words, status, says", [
    ("fantasia --pool-size 1 app", 0, "TG100 fantasia lets one request at a time into each process"),
    ("fantasia app", 1, "TG101 fantasia lets 8 requests at once into each process"),
    ("fantasia -c many.ini app", 1, "many.ini:3: TG101 fantasia lets 4 requests at once into each process"),
    ("fantasia -c many.ini --pool-size 1", 0, "TG100 fantasia lets one request at a time into each process"),
    ("fantasia --pool-size 0", 2, "TG902 fantasia cannot be read"),
    ("sh -c 'fantasia --pool-size $(nproc)'", 3,
     "TG403 cannot tell how many requests fantasia lets at once into each process"),
])
def test_its_command_line_is_checked(words, status, says, place):
    """By the second file of the page, through wrappers as for any server."""
    found, lines = run(place, "check", "--", *shlex.split(words))
    assert (found, lines[0]) == (status, says)


@pytest.mark.parametrize("name, status, says", [
    ("one.ini", 0, "one.ini:2: TG100 fantasia lets one request at a time into each process"),
    ("many.ini", 1, "many.ini:3: TG101 fantasia lets 4 requests at once into each process"),
])
def test_its_configuration_is_checked(name, status, says, place):
    """By the second file of the page."""
    found, lines = run(place, "check", name)
    assert (found, lines[0].partition(", assuming that ")[0]) == (status, says)


def test_the_tables_have_it(place):
    """`threadguard servers` and `threadguard explain` are made from the files."""
    assert "  by check:     fantasia" in run(place, "servers")[1]
    assert any(line.startswith("  fantasia: --pool-size 1") for line in run(place, "explain", "TG101")[1])


def test_no_worker_loads_what_takes_commands_apart():
    """`import threadguard` and a guard leave check and its parsers alone."""
    code = ("import sys; before = set(sys.modules); import threadguard; threadguard.ThreadGuard(lambda e, s: [])\n"
            "print(*set(sys.modules) - before)")
    loaded = subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT, env=environment(),
                            stdout=subprocess.PIPE, universal_newlines=True).stdout.split()
    assert not [name for name in loaded if name.startswith("threadguard.check")]
    assert not {"configparser", "yaml", "click", "shlex", "subprocess"} & set(loaded)
