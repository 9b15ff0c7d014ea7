"""Recipes of pools that start their threads as requests come, and keep their bound under a name of their own."""

import queue
import threading
import time
from collections import namedtuple

from tests.rules_recipes.serving import answer, guard, listen, start
from tests.rules_recipes.threads import feed


class Thrifty:
    """Starts a thread while there are fewer than n."""

    def __init__(self, n):
        self.n, self.threads, self.jobs = n, [], queue.Queue()

    def put(self, conn):
        self.jobs.put(conn)
        self.grow()

    def grow(self):
        if self.n > len(self.threads):
            self.threads.append(threading.Thread(target=self.work, daemon=True))
            self.threads[-1].start()

    def work(self):
        while True:
            answer(self.jobs.get(), guard)


def odd_name_threaded():
    """A pool object that grows up to its n of three."""
    feed(listen(), Thrifty(3).put)


def odd_name_single():
    """The same, and its n is one."""
    feed(listen(), Thrifty(1).put)


def thrifty_closures_threaded():
    """The same with closures, and a number in the code."""
    jobs, threads = queue.Queue(), []

    def work():
        while True:
            answer(jobs.get(), guard)

    def put(conn):
        jobs.put(conn)
        if len(threads) < 4:
            threads.append(threading.Thread(target=work, daemon=True))
            threads[-1].start()

    feed(listen(), put)


class Restless:
    """Has one worker, which it starts anew when it has died, but not more often than it may."""

    def __init__(self, often):
        self.often, self.jobs, self.starts = often, queue.Queue(), []
        self.workers = [start(self.work)]

    def put(self, conn):
        if not self.workers[-1].is_alive() and len(self.workers) < self.often and len(self.starts) < self.often:
            self.starts.append(time.time())
            self.workers.append(start(self.work))
        self.jobs.put(conn)

    def work(self):
        while True:
            answer(self.jobs.get(), guard)


def restarts_single():
    """One worker, and a bound for how often it is started anew."""
    feed(listen(), Restless(5).put)


class Janitor:
    """Serves in one thread, and cleans up in others, of which there are fewer than many."""

    def __init__(self, many):
        self.many, self.threads, self.jobs = many, [], queue.Queue()
        start(self.work)

    def put(self, conn):
        if len(self.threads) < self.many:
            self.threads.append(start(self.clean))
        self.jobs.put(conn)

    def work(self):
        while True:
            answer(self.jobs.get(), guard)

    def clean(self):
        threading.Event().wait()


def janitors_single():
    """One worker, and a bound for threads that do something else."""
    feed(listen(), Janitor(4).put)


class ByDict(Thrifty):
    """Keeps its number in a dict of settings."""

    def __init__(self, settings):
        super().__init__(None)
        self.settings = settings

    def grow(self):
        if len(self.threads) < self.settings["most"]:
            self.threads.append(threading.Thread(target=self.work, daemon=True))
            self.threads[-1].start()


class ByTuple(ByDict):
    """Keeps it in a named tuple."""

    def grow(self):
        if len(self.threads) < self.settings.most:
            self.threads.append(threading.Thread(target=self.work, daemon=True))
            self.threads[-1].start()


def dict_of_settings_threaded():
    """A pool that grows up to a number of a dict."""
    feed(listen(), ByDict({"least": 1, "most": 3}).put)


def dict_of_settings_single():
    """The same, and that number is one, whatever the other says."""
    feed(listen(), ByDict({"least": 3, "most": 1}).put)


Settings = namedtuple("Settings", "least most")


def tuple_of_settings_threaded():
    """A pool that grows up to a field of a named tuple."""
    feed(listen(), ByTuple(Settings(1, 3)).put)


def tuple_of_settings_single():
    """The same, and that field is one, whatever the other says."""
    feed(listen(), ByTuple(Settings(3, 1)).put)
