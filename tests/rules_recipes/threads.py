"""Recipes with threads of their own: pools around queues, a thread for each connection, accept loops side by side."""

import _thread
import collections
import multiprocessing.dummy
import multiprocessing.pool
import queue
import socket
import sys
import threading

from tests.rules_recipes.serving import announce, answer, environ_of, flag, guard, listen, listen_twice, reply, start


def feed(sock, put):
    """Accept for ever and hand each connection to *put*."""
    while True:
        conn, _ = sock.accept()
        put(conn)


# -- pools around a queue ----------------------------------------------------------------------------------------------

def queue_pool_of(count, kind=queue.Queue):
    jobs = kind()

    def work(jobs, app):
        while True:
            answer(jobs.get(), app)

    for _ in range(count):
        start(work, jobs, guard)
    feed(listen(), jobs.put)


def queue_pool_threaded():
    """Three threads around a Queue."""
    queue_pool_of(3)


def queue_pool_single():
    """One thread around a Queue."""
    queue_pool_of(1)


def simple_queue_pool_threaded():
    """Three threads around a SimpleQueue, which is written in C."""
    queue_pool_of(3, queue.SimpleQueue)


def simple_queue_pool_single():
    """One thread around a SimpleQueue."""
    queue_pool_of(1, queue.SimpleQueue)


JOBS = queue.Queue()


def global_worker():
    while True:
        answer(JOBS.get(), guard)


def global_queue_threaded():
    """Two threads of a function without arguments around a queue of the module."""
    start(global_worker)
    start(global_worker)
    feed(listen(), JOBS.put)


def global_queue_single():
    """One thread of a function without arguments around a queue of the module."""
    start(global_worker)
    feed(listen(), JOBS.put)


def iter_worker(jobs):
    for conn in iter(jobs.get, None):
        answer(conn, guard)


def iter_pool_threaded():
    """Two threads that iterate over a queue."""
    jobs = queue.Queue()
    start(iter_worker, jobs)
    start(iter_worker, jobs)
    feed(listen(), jobs.put)


class DequePool:
    """Workers around a deque and a condition."""

    def __init__(self, number):
        self.todo = collections.deque()
        self.ready = threading.Condition()
        for place in range(number):
            start(self.work, place)

    def put(self, conn):
        with self.ready:
            self.todo.append(conn)
            self.ready.notify()

    def take(self):
        with self.ready:
            while not self.todo:
                self.ready.wait()
            return self.todo.popleft()

    def work(self, place):
        while True:
            answer(self.take(), guard)


def deque_pool_threaded():
    """Three threads around a deque and a condition."""
    feed(listen(), DequePool(3).put)


def deque_pool_single():
    """One thread around a deque and a condition."""
    feed(listen(), DequePool(1).put)


class Worker(threading.Thread):
    """A thread of its own class, as cheroot's."""

    def __init__(self, jobs, log):
        super().__init__(daemon=True)
        self.jobs = jobs
        self.log = log
        self.control = queue.Queue()
        self.served = collections.deque(maxlen=10)
        self.conn = None
        self.start()

    def run(self):
        while True:
            self.step()

    def step(self):
        self.conn = self.jobs.get()
        self.served.append(1)
        answer(self.conn, guard)


def worker_class_threaded():
    """Two threads of a Thread subclass that share a queue, each with a control queue and a history of its own."""
    jobs = queue.Queue()
    workers = [Worker(jobs, None) for _ in range(2)]
    feed(listen(), workers[0].jobs.put)


def worker_class_single():
    """One thread of a Thread subclass that keeps the connection it serves in an attribute."""
    worker = Worker(queue.Queue(), None)
    feed(listen(), worker.jobs.put)


def worker_class_other_queue_single():
    """One thread of a Thread subclass serves; another of the same class has a queue and handler of its own."""
    class Runner(threading.Thread):
        def __init__(self, jobs, handler, lock):
            super().__init__(daemon=True)
            self.jobs, self.handler, self.lock = jobs, handler, lock
            self.start()

        def run(self):
            while True:
                job = self.jobs.get()
                with self.lock:
                    pass
                self.handler(job)

    lock = threading.Lock()
    Runner(queue.Queue(), print, lock)
    feed(listen(), Runner(queue.Queue(), serve_guarded, lock).jobs.put)


def serve_guarded(conn):
    answer(conn, guard)


def generic_worker(jobs):
    while True:
        function, args = jobs.get()
        function(*args)


