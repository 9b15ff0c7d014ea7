"""Several processes behind one port: all that live are told of, and no other."""

import errno
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import socket
import stat
import threading
import time

import pytest
import real_servers
from conftest import DEADLINE, Response, held_inside, hello, new_environ

from threadguard import metrics
from threadguard.guard import group, groups
from threadguard.model import Finding
from threadguard.observe import metrics_sharing

prometheus_client = pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")
if not hasattr(os, "fork") or not hasattr(socket, "AF_UNIX"):
    pytest.skip("this system has no fork or no Unix sockets", allow_module_level=True)

# Python 3.12 warns of any fork beside a thread. The one here waits in accept() and holds nothing.
pytestmark = pytest.mark.filterwarnings("ignore:.*is multi-threaded, use of fork:DeprecationWarning")


@pytest.fixture
def directory(tmp_path_factory, monkeypatch):
    """The directory of the multiprocess mode, in force; in the end nobody listens there."""
    monkeypatch.setattr(groups, "_groups", {})
    monkeypatch.setattr(metrics_sharing, "PATIENCE", DEADLINE)  # whoever does not answer in time is not told of
    path = str(tmp_path_factory.mktemp("m"))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", path)
    yield path
    group.overlap_records[:] = []
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


@pytest.fixture
def shared(directory, guarded):
    """A registry with the metrics of all processes that share the directory, and a guard that they are of."""
    registry, guard = prometheus_client.CollectorRegistry(), guarded(hello, server_threads=1, group="default")
    metrics.register(registry)
    return registry, guard


def requests_by_pid(registry):
    samples = (sample for metric in registry.collect() for sample in metric.samples)
    return {int(sample.labels["process_pid"]): sample.value for sample in samples
            if sample.name == "threadguard_requests_total"}


def value(registry, name):
    return [sample.value for metric in registry.collect() for sample in metric.samples if sample.name == name]


def test_whoever_is_scraped_tells_of_all(shared, child):
    """Each with its own counts, of the moment of the scrape."""
    registry, guard = shared
    Response(guard)
    children = [child(lambda number=number: [Response(guard) for _ in range(number)]) for number in (2, 3)]
    assert requests_by_pid(registry) == {os.getpid(): 1, children[0].pid: 2, children[1].pid: 3}
    Response(guard)
    assert requests_by_pid(registry)[os.getpid()] == 2


def test_a_dead_process_does_not_count(directory, shared, child):
    """Not even one that was killed, and nothing of it stays in the directory."""
    registry, guard = shared
    victim = child(lambda: Response(guard))
    assert victim.pid in requests_by_pid(registry)
    os.kill(victim.pid, signal.SIGKILL)
    victim.join(DEADLINE)
    assert victim.pid not in requests_by_pid(registry)
    assert [name for name in os.listdir(directory) if name.startswith("threadguard_%d_" % victim.pid)] == []


def test_a_process_that_nobody_asked_is_not_told_of(shared, child):
    """A preloaded master serves nobody, nor does a child that the application starts."""
    registry, guard = shared
    serving = child(lambda: Response(guard))
    child(lambda: None)
    assert requests_by_pid(registry) == {serving.pid: 1}


def test_an_idle_instance_is_guarded_as_well(shared, child):
    """Before any request the process that is scraped tells its own verdict, until one has more to tell."""
    registry, guard = shared
    assert requests_by_pid(registry) == {os.getpid(): 0}
    assert value(registry, "threadguard_verdict").count(1) == 1
    serving = child(lambda: Response(guard))
    assert requests_by_pid(registry) == {serving.pid: 1}


def test_one_that_hangs_stays_silent_for_as_long_as_it_hangs(directory, guarded, monkeypatch):
    """Also when so many scrapes have asked it that its backlog is full."""
    monkeypatch.setattr(metrics_sharing, "PATIENCE", 0.02)
    with socket.socket(socket.AF_UNIX) as hung:
        hung.bind(os.path.join(directory, "threadguard_1_hung.sock"))
        hung.listen(2)
        assert [metrics_sharing.read_all(directory) for _ in range(8)] == [([], 1)] * 8
    assert metrics_sharing.read_all(directory) == ([], 0)
    assert os.listdir(directory) == [], "a dead one is forgotten"


