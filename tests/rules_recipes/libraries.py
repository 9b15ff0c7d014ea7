"""Recipes with servers and pools of libraries that have no page of their own here."""

import queue
import threading
from concurrent.futures import ThreadPoolExecutor

from tests.rules_recipes.beside import both_serve
from tests.rules_recipes.executors import package
from tests.rules_recipes.serving import announce, answer, flag, guard, listen, start
from tests.rules_recipes.stdlib import made, serve
from tests.rules_recipes.threads import feed, generic_worker


def futurist_pool_of(number):
    if package("futurist"):
        import futurist
        executor = futurist.ThreadPoolExecutor(number)
        feed(listen(), lambda conn: executor.submit(answer, conn, guard))


def futurist_threaded():
    """OpenStack's futurist, whose workers know their pool by a weak reference."""
    futurist_pool_of(3)


def futurist_lone():
    """The same, and a pool of one."""
    futurist_pool_of(1)


def told(environ, start_response):
    environ["wsgi.multithread"] = flag
    return guard(environ, start_response)


def bjoern_in(run):
    """Run bjoern, a server in C that serves one request at a time, by *run*, which is given its function."""
    if package("bjoern"):
        import bjoern
        sock = bjoern.listen(told, "127.0.0.1", 0)
        announce(sock.getsockname()[1])
        run(bjoern.run)


def bjoern_single():
    """bjoern on the main thread."""
    bjoern_in(lambda function: function())


def bjoern_in_an_executor_single():
    """bjoern as a job of an executor of four, whose other threads idle."""
    executor = ThreadPoolExecutor(4)
    for future in [executor.submit(threading.Event().wait, 0.01) for _ in range(4)]:
        future.result()
    bjoern_in(executor.submit)
    threading.Event().wait()


def bjoern_in_an_executor_that_is_asked_single():
    """The same, and the main thread waits for its end."""
    executor = ThreadPoolExecutor(4)
    bjoern_in(lambda function: executor.submit(function).result())


def bjoern_in_a_pool_of_workers_single():
    """bjoern as a job of a pool of three workers around a queue."""
    jobs = queue.Queue()
    for _ in range(3):
        start(generic_worker, jobs)
    bjoern_in(lambda function: jobs.put((function, ())))
    threading.Event().wait()


def pyramid_router():
    from pyramid.config import Configurator
    from pyramid.wsgi import wsgiapp
    config = Configurator()
    config.add_route("all", "/*path")
    config.add_view(wsgiapp(guard), route_name="all")
    return config.make_wsgi_app()


def pyramid_threaded():
    """Two servers have Pyramid's router, which finds the guarded application by adapters written in C."""
    if package("pyramid"):
        both_serve(pyramid_router())


class Settings:
    """A page that asks an application for its settings."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        start_response("200 OK", [])
        return [str(self.app.registry.settings).encode()]


def pyramid_lone():
    """Pyramid's router behind one server, and another in a thread whose page asks it for its settings."""
    if package("pyramid"):
        router = pyramid_router()
        start(made(app=Settings(router)).serve_forever)
        serve(made(app=router))
