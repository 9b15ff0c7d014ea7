"""Recipes with the servers of the standard library, changed as people change them."""

import asyncio
import os
import queue
import selectors
import socketserver
import threading
from http.server import BaseHTTPRequestHandler
from wsgiref.simple_server import ServerHandler, WSGIRequestHandler, WSGIServer, make_server

from tests.rules_recipes.serving import announce, answer, flag, guard, listen, start


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        pass


ServerHandler.wsgi_multithread = flag


def serve(server):
    announce(server.server_address[1])
    server.serve_forever()


def made(kind=WSGIServer, app=guard):
    return make_server("127.0.0.1", 0, app, kind, Handler)


def metrics(environ, start_response):
    start_response("200 OK", [("Content-Length", "7")])
    return [b"metrics"]


class Threading(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


def wsgiref_lone():
    """wsgiref as it is."""
    serve(made())


def wsgiref_in_a_thread_lone():
    """wsgiref in a thread, as test suites start it."""
    server = made()
    start(server.serve_forever)
    announce(server.server_address[1])
    threading.Event().wait()


def wsgiref_handle_request_lone():
    """wsgiref in a loop around handle_request."""
    server = made()
    announce(server.server_address[1])
    while True:
        server.handle_request()


def mixin_threaded():
    """wsgiref with ThreadingMixIn, as the documentation shows."""
    serve(made(Threading))


def mixin_by_another_name_threaded():
    """A copy of ThreadingMixIn under other names."""
    class Copy(WSGIServer):
        def process_request(self, request, client_address):
            threading.Thread(target=self.in_background, args=(request, client_address), daemon=True).start()

        def in_background(self, request, client_address):
            self.finish_request(request, client_address)
            self.shutdown_request(request)

    serve(made(Copy))


def joined_mixin_lone():
    """A thread for each request, joined before the next is accepted: a limit of memory or of time."""
    class Joined(WSGIServer):
        def process_request(self, request, client_address):
            thread = threading.Thread(target=self.in_background, args=(request, client_address))
            thread.start()
            thread.join()

        def in_background(self, request, client_address):
            self.finish_request(request, client_address)
            self.shutdown_request(request)

    serve(made(Joined))


def metrics_beside_lone():
    """wsgiref beside a threading server for metrics, as prometheus_client starts it."""
    start(made(Threading, metrics).serve_forever)
    serve(made())


def metrics_by_handler_beside_lone():
    """wsgiref beside an HTTPServer whose handler tells the guard's counts."""
    class Counts(BaseHTTPRequestHandler):
        def do_GET(self):
            self.wfile.write(repr(guard.stats()).encode())

    start(socketserver.TCPServer(("127.0.0.1", 0), Counts).serve_forever)
    serve(made())


def metrics_on_the_main_thread_lone():
    """The guarded server in a thread, and a server for metrics on the main thread, whose frames hold both."""
    server, other = made(), made(app=metrics)
    announce(server.server_address[1])
    start(server.serve_forever)
    other.serve_forever()


def two_wsgirefs_threaded():
    """Two servers of one thread on two ports for the same application."""
    first, second = made(), made()
    start(second.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    first.serve_forever()


def two_wsgirefs_in_threads_threaded():
    """The same, both in threads, one application wrapped."""
    def wrapped(environ, start_response):
        return guard(environ, start_response)

    first, second = made(), made(app=wrapped)
    start(second.serve_forever)
    start(first.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    threading.Event().wait()


def server_with_a_pool_threaded():
    """A socketserver whose process_request hands connections to a pool of its own."""
    import queue

    class Pooled(WSGIServer):
        jobs = queue.Queue()

        def process_request(self, request, client_address):
            self.jobs.put((request, client_address))

        def work(self):
            while True:
                request, client_address = self.jobs.get()
                self.finish_request(request, client_address)
                self.shutdown_request(request)

    server = made(Pooled)
    start(server.work)
    start(server.work)
    serve(server)


def forked_single():
    """Two processes of one thread have the same socket; the second one waits until the first has ended."""
    sock = listen(announced=False)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.closerange(0, 3)
        os.close(writing)
        os.read(reading, 1)
        os._exit(0)
    announce(sock.getsockname()[1])
    while True:
        answer(sock.accept()[0], guard)


def selector_loop_single():
    """A loop of selectors that serves what is ready."""
    sock, ready = listen(), selectors.DefaultSelector()
    ready.register(sock, selectors.EVENT_READ, lambda: answer(sock.accept()[0], guard))
    while True:
        for key, _ in ready.select():
            key.data()


async def converse(reader, writer, run):
    head = await reader.readuntil(b"\r\n\r\n")
    body = await run(head.split(b" ")[1].decode())
    writer.write(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    await writer.drain()
    writer.close()


def call(path):
    """Run the application on *path*, as bridges do."""
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.multithread": flag, "SERVER_NAME": "a",
               "SERVER_PORT": "1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http"}
    return b"".join(guard(environ, lambda status, headers, exc_info=None: None))


async def serve_async(run):
    async def connected(reader, writer):
        await converse(reader, writer, run)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    announce(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def asyncio_single():
    """An event loop that calls the application itself."""
    async def run(path):
        return call(path)

    asyncio.run(serve_async(run))


def two_event_loops_threaded():
    """Two event loops in two threads, each of which calls the application itself."""
    async def run(path):
        return call(path)

    async def serve_both():
        async def connected(reader, writer):
            await converse(reader, writer, run)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        if len(ports) == 2:
            announce(*ports)
        await server.serve_forever()

    ports = []
    start(lambda: asyncio.run(serve_both()))
    asyncio.run(serve_both())


def asyncio_default_executor_threaded():
    """An event loop and its default executor, which grows lazily."""
    async def run(path):
        return await asyncio.get_event_loop().run_in_executor(None, call, path)

    asyncio.run(serve_async(run))


def asyncio_executor_lone():
    """An event loop and an executor of one."""
    from concurrent.futures import ThreadPoolExecutor
    executor = ThreadPoolExecutor(1)

    async def run(path):
        return await asyncio.get_event_loop().run_in_executor(executor, call, path)

    asyncio.run(serve_async(run))


def asyncio_bare_threads_threaded():
    """An event loop that starts a thread for each request."""
    async def run(path):
        loop = asyncio.get_event_loop()
        done = loop.create_future()

        def work(path):
            body = call(path)
            loop.call_soon_threadsafe(done.set_result, body)

        start(work, path)
        return await done

    asyncio.run(serve_async(run))


class Pooled(Threading):
    """The recipe of a cookbook: the mixin's method is the loop of workers that take connections from a queue."""

    workers = 1

    def serve_forever(self, poll_interval=0.5):
        self.requests = queue.Queue(self.workers)
        for _ in range(self.workers):
            start(self.process_request_thread)
        while True:
            self.requests.put(self.get_request())

    def process_request_thread(self, *unused):
        while True:
            super().process_request_thread(*self.requests.get())


def mixin_as_a_pool_lone():
    """One such worker."""
    serve(made(Pooled))


def mixin_as_a_pool_threaded():
    """Three of them."""
    serve(made(type("Three", (Pooled,), {"workers": 3})))
