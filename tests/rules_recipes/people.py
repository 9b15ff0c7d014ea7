"""Recipes as different people would write them: small servers, supervised pools, consumers and event loops."""

import asyncio
import collections
import functools
import itertools
import os
import queue
import selectors
import signal
import socket
import socketserver
import threading
from concurrent.futures import ThreadPoolExecutor, wait
from multiprocessing.pool import ThreadPool
from wsgiref.simple_server import WSGIServer

from tests.rules_recipes.serving import announce, answer, guard, listen, listen_twice, start
from tests.rules_recipes.stdlib import call, converse, made, serve, serve_async
from tests.rules_recipes.threads import accept_loop, feed


class Mini:
    """A selector's callbacks hand connections to an executor."""

    def __init__(self, app, concurrency):
        self.app, self.concurrency = app, concurrency
        self.selector, self.socket = selectors.DefaultSelector(), listen()
        self.selector.register(self.socket, selectors.EVENT_READ, self.accept)
        self.pool = ThreadPoolExecutor(max_workers=concurrency)

    def accept(self, sock):
        self.pool.submit(answer, sock.accept()[0], self.app)

    def serve_forever(self):
        while True:
            for key, _ in self.selector.select(timeout=1):
                key.data(key.fileobj)


def selector_and_executor_threaded():
    """A selector and an executor of eight."""
    Mini(guard, 8).serve_forever()


def selector_and_executor_lone():
    """A selector and an executor of one."""
    Mini(guard, 1).serve_forever()


def priorities(number):
    jobs, places = queue.PriorityQueue(), itertools.count()

    def work(name):
        while True:
            _, _, conn = jobs.get()
            try:
                answer(conn, guard)
            finally:
                jobs.task_done()

    for place in range(number):
        start(work, "http-%d" % place)
    sock = listen()
    while True:
        jobs.put((1, next(places), sock.accept()[0]))


def priority_queue_threaded():
    """Four named threads around a queue with priorities."""
    priorities(4)


def priority_queue_single():
    """One named thread around a queue with priorities."""
    priorities(1)


