"""Servers with a pool of threads: waitress, cheroot, CherryPy, Paste, and the ini files that start them."""

from rows.model import MANY, ONE, Row, ini


def api(name, function, threaded, capacity=None, number="", module="apis", **more):
    """A server started by a Python script through its own interface."""
    return Row(name, "{py} launch.py %s %s {port} %s" % (module, function, number), threaded, capacity, **more)


def waitress(name, args, threaded, capacity, **more):
    """A row of waitress' command line."""
    return Row("waitress-serve " + name, "{bin}/waitress-serve --listen 127.0.0.1:{port} %s guarded:application" % args,
               threaded, capacity, needs=("waitress",), **more)


def served(name, command, server, threaded, capacity=None, needs=(), more="", app=""):
    """A row of an ini file."""
    return Row(name, "{bin}/" + command, threaded, capacity, files={"site.ini": ini(server, app, more)},
               needs=("paste.deploy",) + needs)


GEARBOX, PSERVE = "gearbox serve -c site.ini", "pserve site.ini"
TWO_SERVERS = "\n[server:wide]\nuse = egg:waitress\nthreads = 4\nhost = 127.0.0.1\nport = {port}\n"
WAITRESS = (
    api("waitress.serve(app), the default", "waitress", MANY, 4, needs=("waitress",)),
    api("waitress.serve(app, threads=4)", "waitress", MANY, 4, 4, needs=("waitress",)),
    api("waitress.serve(app, threads=1)", "waitress", ONE, 1, 1, needs=("waitress",)),
    api("waitress.create_server(app, threads=1).run()", "waitress_create_server", ONE, 1, 1, needs=("waitress",)),
    api("waitress.create_server(app, threads=4).run()", "waitress_create_server", MANY, 4, 4, needs=("waitress",)),
    api("a waitress of one thread beside another, unguarded, of four", "two_waitresses", ONE, 1, 4,
        needs=("waitress",)),
    waitress("default", "", MANY, 4),
    waitress("--threads=1", "--threads=1", ONE, 1),
    waitress("--threads=4", "--threads=4", MANY, 4),
    Row("waitress-serve --call", "{bin}/waitress-serve --listen 127.0.0.1:{port} --threads=1 --call guarded:make", ONE,
        1, needs=("waitress",)),
    Row("python -m waitress", "{py} -m waitress --listen 127.0.0.1:{port} guarded:application", MANY, 4,
        needs=("waitress",)),
    served("gearbox serve, waitress default", GEARBOX, "use = egg:waitress", MANY, 4, ("gearbox", "waitress")),
    served("gearbox serve, waitress threads = 1", GEARBOX, "use = egg:waitress#main\nthreads = 1", ONE, 1,
           ("gearbox", "waitress")),
    served("gearbox serve, waitress threads = 4", GEARBOX, "use = egg:waitress#main\nthreads = 4", MANY, 4,
           ("gearbox", "waitress")),
    served("gearbox serve --reload, waitress threads = 1", GEARBOX + " --reload", "use = egg:waitress\nthreads = 1",
           ONE, 1, ("gearbox", "waitress")),
    served("gearbox serve --server-name wide", GEARBOX + " --server-name wide", "use = egg:waitress\nthreads = 1", MANY,
           4, ("gearbox", "waitress"), TWO_SERVERS),
    served("pserve, waitress default", PSERVE, "use = egg:waitress", MANY, 4, ("pyramid", "waitress")),
    served("pserve, waitress threads = 1", PSERVE, "use = egg:waitress#main\nthreads = 1", ONE, 1,
           ("pyramid", "waitress")),
    served("pserve, waitress threads = 4", PSERVE, "use = egg:waitress#main\nthreads = 4", MANY, 4,
           ("pyramid", "waitress")),
    served("pserve --reload, waitress threads = 1", PSERVE + " --reload", "use = egg:waitress\nthreads = 1", ONE, 1,
           ("pyramid", "waitress")),
    served("pserve --server-name wide", PSERVE + " --server-name wide", "use = egg:waitress\nthreads = 1", MANY, 4,
           ("pyramid", "waitress"), TWO_SERVERS),
    served("pserve, [server:main] beside a wider server section that is not used", PSERVE,
           "use = egg:waitress\nthreads = 1", ONE, 1, ("pyramid", "waitress"), TWO_SERVERS),
    api("waitress 1.4.4 threads=1", "waitress", ONE, 1, 1, needs=("old:waitress",), python="old"),
    api("waitress 1.4.4 threads=4", "waitress", MANY, 4, 4, needs=("old:waitress",), python="old"),
    Row("waitress-serve 1.4.4 default", "{bin}/waitress-serve --listen 127.0.0.1:{port} guarded:application", MANY, 4,
        needs=("old:waitress",), python="old"),
    api("waitress 2.1.2 threads=1", "waitress", ONE, 1, 1, needs=("older:waitress",), python="older"),
    api("waitress 2.1.2 threads=4", "waitress", MANY, 4, 4, needs=("older:waitress",), python="older"),
)
CHEROOT = (
    api("cheroot default", "cheroot", MANY, 10, needs=("cheroot",)),
    api("cheroot of one thread", "cheroot", ONE, 1, 1, needs=("cheroot",)),
    api("cheroot of four threads", "cheroot", MANY, 4, 4, needs=("cheroot",)),
    api("cheroot with one thread that may grow to ten", "cheroot_growing", ONE, None, 10, needs=("cheroot",)),
    Row("cheroot command line, default", "{bin}/cheroot --bind 127.0.0.1:{port} guarded:application", MANY, 10,
        needs=("cheroot",)),
    Row("cheroot command line, --threads 1 --max-threads 1",
        "{bin}/cheroot --bind 127.0.0.1:{port} --threads 1 --max-threads 1 guarded:application", ONE, 1,
        needs=("cheroot",)),
    api("CherryPy default", "cherrypy", MANY, 10, needs=("cherrypy",)),
    api("CherryPy server.thread_pool = 1", "cherrypy", ONE, 1, 1, needs=("cherrypy",)),
    served("gearbox serve, cheroot default", GEARBOX, "use = egg:gearbox#cherrypy", MANY, 10, ("gearbox", "cheroot")),
    served("gearbox serve, cheroot numthreads = 1", GEARBOX, "use = egg:gearbox#cherrypy\nnumthreads = 1\nmax = 1", ONE,
           1, ("gearbox", "cheroot")),
    served("pserve, cheroot numthreads = 1", PSERVE, "use = egg:pyramid#cherrypy\nnumthreads = 1\nmax = 1", ONE, 1,
           ("pyramid", "cheroot")),
)
PASTE = (
    api("Paste httpserver default", "paste", MANY, 10, needs=("paste",)),
    api("Paste httpserver pool of one", "paste", ONE, 1, 1, needs=("paste",)),
    api("Paste httpserver pool of four", "paste", MANY, 4, 4, needs=("paste",)),
    api("Paste httpserver without a pool", "paste_without_pool", MANY, needs=("paste",)),
    served("pserve, Paste#http default", PSERVE, "use = egg:Paste#http", MANY, 10, ("pyramid", "paste")),
    served("pserve, Paste#http threadpool_workers = 1\nthreadpool_spawn_if_under = 0", PSERVE,
           "use = egg:Paste#http\nuse_threadpool = true\nthreadpool_workers = 1\nthreadpool_spawn_if_under = 0", ONE, 1,
           ("pyramid", "paste")),
    served("gearbox serve, Paste#http threadpool_workers = 4\nthreadpool_spawn_if_under = 0", GEARBOX,
           "use = egg:Paste#http\nthreadpool_workers = 4\nthreadpool_spawn_if_under = 0", MANY, 4,
           ("gearbox", "paste")),
    served("gearbox serve, Paste#http without a pool", GEARBOX, "use = egg:Paste#http\nuse_threadpool = false", MANY,
           None, ("gearbox", "paste")),
)
ROWS = WAITRESS + CHEROOT + PASTE