def two_generic_pools_single():
    """Two pools of one thread with the same worker function: one serves, one does the application's jobs."""
    jobs, mails = queue.Queue(), queue.Queue()
    start(generic_worker, mails)
    start(generic_worker, jobs)
    feed(listen(), lambda conn: jobs.put((answer, (conn, guard))))


def supervise(service, bus):
    while True:
        service(bus)


def supervised_services_single():
    """A supervisor runs the web server and a mailer, each in a thread, and both know the same bus."""
    bus, sock = queue.Queue(), listen()

    def web(bus):
        conn, _ = sock.accept()
        answer(conn, guard)

    def mailer(bus):
        bus.get()

    start(supervise, mailer, bus)
    start(supervise, web, bus).join()


def sized_pool_of(number):
    class Pool:
        def __init__(self, max_threads):
            self.max_threads = max_threads
            self.queue = queue.SimpleQueue()
            for _ in range(max_threads):
                start(self.work)

        def work(self):
            while True:
                answer(self.queue.get(), guard)

    feed(listen(), Pool(number).queue.put)


def sized_pool_threaded():
    """A pool object with max_threads = 4."""
    sized_pool_of(4)


def sized_pool_lone():
    """A pool object with max_threads = 1."""
    sized_pool_of(1)


class LazyPool:
    """Starts a thread for a job while there are fewer than max_workers: the first request sees no sibling."""

    def __init__(self, max_workers):
        self.max_workers = max_workers
        self.jobs = queue.Queue()
        self.threads = []

    def put(self, conn):
        self.jobs.put(conn)
        if len(self.threads) < self.max_workers:
            self.threads.append(start(self.work))

    def work(self):
        while True:
            answer(self.jobs.get(), guard)


def lazy_pool_threaded():
    """A pool that grows with the jobs."""
    feed(listen(), LazyPool(4).put)


def lazy_pool_lone():
    """A pool that grows with the jobs, up to one."""
    feed(listen(), LazyPool(1).put)


def dummy_pool_of(number):
    pool = multiprocessing.dummy.Pool(number)
    feed(listen(), lambda conn: pool.apply_async(answer, (conn, guard)))


def dummy_pool_threaded():
    """multiprocessing.dummy.Pool(3)."""
    dummy_pool_of(3)


def dummy_pool_lone():
    """multiprocessing.dummy.Pool(1)."""
    dummy_pool_of(1)


def dummy_pool_beside_lone():
    """multiprocessing.dummy.Pool(1), between two of the application's own of four."""
    pools = [multiprocessing.dummy.Pool(number) for number in (4, 1, 4)]
    for pool in pools:
        pool.map(len, ["", ""])
    feed(listen(), lambda conn: pools[1].apply_async(answer, (conn, guard)))


def thread_pool_threaded():
    """multiprocessing.pool.ThreadPool(2), and connections through imap_unordered."""
    pool, sock = multiprocessing.pool.ThreadPool(2), listen()
    connections = iter(lambda: sock.accept()[0], None)
    for _ in pool.imap_unordered(serve_guarded, connections):
        pass


# -- a thread for each connection --------------------------------------------------------------------------------------

def thread_for_each(handle, *more):
    sock = listen()
    while True:
        conn, address = sock.accept()
        threading.Thread(target=handle, args=(conn, *more), daemon=True).start()


def bare_threads_threaded():
    """A thread for each connection, with Thread."""
    thread_for_each(answer, guard)


def raw_threads_threaded():
    """A thread for each connection, with _thread.start_new_thread."""
    sock = listen()
    while True:
        conn, _ = sock.accept()
        _thread.start_new_thread(answer, (conn, guard))


def lambda_threads_threaded():
    """A thread for each connection, whose function closes over it."""
    sock = listen()

    def spawn(conn):
        start(lambda: answer(conn, guard))

    feed(sock, spawn)


class Conversation(threading.Thread):
    """A thread that is given its connection."""

    def __init__(self, conn):
        super().__init__(daemon=True)
        self.conn = conn

    def run(self):
        answer(self.conn, guard)


def thread_objects_threaded():
    """A Thread subclass for each connection."""
    feed(listen(), lambda conn: Conversation(conn).start())


def environ_threads_threaded():
    """A thread for each request, started with its environ after it was read in the accept loop."""
    sock = listen()
    while True:
        conn, _ = sock.accept()
        environ = environ_of(conn)
        environ["wsgi.multithread"] = flag
        start(run_on, conn, environ)


def run_on(conn, environ):
    try:
        reply(conn, environ, guard)
    finally:
        conn.close()


