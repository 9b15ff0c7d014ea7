"""Servers with greenlets and event loops, started through their own interface."""


def gevent(app, port, number):
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), app, **({"spawn": number} if number else {})).serve_forever()


def gevent_pool(app, port, number):
    from gevent.pool import Pool
    from gevent.pywsgi import WSGIServer

    WSGIServer(("127.0.0.1", port), app, spawn=Pool(number)).serve_forever()


def gevent_patched(app, port, number):
    gevent(app, port, number)


def gevent_threadpool(app, port, number):
    """gevent accepts, and its pool of *number* real threads runs the application."""
    from gevent.pywsgi import WSGIServer
    from gevent.threadpool import ThreadPool

    pool = ThreadPool(number)
    WSGIServer(("127.0.0.1", port), lambda *args: pool.apply(app, args)).serve_forever()


def eventlet(app, port, number):
    import eventlet.wsgi

    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", port)), app, **({"max_size": number} if number else {}))


def eventlet_pool(app, port, number):
    import eventlet.wsgi

    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", port)), app, custom_pool=eventlet.GreenPool(number))


def eventlet_patched(app, port, number):
    eventlet(app, port, number)


def eventlet_tpool(app, port, number):
    """eventlet accepts, and *number* real threads run the application."""
    import eventlet.wsgi
    from eventlet import tpool

    tpool.set_num_threads(number)
    eventlet.wsgi.server(eventlet.listen(("127.0.0.1", port)), lambda *args: tpool.execute(app, *args))


def twisted(app, port, number):
    """A pool of one's own with *number* threads; the reactor's without a number."""
    from twisted.internet import reactor
    from twisted.python.threadpool import ThreadPool
    from twisted.web.server import Site
    from twisted.web.wsgi import WSGIResource

    pool = ThreadPool(1, number) if number else reactor.getThreadPool()
    if number:
        pool.start()
        reactor.addSystemEventTrigger("after", "shutdown", pool.stop)
    reactor.listenTCP(port, Site(WSGIResource(reactor, pool, app)), interface="127.0.0.1")
    reactor.run()


def twisted_suggested(app, port, number):
    from twisted.internet import reactor

    reactor.suggestThreadPoolSize(number)
    twisted(app, port, 0)


def tornado(app, port, number):
    """A WSGIContainer, with an executor of *number* threads if there is a number."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from tornado.httpserver import HTTPServer
    from tornado.wsgi import WSGIContainer

    async def main():
        HTTPServer(WSGIContainer(app, **({"executor": ThreadPoolExecutor(number)} if number else {}))).listen(
            port, "127.0.0.1")
        await asyncio.Event().wait()

    asyncio.run(main())


def tornado_processes(app, port, number):
    import asyncio

    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.process import fork_processes
    from tornado.wsgi import WSGIContainer

    sockets = bind_sockets(port, "127.0.0.1")
    fork_processes(number)

    async def main():
        HTTPServer(WSGIContainer(app)).add_sockets(sockets)
        await asyncio.Event().wait()

    asyncio.run(main())


def aiohttp(app, port, number):
    from aiohttp_wsgi import serve

    serve(app, host="127.0.0.1", port=port, **({"threads": number} if number else {}))


def daphne(app, port, number):
    """Daphne calls a2wsgi's bridge, whose executor has *number* threads."""
    from a2wsgi import WSGIMiddleware
    from daphne.endpoints import build_endpoint_description_strings
    from daphne.server import Server

    Server(WSGIMiddleware(app, workers=number), build_endpoint_description_strings("127.0.0.1", port)).run()