def forked(work):
    sock = listen(announced=False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        work(sock, lambda: os.write(writing, b"x"))
    os.read(reading, 1)
    announce(sock.getsockname()[1])
    os.waitpid(child, 0)


def forked_worker_threaded():
    """A forked worker whose three threads accept."""
    def work(sock, tell):
        for _ in range(3):
            start(accept_loop, sock, guard)
        tell()
        threading.Event().wait()

    forked(work)


def forked_worker_single():
    """A forked worker that accepts in its one thread."""
    def work(sock, tell):
        tell()
        accept_loop(sock, guard)

    forked(work)


class Consumer(threading.Thread):
    """Takes named tasks from a broker, as Celery's workers do."""

    def __init__(self, broker, handlers):
        super().__init__(daemon=True)
        self.broker, self.handlers = broker, handlers
        self.start()

    def run(self):
        while True:
            name, args = self.broker.get()
            self.handlers[name](*args)


def consumers_beside_single():
    """One consumer serves the web; three others of the same class have a broker of their own."""
    web = queue.Queue()
    consumers = [Consumer(jobs, handlers) for jobs, handlers in [(queue.Queue(), {"mail": print})] * 3]
    consumers.append(Consumer(web, {"web": lambda conn: answer(conn, guard)}))
    feed(listen(), lambda conn: web.put(("web", (conn,))))


def consumers_threaded():
    """Three consumers serve the web from one broker."""
    web, handlers = queue.Queue(), {"web": lambda conn: answer(conn, guard)}
    consumers = [Consumer(web, handlers) for _ in range(3)]
    feed(listen(), lambda conn: consumers[0].broker.put(("web", (conn,))))


class Supervised:
    """Starts a worker anew when it has died."""

    def __init__(self, number):
        self.inbox = queue.SimpleQueue()
        self.workers = [start(self.loop, place) for place in range(number)]
        start(self.watch)

    def watch(self):
        while True:
            for place, worker in enumerate(self.workers):
                if not worker.is_alive():
                    self.workers[place] = start(self.loop, place)
                worker.join(0.5)

    def loop(self, place):
        while True:
            answer(self.inbox.get(), guard)


def supervised_threaded():
    """Three workers and who looks after them."""
    feed(listen(), Supervised(3).inbox.put)


def supervised_single():
    """One worker and who looks after it."""
    feed(listen(), Supervised(1).inbox.put)


def pulling(number):
    ask, sock = queue.Queue(), listen()

    def work():
        mine = queue.Queue(1)
        while True:
            ask.put(mine)
            answer(mine.get(), guard)

    for _ in range(number):
        start(work)
    while True:
        conn, _ = sock.accept()
        ask.get().put(conn)


def pulling_threaded():
    """Three workers that ask for work, each with a queue of its own."""
    pulling(3)


def pulling_single():
    """One worker that asks for work."""
    pulling(1)


def woken(number):
    todo, (reading, writing) = collections.deque(), socket.socketpair()

    def work():
        while True:
            reading.recv(1)
            answer(todo.popleft(), guard)

    for _ in range(number):
        start(work)
    sock = listen()
    while True:
        todo.append(sock.accept()[0])
        writing.send(b"x")


def woken_by_a_socket_threaded():
    """Three workers around a deque, woken by a byte on a pair of sockets."""
    woken(3)


def woken_by_a_socket_single():
    """One worker around a deque, woken by a byte on a pair of sockets."""
    woken(1)


def generated(number):
    jobs = queue.Queue()

    def stream():
        while True:
            yield jobs.get()

    def work():
        for conn in stream():
            answer(conn, guard)

    for _ in range(number):
        start(work)
    feed(listen(), jobs.put)


def generator_of_jobs_threaded():
    """Three workers, each of which iterates over a generator of jobs."""
    generated(3)


def generator_of_jobs_single():
    """One worker that iterates over a generator of jobs."""
    generated(1)


def waits_with_wait_single():
    """An executor of four, and a loop that waits for each job with concurrent.futures.wait."""
    executor = ThreadPoolExecutor(4)
    feed(listen(), lambda conn: wait([executor.submit(answer, conn, guard)]))


def waits_for_the_exception_single():
    """An executor of four, and a loop that waits for the exception of each job, or for none."""
    executor = ThreadPoolExecutor(4)
    feed(listen(), lambda conn: executor.submit(answer, conn, guard).exception())


def applied_single():
    """A ThreadPool of four, whose apply waits for each job."""
    pool = ThreadPool(4)
    feed(listen(), lambda conn: pool.apply(answer, (conn, guard)))


def mapped_threaded():
    """A ThreadPool of four, which is given each connection with map_async."""
    pool = ThreadPool(4)
    feed(listen(), lambda conn: pool.map_async(functools.partial(answer, app=guard), [conn]))


class Forking(socketserver.ForkingMixIn, WSGIServer):
    """A process for each connection."""


def forking_mixin_lone():
    """wsgiref with ForkingMixIn."""
    serve(made(Forking))


def two_ports_in_a_selector_single():
    """One loop serves two ports through a selector."""
    selector, both = selectors.DefaultSelector(), listen_twice()
    for sock in both:
        selector.register(sock, selectors.EVENT_READ)
    announce(*both)
    while True:
        for key, _ in selector.select():
            answer(key.fileobj.accept()[0], guard)


def main_thread_for_a_loop_single():
    """An event loop in a thread, and the main thread runs the application for it."""
    jobs = queue.Queue()

    async def run(path):
        loop = asyncio.get_event_loop()
        done = loop.create_future()
        jobs.put((loop, done, path))
        return await done

    start(lambda: asyncio.run(serve_async(run)))
    while True:
        loop, done, path = jobs.get()
        loop.call_soon_threadsafe(done.set_result, call(path))


def api_beside_single():
    """One event loop calls the application, and another in a thread answers for an API of its own."""
    async def api():
        async def connected(reader, writer):
            await converse(reader, writer, lambda path: asyncio.sleep(0, b"api"))

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        await server.serve_forever()

    async def run(path):
        return call(path)

    start(lambda: asyncio.run(api()))
    asyncio.run(serve_async(run))


def four_at_a_time_threaded():
    """An event loop's semaphore of four before its default executor."""
    async def main():
        turn = asyncio.Semaphore(4)

        async def run(path):
            async with turn:
                return await asyncio.get_event_loop().run_in_executor(None, call, path)

        await serve_async(run)

    asyncio.run(main())
