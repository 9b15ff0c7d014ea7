"""Launch recipes that no reader knows: ``python homemade.py NAME PORT [NUMBER]``.

Each says ``wsgi.multithread`` as honestly as its author would: True where requests can run at once.
"""

import io
import os
import queue
import socket
import sys
import threading


class Server:
    """A listening socket, the application, and one request on one connection."""

    def __init__(self, app, port, threaded=False, processes=False):
        self.app, self.threaded, self.processes = app, threaded, processes
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", port))
        self.socket.listen(64)

    def accept(self):
        return self.socket.accept()[0]

    def answer(self, connection):
        """Read a request, call the application, write the response, close."""
        try:
            with connection.makefile("rb") as file:
                line = file.readline().decode("latin-1").split()
                while file.readline().strip():
                    pass
            if line:
                connection.sendall(self.respond(*line))
        finally:
            connection.close()

    def respond(self, method, target, protocol):
        head = []
        path, _, query = target.partition("?")
        body = self.app({
            "REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": query,
            "SERVER_NAME": "localhost", "SERVER_PORT": "80", "SERVER_PROTOCOL": protocol, "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http", "wsgi.input": io.BytesIO(), "wsgi.errors": sys.stderr,
            "wsgi.multithread": self.threaded, "wsgi.multiprocess": self.processes, "wsgi.run_once": False,
        }, lambda status, headers, exc_info=None: head.append((status, headers)))
        try:
            data = b"".join(body)
        finally:
            getattr(body, "close", lambda: None)()
        status, headers = head[-1]
        lines = ["HTTP/1.0 " + status] + ["%s: %s" % header for header in headers] + ["", ""]
        return "\r\n".join(lines).encode("latin-1") + data


def socketserver_class(bases, app, threaded):
    """A socketserver whose handler serves WSGI."""
    import socketserver

    core = Server.__new__(Server)
    core.app, core.threaded, core.processes = app, threaded, False

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            core.answer(self.request)

    settings = {"allow_reuse_address": True, "daemon_threads": True}
    return type("Mine", (*bases, socketserver.TCPServer), settings), Handler


def socketserver_mixin(app, port, number):
    import socketserver

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


def growing(app, port, number, says=None):
    server = Server(app, port, number > 1 if says is None else says)
    pool = Growing(number, server.answer)
    while True:
        pool.put(server.accept())


def growing_says_false(app, port, number):
    growing(app, port, number, False)


def accepting_threads(app, port, number):
    server = Server(app, port, True)

    def loop():
        while True:
            server.answer(server.accept())

    threads = [threading.Thread(target=loop) for _ in range(number)]
    for thread in threads:
        thread.start()


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


def stream_server(app, port, number):
    from gevent.server import StreamServer

    core = Server.__new__(Server)
    core.app, core.threaded, core.processes = app, number != 1, False
    StreamServer(("127.0.0.1", port), lambda connection, _: core.answer(connection),
                 spawn=number or "default").serve_forever()


def raw_greenlets(app, port, number):
    import select

    from greenlet import greenlet

    server, running = Server(app, port, True), []
    while True:
        if select.select([server.socket], [], [], 0.005 if running else None)[0]:
            child = greenlet(server.answer)
            child.switch(server.accept())
            running.append(child)
        running[:] = [child for child in running if not child.dead]
        for child in running:
            child.switch()


def pause(seconds):
    """Wait in a raw greenlet: let the loop go on."""
    from greenlet import getcurrent

    getcurrent().parent.switch()


def asyncio_executor(app, port, number):
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    pool = ThreadPoolExecutor(number) if number else None
    serve_asyncio(app, port, number != 1, lambda *args: asyncio.get_running_loop().run_in_executor(pool, *args))


def asyncio_loop(app, port, number):
    async def call(function, *args):
        return function(*args)

    serve_asyncio(app, port, False, call)


def serve_asyncio(app, port, threaded, call):
    """An asyncio server that runs the application the way *call* says."""
    import asyncio

    core = Server.__new__(Server)
    core.app, core.threaded, core.processes = app, threaded, False

    async def connected(reader, writer):
        line = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0].decode("latin-1").split()
        writer.write(await call(core.respond, *line))
        await writer.drain()
        writer.close()

    async def main():
        server = await asyncio.start_server(connected, "127.0.0.1", port)
        await server.serve_forever()

    asyncio.run(main())


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

    def loop():
        while True:
            server.answer(server.accept())

    for _ in range(number):
        threading.Thread(target=loop).start()


def main(name, port, number="0"):
    from guarded import application

    recipe = globals().get(name + "_") or globals()[name]
    recipe(application, int(port), int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
