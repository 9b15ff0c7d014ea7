"""Recipes with greenlets: gevent, eventlet, and bare ones."""

import os
import queue
import select
import socket
import socketserver
import sys
import threading

from tests.rules_recipes import serving
from tests.rules_recipes.executors import package
from tests.rules_recipes.serving import announce, answer, guard, listen
from tests.rules_recipes.stdlib import call, made, serve, serve_async
from tests.rules_recipes.threads import accept_loop, queue_pool_of
from threadguard import ThreadGuard


def gevent():
    """gevent, not patched; requests wait with its sleep."""
    found = package("gevent")
    if not found:
        sys.exit()
    serving.Cooperative.pause = staticmethod(found.sleep)
    return found


def patched():
    """gevent, and the standard library patched."""
    found = gevent()
    from gevent import monkey
    monkey.patch_all()
    return found


def gevent_listener(announced=True):
    gevent()
    from gevent.socket import socket as kind
    found = kind()
    found.bind(("127.0.0.1", 0))
    found.listen(16)
    if announced:
        announce(found.getsockname()[1])
    return found


def stream_server(spawn):
    gevent()
    from gevent.server import StreamServer
    server = StreamServer(gevent_listener(), lambda conn, address: answer(conn, guard), spawn=spawn)
    server.serve_forever()


def stream_server_threaded():
    """gevent's StreamServer: a greenlet for each connection."""
    stream_server("default")


def stream_server_raw_threaded():
    """The same with raw greenlets."""
    stream_server(gevent().spawn_raw)


def stream_server_pool_threaded():
    """The same with a pool of three."""
    stream_server(3)


def stream_server_pool_lone():
    """The same with a pool of one."""
    stream_server(1)


def pywsgi(spawn, app=guard):
    gevent()
    from gevent.pywsgi import WSGIServer
    server = WSGIServer(gevent_listener(), app, spawn=spawn, log=None, environ={"wsgi.multithread": serving.flag})
    server.serve_forever()


def pywsgi_threaded():
    """gevent's WSGI server."""
    pywsgi("default")


def pywsgi_pool_lone():
    """gevent's WSGI server with a pool of one."""
    pywsgi(1)


def two_wsgirefs_threaded():
    """gevent patches everything, and two servers of the standard library run in greenlets of one thread."""
    found = patched()
    first, second = made(), made()
    found.spawn(second.serve_forever)
    found.sleep()
    announce(first.server_address[1], second.server_address[1])
    first.serve_forever()


def accept_into(spawn):
    sock = gevent_listener()
    while True:
        spawn(answer, sock.accept()[0], guard)


def spawned_threaded():
    """A greenlet for each connection, with gevent.spawn."""
    accept_into(gevent().spawn)


def pool_spawned_threaded():
    """A greenlet for each connection out of a pool of two."""
    gevent()
    from gevent.pool import Pool
    accept_into(Pool(2).spawn)


def pool_spawned_lone():
    """A greenlet for each connection out of a pool of one."""
    gevent()
    from gevent.pool import Pool
    accept_into(Pool(1).spawn)


def workers_of(number):
    spawn = gevent().spawn
    from gevent.queue import Queue
    jobs = Queue()

    def work(jobs):
        while True:
            answer(jobs.get(), guard)

    for _ in range(number):
        spawn(work, jobs)
    sock = gevent_listener()
    while True:
        jobs.put(sock.accept()[0])


def workers_threaded():
    """Two greenlets around a queue."""
    workers_of(2)


def worker_single():
    """One greenlet around a queue."""
    workers_of(1)


def server_in_a_greenlet_single():
    """A server that accepts and serves in one greenlet."""
    gevent().spawn(accept_loop, gevent_listener(), guard).join()


def native_pool_of(number):
    gevent()
    from gevent.threadpool import ThreadPool
    spawn = ThreadPool(number).spawn
    serving.Cooperative.pause = staticmethod(threading.Event().wait)

    def plain(function, conn, app):  # a socket of gevent's belongs to the hub of its thread
        found = socket.socket(fileno=os.dup(conn.fileno()))
        found.setblocking(True)
        conn.close()
        spawn(function, found, app)

    accept_into(plain)


def native_pool_lone():
    """gevent's pool of real threads, of one."""
    native_pool_of(1)


def native_pool_threaded():
    """gevent's pool of real threads, of three."""
    native_pool_of(3)


def patched_wsgiref_lone():
    """wsgiref under gevent's patching, in the main greenlet."""
    patched()
    serve(made())


def patched_wsgiref_in_a_thread_lone():
    """wsgiref under gevent's patching, in a thread that is a greenlet."""
    patched()
    server = made()
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    announce(server.server_address[1])
    thread.join()


def patched_mixin_threaded():
    """wsgiref with ThreadingMixIn under gevent's patching."""
    patched()
    from wsgiref.simple_server import WSGIServer
    serve(made(type("Threading", (socketserver.ThreadingMixIn, WSGIServer), {"daemon_threads": True})))


