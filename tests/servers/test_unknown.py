"""The signs of a server that nobody wrote a reader for, each on a stack of its own kind."""

import ast
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from multiprocessing.pool import ThreadPool
from pathlib import Path

import pytest
from conftest import DEADLINE
from fake_stacks import module

import threadguard
from threadguard.process.facts import Process
from threadguard.servers import unknown


def signs():
    """What the signs say here."""
    with Process({}) as process:
        found = [sign(process) for sign in unknown.SIGNS]
    return [(reading.capacity, reading.unbounded) for reading in found if reading is not None]


def test_a_bare_stack_shows_nothing():
    """Neither the main thread nor another one is evidence."""
    seen = []
    thread = threading.Thread(target=lambda: seen.extend(signs()))
    thread.start()
    thread.join(DEADLINE)
    assert signs() == seen == []


@pytest.mark.parametrize("size", [1, 3])
def test_an_executor_owns_its_threads(size):
    """Its size is the bound, 1 included."""
    with ThreadPoolExecutor(size) as pool:
        assert pool.submit(signs).result(DEADLINE) == [(size, False)]


@pytest.mark.parametrize("size", [1, 3])
def test_a_thread_pool_of_multiprocessing_owns_its_threads(size):
    """The thread that keeps the pool at its size knows the number."""
    with ThreadPool(size) as pool:
        assert pool.apply(signs) == [(size, False)]
        pool.close()
        pool.join()


@pytest.mark.parametrize("size", [1, 3])
def test_a_thread_pool_of_gevent_owns_its_threads(size):
    """They are real threads."""
    pool = pytest.importorskip("gevent.threadpool", reason="needs the package gevent").ThreadPool(size)
    try:
        assert pool.apply(signs) == [(size, False)]
    finally:
        pool.kill()


def test_an_executor_that_runs_a_server_s_loop_as_a_job_does_not_bound_it():
    """The loop accepts the requests, and serves them in turn."""
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.extend(signs())
            self.request.sendall(b"x")

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server, ThreadPoolExecutor(4) as pool:
        serving = pool.submit(server.serve_forever, 0.01)
        ask(server.server_address[1])
        server.shutdown()
        serving.result(DEADLINE)
    assert seen == [(1, False)]


def ask(port):
    import socket

    with socket.create_connection(("127.0.0.1", port), DEADLINE) as connection:
        assert connection.recv(1) == b"x"


@pytest.mark.parametrize("mixins, expected", [((), [(1, False)]), ((socketserver.ThreadingMixIn,), [(None, True)])])
def test_socketserver_shows_whether_it_starts_a_thread_for_each_connection(mixins, expected):
    """Or serves in the thread that accepts."""
    seen = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            seen.extend(signs())
            self.request.sendall(b"x")

    kind = type("Server", (*mixins, socketserver.TCPServer), {})
    with kind(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        ask(server.server_address[1])
        server.shutdown()
        thread.join(DEADLINE)
    assert seen == expected


def test_a_copy_of_the_mixin_is_seen_too():
    """Some servers bring their own, and start the thread in the same way."""
    copy = module("home", "def process_request_thread(found): found.extend(look())", look=signs)
    seen = []
    thread = threading.Thread(target=copy.process_request_thread, args=(seen,))
    thread.start()
    thread.join(DEADLINE)
    assert seen == [(None, True)]


class Connection:
    """Something that a request came with."""


GUARD = object()


@pytest.mark.parametrize("job, carries", [
    pytest.param((print,), False, id="a function"),
    pytest.param((print, "/warm", 3, None), False, id="a function and plain things"),
    pytest.param((print, GUARD, "127.0.0.1", 80), False, id="a server of its own, and the application"),
    pytest.param((print, Connection()), True, id="an object"),
    pytest.param((print, {"REQUEST_METHOD": "GET"}), True, id="an environ"),
    pytest.param((partial(print, Connection()),), True, id="in a partial"),
    pytest.param((partial(print, 1),), False, id="a partial of plain things"),
    pytest.param(((lambda held: lambda: held)(Connection()),), True, id="in a closure"),
    pytest.param((print, [("x", Connection())]), True, id="in a list"),
])
def test_a_job_of_plain_things_carries_no_request(job, carries):
    """It warms the application up, or is a server of its own."""
    assert unknown.carries_a_request(job, lambda thing: thing is GUARD) is carries


@pytest.mark.parametrize("source", sorted(Path(threadguard.__file__).parent.rglob("*.py")), ids=lambda path: path.name)
def test_nothing_in_the_package_reads_bytecode_or_source_text(source):
    """A verdict rests on what was looked up. What a function's globals are called is asked in one place (reach.py)."""
    tree = ast.parse(source.read_text(encoding="utf-8"))
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    names |= {alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
              for alias in node.names}
    names |= {str(node.module).partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    forbidden = {"dis", "opcode", "co_code", "getsource", "getsourcelines", "getclosurevars", "linecache", "co_names"}
    found = (names | texts) & forbidden
    assert found <= ({"co_names"} if source.name == "reach.py" else set())
    assert not any(text.startswith(("LOAD_", "CALL_", "STORE_")) for text in texts)
