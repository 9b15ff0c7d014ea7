"""An application with a scheduler: a thread of its own whose job is a section, beside the requests.

    /start     starts the scheduler: a job of a few milliseconds, again and again
    /work      stays inside for a few milliseconds
    /long      has the scheduler's next job last for SECONDS, and answers when it is inside

Each answers with what was seen: how many were ever inside together, requests and jobs, and what the guard says. The
way in which `time.sleep` waits is right on every server here: gunicorn's gevent worker replaces it, and threads.
"""

import json
import os
import threading
import time

import truth

SECONDS = 2.0


class Seen:
    """Who is inside now, and the most that ever were."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = {"request": 0, "job": 0}
        self.most = {"request": 0, "job": 0, "both": 0}

    def stay(self, kind, seconds):
        """Be inside as a *kind* for so long."""
        with self.lock:
            self.inside[kind] += 1
            self.most[kind] = max(self.most[kind], self.inside[kind])
            if all(self.inside.values()):
                self.most["both"] += 1
        time.sleep(seconds)
        with self.lock:
            self.inside[kind] -= 1


class Scheduler:
    """Runs one job after the other."""

    def __init__(self):
        self.is_long, self.entered = threading.Event(), threading.Event()
        self.thread = None

    def start(self):
        """Begin, in the process that serves: a thread would not be in one that is forked later."""
        if self.thread is None:
            self.thread = threading.Thread(target=self.run, daemon=True)
            self.thread.start()

    def run(self):
        guard = truth.the_guard()[0]
        while True:
            with guard.inside("nightly job", timeout=60):
                is_long = self.is_long.is_set()
                if is_long:
                    self.is_long.clear()
                    self.entered.set()
                SEEN.stay("job", SECONDS if is_long else 0.005)
            time.sleep(0.005)


SEEN, SCHEDULER = Seen(), Scheduler()


def application(environ, start_response):
    """Do what the path says, and report."""
    path = environ["PATH_INFO"]
    if path == "/start":
        SCHEDULER.start()
    elif path == "/work":
        SEEN.stay("request", 0.01)
    elif path == "/long":
        SCHEDULER.is_long.set()
    guard = truth.the_guard()[0]
    body = json.dumps({
        "pid": os.getpid(), "most": SEEN.most, "stats": truth.plain(guard.stats()),
        "verdict": guard.verdict.status, "codes": [finding.code for finding in guard.verdict.findings]}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
