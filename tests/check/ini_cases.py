"""PasteDeploy's ini files, and the commands that serve them."""

from check.cases import SINGLE, THREADED, UNKNOWN, UNREADABLE, command, file

PASTE = {"needs": ("paste.deploy",)}
APP = "[app:main]\nuse = egg:site\nfilter-with = threadguard\n"
GUARD = "[filter:threadguard]\nuse = egg:threadguard\npolicy = refuse\n"
KALLITHEA = """[DEFAULT]
debug = false
[server:main]
use = egg:waitress#main
host = 127.0.0.1
threads = %s
[app:main]
use = egg:Kallithea
filter-with = threadguard
set debug = false
[filter:threadguard]
use = egg:threadguard
[formatter_generic]
format = %%(asctime)s %%(message)s
"""


def server(lines, guarded=True):
    """A file with these lines in [server:main], which begins on its first line."""
    return "[server:main]\n" + lines + "\n" + (APP + GUARD if guarded else "")


def served(name, lines, status, **more):
    """A case of a file with these lines in [server:main]."""
    return file(name, "site.ini", status, server(lines), **{**PASTE, **more})


SERVERS = (
    file("Kallithea's waitress with one thread", "production.ini", SINGLE, KALLITHEA % 1, **PASTE),
    file("Kallithea's waitress with four threads", "production.ini", THREADED, KALLITHEA % 4, **PASTE),
    served("waitress without threads", "use = egg:waitress", THREADED),
    served("waitress by its function", "paste.server_runner = waitress:serve_paste\nthreads = 1", SINGLE),
    served("waitress by call", "use = call:waitress:serve_paste\nthreads = 2", THREADED),
    served("gearbox's wsgiref", "use = egg:gearbox#wsgiref", SINGLE),
    served("gearbox's wsgiref with threads", "use = egg:gearbox#wsgiref\nwsgiref.threaded = true", THREADED),
    served("gearbox's gevent", "use = egg:gearbox#gevent", THREADED),
    served("gearbox's cherrypy", "use = egg:gearbox#cherrypy\nnumthreads = 1", SINGLE),
    served("pyramid's wsgiref", "use = egg:pyramid#wsgiref", SINGLE),
    served("Paste with its default pool", "use = egg:Paste#http", THREADED),
    served("Paste with a pool of one", "use = egg:paste#http\nthreadpool_workers = 1\nthreadpool_spawn_if_under = 0",
           SINGLE),
    served("Paste without a pool", "use = egg:Paste#http\nuse_threadpool = false", THREADED),
    served("gunicorn in the file", "use = egg:gunicorn#main\nworkers = 4", SINGLE),
    served("gunicorn in the file with threads", "use = egg:gunicorn#main\nthreads = 4", THREADED),
    served("gunicorn in the file with a file of its own", "use = egg:gunicorn\nconfig = g.py", UNKNOWN),
    served("a server that nobody knows", "use = egg:rocket\nthreads = 1", UNKNOWN),
    served("a number that is none", "use = egg:waitress\nthreads = four", UNREADABLE),
    served("a number that gives no capacity", "use = egg:waitress\nthreads = 0", UNKNOWN),
    served("a worker class of one's own", "use = egg:gunicorn\nworker_class = my.Worker", UNKNOWN),
)
RESOLVED = (
    file("threads from [DEFAULT] by %()s", "site.ini", THREADED,
         "[DEFAULT]\nn = 3\n[server:main]\nuse = egg:waitress\nthreads = %(n)s\n" + APP + GUARD, **PASTE),
    file("threads from [DEFAULT] by get", "site.ini", SINGLE,
         "[DEFAULT]\nn = 1\n[server:main]\nuse = egg:waitress\nget threads = n\n" + APP + GUARD, **PASTE),
    file("threads in [DEFAULT], which PasteDeploy drops", "site.ini", THREADED,
         "[DEFAULT]\nthreads = 1\n[server:main]\nuse = egg:waitress\nthreads = 1\n" + APP + GUARD, **PASTE),
    served("%(missing)s", "use = egg:waitress\nthreads = %(missing)s", UNREADABLE),
    file("use = config:other.ini", "etc/site.ini", THREADED,
         files={"etc/site.ini": server("use = config:base.ini#wide"), "etc/base.ini":
                "[server:wide]\nuse = egg:waitress\nthreads = 7\n"}, **PASTE),
    file("use = config:%(here)s/other.ini, and a value over it", "site.ini", SINGLE,
         files={"site.ini": server("use = config:%(here)s/base.ini\nthreads = 1"), "base.ini":
                "[server:main]\nuse = egg:waitress\nthreads = 7\n"}, **PASTE),
    file("use = another section", "site.ini", THREADED,
         server("use = wide\n[server:wide]\nuse = egg:waitress\nthreads = 5"), **PASTE),
    file("sections that use each other in a circle", "site.ini", UNREADABLE, "[server:main]\nuse = main\n", **PASTE),
    file("files that use each other in a circle", "a.ini", UNREADABLE,
         files={"a.ini": "[server:main]\nuse = config:b.ini\n", "b.ini": "[server:main]\nuse = config:a.ini\n"},
         **PASTE),
    file("use = config: of a file that is missing", "site.ini", UNKNOWN, "[server:main]\nuse = config:none.ini\n",
         **PASTE),
    file("two server sections", "site.ini", THREADED,
         server("use = egg:waitress\nthreads = 1\n[server:wide]\nuse = egg:waitress\nthreads = 9"), **PASTE),
    file("--server-name chooses one of two", "site.ini", SINGLE,
         server("use = egg:waitress\nthreads = 1\n[server:wide]\nuse = egg:waitress\nthreads = 9"),
         arguments="--server-name main site.ini", **PASTE),
    file("--server-name of none", "site.ini", UNREADABLE, server("use = egg:waitress"),
         arguments="--server-name narrow site.ini", **PASTE),
    file("a [uwsgi] section beside waitress", "site.ini", THREADED,
         server("use = egg:waitress\nthreads = 1\n[uwsgi]\nthreads = 4"), **PASTE),
    file("an application that nothing serves", "site.ini", UNKNOWN, APP + GUARD, **PASTE),
)
ONE = "use = egg:waitress\nthreads = 1\n"
GUARDS = (
    file("no guard at all", "site.ini", SINGLE, server(ONE + "[app:main]\nuse = egg:site", guarded=False), **PASTE),
    file("a guard in a pipeline", "site.ini", SINGLE,
         server(ONE + "[pipeline:main]\npipeline = threadguard site\n[app:site]\nuse = egg:site\n" + GUARD,
                guarded=False), **PASTE),
    file("a pipeline without one", "site.ini", SINGLE,
         server(ONE + "[pipeline:main]\npipeline = gzip site\n[app:site]\nuse = egg:site\n"
                "[filter:gzip]\nuse = egg:Paste#gzip\n", guarded=False), **PASTE),
    file("a guard behind another filter", "site.ini", SINGLE,
         server(ONE + "[app:main]\nuse = egg:site\nfilter-with = gzip\n[filter:gzip]\n"
                "use = egg:Paste#gzip\nfilter-with = threadguard\n" + GUARD, guarded=False), **PASTE),
    file("a guard as a filter-app", "site.ini", SINGLE,
         server(ONE + "[filter-app:main]\nuse = egg:threadguard\nnext = site\n[app:site]\nuse = egg:site\n",
                guarded=False), **PASTE),
    file("a guard by its function", "site.ini", SINGLE,
         server(ONE + APP + "[filter:threadguard]\npaste.filter_factory = threadguard.paste:filter_factory\n",
                guarded=False), **PASTE),
    file("a composite with one application unguarded", "site.ini", SINGLE,
         server(ONE + "[composite:main]\nuse = egg:Paste#urlmap\n/ = home\n/blog = blog\n"
                "[app:home]\nuse = egg:site\nfilter-with = threadguard\n[app:blog]\nuse = egg:blog\n" + GUARD,
                guarded=False), **PASTE),
    file("a guard with a misspelt option", "site.ini", UNREADABLE,
         server(ONE + APP + "[filter:threadguard]\nuse = egg:threadguard\npolcy = log\n", guarded=False), **PASTE),
    file("the main thread, behind waitress", "site.ini", THREADED, server(ONE) + "thread = main\n", **PASTE),
    file("the main thread, behind gunicorn's gthread", "site.ini", THREADED,
         server("use = egg:gunicorn\nworker_class = gthread\nthreads = 1") + "thread = main\n", **PASTE),
    file("the main thread, behind gunicorn's sync worker", "site.ini", SINGLE,
         server("use = egg:gunicorn\nworker_class = sync") + "thread = main\n", **PASTE),
    file("the main thread, behind a [server:] of two", "site.ini", THREADED,
         server("use = egg:gearbox#wsgiref\n[server:wide]\n" + ONE) + "thread = main\n", **PASTE),
    file("one thread, behind waitress", "site.ini", SINGLE, server(ONE) + "thread = same\n", **PASTE),
    file("one thread, and serialize", "site.ini", UNREADABLE,
         server(ONE).replace("policy = refuse", "policy = serialize") + "thread = same\n", **PASTE),
)
SITE = {"site.ini": server(ONE + "[server:wide]\nuse = egg:waitress\nthreads = %(n)s", guarded=True)}
COMMANDS = (
    command("gearbox serve -c site.ini", SINGLE, files=SITE, **PASTE),
    command("gearbox serve -c site.ini --server-name wide n=6", THREADED, files=SITE, **PASTE),
    command("gearbox serve --reload", UNKNOWN, **PASTE),
    command("gearbox serve -c site.ini -s wsgiref", SINGLE, files=SITE, **PASTE),
    command("pserve site.ini", SINGLE, files=SITE, **PASTE),
    command("pserve --server-name wide site.ini n=2", THREADED, files=SITE, **PASTE),
    command("paster serve --reload site.ini", SINGLE, files=SITE, **PASTE),
    command("gearbox serve -c site.ini -s cherrypy", THREADED, files={"site.ini": server(ONE) + "thread = main\n"},
            **PASTE),
    command("gunicorn --paste site.ini --threads 2", THREADED, files={"site.ini": server(ONE) + "thread = main\n"},
            **PASTE),
)
CASES = SERVERS + RESOLVED + GUARDS + COMMANDS
