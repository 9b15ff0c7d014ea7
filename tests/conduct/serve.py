"""Serve ``MODULE.application`` at a port, by the server that is named, with so many threads.

Told to stop by SIGUSR1, the server stops, and another begins in the same process. Each function yields what serves, and
then clears away what is left. With ``FAULTY_FORKS`` it all happens in a worker that is forked when the application, and
so the guard, is there already; another takes its place when it ends, and on SIGHUP.
"""

import importlib
import itertools
import os
import signal
import sys
from functools import partial

HOST = "127.0.0.1"


def stop(signum, frame):
    """What waitress and cheroot are told to stop with."""
    raise KeyboardInterrupt


def waitress(app, port, threads):
    from waitress import create_server, wasyncore

    server = create_server(app, host=HOST, port=port, threads=threads)
    yield server.run
    for channel in list(server.active_channels.values()):
        channel.handle_close()  # wakes a thread that waits until the client has read
    wasyncore.close_all(server._map)


def cheroot(app, port, threads):
    from cheroot.wsgi import Server

    server = Server((HOST, port), app, numthreads=threads, max=threads, timeout=300)
    yield server.start
    server.stop()


def gevent(app, port, threads):
    import gevent
    from gevent.pywsgi import WSGIServer

    server = WSGIServer((HOST, port), app, spawn=threads if threads == 1 else "default", log=None)
    gevent.signal_handler(signal.SIGUSR1, server.stop)
    yield server.serve_forever
    server.stop()


def eventlet(app, port, threads):
    import eventlet
    from eventlet import wsgi

    yield partial(wsgi.server, eventlet.listen((HOST, port)), app, log_output=False)


def in_workers():
    """Return in a worker; the parent stays here, and forks another as often as one ends."""
    while True:
        worker = os.fork()
        if worker == 0:
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            return
        signal.signal(signal.SIGHUP, lambda signum, frame: os.kill(worker, signal.SIGTERM))
        os.waitpid(worker, 0)


if __name__ == "__main__":
    name, at, threads, module = sys.argv[1:]
    sys.path.insert(0, os.getcwd())
    application = importlib.import_module(module).application
    if "FAULTY_FORKS" in os.environ:
        in_workers()
    signal.signal(signal.SIGUSR1, stop)
    for number in itertools.count(1):
        os.environ["FAULTY_SERVER"] = str(number)
        for serve in globals()[name](application, int(at), int(threads)):
            try:
                serve()
            except (KeyboardInterrupt, SystemExit):
                continue  # told to stop, or ended by an application: cheroot's way, and gevent's, with SystemExit
