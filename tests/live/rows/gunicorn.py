"""gunicorn: its worker classes, and the many places that its settings come from."""

from rows.model import MANY, ONE, Row, ini

RUN = "{bin}/gunicorn --bind 127.0.0.1:{port} "
APP = " guarded:application"
CUSTOM = """
from gunicorn.app.base import BaseApplication

class Standalone(BaseApplication):
    def load_config(self):
        self.cfg.set("bind", "127.0.0.1:{port}")
        self.cfg.set("threads", %d)

    def load(self):
        from guarded import application
        return application

Standalone().run()
"""
OWN_WORKER = """
from gunicorn.workers.sync import SyncWorker

class Patient(SyncWorker):
    pass
"""
HASTY_WORKER = """
import threading
from gunicorn.workers.sync import SyncWorker

class Hasty(SyncWorker):
    def handle(self, *args):
        threading.Thread(target=super().handle, args=args).start()
"""


def row(name, args, threaded, capacity=None, **more):
    """A row of the newest gunicorn."""
    more.setdefault("needs", ("gunicorn",) + (("gevent",) if "gevent" in args else ()))
    return Row("gunicorn " + name, RUN + args + APP, threaded, capacity, **more)


def old(name, args, threaded, capacity=None, **more):
    """A row of gunicorn 23, the last one with an eventlet worker."""
    return Row("gunicorn 23 " + name, RUN + args + APP, threaded, capacity, python="old", needs=("old:gunicorn",),
               **more)


def older(name, args, threaded, capacity=None, **more):
    """A row of gunicorn 20."""
    return Row("gunicorn 20 " + name, RUN + args + APP, threaded, capacity, python="older", needs=("older:gunicorn",),
               **more)


ROWS = (
    row("sync, the default", "", ONE, 1),
    row("sync with three workers", "--workers 3", ONE, 1, processes=3),
    row("three workers by WEB_CONCURRENCY", "", ONE, 1, env={"WEB_CONCURRENCY": "3"}, processes=3),
    row("sync --threads 1", "--worker-class sync --threads 1", ONE, 1),
    row("sync --threads 4, which becomes gthread", "--worker-class sync --threads 4", MANY, 4),
    row("--threads 4 alone", "--threads 4", MANY, 4),
    row("--threads 4 in GUNICORN_CMD_ARGS", "", MANY, 4, env={"GUNICORN_CMD_ARGS": "--threads 4"}),
    row("threads = 4 in gunicorn.conf.py", "", MANY, 4, files={"gunicorn.conf.py": "threads = 4\n"}),
    row("threads = 4 in a file given with -c", "-c settings.py", MANY, 4, files={"settings.py": "threads = 4\n"}),
    row("threads = 4 in the file, --threads 1 on the command line", "-c settings.py --threads 1", ONE, 1,
        files={"settings.py": "threads = 4\n"}),
    row("gthread with one thread", "-k gthread --threads 1", ONE, 1),
    row("gthread with one thread by config file", "-c settings.py", ONE, 1,
        files={"settings.py": "worker_class = 'gthread'\nthreads = 1\n"}),
    row("gthread with four threads", "-k gthread --threads 4", MANY, 4),
    row("gthread with four threads, two workers", "-k gthread --threads 4 --workers 2", MANY, 4, processes=2),
    row("gthread by dotted name", "-k gunicorn.workers.gthread.ThreadWorker --threads 4", MANY, 4),
    row("a worker class of one's own, derived from sync", "-k patient.Patient", ONE, 1,
        files={"patient.py": OWN_WORKER}),
    row("a worker class of one's own with --threads 4", "-k patient.Patient --threads 4", ONE, 1,
        files={"patient.py": OWN_WORKER}),
    row("a worker class of one's own that starts a thread for each connection", "-k hasty.Hasty", MANY,
        at_collision=True, files={"hasty.py": HASTY_WORKER}),
    row("gevent", "-k gevent", MANY),
    row("gevent, two workers", "-k gevent -w 2", MANY, processes=2),
    row("gevent with one connection", "-k gevent --worker-connections 1", ONE, 1),
    row("gevent_pywsgi", "-k gevent_pywsgi", MANY),
    row("gevent by config file", "-c settings.py", MANY, files={"settings.py": "worker_class = 'gevent'\n"}),
    row("tornado worker", "-k tornado", ONE, needs=("gunicorn", "tornado")),
    row("--preload", "--preload", ONE, 1),
    row("--preload with four threads", "--preload --threads 4", MANY, 4),
    row("--preload with two workers", "--preload --workers 2", ONE, 1, processes=2),
    row("--preload gevent", "--preload -k gevent", MANY),
    row("--reload", "--reload", ONE, 1),
    row("--reload with four threads", "--reload --threads 4", MANY, 4),
    Row("gunicorn with an application factory", RUN + "'guarded:make()'", ONE, 1, needs=("gunicorn",)),
    Row("python -m gunicorn --threads 4", "{py} -m gunicorn -b 127.0.0.1:{port} --threads 4" + APP, MANY, 4,
        needs=("gunicorn",)),
    Row("gunicorn --paste, sync, beside a [server:main] of waitress with four threads",
        RUN + "--paste site.ini", ONE, 1, files={"site.ini": ini("use = egg:waitress\nthreads = 4")},
        needs=("gunicorn", "paste.deploy", "waitress")),
    Row("gunicorn --paste --threads 4 beside a [server:main] of waitress with one thread",
        RUN + "--threads 4 --paste site.ini", MANY, 4, files={"site.ini": ini("use = egg:waitress\nthreads = 1")},
        needs=("gunicorn", "paste.deploy", "waitress")),
    Row("gunicorn as a [server:main] of pserve, four threads", "{bin}/pserve site.ini", MANY, 4,
        files={"site.ini": ini("use = egg:gunicorn#main\nthreads = 4")}, needs=("gunicorn", "pyramid")),
    Row("gunicorn as a [server:main] of gearbox, sync", "{bin}/gearbox serve -c site.ini", ONE, 1,
        files={"site.ini": ini("use = egg:gunicorn#main\nworkers = 1")}, needs=("gunicorn", "gearbox")),
    Row("gunicorn embedded by BaseApplication, four threads", "{py} standalone.py", MANY, 4,
        files={"standalone.py": CUSTOM % 4}, needs=("gunicorn",)),
    Row("gunicorn embedded by BaseApplication, one thread", "{py} standalone.py", ONE, 1,
        files={"standalone.py": CUSTOM % 1}, needs=("gunicorn",)),
    old("sync", "", ONE, 1),
    old("eventlet", "-k eventlet", MANY, hold="/hold?with=eventlet:sleep"),
    old("eventlet with one connection", "-k eventlet --worker-connections 1", ONE, 1,
        hold="/hold?with=eventlet:sleep"),
    old("gthread with one thread", "-k gthread --threads 1", ONE, 1),
    old("--threads 4", "--threads 4", MANY, 4),
    older("sync", "", ONE, 1),
    older("gthread with one thread", "-k gthread --threads 1", ONE, 1),
    older("--threads 4", "--threads 4", MANY, 4),
    older("--preload with four threads", "--preload --threads 4", MANY, 4),
)