def joined_threads_single():
    """A thread for each connection, and the accept loop waits for its end."""
    sock = listen()
    while True:
        conn, _ = sock.accept()
        thread = threading.Thread(target=answer, args=(conn, guard))
        thread.start()
        thread.join()


def four_at_a_time_threaded():
    """A thread for each connection, and a semaphore of four before the next is accepted."""
    sock, turn = listen(), threading.BoundedSemaphore(4)

    def serve(conn, environ):
        try:
            run_on(conn, environ)
        finally:
            turn.release()

    while True:
        turn.acquire()
        conn, _ = sock.accept()
        environ = environ_of(conn)
        environ["wsgi.multithread"] = flag
        start(serve, conn, environ)


def four_inside_threaded():
    """A thread for each connection, and a semaphore of four around each call."""
    sock, turn = listen(), threading.BoundedSemaphore(4)

    def serve(conn):
        with turn:
            answer(conn, guard)

    while True:
        conn, _ = sock.accept()
        start(serve, conn)


def keep_alive_threads_threaded():
    """A thread for each connection, which is given its two files, and serves one request after the other."""
    sock = listen()
    while True:
        conn, _ = sock.accept()
        start(converse, conn.makefile("rb"), conn.makefile("wb"))


def converse(requests, replies):
    for line in requests:
        while requests.readline().strip():
            pass
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": line.split()[1].decode(), "wsgi.multithread": flag}
        body = b"".join(guard(environ, lambda *args: None))
        replies.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        replies.flush()


def one_at_a_time_single():
    """A thread for each connection, and a semaphore of one before the next is accepted."""
    sock, turn = listen(), threading.Semaphore(1)

    def serve(conn):
        try:
            answer(conn, guard)
        finally:
            turn.release()

    while True:
        turn.acquire()
        conn, _ = sock.accept()
        start(serve, conn)


# -- loops that accept -------------------------------------------------------------------------------------------------

def accept_loop(sock, app):
    while True:
        conn, _ = sock.accept()
        answer(conn, app)


def accept_loop_single():
    """One loop on the main thread that accepts and serves."""
    accept_loop(listen(), guard)


def accept_loop_believed():
    """The same: a server that nobody knows, with one thread, that declares True, and shows nothing else."""
    accept_loop(listen(), guard)


def accept_loop_thread_single():
    """One loop in a thread, while the main thread waits."""
    start(accept_loop, listen(), guard)
    threading.Event().wait()


def prethreaded_threaded():
    """Three threads that accept from the same socket."""
    sock = listen(announced=False)
    for _ in range(3):
        start(accept_loop, sock, guard)
    announce(sock.getsockname()[1])
    threading.Event().wait()


def two_accept_loops_threaded():
    """The main thread and another accept on two ports for the same application."""
    def side(sock):
        while True:
            answer(sock.accept()[0], guard)

    first, second = listen_twice()
    start(side, second)
    announce(first, second)
    accept_loop(first, guard)


def two_listeners_one_worker_single():
    """Two loops accept on two ports, and one worker serves them all."""
    jobs = queue.Queue()

    def work(jobs, app):
        while True:
            answer(jobs.get(), app)

    first, second = listen_twice()
    start(work, jobs, guard)
    start(feed, first, jobs.put)
    announce(first, second)
    feed(second, jobs.put)


def listeners_into_the_main_thread_single():
    """Two loops accept, and the main thread serves them all."""
    jobs = queue.Queue()
    first, second = listen_twice()

    def side(sock):
        while True:
            jobs.put((answer, (sock.accept()[0], guard)))

    start(side, first)
    start(side, second)
    announce(first, second)
    while True:
        function, args = jobs.get()
        function(*args)


def own_ports_threaded():
    """The main thread and another run the same function without arguments, each with a port of its own."""
    ports = []

    def side():
        sock = listen(announced=False)
        while True:
            if sock.getsockname()[1] not in ports:
                ports.append(sock.getsockname()[1])
                both.wait(20)
            answer(sock.accept()[0], guard)

    both = threading.Barrier(2, action=lambda: announce(*ports))
    start(side)
    side()


def queue_for_each_worker_threaded():
    """Three workers with a queue each, which get the connections in turn."""
    queues = [queue.Queue() for _ in range(3)]
    for jobs in queues:
        start(generic_worker, jobs)
    sock = listen()
    while True:
        for jobs in queues:
            jobs.put((answer, (sock.accept()[0], guard)))


def component(role, jobs, bus):
    if role == "web":
        while True:
            answer(jobs.get(), guard)
    while True:
        bus.get()


