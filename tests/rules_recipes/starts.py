"""Recipes whose first request is served while the loop that starts the threads has started one of them."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.rules_recipes.serving import announce, answer, guard, listen, listen_twice, start
from tests.rules_recipes.threads import feed

FIRST = threading.Lock()
"""Held until the first request has been answered."""
FIRST.acquire()


class Lingering(threading.Thread):
    """A thread whose start takes until then."""

    def __init__(self, **given):
        super().__init__(daemon=True, **given)

    def start(self):
        super().start()
        with FIRST:
            pass


class LingeringExecutor(ThreadPoolExecutor):
    """An executor that takes until then to take a job."""

    def submit(self, *given):
        future = super().submit(*given)
        with FIRST:
            return future


def answer_first(conn, app):
    answer(conn, app)
    if FIRST.locked():
        FIRST.release()


def accept_loop(sock, app):
    while True:
        answer_first(sock.accept()[0], app)


def work(jobs, app):
    while True:
        answer_first(jobs.get(), app)


def other(environ, start_response):
    start_response("200 OK", [])
    return [b""]


def begin(function, *args):
    thread = Lingering(target=function, args=args)
    thread.start()
    return thread


def forever():
    threading.Event().wait()


def range_loop_of(count):
    sock = listen()
    for place in range(count):
        thread = Lingering(target=accept_loop, args=(sock, guard), name="worker-%d" % place)
        thread.start()
    forever()


def range_loop_threaded():
    """A loop over a range starts three threads that accept."""
    range_loop_of(3)


def range_loop_single():
    """It starts one."""
    range_loop_of(1)


def listed_threaded():
    """A loop starts the threads of a list."""
    sock = listen()
    threads = [Lingering(target=accept_loop, args=(sock, guard)) for _ in range(3)]
    for thread in threads:
        thread.start()
    forever()


def listed_single():
    """The other thread of the list accepts for another application."""
    sock, second = listen_twice()
    threads = [Lingering(target=accept_loop, args=(sock, guard)), Lingering(target=accept_loop, args=(second, other))]
    announce(sock)
    for thread in threads:
        thread.start()
    forever()


def comprehension_threaded():
    """A comprehension starts three workers around a queue."""
    jobs = queue.Queue()
    start(feed, listen(), jobs.put)
    threads = [begin(work, jobs, guard) for _ in range(3)]
    forever()
    return threads


class Pool:
    """Starts its workers in a method that another one repeats."""

    def __init__(self, amount):
        self.jobs, self.amount = queue.Queue(), amount
        start(feed, listen(), self.jobs.put)

    def serve(self):
        for place in range(self.amount):
            self.add(place)
        forever()

    def add(self, place):
        worker = Lingering(target=self.work, name=str(place))
        worker.start()

    def work(self):
        while True:
            answer_first(self.jobs.get(), guard)


def pool_of_methods_threaded():
    """A pool that keeps its number under an odd name."""
    Pool(3).serve()


def pool_of_methods_single():
    """The same, of one."""
    Pool(1).serve()


class Accepting(Lingering):
    """A thread of its own class."""

    def __init__(self, sock, app):
        super().__init__()
        self.sock, self.app, self.served = sock, app, queue.Queue()

    def run(self):
        while True:
            answer_first(self.sock.accept()[0], self.app)


def thread_class_threaded():
    """A loop makes objects of a class of threads."""
    sock = listen()
    for _ in range(3):
        thread = Accepting(sock, guard)
        thread.start()
    forever()


def thread_class_single():
    """A loop makes such objects, of which the others serve another application."""
    sock = listen()
    apps = iter((guard, other))
    for _ in range(2):
        thread = Accepting(sock, next(apps))
        sock = listen(announced=False)
        thread.start()
    forever()


def executor_loops_of(executor):
    sock = listen()
    for _ in range(3):
        executor.submit(accept_loop, sock, guard)
    forever()


def executor_loops_threaded():
    """Three loops that accept are jobs of an executor of three."""
    executor_loops_of(LingeringExecutor(3))


def executor_loops_single():
    """Three of them are jobs of an executor of one, of which the second never comes to run."""
    executor_loops_of(LingeringExecutor(1))


def started_anew_single():
    """A loop starts a worker anew, up to three times, when it has ended."""
    sock = listen()
    for _ in range(3):
        thread = Lingering(target=accept_loop, args=(sock, guard))
        thread.start()
        thread.join()


def roles_single():
    """A loop over a range starts two threads, and the second one of another function."""
    sock = listen()
    for place in range(2):
        if place == 0:
            thread = Lingering(target=accept_loop, args=(sock, guard))
        else:
            thread = Lingering(target=forever)
        thread.start()
    forever()


def by_number_single():
    """A loop over a range gives each thread an application of its own, by its number."""
    sockets, apps = listen_twice(), (guard, other)
    announce(sockets[0])
    for place in range(2):
        thread = Lingering(target=accept_loop, args=(sockets[place], apps[place]))
        thread.start()
    forever()


def made_in_the_loop_single():
    """A loop over a range makes an application for each thread."""
    sock = listen()
    for place in range(2):
        app = application_of(place)
        thread = Lingering(target=accept_loop, args=(sock, app))
        sock = listen(announced=False)
        thread.start()
    forever()


def application_of(place):
    return other if place else guard