class Answering:
    """Something else that listens in the directory: it answers each connection with what *chunks* gives."""

    def __init__(self, directory, chunks):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(os.path.join(directory, "threadguard_1_other.sock"))
        self._listener.listen(8)
        self._chunks = chunks
        self._thread = threading.Thread(target=self._answer)

    def __enter__(self):
        self._thread.start()

    def __exit__(self, *exc):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(DEADLINE)
        self._listener.close()
        assert not self._thread.is_alive()

    def _answer(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    for chunk in self._chunks():
                        connection.sendall(chunk)
                except OSError:
                    continue


def row(**changes):
    return {"pid": 1, "group": "default", "active": [], "peak": 0, "requests": 5, "refused": 0, "overlaps": 0,
            "sections": 0, "sections_inside": 0, "capacity": 1, "unbounded": False, "status": "single-threaded",
            **changes}


def dripping():
    """A byte now and then, for ever."""
    while True:
        yield b"["
        threading.Event().wait(0.05)


@pytest.mark.parametrize("chunks", [
    pytest.param(lambda: itertools.repeat(b"[" * 65536), id="without end"),
    pytest.param(dripping, id="a byte now and then"),
    pytest.param(lambda: [], id="nothing"),
    pytest.param(lambda: [b"\xff\xfe"], id="no text"),
    pytest.param(lambda: [b"[" * 100000], id="a list without end"),
    pytest.param(lambda: [b'{"version": 2}'], id="another version's answer"),
    pytest.param(lambda: [json.dumps([{"pid": 1, "requests": 5}]).encode()], id="another version's row"),
    pytest.param(lambda: [json.dumps([row(), row()]).encode()], id="one series twice"),
    pytest.param(lambda: [json.dumps([row(pid=os.getpid())]).encode()], id="the series of another process"),
])
def test_a_bad_answer_takes_no_others(directory, shared, child, monkeypatch, chunks):
    """It counts as silent; the processes that answer are told of, and the page can be written."""
    monkeypatch.setattr(metrics_sharing, "PATIENCE", 1.0)
    registry, guard = shared
    Response(guard)
    other = child(lambda: Response(guard))
    with Answering(directory, chunks):
        assert requests_by_pid(registry) == {os.getpid(): 1, other.pid: 1}
        assert value(registry, "threadguard_silent_processes") == [1]
        assert b"threadguard_silent_processes 1.0" in prometheus_client.generate_latest(registry)


def test_an_answer_without_end_is_read_to_its_bound_and_no_further(directory, guarded):
    """However much time there is: it would fill the memory."""
    start = time.monotonic()
    with Answering(directory, lambda: itertools.repeat(b"[" * 65536)):
        assert metrics_sharing.read_all(directory) == ([], 1)
    assert time.monotonic() - start < metrics_sharing.PATIENCE / 2


def test_a_good_answer_of_another_process_is_told(directory, guarded):
    """What the parametrized test above is measured against."""
    with Answering(directory, lambda: [json.dumps([row()]).encode()]):
        assert metrics_sharing.read_all(directory) == ([row()], 0)


def test_sockets_are_for_their_owner_alone(directory, guarded):
    """Whatever the umask is."""
    before = os.umask(0)
    try:
        metrics_sharing.share(directory)
    finally:
        os.umask(before)
    [name] = os.listdir(directory)
    assert stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) == 0o600


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_strangers_socket_is_not_asked(directory, guarded):
    """In a directory that others can write, anybody could tell anything."""
    with Answering(directory, lambda: [json.dumps([row()]).encode()]):
        os.chown(os.path.join(directory, "threadguard_1_other.sock"), 12345, 12345)
        assert metrics_sharing.read_all(directory) == ([], 0)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give up its rights")
