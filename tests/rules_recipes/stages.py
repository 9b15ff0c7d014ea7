"""Recipes where threads run the same function and do different work: only one of them serves."""

import queue

from tests.rules_recipes.serving import announce, answer, environ_of, guard, listen, reply, start
from tests.rules_recipes.threads import feed


def stage(jobs, work, results):
    while True:
        result = work(jobs.get())
        if results is not None:
            results.put(result)


def pipeline_single():
    """A thread for each stage of a pipeline: the one that serves fills the queue that the next one waits for."""
    def serve(request):
        reply(*request, guard)
        return request[0]

    incoming, parsed, served = queue.Queue(), queue.Queue(), queue.Queue()
    start(stage, incoming, lambda conn: (conn, environ_of(conn)), parsed)
    start(stage, parsed, serve, served)
    start(stage, served, lambda conn: conn.close(), None)
    feed(listen(), incoming.put)


def thieves_threaded():
    """Two workers with a queue each, of which each takes work from the other's when its own is empty."""
    def work(own, others, app):
        while True:
            try:
                conn = own.get(timeout=0.05)
            except queue.Empty:
                try:
                    conn = others.get_nowait()
                except queue.Empty:
                    continue
            answer(conn, app)

    one, two = queue.Queue(), queue.Queue()
    start(work, one, two, guard)
    start(work, two, one, guard)
    feed(listen(), one.put)


def component_of(handlers):
    queues = {name: queue.Queue() for name in handlers}

    def component(name):
        while True:
            handlers[name](queues[name].get())

    for name in handlers:
        start(component, name)
    sock = listen(announced=False)
    announce(sock.getsockname()[1])
    put = [jobs.put for name, jobs in queues.items() if name.startswith("web")]
    while True:
        for one in put:
            one(sock.accept()[0])


def serve_web(conn):
    answer(conn, guard)


def components_single():
    """One function for all components, which looks its queue and its work up by its name: one serves."""
    component_of({"web": serve_web, "mail": print, "cron": print})


def components_threaded():
    """The same, and two of them serve."""
    component_of({"web-1": serve_web, "web-2": serve_web, "mail": print})