def patched_queue_pool_threaded():
    """Two threads around a queue, which are greenlets."""
    patched()
    queue_pool_of(2, queue.Queue)


def patched_queue_pool_single():
    """One thread around a queue, which is a greenlet."""
    patched()
    queue_pool_of(1, queue.Queue)


def patched_executor_lone():
    """An executor of one whose thread is a greenlet."""
    patched()
    from tests.rules_recipes.executors import executor_lone
    executor_lone()


def greenlet():
    found = package("greenlet")
    if not found:
        sys.exit()
    serving.Cooperative.pause = staticmethod(lambda seconds: found.getcurrent().parent.switch())
    return found


def bare_greenlets_threaded():
    """A loop of select that starts a greenlet for each connection, and switches among them."""
    new, sock = greenlet().greenlet, listen()
    running = []
    while True:
        if select.select([sock], [], [], 0.01 if running else None)[0]:
            running.append(new(answer))
            running[-1].switch(sock.accept()[0], guard)
        for one in running[:]:
            if not one.dead:
                one.switch()
        running = [one for one in running if not one.dead]


def wrapped_call_single():
    """A server of one thread with a middleware that runs each call in a greenlet of its own and waits for it."""
    new = greenlet().greenlet
    serving.Cooperative.pause = staticmethod(threading.Event().wait)

    def in_greenlet(environ, start_response):
        return new(guard).switch(environ, start_response)

    accept_loop(listen(), in_greenlet)


def waited_for(spawn, app):
    def in_greenlet(environ, start_response):
        return spawn(app, environ, start_response).get()

    return in_greenlet


def made_by_the_application_single():
    """A server of one thread, whose application, guarded itself, makes a greenlet for a part of its work."""
    found = gevent()
    accept_loop(listen(), ThreadGuard(waited_for(found.spawn, guard), policy="log", group="outer"))


def made_by_the_application_in_a_copy_single():
    """The same with a bare greenlet, which is given a copy of the environ."""
    new = greenlet().greenlet
    serving.Cooperative.pause = staticmethod(threading.Event().wait)

    def in_greenlet(environ, start_response):
        return new(guard).switch(dict(environ), start_response)

    accept_loop(listen(), ThreadGuard(in_greenlet, policy="log", group="outer"))


def made_by_the_application_threaded():
    """The same behind a greenlet server."""
    found = gevent()
    pywsgi("default", ThreadGuard(waited_for(found.spawn, guard), policy="log", group="outer"))


def made_by_the_application_lone():
    """The same behind a greenlet server with a pool of one."""
    found = gevent()
    pywsgi(1, ThreadGuard(waited_for(found.spawn, guard), policy="log", group="outer"))


def launched_in_a_greenlet_single():
    """A launcher that starts the whole server in a greenlet."""
    new = greenlet().greenlet
    serving.Cooperative.pause = staticmethod(threading.Event().wait)
    new(accept_loop).switch(listen(), guard)


def sqlalchemy_single():
    """SQLAlchemy's greenlet_spawn in an event loop: the loop waits for the call."""
    if package("sqlalchemy"):
        import asyncio
        from sqlalchemy.util.concurrency import greenlet_spawn
        serving.Cooperative.pause = staticmethod(threading.Event().wait)
        asyncio.run(serve_async(lambda path: greenlet_spawn(call, path)))


def eventlet():
    found = package("eventlet")
    if not found:
        sys.exit()
    serving.Cooperative.pause = staticmethod(found.sleep)
    return found


def eventlet_wsgi(**options):
    module = eventlet()
    from eventlet import wsgi
    sock = module.listen(("127.0.0.1", 0))
    announce(sock.getsockname()[1])
    wsgi.server(sock, guard, log_output=False, environ={"wsgi.multithread": serving.flag}, **options)


def eventlet_threaded():
    """eventlet's WSGI server."""
    eventlet_wsgi()


def eventlet_lone():
    """eventlet's WSGI server with a pool of one."""
    eventlet_wsgi(max_size=1)


def eventlet_pool_of(number, how):
    module = eventlet()
    spawn = getattr(module.GreenPool(number), how)
    sock = module.listen(("127.0.0.1", 0))
    announce(sock.getsockname()[1])
    while True:
        spawn(answer, sock.accept()[0], guard)


def eventlet_pool_threaded():
    """A GreenPool of two, with spawn."""
    eventlet_pool_of(2, "spawn")


def eventlet_pool_lone():
    """A GreenPool of one, with spawn."""
    eventlet_pool_of(1, "spawn")


def eventlet_pool_n_lone():
    """A GreenPool of one, with spawn_n."""
    eventlet_pool_of(1, "spawn_n")


def eventlet_spawned_threaded():
    """A green thread for each connection."""
    module = eventlet()
    sock = module.listen(("127.0.0.1", 0))
    announce(sock.getsockname()[1])
    while True:
        module.spawn(answer, sock.accept()[0], guard)
