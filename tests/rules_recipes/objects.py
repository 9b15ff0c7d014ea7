"""Recipes around an object that is the server: what it holds, and what each of its threads uses of that."""

import os
import queue
import socketserver
import threading
from wsgiref.simple_server import WSGIServer, make_server

from tests.rules_recipes.serving import announce, answer, guard, listen, start


class Site:
    """A server with a second port of its own."""

    def __init__(self):
        self.app, self.running = guard, True
        self.sock, self.other = listen(announced=False), listen(announced=False)

    def serve(self):
        while self.running:
            self.handle(self.sock.accept()[0])

    def handle(self, conn):
        answer(conn, self.app)

    def serve_other(self):
        while self.running:
            self.handle(self.other.accept()[0])

    def administer(self):
        """Tell the counts to whoever asks."""
        while self.running:
            conn, _ = self.other.accept()
            conn.sendall(str(self.app.stats()).encode())
            conn.close()

    def redirect(self):
        """Send everybody to another place."""
        while self.running:
            self.send_away(self.other.accept()[0])

    def send_away(self, conn):
        conn.sendall(b"HTTP/1.0 301 Moved Permanently\r\n\r\n")
        conn.close()

    def hand_on(self):
        """Serve with a function that is given the whole object."""
        while self.running:
            hand_on(self, self.other.accept()[0])


def hand_on(site, conn):
    answer(conn, site.app)


def site_with(loop):
    site = Site()
    start(getattr(site, loop))
    announce(site.sock, site.other)
    site.serve()


def site_with_administration_single():
    """A thread of the server object tells the guard's counts on a port of its own."""
    site = Site()
    start(site.administer)
    announce(site.sock)
    site.serve()


def site_with_redirects_single():
    """A thread of the server object redirects from a port of its own; the other one serves."""
    site = Site()
    start(site.serve)
    announce(site.sock)
    site.redirect()


def site_on_two_ports_threaded():
    """Both threads of the server object serve, each on its own port, through a method that they share."""
    site_with("serve_other")


def site_handed_on_threaded():
    """The same, and the second loop hands the whole object to a function."""
    site_with("hand_on")


class Prefork:
    """A server with one thread in each of its processes, and a queue before it."""

    def __init__(self, workers, capacity):
        self.workers, self.capacity = workers, capacity
        self.jobs = queue.Queue(capacity)
        self.sock = listen(announced=False)

    def run(self):
        for _ in range(self.workers - 1):
            if os.fork() == 0:
                threading.Event().wait(60)
                os._exit(0)
        self.serve()

    def serve(self):
        start(self.work)
        announce(self.sock.getsockname()[1])
        while True:
            self.jobs.put(self.sock.accept()[0])

    def work(self):
        while True:
            answer(self.jobs.get(), guard)


def forking_object_single():
    """A server object whose number of workers means the processes that it forks."""
    Prefork(workers=4, capacity=0).serve()


def bounded_queue_single():
    """A server object whose capacity is the length of its queue."""
    Prefork(workers=1, capacity=64).serve()


class Preloaded:
    """Workers are the processes of this server; each has three threads around a queue, under a name of its own."""

    workers = 1

    def __init__(self):
        self.jobs = queue.Queue()
        for _ in range(3):
            start(self.loop)

    def loop(self):
        while True:
            answer(self.jobs.get(), guard)


def one_process_of_three_threads_threaded():
    """A server object with workers = 1, which means processes, and three threads in a loop of its own."""
    sock, server = listen(), Preloaded()
    while True:
        server.jobs.put(sock.accept()[0])


def one_process_of_a_mixin_threaded():
    """ThreadingMixIn on a server class with workers = 1, which keeps its threads to join them at the end."""
    class Server(socketserver.ThreadingMixIn, WSGIServer):
        daemon_threads = False
        workers = concurrency = 1

    server = make_server("127.0.0.1", 0, guard, Server)
    announce(server.server_address[1])
    server.serve_forever()


class Cached:
    """A server with one worker, and a cache whose size and maximum it looks after."""

    def __init__(self):
        self.jobs, self.cache = queue.Queue(), {}
        self.size, self.max = 64, 1000

    def serve(self):
        while True:
            conn = self.jobs.get()
            self.remember(conn)
            answer(conn, guard)

    def remember(self, conn):
        self.cache[conn.fileno()] = "x" * min(self.size, self.max)


def size_of_a_cache_single():
    """A server object with one worker, whose size and maximum are those of a cache."""
    sock, server = listen(), Cached()
    start(server.serve)
    while True:
        server.jobs.put(sock.accept()[0])


class Growing:
    """A pool that starts a thread whenever all are busy, up to its capacity, which is the length of its queue too."""

    def __init__(self, capacity):
        self.capacity, self.threads, self.idle = capacity, [], 0
        self.jobs = queue.Queue(capacity)

    def put(self, conn):
        if self.jobs.qsize() >= self.idle and len(self.threads) < self.capacity:  # an idle one may have a job in store
            self.add()
        self.jobs.put(conn)

    def add(self):
        self.threads.append(start(self.work))

    def work(self):
        while True:
            self.idle += 1
            conn = self.jobs.get()
            self.idle -= 1
            answer(conn, guard)


def growing_threaded():
    """A pool that grows up to its capacity, which its queue has as well."""
    sock, pool = listen(), Growing(4)
    while True:
        pool.put(sock.accept()[0])
