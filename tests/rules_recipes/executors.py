"""Recipes with executors, of the standard library and of others."""

import asyncio
import queue
import select
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.rules_recipes.serving import announce, answer, guard, listen, start
from tests.rules_recipes.stdlib import Threading, call, made, serve, serve_async
from tests.rules_recipes.threads import accept_loop, feed, limited_by_a_thread


def executor_of(executor):
    feed(listen(), lambda conn: executor.submit(answer, conn, guard))


def executor_threaded():
    """An executor of four."""
    executor_of(ThreadPoolExecutor(4))


def executor_lone():
    """An executor of one."""
    executor_of(ThreadPoolExecutor(1))


class Named(ThreadPoolExecutor):
    """A subclass."""


def executor_subclass_lone():
    """A subclass of an executor, of one."""
    executor_of(Named(max_workers=1))


class Worker:
    """A server's worker whose jobs know the sockets that its loop accepts from, as asteri's do."""

    def __init__(self, threads):
        self.sockets, self.threads = [listen()], threads

    def run(self):
        with ThreadPoolExecutor(self.threads) as executor:
            while True:
                for sock in select.select(self.sockets, [], [], 1.0)[0]:
                    executor.submit(self.job, sock.accept()[0], sock)

    def job(self, conn, sock):
        self.handle_request(conn, listener=sock)

    def handle_request(self, conn, listener):
        answer(conn, guard)


def executor_of_methods_lone():
    """An executor of one runs a method that is called like socketserver's way to accept."""
    Worker(1).run()


def executor_of_methods_threaded():
    """And one of four."""
    Worker(4).run()


def executor_beside_lone():
    """An executor of one serves, beside an idle executor of the application with four."""
    own = ThreadPoolExecutor(4)
    for future in [own.submit(threading.Event().wait, 0.01) for _ in range(4)]:
        future.result()
    executor_of(ThreadPoolExecutor(1))


def application_executor_single():
    """One loop serves, beside an idle executor of the application."""
    own = ThreadPoolExecutor(4)
    for future in [own.submit(threading.Event().wait, 0.01) for _ in range(4)]:
        future.result()
    accept_loop(listen(), guard)


def server_in_executor_lone():
    """A server of one thread as a job of the application's executor of four, whose other threads idle."""
    server, executor = made(), ThreadPoolExecutor(4)
    for future in [executor.submit(threading.Event().wait, 0.01) for _ in range(4)]:
        future.result()
    executor.submit(server.serve_forever)
    announce(server.server_address[1])
    threading.Event().wait()


def servers_in_executor_threaded():
    """Two servers of one thread as jobs of one executor."""
    first, second = made(), made()
    executor = ThreadPoolExecutor(4)
    executor.submit(first.serve_forever)
    executor.submit(second.serve_forever)
    announce(first.server_address[1], second.server_address[1])
    threading.Event().wait()


def two_executors_threaded():
    """Two loops, each with an executor of one, serve the same application."""
    first, second = listen(announced=False), listen(announced=False)

    def side(sock, executor):
        while True:
            executor.submit(answer, sock.accept()[0], guard)

    start(side, first, ThreadPoolExecutor(1))
    start(side, second, ThreadPoolExecutor(1))
    announce(first.getsockname()[1], second.getsockname()[1])
    threading.Event().wait()


def two_loops_one_executor_lone():
    """Two loops hand their connections to the same executor of one."""
    first, second = listen(announced=False), listen(announced=False)
    executor = ThreadPoolExecutor(1)

    def side(sock):
        while True:
            executor.submit(answer, sock.accept()[0], guard)

    start(side, first)
    start(side, second)
    announce(first.getsockname()[1], second.getsockname()[1])
    threading.Event().wait()


def executors_in_turn_of(pools):
    sock = listen()
    while True:
        next(pools).submit(answer, sock.accept()[0], guard)


def executors_in_turn_threaded():
    """Three executors of one, which get the connections in turn."""
    import itertools
    executors_in_turn_of(itertools.cycle([ThreadPoolExecutor(1) for _ in range(3)]))


def executor_list_threaded():
    """The same from a list."""
    pools = [ThreadPoolExecutor(1) for _ in range(3)]
    sock = listen()
    while True:
        for pool in pools:
            pool.submit(answer, sock.accept()[0], guard)


def limited_by_an_executor_lone():
    """One loop, and an executor of four that runs each call, whose result it waits for up to a limit of time."""
    executor = ThreadPoolExecutor(4)

    def limited(environ, start_response):
        return executor.submit(guard, environ, start_response).result(20)

    serve(made(app=limited))


def in_an_executor_of_its_own(environ, start_response):
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(guard, environ, start_response).result(20)


def executor_for_each_call_threaded():
    """A thread for each connection, and an executor of one for each call, whose result it waits for."""
    serve(made(Threading, in_an_executor_of_its_own))


