"""Several processes behind one port: all that live are told of, and no other."""

import multiprocessing
import os
import signal
import socket

import pytest
from conftest import DEADLINE, Response

from threadguard import metrics
from threadguard.guard import groups
from threadguard.observe import metrics_sharing

prometheus_client = pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")
if not hasattr(os, "fork") or not hasattr(socket, "AF_UNIX"):
    pytest.skip("this system has no fork or no Unix sockets", allow_module_level=True)

# Python 3.12 warns of any fork beside a thread. The one here waits in accept() and holds nothing.
pytestmark = pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")


def hello(environ, start_response):
    start_response("200 OK", [])
    return [b"hello"]


@pytest.fixture
def directory(tmp_path_factory, monkeypatch):
    """The directory of the multiprocess mode, in force; in the end nobody listens there."""
    monkeypatch.setattr(groups, "_groups", {})
    monkeypatch.setattr(metrics_sharing, "PATIENCE", DEADLINE)  # whoever does not answer in time is not told of
    path = str(tmp_path_factory.mktemp("m"))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", path)
    yield path
    known = metrics_sharing._listening.pop(path, None)
    if known is not None:
        known[1].shutdown(socket.SHUT_RDWR)  # ends its thread
        known[1].close()


@pytest.fixture
def child():
    """Run a function in a forked process, until the test ends; gives the process, once the function came back."""
    context = multiprocessing.get_context("fork")
    processes, ends = [], []

    def main(function, pipe):
        function()
        pipe.send("ready")
        pipe.poll(DEADLINE)

    def run(function):
        mine, its = context.Pipe()
        process = context.Process(target=main, args=(function, its), daemon=True)
        process.start()
        processes.append(process)
        ends.append(mine)
        assert mine.poll(DEADLINE) and mine.recv() == "ready", "the forked process did not come so far"
        return process

    yield run
    for end, process in zip(ends, processes):
        if process.is_alive():
            end.send("go")
        process.join(DEADLINE)
        assert not process.is_alive()


def requests_by_pid(registry):
    return {int(sample.labels["process_pid"]): sample.value for metric in registry.collect() for sample in metric.samples
            if sample.name == "threadguard_requests_total"}


def value(registry, name):
    return [sample.value for metric in registry.collect() for sample in metric.samples if sample.name == name]


def test_whoever_is_scraped_tells_of_all(directory, guarded, child):
    """Each with its own counts, of the moment of the scrape."""
    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    Response(guard)
    children = [child(lambda number=number: [Response(guard) for _ in range(number)]) for number in (2, 3)]
    assert requests_by_pid(registry) == {os.getpid(): 1, children[0].pid: 2, children[1].pid: 3}
    Response(guard)
    assert requests_by_pid(registry)[os.getpid()] == 2


def test_a_dead_process_does_not_count(directory, guarded, child):
    """Not even one that was killed, and nothing of it stays in the directory."""
    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    victim = child(lambda: Response(guard))
    assert victim.pid in requests_by_pid(registry)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(DEADLINE)
    assert victim.pid not in requests_by_pid(registry)
    assert [name for name in os.listdir(directory) if name.startswith("threadguard_%d_" % victim.pid)] == []


def test_a_process_that_nobody_asked_is_not_told_of(directory, guarded, child):
    """A preloaded master serves nobody, nor does a child that the application starts."""
    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    serving = child(lambda: Response(guard))
    child(lambda: None)
    assert requests_by_pid(registry) == {serving.pid: 1}


def test_an_idle_instance_is_guarded_as_well(directory, guarded, child):
    """Before any request the process that is scraped tells its own verdict, until one has more to tell."""
    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    assert requests_by_pid(registry) == {os.getpid(): 0}
    assert value(registry, "threadguard_verdict").count(1) == 1
    serving = child(lambda: Response(guard))
    assert requests_by_pid(registry) == {serving.pid: 1}


def test_one_that_does_not_answer_is_counted_as_silent(directory, guarded, monkeypatch):
    """It is alive, or the kernel would refuse the connection: what it knows is missing, and that is said."""
    monkeypatch.setattr(metrics_sharing, "PATIENCE", 0.2)
    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    Response(guard)
    assert value(registry, "threadguard_silent_processes") == [0]
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(os.path.join(directory, "threadguard_1_mute.sock"))
        mute.listen(1)
        assert value(registry, "threadguard_silent_processes") == [1]
        assert requests_by_pid(registry) == {os.getpid(): 1}


def test_prometheus_client_does_not_mind_the_sockets(directory, guarded):
    """Its own collector reads the same directory, into the same registry."""
    from prometheus_client import multiprocess

    registry = prometheus_client.CollectorRegistry()
    guard = guarded(hello, server_threads=1)
    metrics.register(registry)
    multiprocess.MultiProcessCollector(registry, directory)
    Response(guard)
    assert requests_by_pid(registry) == {os.getpid(): 1}


def test_sharing_twice_is_sharing_once(directory, guarded):
    """However many registries there are."""
    for _ in range(2):
        metrics.register(prometheus_client.CollectorRegistry())
    assert len(os.listdir(directory)) == 1


def test_a_directory_that_is_not_there_stops_the_start(directory, monkeypatch):
    """The message names it."""
    missing = os.path.join(directory, "missing")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", missing)
    with pytest.raises(OSError, match="threadguard cannot share its metrics in %r: No such file" % missing):
        metrics.register(prometheus_client.CollectorRegistry())


def test_a_directory_that_vanished_does_not_break_a_fork(directory, guarded, child):
    """A child of the application must not fail for it."""
    metrics.register(prometheus_client.CollectorRegistry())
    for name in os.listdir(directory):
        os.unlink(os.path.join(directory, name))
    os.rmdir(directory)
    assert child(lambda: None).is_alive()
