"""Launch recipes with threads and processes that no reader knows: ``python launch.py homemade NAME PORT [NUMBER]``.

Each says ``wsgi.multithread`` as honestly as its author would: True where requests can run at once. Where the name
says otherwise it lies.
"""

import os
import queue
import socketserver
import threading

from listening import Server, socketserver_class


def socketserver_mixin(app, port, number):
    server, handler = socketserver_class([socketserver.ThreadingMixIn], app, True)
    server(("127.0.0.1", port), handler).serve_forever()


def socketserver_plain(app, port, number):
    server, handler = socketserver_class([], app, False)
    server(("127.0.0.1", port), handler).serve_forever()


def executor(app, port, number):
    from concurrent.futures import ThreadPoolExecutor

    server, pool = Server(app, port, number > 1), ThreadPoolExecutor(number)
    while True:
        pool.submit(server.answer, server.accept())


def thread_pool(app, port, number):
    from multiprocessing.pool import ThreadPool

    server, pool = Server(app, port, number > 1), ThreadPool(number)
    while True:
        pool.apply_async(server.answer, (server.accept(),))


def queue_(app, port, number):
    server, waiting = Server(app, port, number > 1), queue.Queue()

    def work():
        while True:
            server.answer(waiting.get())

    for _ in range(number):
        threading.Thread(target=work, daemon=True).start()
    while True:
        waiting.put(server.accept())


def queue_beside_executors(app, port, number):
    from concurrent.futures import ThreadPoolExecutor

    mine = [ThreadPoolExecutor(4) for _ in range(2)]
    for pool in mine:
        list(pool.map(str, range(8)))
    queue_(app, port, number)


class Growing:
    """Worker threads that are added while requests wait, up to a maximum: one on the first request."""

    def __init__(self, maximum, work):
        self.maximum, self.work, self.workers, self.idle, self.waiting = maximum, work, [], 0, queue.Queue()

    def put(self, thing):
        if self.idle <= self.waiting.qsize() and len(self.workers) < self.maximum:
            self.workers.append(threading.Thread(target=self.run, daemon=True))
            self.workers[-1].start()
        self.waiting.put(thing)

    def run(self):
        while True:
            self.idle += 1
            thing = self.waiting.get()
            self.idle -= 1
            self.work(thing)


def growing(app, port, number):
    server = Server(app, port, number > 1)
    pool = Growing(number, server.answer)
    while True:
        pool.put(server.accept())


def late_loops_say_false(app, port, number):
    """The first request is served alone, and only then *number* threads begin to accept."""
    server = Server(app, port)
    server.answer(server.accept())
    accept_in_threads(server, number)


def accept_in_threads(server, number):
    def loop():
        while True:
            server.answer(server.accept())

    for _ in range(number):
        threading.Thread(target=loop).start()


def accepting_threads(app, port, number):
    accept_in_threads(Server(app, port, True), number)


def two_wsgirefs(app, port, number):
    """Two accept loops that share one listening socket."""
    from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

    first = make_server("127.0.0.1", port, app)
    second = WSGIServer(("127.0.0.1", port), WSGIRequestHandler, bind_and_activate=False)
    second.socket.close()
    second.socket, second.server_name, second.server_port = first.socket, "localhost", port
    second.setup_environ()
    second.set_app(app)
    threading.Thread(target=second.serve_forever, daemon=True).start()
    first.serve_forever()


def two_wsgirefs_apart(app, port, number):
    """Two accept loops on two ports: the second one serves an application that has nothing to do with the guard."""
    from wsgiref.simple_server import demo_app, make_server

    stranger = make_server("127.0.0.1", 0, demo_app)
    threading.Thread(target=stranger.serve_forever, daemon=True).start()
    make_server("127.0.0.1", port, app).serve_forever()


def thread_each(app, port, number, says=True):
    server = Server(app, port, says)
    while True:
        threading.Thread(target=server.answer, args=(server.accept(),)).start()


def thread_each_says_false(app, port, number):
    thread_each(app, port, number, False)


def thread_each_joined_says_true(app, port, number):
    thread_each_joined(app, port, number, True)


def thread_each_joined(app, port, number, says=False):
    server = Server(app, port, says)
    while True:
        thread = threading.Thread(target=server.answer, args=(server.accept(),))
        thread.start()
        thread.join()


def multiprocess(app, port, number):
    import multiprocessing

    server = Server(app, port, processes=True)

    def loop():
        while True:
            server.answer(server.accept())

    children = [multiprocessing.get_context("fork").Process(target=loop) for _ in range(number)]
    for child in children:
        child.start()
    for child in children:
        child.join()


def forked_threads(app, port, number):
    server = Server(app, port, True, True)
    os.fork()
    accept_in_threads(server, number)