def executor_for_each_call_lone():
    """One loop, and an executor of one for each call."""
    serve(made(app=in_an_executor_of_its_own))


def executor_for_each_thread_threaded():
    """Three threads around a queue, each of which has an executor of one to limit the time of its calls."""
    jobs, own = queue.Queue(), threading.local()

    def work():
        own.executor = ThreadPoolExecutor(1)
        while True:
            own.executor.submit(answer, jobs.get(), guard).result(20)

    for _ in range(3):
        start(work)
    feed(listen(), jobs.put)


def executor_for_all_calls_lone():
    """A thread for each connection, and an executor of one for all calls together."""
    executor = ThreadPoolExecutor(1)

    def in_turn(environ, start_response):
        return executor.submit(guard, environ, start_response).result(20)

    serve(made(Threading, in_turn))


def executor_with_limits_threaded():
    """An executor of four, which limits the time of its calls by a thread for each."""
    executor = ThreadPoolExecutor(4)
    feed(listen(), lambda conn: executor.submit(answer, conn, limited_by_a_thread))


def worker_loop_in_executor_single():
    """A worker around a queue as a job of an executor of eight."""
    jobs = queue.Queue()
    ThreadPoolExecutor(8).submit(work_on, jobs)
    feed(listen(), jobs.put)


def worker_loops_in_executor_threaded():
    """Two of them."""
    jobs, executor = queue.Queue(), ThreadPoolExecutor(8)
    executor.submit(work_on, jobs)
    executor.submit(work_on, jobs)
    feed(listen(), jobs.put)


def work_on(jobs):
    while True:
        answer(jobs.get(), guard)


def to_thread_threaded():
    """asyncio.to_thread."""
    if not hasattr(asyncio, "to_thread"):
        return print("skip asyncio.to_thread needs Python 3.9", flush=True)
    asyncio.run(serve_async(lambda path: asyncio.to_thread(call, path)))


def package(name):
    """Whether *name* can be imported; says so if not."""
    try:
        return __import__(name)
    except ImportError:
        print("skip %s is not installed" % name, flush=True)
        return None


def anyio_threaded():
    """anyio's worker threads, which grow lazily up to the limiter's forty."""
    anyio = package("anyio")
    if anyio:
        import anyio.to_thread
        asyncio.run(serve_async(lambda path: anyio.to_thread.run_sync(call, path)))


def anyio_lone():
    """anyio's worker threads under a limiter of one."""
    anyio = package("anyio")
    if anyio:
        import anyio.to_thread

        async def main():
            limiter = anyio.CapacityLimiter(1)
            await serve_async(lambda path: anyio.to_thread.run_sync(call, path, limiter=limiter))

        asyncio.run(main())


