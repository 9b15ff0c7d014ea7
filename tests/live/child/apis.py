"""Servers with threads and processes, started through their own interface."""


def waitress(app, port, number):
    import waitress

    waitress.serve(app, host="127.0.0.1", port=port, **({"threads": number} if number else {}))


def waitress_create_server(app, port, number):
    from waitress import create_server

    create_server(app, listen="127.0.0.1:%d" % port, threads=number).run()


def two_waitresses(app, port, number):
    """A guarded waitress of one thread beside an unguarded one of *number*."""
    import threading

    from truth import application as bare
    from waitress import create_server

    other = create_server(bare, host="127.0.0.1", port=0, threads=number)
    threading.Thread(target=other.run, daemon=True).start()
    create_server(app, host="127.0.0.1", port=port, threads=1).run()


def werkzeug(app, port, number, **options):
    from werkzeug.serving import run_simple

    run_simple("127.0.0.1", port, app, **options)


def werkzeug_threaded(app, port, number):
    werkzeug(app, port, number, threaded=True)


def werkzeug_processes(app, port, number):
    werkzeug(app, port, number, processes=number)


def werkzeug_reloader(app, port, number):
    werkzeug(app, port, number, use_reloader=True)


def werkzeug_reloader_threaded(app, port, number):
    werkzeug(app, port, number, use_reloader=True, threaded=True)


def werkzeug_make_server(app, port, number):
    from werkzeug.serving import make_server

    make_server("127.0.0.1", port, app, threaded=number > 1).serve_forever()


def flask(app, port, number):
    """``app.run()`` with the guard around ``wsgi_app``: threaded unless *number* is 1."""
    from flask import Flask

    site = Flask("site")
    site.wsgi_app = app
    site.run(port=port, **({"threaded": False} if number == 1 else {}))


def bottle(app, port, number):
    import bottle

    bottle.run(app, server="wsgiref", port=port)


def wsgiref(app, port, number):
    from wsgiref.simple_server import make_server

    make_server("127.0.0.1", port, app).serve_forever()


def wsgiref_mixin(app, port, number, mixin="ThreadingMixIn"):
    import socketserver
    from wsgiref.simple_server import WSGIServer, make_server

    server = type("Server", (getattr(socketserver, mixin), WSGIServer), {"daemon_threads": True})
    make_server("127.0.0.1", port, app, server_class=server).serve_forever()


def wsgiref_forking(app, port, number):
    wsgiref_mixin(app, port, number, "ForkingMixIn")


def wsgiref_in_a_thread(app, port, number):
    import threading

    server = threading.Thread(target=wsgiref, args=(app, port, number))
    server.start()
    server.join()


def wsgiref_and_metrics(app, port, number):
    from prometheus_client import start_http_server

    start_http_server(0, addr="127.0.0.1")
    wsgiref(app, port, number)


def wsgiref_and_stats(app, port, number):
    """A threaded server beside the application that tells the guard's counts."""
    import threading

    def stats(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [str(app.stats()).encode()]

    other = threading.Thread(target=wsgiref_mixin, args=(stats, 0, 0), daemon=True)
    other.start()
    wsgiref(app, port, number)


def cheroot(app, port, number):
    from cheroot.wsgi import Server

    Server(("127.0.0.1", port), app, **({"numthreads": number, "max": number} if number else {})).start()


def cheroot_growing(app, port, number):
    from cheroot.wsgi import Server

    Server(("127.0.0.1", port), app, numthreads=1, max=number).start()


def cherrypy(app, port, number):
    import cherrypy

    cherrypy.tree.graft(app, "/")
    cherrypy.config.update({"server.socket_port": port, "engine.autoreload.on": False})
    if number:
        cherrypy.config.update({"server.thread_pool": number, "server.thread_pool_max": number})
    cherrypy.engine.start()
    cherrypy.engine.block()


def paste(app, port, number):
    from paste import httpserver

    httpserver.serve(app, host="127.0.0.1", port=port, **(
        {"threadpool_workers": number, "threadpool_options": {"spawn_if_under": 0}} if number else {}))


def paste_without_pool(app, port, number):
    from paste import httpserver

    httpserver.serve(app, host="127.0.0.1", port=port, use_threadpool=False)


def rocket(app, port, number):
    from rocket3 import Rocket3

    Rocket3(("127.0.0.1", port), "wsgi", {"wsgi_app": app}, min_threads=number, max_threads=number).start()


def wsgiserver(app, port, number):
    from wsgiserver import WSGIServer

    WSGIServer(app, host="127.0.0.1", port=port, numthreads=number, max=number).start()


def fastwsgi(app, port, number):
    import fastwsgi

    fastwsgi.run(wsgi_app=app, host="127.0.0.1", port=port)


def bjoern(app, port, number):
    import bjoern

    bjoern.run(app, "127.0.0.1", port)


def pyruvate(app, port, number):
    import pyruvate

    pyruvate.serve(once_all_are_there(app, number - 1), "127.0.0.1:%d" % port, number)


def once_all_are_there(app, others):
    """*app*, whose first request waits until *others* threads of a server in C or Rust idle beside its own.

    Such a thread has no state before it has run for the first time: on a busy machine a request that comes while the
    server still starts finds some missing, and the guard with it (docs/limits.md).
    """
    import sys
    import time

    end = time.monotonic() + 40

    def idle():
        return len(set(sys._current_exceptions()) - set(sys._current_frames()))

    def waiting(environ, start_response):
        nonlocal end
        while time.monotonic() < end and idle() < others:
            time.sleep(0.01)
        end = 0
        return app(environ, start_response)

    return waiting


def zope(app, port, number):
    from zope.server.http.wsgihttpserver import run_paste

    run_paste(app, {}, port=port, threads=number)


def webtest(app, port, number):
    """A waitress in a thread, as WebTest's functional tests start it."""
    import threading

    from webtest.http import StopableWSGIServer

    StopableWSGIServer.create(app, host="127.0.0.1", port=port, **({"threads": number} if number else {}))
    threading.Event().wait()


def flask_socketio(app, port, number):
    """Werkzeug's server of threads, as Flask-SocketIO starts it."""
    from flask import Flask
    from flask_socketio import SocketIO

    site = Flask("site")
    site.wsgi_app = app
    SocketIO(site, async_mode="threading").run(site, host="127.0.0.1", port=port, allow_unsafe_werkzeug=True)


def socketio(app, port, number):
    """python-socketio's middleware in front, with threads of its own."""
    import socketio

    waitress(socketio.WSGIApp(socketio.Server(async_mode="threading"), app), port, number)