def test_a_worker_that_gives_up_roots_rights_is_told_of(directory, guarded, child):
    """As gunicorn's with --user and --preload: it forks first. It listens anew, and is silent to none of its kind."""
    guard = guarded(hello, server_threads=1)

    def worker():
        os.seteuid(12345)
        Response(guard)
        assert metrics_sharing.read_all(place)[1] == 0, "root's own socket is none that this one may ask"
        metrics_sharing.share(place)
        assert [row["pid"] for row in metrics_sharing.read_all(place)[0]] == [os.getpid()]

    with real_servers.directory() as path:
        place = str(path)
        path.chmod(0o777)
        metrics_sharing.share(place)
        Response(guard)
        assert child(worker).is_alive()
        listener = metrics_sharing._listening.pop(place)[1]
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def test_a_process_out_of_file_descriptors_answers_again_later(directory, guarded, monkeypatch):
    """accept() failed, and the thread that answers is still there."""
    listener = metrics_sharing._listener(directory)
    failing = [OSError(errno.EMFILE, "Too many open files")]

    class Listener:
        fileno = listener.fileno

        def accept(self):
            if failing:
                raise failing.pop()
            return listener.accept()

    thread = threading.Thread(target=metrics_sharing._answer, args=(Listener(),), daemon=True)
    thread.start()
    assert metrics_sharing.read_all(directory) == ([], 0) and not failing
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(DEADLINE)
    assert not thread.is_alive()


# -- overlaps that outlive their process


def overlapping(guard, gate):
    """Two requests inside *guard* at once."""
    with held_inside(guard, gate, "/first"):
        with held_inside(guard, gate, "/second"):
            pass


def page_of(guard, accept="application/json"):
    """The health page of *guard*, with all details."""
    return Response(guard, new_environ(PATH_INFO="/-/tg", HTTP_ACCEPT=accept, HTTP_AUTHORIZATION="Bearer t")).body


def test_an_overlap_is_on_the_page_after_its_worker_was_replaced(directory, guarded, gate, child):
    """Another process tells of it, with both requests; in its own reports it has none."""
    guard = guarded(gate, policy="log", server_threads=4, health_path="/-/tg", health_token="t")
    metrics_sharing.share(directory)
    worker = child(lambda: overlapping(guard, gate))
    os.kill(worker.pid, signal.SIGKILL)
    worker.join(DEADLINE)
    told = json.loads(page_of(guard))
    assert told["overlaps"] == [] and told["stats"]["overlaps"] == 0
    [record] = told["recorded"]
    assert (record["pid"], record["code"]) == (worker.pid, "TG301")
    assert "GET /first" in record["evidence"] and "GET /second" in record["evidence"]
    page = page_of(guard, "text/html").decode()
    assert "Reports of other processes" in page and "in process %d" % worker.pid in page


def test_a_processes_own_overlap_is_told_once(directory, guarded, gate):
    """As a report, and not as a record of another process."""
    guard = guarded(gate, policy="log", server_threads=4, health_path="/-/tg", health_token="t")
    metrics_sharing.share(directory)
    overlapping(guard, gate)
    told = json.loads(page_of(guard))
    assert (len(told["overlaps"]), told["recorded"]) == (1, [])


def test_only_the_newest_records_are_kept(directory, monkeypatch):
    """A site that overlaps all the time, under workers that are replaced, fills no disk."""
    monkeypatch.setattr(metrics_sharing.OverlapRecords, "KEPT", 3)
    records = metrics_sharing.OverlapRecords(directory)
    for number in range(6):
        records.keep("a", Finding("TG301", "number %d" % number, "in process 1"))
    monkeypatch.setattr(os, "getpid", lambda: 0)
    assert [record["sentence"] for record in records.of_others("a")] == ["number 5", "number 4", "number 3"]
    assert len(os.listdir(directory)) == 3 and list(records.of_others("b")) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", "[" * 100000, '{"code": "TG999"}', "\udcff",
                                  '{"group": "a", "time": "", "code": "TG301", "sentence": "", "evidence": "",'
                                  ' "pid": Infinity}'], ids=ascii)
def test_what_is_no_record_is_passed_over(directory, text):
    """A page without it is better than none."""
    with open(os.path.join(directory, "threadguard_1_1_x.overlap.json"), "w", errors="surrogateescape") as file:
        file.write(text)
    assert list(metrics_sharing.OverlapRecords(directory).of_others("a")) == []


def test_a_directory_that_vanished_costs_no_report(directory, guarded, gate):
    """Neither the request that overlaps, nor the page."""
    guard = guarded(gate, policy="log", server_threads=4, health_path="/-/tg", health_token="t")
    metrics_sharing.share(directory)
    shutil.rmtree(directory)
    overlapping(guard, gate)
    assert len(json.loads(page_of(guard))["overlaps"]) == 1
    os.mkdir(directory)


def test_prometheus_client_does_not_mind_the_sockets(directory, shared):
    """Its own collector reads the same directory, into the same registry."""
    from prometheus_client import multiprocess

    registry, guard = shared
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
