"""PasteDeploy's ini files, and the commands that serve them."""

from threadguard.options import OPTIONS

from check.cases import SINGLE, THREADED, UNKNOWN, UNREADABLE, command, file, lets, never, unknown

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
NOT_GUARDED = "TG104 the application %r is not guarded"


def server(lines, guarded=True):
    """A file with these lines in [server:main], which begins on its first line."""
    return "[server:main]\n" + lines + "\n" + (APP + GUARD if guarded else "")


def served(name, lines, status, *says, **more):
    """A case of a file with these lines in [server:main]."""
    return file(name, "site.ini", status, *says, files={"site.ini": server(lines)}, **{**PASTE, **more})


SERVERS = (
    file("Kallithea's waitress with one thread", "production.ini", SINGLE, "production.ini:6: " + lets("waitress"),
         files={"production.ini": KALLITHEA % 1}, **PASTE),
    file("Kallithea's waitress with four threads", "production.ini", THREADED,
         "production.ini:6: " + lets("waitress", 4), files={"production.ini": KALLITHEA % 4}, **PASTE),
    served("waitress without threads", "use = egg:waitress", THREADED, "site.ini:1: " + lets("waitress", 4)),
    served("waitress by its function", "paste.server_runner = waitress:serve_paste\nthreads = 1", SINGLE,
           "site.ini:3: " + lets("waitress")),
    served("waitress by call", "use = call:waitress:serve_paste\nthreads = 2", THREADED,
           "site.ini:3: " + lets("waitress", 2)),
    served("gearbox's wsgiref", "use = egg:gearbox#wsgiref", SINGLE, "site.ini:1: " + lets("wsgiref")),
    served("gearbox's wsgiref with threads", "use = egg:gearbox#wsgiref\nwsgiref.threaded = true", THREADED,
           "site.ini:3: " + lets("wsgiref", None)),
    served("gearbox's gevent", "use = egg:gearbox#gevent", THREADED, "site.ini:2: " + lets("gevent", None)),
    served("gearbox's cherrypy", "use = egg:gearbox#cherrypy\nnumthreads = 1", SINGLE,
           "site.ini:3: " + lets("cheroot")),
    served("pyramid's wsgiref", "use = egg:pyramid#wsgiref", SINGLE, "site.ini:2: " + lets("wsgiref")),
    served("Paste with its default pool", "use = egg:Paste#http", THREADED,
           "site.ini:1: " + lets("Paste's httpserver", 10)),
    served("Paste with a pool of one", "use = egg:paste#http\nthreadpool_workers = 1\nthreadpool_spawn_if_under = 0",
           SINGLE, "site.ini:3: " + lets("Paste's httpserver")),
    served("Paste without a pool", "use = egg:Paste#http\nuse_threadpool = false", THREADED,
           "site.ini:3: " + lets("Paste's httpserver", None)),
    served("gunicorn in the file", "use = egg:gunicorn#main\nworkers = 4", SINGLE,
           "site.ini:1: " + lets("gunicorn's sync worker")),
    served("gunicorn in the file with threads", "use = egg:gunicorn#main\nthreads = 4", THREADED,
           "site.ini:3: " + lets("gunicorn's gthread worker", 4)),
    served("gunicorn in the file with a file of its own", "use = egg:gunicorn\nconfig = g.py", UNKNOWN,
           "site.ini:2: " + unknown("the server of [server:main]")),
    served("a server that nobody knows", "use = egg:rocket\nthreads = 1", UNKNOWN,
           "site.ini:2: " + unknown("the server of [server:main]")),
    served("a number that is none", "use = egg:waitress\nthreads = four", UNREADABLE,
           "site.ini:3: TG902 site.ini cannot be read"),
    served("a number that gives no capacity", "use = egg:waitress\nthreads = 0", UNKNOWN,
           "site.ini:3: " + unknown("the server of [server:main]")),
    served("a worker class of one's own", "use = egg:gunicorn\nworker_class = my.Worker", UNKNOWN,
           "site.ini:3: " + unknown("the server of [server:main]")),
)
RESOLVED = (
    file("threads from [DEFAULT] by %()s", "site.ini", THREADED, "site.ini:5: " + lets("waitress", 3),
         files={"site.ini": "[DEFAULT]\nn = 3\n[server:main]\nuse = egg:waitress\nthreads = %(n)s\n" + APP + GUARD},
         **PASTE),
    file("threads from [DEFAULT] by get", "site.ini", SINGLE, "site.ini:4: " + lets("waitress"),
         files={"site.ini": "[DEFAULT]\nn = 1\n[server:main]\nuse = egg:waitress\nget threads = n\n" + APP + GUARD},
         **PASTE),
    file("threads in [DEFAULT], which PasteDeploy drops", "site.ini", THREADED, "site.ini:5: " + lets("waitress", 4),
         files={"site.ini": "[DEFAULT]\nthreads = 1\n[server:main]\nuse = egg:waitress\nthreads = 1\n" + APP + GUARD},
         **PASTE),
    served("%(missing)s", "use = egg:waitress\nthreads = %(missing)s", UNREADABLE,
           "site.ini:3: TG902 site.ini cannot be read"),
    file("use = config:other.ini", "etc/site.ini", THREADED, "etc/site.ini:2: " + lets("waitress", 7),
         files={"etc/site.ini": server("use = config:base.ini#wide"),
                "etc/base.ini": "[server:wide]\nuse = egg:waitress\nthreads = 7\n"}, **PASTE),
    file("use = config:%(here)s/other.ini, and a value over it", "site.ini", SINGLE, "site.ini:3: " + lets("waitress"),
         files={"site.ini": server("use = config:%(here)s/base.ini\nthreads = 1"),
                "base.ini": "[server:main]\nuse = egg:waitress\nthreads = 7\n"}, **PASTE),
    file("use = another section", "site.ini", THREADED, "site.ini:2: " + lets("waitress", 5),
         "site.ini:5: " + lets("waitress", 5),
         files={"site.ini": server("use = wide\n[server:wide]\nuse = egg:waitress\nthreads = 5")}, **PASTE),
    file("sections that use each other in a circle", "site.ini", UNREADABLE, "site.ini: TG902 site.ini cannot be read",
         files={"site.ini": "[server:main]\nuse = main\n"}, **PASTE),
    file("files that use each other in a circle", "a.ini", UNREADABLE, "a.ini: TG902 a.ini cannot be read",
         files={"a.ini": "[server:main]\nuse = config:b.ini\n", "b.ini": "[server:main]\nuse = config:a.ini\n"},
         **PASTE),
    file("use = config: of a file that is missing", "site.ini", UNKNOWN,
         "site.ini: " + unknown("the server of [server:main]"),
         files={"site.ini": "[server:main]\nuse = config:none.ini\n"},
         **PASTE),
    file("two server sections", "site.ini", THREADED, "site.ini:3: " + lets("waitress"),
         "site.ini:6: " + lets("waitress", 9),
         files={"site.ini": server("use = egg:waitress\nthreads = 1\n[server:wide]\nuse = egg:waitress\nthreads = 9")},
         **PASTE),
    file("--server-name chooses one of two", "site.ini", SINGLE, "site.ini:3: " + lets("waitress"),
         arguments="--server-name main site.ini",
         files={"site.ini": server("use = egg:waitress\nthreads = 1\n[server:wide]\nuse = egg:waitress\nthreads = 9")},
         **PASTE),
    file("--server-name of none", "site.ini", UNREADABLE, "site.ini: TG902 site.ini cannot be read",
         arguments="--server-name narrow site.ini", files={"site.ini": server("use = egg:waitress")}, **PASTE),
    file("a [uwsgi] section beside waitress", "site.ini", THREADED, "site.ini:3: " + lets("waitress"),
         "site.ini:5: " + lets("uWSGI", 4),
         files={"site.ini": server("use = egg:waitress\nthreads = 1\n[uwsgi]\nthreads = 4")}, **PASTE),
    file("an application that nothing serves", "site.ini", UNKNOWN, "site.ini: " + unknown("the server"),
         files={"site.ini": APP + GUARD}, **PASTE),
)
ONE = "use = egg:waitress\nthreads = 1\n"
SAYS_ONE = "site.ini:3: " + lets("waitress")
GUARDS = (
    file("no guard at all", "site.ini", SINGLE, SAYS_ONE, "site.ini:4: " + NOT_GUARDED % "main",
         files={"site.ini": server(ONE + "[app:main]\nuse = egg:site", guarded=False)}, **PASTE),
    file("a guard in a pipeline", "site.ini", SINGLE, SAYS_ONE,
         files={"site.ini": server(ONE + "[pipeline:main]\npipeline = threadguard site\n[app:site]\n"
                                   "use = egg:site\n" + GUARD, guarded=False)}, **PASTE),
    file("a pipeline without one", "site.ini", SINGLE, SAYS_ONE, "site.ini:4: " + NOT_GUARDED % "main",
         files={"site.ini": server(ONE + "[pipeline:main]\npipeline = gzip site\n[app:site]\nuse = egg:site\n"
                                   "[filter:gzip]\nuse = egg:Paste#gzip\n", guarded=False)}, **PASTE),
    file("a guard behind another filter", "site.ini", SINGLE, SAYS_ONE,
         files={"site.ini": server(ONE + "[app:main]\nuse = egg:site\nfilter-with = gzip\n[filter:gzip]\n"
                                   "use = egg:Paste#gzip\nfilter-with = threadguard\n" + GUARD, guarded=False)},
         **PASTE),
    file("a guard as a filter-app", "site.ini", SINGLE, SAYS_ONE,
         files={"site.ini": server(ONE + "[filter-app:main]\nuse = egg:threadguard\nnext = site\n[app:site]\n"
                                   "use = egg:site\n", guarded=False)}, **PASTE),
    file("a guard by its function", "site.ini", SINGLE, SAYS_ONE,
         files={"site.ini": server(ONE + APP + "[filter:threadguard]\n"
                                   "paste.filter_factory = threadguard.paste:filter_factory\n", guarded=False)},
         **PASTE),
    file("a composite with one application unguarded", "site.ini", SINGLE, SAYS_ONE,
         "site.ini:11: " + NOT_GUARDED % "blog",
         files={"site.ini": server(ONE + "[composite:main]\nuse = egg:Paste#urlmap\n/ = home\n/blog = blog\n"
                                   "[app:home]\nuse = egg:site\nfilter-with = threadguard\n[app:blog]\nuse = egg:blog\n"
                                   + GUARD,
                                   guarded=False)}, **PASTE),
    file("a guard with a misspelt option", "site.ini", UNREADABLE, SAYS_ONE,
         "site.ini:9: TG901 threadguard: there is no option 'polcy' (in a threadguard section of site.ini); there are "
         + ", ".join(sorted(OPTIONS)),
         files={"site.ini": server(ONE + APP + "[filter:threadguard]\nuse = egg:threadguard\npolcy = log\n",
                                   guarded=False)}, **PASTE),
    file("the main thread, behind waitress", "site.ini", THREADED, SAYS_ONE, "site.ini:3: " + never("waitress"),
         files={"site.ini": server(ONE) + "thread = main\n"}, **PASTE),
    file("the main thread, behind gunicorn's gthread", "site.ini", THREADED,
         "site.ini:4: " + lets("gunicorn's gthread worker"), "site.ini:4: " + never("gunicorn's gthread worker"),
         files={"site.ini": server("use = egg:gunicorn\nworker_class = gthread\nthreads = 1") + "thread = main\n"},
         **PASTE),
    file("the main thread, behind gunicorn's sync worker", "site.ini", SINGLE,
         "site.ini:3: " + lets("gunicorn's sync worker"),
         files={"site.ini": server("use = egg:gunicorn\nworker_class = sync") + "thread = main\n"}, **PASTE),
    file("the main thread, behind a [server:] of two", "site.ini", THREADED, "site.ini:1: " + lets("wsgiref"),
         "site.ini:5: " + lets("waitress"), "site.ini:5: " + never("waitress"),
         files={"site.ini": server("use = egg:gearbox#wsgiref\n[server:wide]\n" + ONE) + "thread = main\n"}, **PASTE),
    file("one thread, behind waitress", "site.ini", SINGLE, SAYS_ONE,
         files={"site.ini": server(ONE) + "thread = same\n"}, **PASTE),
    file("one thread, and serialize", "site.ini", UNREADABLE, SAYS_ONE,
         "site.ini:11: TG901 threadguard: option thread = same cannot be kept under policy = serialize, which lets"
         " requests in one at a time, each on the thread that it came on; policy = refuse keeps it (they stand in a"
         " threadguard section of site.ini)",
         files={"site.ini": server(ONE).replace("policy = refuse", "policy = serialize") + "thread = same\n"}, **PASTE),
)
SITE = {"site.ini": server(ONE + "[server:wide]\nuse = egg:waitress\nthreads = %(n)s", guarded=True)}
COMMANDS = (
    command("gearbox serve -c site.ini", SINGLE, SAYS_ONE, files=SITE, **PASTE),
    command("gearbox serve -c site.ini --server-name wide n=6", THREADED, "site.ini:6: " + lets("waitress", 6),
            files=SITE, **PASTE),
    command("gearbox serve --reload", UNKNOWN, unknown("the [server:] section"), **PASTE),
    command("gearbox serve -c site.ini -s wsgiref", SINGLE, lets("wsgiref"), files=SITE, **PASTE),
    command("pserve site.ini", SINGLE, SAYS_ONE, files=SITE, **PASTE),
    command("pserve --server-name wide site.ini n=2", THREADED, "site.ini:6: " + lets("waitress", 2), files=SITE,
            **PASTE),
    command("paster serve --reload site.ini", SINGLE, SAYS_ONE, files=SITE, **PASTE),
    command("gearbox serve -c site.ini -s cherrypy", THREADED, lets("cheroot", 10), never("cheroot"),
            files={"site.ini": server(ONE) + "thread = main\n"}, **PASTE),
    command("gunicorn --paste site.ini --threads 2", THREADED, lets("gunicorn's gthread worker", 2),
            never("gunicorn's gthread worker"), files={"site.ini": server(ONE) + "thread = main\n"}, **PASTE),
)
CASES = SERVERS + RESOLVED + GUARDS + COMMANDS
