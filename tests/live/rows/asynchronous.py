"""Greenlets, event loops, and the bridges from ASGI."""

from rows.model import MANY, ONE, Row
from rows.pools import api

GEVENT, EVENTLET = "/hold?with=gevent:sleep", "/hold?with=eventlet:sleep"
A2WSGI = "from a2wsgi import WSGIMiddleware\nfrom guarded import application\napp = WSGIMiddleware(application%s)\n"
ASGIREF = "from asgiref.wsgi import WsgiToAsgi\nfrom guarded import application\napp = WsgiToAsgi(application)\n"
STARLETTE = "from a2wsgi import WSGIMiddleware\nfrom starlette.applications import Starlette\n" \
            "from starlette.routing import Mount\nfrom guarded import application\n" \
            "app = Starlette(routes=[Mount('/', app=WSGIMiddleware(application))])\n"
UVICORN, HYPERCORN = "{bin}/uvicorn --port {port} ", "{bin}/hypercorn --bind 127.0.0.1:{port} "


def loop(*args, **more):
    """A row of ``child/apiloops.py``."""
    return api(*args, module="apiloops", **more)


def greenlets(name, function, threaded, capacity=None, number="", hold=GEVENT, **more):
    """A row of a server that runs greenlets."""
    return loop(name, function, threaded, capacity, number, hold=hold, needs=(name.split(".")[0],), **more)


def bridge(name, command, text, threaded, capacity=None, needs=(), **more):
    """A row of an ASGI server with the application behind a bridge."""
    return Row(name, command, threaded, capacity, files={"asgi.py": text}, needs=needs, **more)


def granian(args, threaded, capacity=None, **more):
    """A row of granian."""
    return Row("granian " + (args or "default"), "{bin}/granian --interface wsgi --host 127.0.0.1 --port {port} %s"
               " guarded:application" % args, threaded, capacity, needs=("granian",), **more)


def twist(name, function, threaded, capacity=None, number=""):
    """A row of Twisted started by a script."""
    return loop("Twisted " + name, function, threaded, capacity, number, needs=("twisted",))


ROWS = (
    greenlets("gevent.pywsgi, unpatched", "gevent", MANY),
    greenlets("gevent.pywsgi, patched", "gevent_patched", MANY, hold="/hold"),
    greenlets("gevent.pywsgi spawn=1", "gevent", ONE, 1, 1),
    greenlets("gevent.pywsgi spawn=Pool(1)", "gevent_pool", ONE, 1, 1),
    greenlets("gevent.pywsgi spawn=Pool(10)", "gevent_pool", MANY, 10, 10),
    greenlets("eventlet.wsgi default", "eventlet", MANY, hold=EVENTLET),
    greenlets("eventlet.wsgi, patched", "eventlet_patched", MANY, hold="/hold"),
    greenlets("eventlet.wsgi max_size=1", "eventlet", ONE, 1, 1, hold=EVENTLET),
    greenlets("eventlet.wsgi custom_pool of one", "eventlet_pool", ONE, 1, 1, hold=EVENTLET),
    Row("Twisted twist web --wsgi",
        "{bin}/twist web --listen tcp:{port}:interface=127.0.0.1 --wsgi guarded.application", MANY, needs=("twisted",)),
    Row("Twisted twistd web --wsgi",
        "{bin}/twistd --nodaemon --pidfile= web --listen tcp:{port}:interface=127.0.0.1 --wsgi guarded.application",
        MANY, needs=("twisted",)),
    twist("own pool of one", "twisted", ONE, 1, 1),
    twist("own pool of four", "twisted", MANY, 4, 4),
    twist("the reactor's pool", "twisted", MANY),
    twist("suggestThreadPoolSize(1)", "twisted_suggested", ONE, 1, 1),
    loop("tornado WSGIContainer", "tornado", ONE, needs=("tornado",)),
    loop("tornado WSGIContainer in three processes", "tornado_processes", ONE, None, 3, needs=("tornado",),
         processes=3),
    loop("tornado WSGIContainer with an executor of four", "tornado", MANY, 4, 4, needs=("tornado",)),
    loop("tornado WSGIContainer with an executor of one", "tornado", ONE, 1, 1, needs=("tornado",)),
    Row("uvicorn --interface wsgi", UVICORN + "--interface wsgi guarded:application", MANY, 10,
        needs=("uvicorn", "a2wsgi")),
    Row("uvicorn --interface wsgi --workers 2", UVICORN + "--interface wsgi --workers 2 guarded:application", MANY, 10,
        needs=("uvicorn", "a2wsgi"), processes=2),
    bridge("a2wsgi default under uvicorn", UVICORN + "asgi:app", A2WSGI % "", MANY, 10, ("uvicorn", "a2wsgi")),
    bridge("a2wsgi workers=1 under uvicorn", UVICORN + "asgi:app", A2WSGI % ", workers=1", ONE, 1,
           ("uvicorn", "a2wsgi")),
    bridge("a2wsgi workers=4 under hypercorn", HYPERCORN + "asgi:app", A2WSGI % ", workers=4", MANY, 4,
           ("hypercorn", "a2wsgi")),
    bridge("a2wsgi mounted in Starlette under uvicorn", UVICORN + "asgi:app", STARLETTE, MANY, 10,
           ("uvicorn", "a2wsgi", "starlette")),
    bridge("asgiref WsgiToAsgi under uvicorn", UVICORN + "asgi:app", ASGIREF, ONE, 1, ("uvicorn", "asgiref")),
    bridge("asgiref WsgiToAsgi under hypercorn", HYPERCORN + "asgi:app", ASGIREF, ONE, 1, ("hypercorn", "asgiref")),
    Row("hypercorn wsgi:", HYPERCORN + "wsgi:guarded:application", MANY, needs=("hypercorn",)),
    Row("hypercorn wsgi: with two workers", HYPERCORN + "--workers 2 wsgi:guarded:application", MANY,
        needs=("hypercorn",), processes=2),
    granian("", MANY),
    granian("--blocking-threads 1", ONE, 1),
    granian("--blocking-threads 4", MANY, 4),
    granian("--workers 2 --blocking-threads 1", ONE, 1, processes=2),
)