def roles_by_name_single():
    """One function for all components, told apart by a name: one serves, one takes mails from the bus."""
    jobs, bus = queue.Queue(), queue.Queue()
    start(component, "mail", jobs, bus)
    start(component, "web", jobs, bus)
    feed(listen(), jobs.put)


def server_in_a_pool_of_workers_single():
    """An accept loop as a job of the application's own pool of three workers."""
    jobs = queue.Queue()
    for _ in range(3):
        start(generic_worker, jobs)
    jobs.put((accept_loop, (listen(), guard)))
    threading.Event().wait()


def worker_with_a_connection_single():
    """One worker, which was handed a connection to somewhere else."""
    jobs, elsewhere = queue.Queue(), listen(announced=False)
    with socket.create_connection(elsewhere.getsockname()) as upstream:
        def work(jobs, upstream):
            while True:
                answer(jobs.get(), guard)

        start(work, jobs, upstream)
        feed(listen(), jobs.put)


def queues_in_a_list_single():
    """The accept loop holds a list of queues, of which one is the web worker's and another the mailer's."""
    queues = [queue.Queue(), queue.Queue()]

    def web(jobs):
        while True:
            answer(jobs.get(), guard)

    def mail(jobs):
        while True:
            jobs.get()

    start(web, queues[0])
    start(mail, queues[1])
    sock = listen()
    while True:
        queues[0].put(sock.accept()[0])


def object_threads_threaded():
    """A thread for each connection, run by a method of a server whose number of workers means processes."""
    class Server:
        workers = 1

        def handle(self, conn):
            answer(conn, guard)

    server = Server()
    feed(listen(), lambda conn: start(server.handle, conn))


class Acceptor(threading.Thread):
    def __init__(self, sock, kind):
        super().__init__(daemon=True)
        self.sock, self.kind = sock, kind

    def run(self):
        while True:
            getattr(sys.modules[__name__], "serve_" + self.kind)(self.sock.accept()[0])


def acceptors_threaded():
    """Two threads of a class of their own accept from the same socket, and look up what they call."""
    sock = listen(announced=False)
    for acceptor in [Acceptor(sock, "guarded"), Acceptor(sock, "guarded")]:
        acceptor.start()
    announce(sock.getsockname()[1])
    threading.Event().wait()


def warm_up_single():
    """A thread warms the application up by a call of its own, beside a server of one thread."""
    sock, ready = listen(announced=False), threading.Event()

    def warm_up():
        ready.wait(20)
        guard({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.multithread": flag}, lambda *args: None)
        announce(sock.getsockname()[1])

    start(warm_up)
    while True:
        ready.set()
        answer(sock.accept()[0], guard)


def limited_by_a_thread(environ, start_response):
    answers = []
    thread = threading.Thread(target=lambda: answers.append(guard(environ, start_response)))
    thread.start()
    thread.join(20)
    return answers[0]


def limited_by_a_thread_single():
    """One loop, and a thread for each call, whose end it waits for up to a limit of time."""
    accept_loop(listen(), limited_by_a_thread)


def pool_with_limits_threaded():
    """Three threads around a queue, and a thread for each call, whose end they wait for."""
    jobs = queue.Queue()

    def work(jobs):
        while True:
            answer(jobs.get(), limited_by_a_thread)

    for _ in range(3):
        start(work, jobs)
    feed(listen(), jobs.put)


def dispatcher_single():
    """One thread takes the connections from a queue, starts another for each, and waits for its end."""
    jobs = queue.Queue()

    def dispatch():
        while True:
            thread = start(answer, jobs.get(), guard)
            thread.join()

    start(dispatch)
    feed(listen(), jobs.put)


def dispatcher_threaded():
    """The same, and it does not wait."""
    jobs = queue.Queue()

    def dispatch():
        while True:
            start(answer, jobs.get(), guard)

    start(dispatch)
    feed(listen(), jobs.put)


def accept_loops_of_two_applications_single():
    """A second loop of the same function serves another application."""
    def metrics(environ, start_response):
        start_response("200 OK", [])
        return [b"metrics"]

    start(accept_loop, listen(announced=False), metrics)
    accept_loop(listen(), guard)


def health_page_single():
    """A loop in a thread tells the guard's counts to whoever asks."""
    sock = listen(announced=False)

    def health():
        while True:
            conn, _ = sock.accept()
            with conn:
                conn.sendall(repr(guard.stats()).encode())

    start(health)
    accept_loop(listen(), guard)
