"""The page about sections: each of its examples runs beside requests, and never together with one."""

import importlib
import sys
import threading
from contextlib import contextmanager
from datetime import datetime

import pytest
from conftest import DEADLINE, Response, held_inside, until
from programs import get
from test_docs import blocks

import threadguard
from threadguard.guard import groups
from threadguard.testing.server import serve

FILES = {block.file: block.text for block in blocks("sections.md") if block.file}


@contextmanager
def example(name, directory, monkeypatch):
    """The module of the page's file *name*, imported, with a group of its own."""
    before = groups._groups.pop(groups.DEFAULT, None)
    (directory / name).write_text(FILES[name])
    monkeypatch.syspath_prepend(str(directory))
    try:
        yield importlib.import_module(name[:-3])
    finally:
        sys.modules.pop(name[:-3], None)
        group = groups._groups.pop(groups.DEFAULT, None)
        if group is not None:
            group._end_watches()
        if before is not None:
            groups._groups[groups.DEFAULT] = before


def default_group():
    return groups.group_named(None)


def test_a_job_of_apscheduler_waits_for_a_request(tmp_path, monkeypatch, gate):
    """It runs when the request has left, and the next request sees all that it did."""
    pytest.importorskip("apscheduler", reason="APScheduler is not installed")
    pytest.importorskip("flask", reason="flask is not installed")
    with example("site_apscheduler.py", tmp_path, monkeypatch) as site:
        try:
            client = site.app.test_client()
            assert client.get("/").text == "no index yet"
            with held_inside(threadguard.ThreadGuard(gate), gate):
                site.scheduler.get_jobs()[0].modify(next_run_time=datetime.now())
                until(lambda: default_group().ledger.line)
                assert site.index == []
            until(lambda: default_group().stats().sections)
            assert client.get("/").text == "apple"
            assert default_group().verdict.status != "threaded"
        finally:
            site.scheduler.shutdown()


def test_at_most_one_handler_of_flask_socketio_runs_at_once(tmp_path, monkeypatch):
    """Several events of one client are handled in threads of their own; none runs beside another, or beside a view."""
    pytest.importorskip("flask_socketio", reason="Flask-SocketIO is not installed")
    client_module = pytest.importorskip("socketio", reason="python-socketio is not installed")
    pytest.importorskip("werkzeug.serving", reason="Werkzeug is not installed")
    with example("site_socketio.py", tmp_path, monkeypatch) as site:
        witness = Witness()
        site.seen = witness
        site.app.view_functions["messages"] = lambda: witness.append("view") or "seen"
        client = client_module.Client()
        with serve(site.app, threaded=True) as server:
            client.connect(server.url, transports=["polling"], wait_timeout=DEADLINE)
            for number in range(8):
                client.emit("message", "event %d" % number)
            for _ in range(4):
                assert get(server.port, "/") == (200, "seen")
            until(lambda: len(witness.all) == 12)
            client.disconnect()
        assert witness.most == 1 and default_group().stats().sections == 8


class Witness:
    """A list that sees how many append to it at once."""

    def __init__(self):
        self.all, self.inside, self.most, self.lock = [], 0, 0, threading.Lock()

    def append(self, what):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        threading.Event().wait(0.02)  # so that another one, if it were let in, would come
        with self.lock:
            self.inside -= 1
            self.all.append(what)


def test_a_task_of_celery_s_solo_pool_waits_for_a_request(tmp_path, monkeypatch, gate):
    """The worker runs in a thread of the process that serves."""
    pytest.importorskip("celery", reason="celery is not installed")
    from celery.contrib.testing.worker import start_worker

    with example("tasks.py", tmp_path, monkeypatch) as tasks:
        guard = threadguard.ThreadGuard(gate)
        with start_worker(tasks.celery, pool="solo", perform_ping_check=False):
            with held_inside(guard, gate):
                result = tasks.count.delay("apple")
                until(lambda: default_group().ledger.line)
                assert tasks.totals == {}
            assert result.get(timeout=DEADLINE) == 1
        assert guard.stats().sections == 1


def test_a_thread_that_draws_and_views_that_draw_do_not_mix_their_lines(tmp_path, monkeypatch):
    """Each figure has the one line of its own."""
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    with example("charts.py", tmp_path, monkeypatch) as charts:
        lines, save = [], charts.plt.savefig

        def savefig(*args, **options):
            lines.append([list(line.get_ydata()) for line in charts.plt.gca().lines])
            return save(*args, **options)

        monkeypatch.setattr(charts.plt, "savefig", savefig)

        def view(environ, start_response):
            start_response("200 OK", [("Content-Type", "image/png")])
            return [charts.draw([1, 1])]

        guard = threadguard.ThreadGuard(view, server_threads=1)
        pictures = []
        thread = threading.Thread(
            target=lambda: pictures.extend(charts.draw_in_the_background([2, 2]) for _ in range(5)))
        thread.start()
        pictures += [Response(guard).body for _ in range(5)]
        thread.join(DEADLINE)
    assert len(pictures) == 10 and all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert sorted(lines) == [[[1, 1]]] * 5 + [[[2, 2]]] * 5


def test_every_file_of_the_page_is_tried():
    """By a test of this file."""
    assert set(FILES) == {"site_apscheduler.py", "site_socketio.py", "tasks.py", "charts.py"}