def trio_serve(limiter):
    import trio

    async def connected(stream):
        head = await stream.receive_some()
        body = await trio.to_thread.run_sync(call, head.split(b" ")[1].decode(), limiter=limiter)
        await stream.send_all(b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await stream.aclose()

    async def main():
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        announce(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(connected, listeners)

    trio.run(main)


def trio_threaded():
    """trio.to_thread."""
    if package("trio"):
        trio_serve(None)


def trio_lone():
    """trio.to_thread under a limiter of one."""
    trio = package("trio")
    if trio:
        trio_serve(trio.CapacityLimiter(1))


def sync_to_async_lone():
    """asgiref's sync_to_async: one thread for all."""
    if package("asgiref"):
        from asgiref.sync import sync_to_async
        asyncio.run(serve_async(sync_to_async(call)))


def thread_sensitive_context_threaded():
    """asgiref's sync_to_async in a context for each request, as Django has: an executor of one for each."""
    if package("asgiref"):
        from asgiref.sync import ThreadSensitiveContext, sync_to_async

        async def run(path):
            async with ThreadSensitiveContext():
                return await sync_to_async(call)(path)

        asyncio.run(serve_async(run))


def queue_listener_beside_lone():
    """wsgiref beside logging's QueueListener, a Timer and a worker that takes mails from a queue."""
    import logging.handlers
    listener = logging.handlers.QueueListener(queue.Queue())
    listener.start()
    timer = threading.Timer(60, print)
    timer.daemon = True
    timer.start()
    mails = queue.Queue()
    start(lambda: [print(mail) for mail in iter(mails.get, None)])
    serve(made())


def paste_pool_of(number):
    if package("paste"):
        from paste import httpserver
        server = httpserver.serve(guard, "127.0.0.1", "0", start_loop=False, use_threadpool=True,
                                  threadpool_workers=number, threadpool_options={"spawn_if_under": 0})
        serve(server)


def paste_lone():
    """Paste with a pool of one says multithread."""
    paste_pool_of(1)


def paste_threaded():
    """Paste with a pool of three."""
    paste_pool_of(3)


def waitress_serve(threads):
    if package("waitress"):
        import waitress
        server = waitress.create_server(guard, host="127.0.0.1", port=0, threads=threads)
        announce(server.effective_port)
        server.run()


def waitress_threaded():
    """waitress with two threads, by its siblings."""
    waitress_serve(2)


def waitress_beside_believed():
    """A guarded waitress of one thread beside an unguarded one of four: no rule accuses it."""
    if package("waitress"):
        import waitress
        from tests.rules_recipes.stdlib import metrics
        start(waitress.create_server(metrics, host="127.0.0.1", port=0, threads=4).run)
        waitress_serve(1)


def two_waitresses_threaded():
    """Two waitresses of one thread each serve the same application."""
    if package("waitress"):
        import waitress
        second = waitress.create_server(guard, host="127.0.0.1", port=0, threads=1)
        first = waitress.create_server(guard, host="127.0.0.1", port=0, threads=1)
        start(second.run)
        announce(first.effective_port, second.effective_port)
        first.run()


def cheroot_serve(low, high):
    if package("cheroot"):
        from cheroot.wsgi import Server
        server = Server(("127.0.0.1", 0), guard, numthreads=low, max=high)
        server.prepare()
        announce(server.bind_addr[1])
        server.serve()


def cheroot_threaded():
    """cheroot with two threads."""
    cheroot_serve(2, 2)


def cheroot_lone():
    """cheroot with one thread says multithread."""
    cheroot_serve(1, 1)


def cheroot_unused_maximum_believed():
    """cheroot with one thread and room for ten, which it never uses; its flag is True."""
    cheroot_serve(1, 10)


def twisted_serve(low, high):
    if package("twisted"):
        from twisted.internet import reactor
        from twisted.python.threadpool import ThreadPool
        from twisted.web.server import Site
        from twisted.web.wsgi import WSGIResource
        threads = ThreadPool(low, high)
        threads.start()
        port = reactor.listenTCP(0, Site(WSGIResource(reactor, threads, guard)), interface="127.0.0.1")
        announce(port.getHost().port)
        reactor.run()


def twisted_lazy_threaded():
    """Twisted with a pool that grows from none to three."""
    twisted_serve(0, 3)


def twisted_lone():
    """Twisted with a pool of one."""
    twisted_serve(1, 1)


def twisted_defer(size):
    if package("twisted"):
        from twisted.internet import reactor
        from twisted.internet.threads import deferToThread
        from twisted.web.resource import Resource
        from twisted.web.server import NOT_DONE_YET, Site

        class Bridge(Resource):
            isLeaf = True

            def render(self, request):
                def done(body):
                    request.write(body)
                    request.finish()

                deferToThread(call, request.path.decode()).addCallback(done)
                return NOT_DONE_YET

        reactor.suggestThreadPoolSize(size)
        announce(reactor.listenTCP(0, Site(Bridge()), interface="127.0.0.1").getHost().port)
        reactor.run()


def twisted_defer_threaded():
    """A resource that runs the application in the reactor's own pool, which grows lazily."""
    twisted_defer(5)


def twisted_defer_lone():
    """The same, and the reactor's pool has one thread."""
    twisted_defer(1)


def django_lone():
    """Django's server class without its mixin: it says multithread, whatever it is made with."""
    if package("django"):
        from django.conf import settings
        settings.configure()
        from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer

        class Quiet(WSGIRequestHandler):
            def log_message(self, *args):
                pass

        server = WSGIServer(("127.0.0.1", 0), Quiet)
        server.set_app(guard)
        serve(server)


def prometheus_beside_lone():
    """wsgiref beside prometheus_client.start_http_server."""
    prometheus = package("prometheus_client")
    if prometheus:
        prometheus.start_http_server(0, addr="127.0.0.1")
        serve(made())


def apscheduler_beside_lone():
    """wsgiref beside APScheduler's thread and pool."""
    if package("apscheduler"):
        from apscheduler.schedulers.background import BackgroundScheduler
        scheduler = BackgroundScheduler()
        scheduler.add_job(print, "interval", seconds=600)
        scheduler.start()
        serve(made())


def sentry_thread_objects_threaded():
    """A Thread subclass for each connection, under Sentry's wrapper of Thread.run."""
    sentry = package("sentry_sdk")
    if sentry:
        from tests.rules_recipes.threads import thread_objects_threaded
        sentry.init("http://key@127.0.0.1:9/1")
        thread_objects_threaded()


def sentry_beside_threaded():
    """Three threads around a queue, started under Sentry's wrapper of Thread.run."""
    sentry = package("sentry_sdk")
    if sentry:
        from tests.rules_recipes.threads import queue_pool_of
        sentry.init("http://key@127.0.0.1:9/1")
        queue_pool_of(3)
