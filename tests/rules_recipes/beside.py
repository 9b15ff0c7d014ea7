"""Recipes of two servers in one process: whether the second one calls the guarded application, under whatever name."""

import asyncio
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from xmlrpc.server import SimpleXMLRPCServer

from tests.rules_recipes.executors import package
from tests.rules_recipes.serving import announce, answer, guard, listen, listen_twice, start
from tests.rules_recipes.stdlib import call, converse, made, serve, serve_async
from tests.rules_recipes.threads import accept_loop, feed


def both_serve(app):
    first, second = made(app=app), made(app=app)
    start(second.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    first.serve_forever()


class Prefixes:
    """A map of URLs."""

    def __init__(self, *places):
        self.places = list(places)
        self.seen = []

    def __call__(self, environ, start_response):
        environ["prefixes"] = self
        for prefix, app in self.places:
            if environ["PATH_INFO"].startswith(prefix):
                return app(environ, start_response)


def map_of_urls_threaded():
    """Two servers have the same map of URLs, which leads to the guarded application."""
    both_serve(Prefixes(("/nowhere", made), ("/", guard)))


class Mercurial:
    """A middleware that keeps the application under a name of its own, and has another way to be called."""

    def __init__(self):
        self.repository = guard

    def __call__(self, environ, start_response):
        return self.repository(environ, start_response)

    def hgweb(self, environ, start_response):
        return self(environ, start_response)


def unusual_name_threaded():
    """Two servers, each with a middleware of its own that keeps the application under an unusual name."""
    first, second = made(app=Mercurial()), made(app=Mercurial())
    start(second.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    first.serve_forever()


def method_threaded():
    """Two servers call a method of an object that has the application."""
    both_serve(Mercurial().hgweb)


class Lazy:
    """Loads the application on the first request."""

    def __init__(self):
        self.loaded = None

    def load(self):
        if self.loaded is None:
            from tests.rules_recipes.serving import guard as application
            self.loaded = application
        return self.loaded

    def __call__(self, environ, start_response):
        return self.load()(environ, start_response)


def lazy_loader_threaded():
    """Two servers have an object that loads the application on its first request; only the first one gets one."""
    first, second = made(app=Lazy()), made(app=Lazy())
    start(second.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    first.serve_forever()


def importing(environ, start_response):
    from tests.rules_recipes import serving
    return serving.guard(environ, start_response)


def import_in_a_function_threaded():
    """Two servers call a function that imports the application."""
    both_serve(importing)


def worker_and_loop_threaded():
    """A worker around a queue serves one port, and a loop another one."""
    first, second = listen_twice()
    jobs = queue.Queue()

    def work():
        while True:
            answer(jobs.get(), guard)

    start(work)
    start(accept_loop, second, guard)
    announce(first, second)
    feed(first, jobs.put)


class Bridge:
    """Runs an application for an event loop, in an executor of one that is its own."""

    def __init__(self, run=call):
        self.run, self.executor = run, ThreadPoolExecutor(1)

    async def __call__(self, path):
        return await asyncio.get_event_loop().run_in_executor(self.executor, self.run, path)


class Turns:
    """Hands each request to the next of two bridges."""

    def __init__(self, one, two):
        self.one, self.two, self.count = one, two, 0

    async def __call__(self, path):
        self.count += 1
        return await (self.one if self.count % 2 else self.two)(path)


def two_bridges_threaded():
    """One event loop and two bridges to the application, with an executor of one each."""
    asyncio.run(serve_async(Turns(Bridge(), Bridge())))


def bridge_to_another_application_lone():
    """Two bridges with an executor of one each; the second one is to another application."""
    class Paths:
        def __init__(self, one, two):
            self.one, self.two = one, two

        async def __call__(self, path):
            return await (self.two if path == "/metrics" else self.one)(path)

    asyncio.run(serve_async(Paths(Bridge(), Bridge(lambda path: b"metrics"))))


SPARE = []


def bridge_that_nobody_calls_lone():
    """Two bridges to the application, of which only one is handed to the server."""
    SPARE.append(Bridge())
    asyncio.run(serve_async(Bridge()))


def two_loops_with_an_executor_each_threaded():
    """Two event loops in two threads, each of which has one thread for its calls."""
    async def serve_one():
        async def connected(reader, writer):
            await converse(reader, writer, lambda path: loop.run_in_executor(None, call, path))

        loop = asyncio.get_event_loop()
        loop.set_default_executor(ThreadPoolExecutor(1))
        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        ports.append(server.sockets[0].getsockname()[1])
        if len(ports) == 2:
            announce(*ports)
        await server.serve_forever()

    ports = []
    start(lambda: asyncio.run(serve_one()))
    asyncio.run(serve_one())


def tornado_containers_threaded():
    """Two containers of tornado's on two ports of one event loop, with an executor of one each."""
    if package("tornado"):
        from tornado.httpserver import HTTPServer
        from tornado.netutil import bind_sockets
        from tornado.wsgi import WSGIContainer

        async def main():
            ports = []
            for _ in range(2):
                sockets = bind_sockets(0, "127.0.0.1")
                HTTPServer(WSGIContainer(guard, executor=ThreadPoolExecutor(1))).add_sockets(sockets)
                ports.append(sockets[0].getsockname()[1])
            announce(*ports)
            await asyncio.Event().wait()

        asyncio.run(main())


def waitress_and_cheroot_threaded():
    """waitress and cheroot, with one thread each."""
    if package("waitress") and package("cheroot"):
        import waitress
        from cheroot.wsgi import Server

        class Started(Server):
            def tick(self):
                started.set()
                super().tick()

        started = threading.Event()
        one = waitress.create_server(guard, host="127.0.0.1", port=0, threads=1)
        two = Started(("127.0.0.1", 0), guard, numthreads=1, max=1)
        two.prepare()
        start(two.serve)
        started.wait(20)
        announce(one.effective_port, two.bind_addr[1])
        one.run()


class Metrics:
    """Counts for a web application, and a page of its own, as exporters for web frameworks have it."""

    def __init__(self, app):
        self.app = app
        self.views = {"/metrics": self.page, "/health": lambda: self.health()}

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [self.views[environ["PATH_INFO"]]()]

    def page(self):
        return b"requests %d" % self.count()

    def count(self):
        return self.app.stats().requests

    def health(self):
        return self.app.verdict.status.encode()


def metrics_of_the_application_lone():
    """A server for metrics in a thread, whose object has the application and asks it for its counts."""
    start(made(app=Metrics(guard)).serve_forever)
    serve(made())


def status(environ, start_response):
    from tests.rules_recipes import serving
    start_response("200 OK", [])
    return [serving.guard.verdict.status.encode()]


def status_page_lone():
    """A server in a thread, whose function imports the application and asks it for its verdict."""
    start(made(app=status).serve_forever)
    serve(made())


class Administration:
    """What an administrator may call from afar."""

    def __init__(self, site):
        self.site = site

    def requests(self):
        return self.site.stats().requests


def xmlrpc_beside_lone():
    """An XML-RPC server for the administrator in a thread, whose object has the application."""
    admin = SimpleXMLRPCServer(("127.0.0.1", 0), logRequests=False)
    admin.register_instance(Administration(guard))
    start(admin.serve_forever)
    serve(made())


def warden_beside_lone():
    """A thread that looks after the application at intervals, and one that waits on a socket for a word to stop."""
    def look_after():
        from tests.rules_recipes import serving
        while not stopped.wait(30):
            print(serving.guard.stats())

    def stop_on_word(sock):
        while True:
            sock.accept()[0].close()
            stopped.set()

    stopped = threading.Event()
    start(look_after)
    start(stop_on_word, listen(announced=False))
    serve(made())
