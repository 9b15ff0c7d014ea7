"""uWSGI: the one from PyPI (2.0.31), and Debian's (2.0.21) with its plugins."""

from rows.model import MANY, ONE, Row, ini

COMMON = " --http-socket 127.0.0.1:{port} --die-on-term "
APP = "--module guarded "
FILE = "[uwsgi]\nhttp-socket = 127.0.0.1:{port}\ndie-on-term = true\nmodule = guarded\n"


def row(name, args, threaded, capacity=None, app=APP, **more):
    """A row of PyPI's uWSGI."""
    more.setdefault("needs", ("/uwsgi",))
    return Row("uWSGI " + name, "{bin}/uwsgi --virtualenv {bin}/.." + COMMON + app + args, threaded, capacity, **more)


def from_file(name, lines, threaded, capacity=None, **more):
    """A row of PyPI's uWSGI with its settings in an ini file."""
    return Row("uWSGI " + name, "{bin}/uwsgi --virtualenv {bin}/.. --ini uwsgi.ini", threaded, capacity,
               files={"uwsgi.ini": FILE + lines}, needs=("/uwsgi",), **more)


def debian(name, args, threaded, capacity=None, plugins="python3", **more):
    """A row of Debian's uWSGI, whose plugins are loaded by name."""
    return Row("Debian's uWSGI " + name, "/usr/bin/uwsgi-core --plugins %s%s%s%s" % (plugins, COMMON, APP, args),
               threaded, capacity, staged=True, needs=("/usr/bin/uwsgi-core", "plugin:python3")
               + (("plugin:gevent_python3",) if "gevent" in plugins else ()), **more)


ROWS = (
    row("default", "", ONE, 1),
    row("need-app", "--need-app", ONE, 1),
    row("need-app, threads=4", "--need-app --threads 4", MANY, 4),
    row("processes=3", "--master --processes 3", ONE, 1, processes=3),
    row("workers=2, threads=1", "--master --workers 2 --threads 1", ONE, 1, processes=2),
    row("threads=4", "--threads 4", MANY, 4),
    row("master, processes=2, threads=2", "--master --processes 2 --threads 2", MANY, 2, processes=2),
    row("threads=4 by UWSGI_THREADS", "", MANY, 4, env={"UWSGI_THREADS": "4"}),
    row("enable-threads", "--enable-threads", ONE, 1),
    row("master with enable-threads", "--master --enable-threads --processes 2", ONE, 1, processes=2),
    row("lazy-apps, processes=2", "--master --lazy-apps --processes 2", ONE, 1, processes=2),
    row("lazy-apps, threads=4", "--master --lazy-apps --threads 4", MANY, 4),
    row("--wsgi-file", "", ONE, 1, app="--wsgi-file guarded.py "),
    row("--mount with threads=4", "--manage-script-name --threads 4", MANY, 4, app="--mount /=guarded:application "),
    Row("uWSGI behind its own HTTP router, processes=2",
        "{bin}/uwsgi --virtualenv {bin}/.. --http 127.0.0.1:{port} --die-on-term --master --processes 2 " + APP,
        ONE, 1, needs=("/uwsgi",), processes=2),
    row("gevent=10", "--gevent 10", MANY, 10, hold="/hold?with=gevent:sleep", needs=("/uwsgi", "gevent")),
    row("gevent=10 with monkey patching", "--gevent 10 --gevent-monkey-patch", MANY, 10, needs=("/uwsgi", "gevent")),
    row("async=10, bodies streamed", "--async 10", MANY, 10, hold="/stream"),
    from_file("threads = 4 in an ini file", "threads = 4\n", MANY, 4),
    from_file("processes = 2 in an ini file", "master = true\nprocesses = 2\n", ONE, 1, processes=2),
    from_file("threads = 1 and enable-threads in an ini file", "threads = 1\nenable-threads = true\n", ONE, 1),
    Row("uWSGI --ini-paste beside a [server:main] of waitress with four threads",
        "{bin}/uwsgi --virtualenv {bin}/.." + COMMON + "--ini-paste {dir}/site.ini", ONE, 1,
        files={"site.ini": ini("use = egg:waitress\nthreads = 4", more="[uwsgi]\nmaster = true\n")},
        needs=("/uwsgi", "paste.deploy")),
    Row("uWSGI --ini-paste with threads = 4 in [uwsgi]",
        "{bin}/uwsgi --virtualenv {bin}/.." + COMMON + "--ini-paste {dir}/site.ini", MANY, 4,
        files={"site.ini": ini("use = egg:waitress\nthreads = 1", more="[uwsgi]\nthreads = 4\n")},
        needs=("/uwsgi", "paste.deploy")),
    debian("processes=2", "--master --processes 2", ONE, 1, processes=2),
    debian("threads=4", "--threads 4", MANY, 4),
    debian("gevent=10", "--gevent 10", MANY, 10, plugins="python3,gevent_python3", hold="/hold?with=gevent:sleep"),
)
