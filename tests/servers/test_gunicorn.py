from types import SimpleNamespace

import pytest
from fake_stacks import at_startup, module, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import gunicorn

WORKER = """
class Worker:
    def __init__(self, cfg, sockets):
        self.cfg, self.sockets = cfg, sockets

    def load_wsgi(self):
        return look()
"""
ARBITER = """
class Arbiter:
    def __init__(self, cfg, worker_class):
        self.cfg, self.worker_class = cfg, worker_class

    def setup(self):
        return look()
"""
APPLICATION = """
class WSGIApplication:
    def __init__(self, cfg):
        self.cfg = cfg

    def do_load_config(self):
        return look()

    def load(self):
        return look()
"""
NAMES = {"sync": "SyncWorker", "gthread": "ThreadWorker", "ggevent": "GeventWorker", "gtornado": "TornadoWorker"}


def config(worker_class="sync", threads=1, worker_connections=1000, bind=("one",)):
    """A Config of gunicorn with these settings."""
    return SimpleNamespace(settings={}, worker_class_str=worker_class, threads=threads, bind=list(bind),
                           worker_connections=worker_connections)


def worker_class(name, look, bases=()):
    """A worker class in the module ``gunicorn.workers.<name>``, over a base class that calls *look*."""
    base = module("gunicorn.workers.base", WORKER, look=look).Worker
    source = "class %s(Worker):\n    pass\n" % NAMES[name]
    return getattr(module("gunicorn.workers." + name, source, Worker=base), NAMES[name])


def running(name, sockets=1, look=lambda: at_startup(gunicorn), **settings):
    """What *look* finds in a worker that loads the application."""
    return worker_class(name, look)(config(**settings), ["socket"] * sockets).load_wsgi()


@pytest.mark.parametrize("settings, server, capacity", [
    pytest.param(dict(worker_class="sync"), "sync", 1, id="sync"),
    pytest.param(dict(worker_class="sync", threads=4), "gthread", 4, id="sync with threads is gthread"),
    pytest.param(dict(worker_class="gunicorn.workers.sync.SyncWorker", threads=2), "gthread", 2, id="by its path"),
    pytest.param(dict(worker_class="ours.FastSyncWorker", threads=3), "gthread", 3, id="by the end of its name"),
    pytest.param(dict(worker_class="gthread"), "gthread", 1, id="gthread of one"),
    pytest.param(dict(worker_class="gevent"), "gevent", 1000, id="gevent"),
    pytest.param(dict(worker_class="gevent", connections=1), "gevent", 1, id="gevent of one connection"),
    pytest.param(dict(worker_class="gevent", connections=1, listeners=2), "gevent", 2, id="a pool for each socket"),
    pytest.param(dict(worker_class="gevent_pywsgi", connections=5), "gevent_pywsgi", 5, id="gevent_pywsgi"),
    pytest.param(dict(worker_class="eventlet", threads=1, connections=7), "eventlet", 7, id="eventlet"),
    pytest.param(dict(worker_class="tornado", threads=4), "tornado", 1, id="tornado knows no threads"),
])
def test_the_settings_give_the_capacity(settings, server, capacity):
    """The class decides which setting bounds a worker process."""
    reading = gunicorn.read_settings(**settings)
    assert ("gunicorn's %s worker" % server, capacity) == (reading.server, reading.capacity)


@pytest.mark.parametrize("settings", [
    pytest.param(dict(worker_class="uvicorn.workers.UvicornWorker"), id="another's class"),
    pytest.param(dict(worker_class="asgi"), id="asgi, which runs no WSGI itself"),
    pytest.param(dict(worker_class="gthread", threads=None), id="threads not readable"),
    pytest.param(dict(worker_class="gevent", connections=None), id="worker_connections not readable"),
])
def test_what_is_not_known_is_not_guessed(settings):
    """An unknown worker class, or a bound that is missing, gives no reading."""
    assert gunicorn.read_settings(**settings) is None


def test_a_worker_that_loads_the_application_is_read():
    """At startup the settings are those of the Config that the Worker on the stack holds."""
    expected = Reading(Source.SETTING, "gunicorn's gthread worker", 4,
                       "gunicorn's Config on the stack has worker_class 'gthread' and threads 4", gunicorn.REMEDY,
                       on_stack=True)
    assert expected == running("gthread", threads=4)


def test_on_a_request_the_same_is_a_pool():
    """On a request the Worker's own frame is below it: the reading is as strong as a pool."""
    assert Source.POOL is running("sync", look=lambda: on_request(gunicorn)).source


def test_every_socket_has_a_pool_of_greenlets():
    """gunicorn/workers/ggevent.py makes a pool of worker_connections for each listening socket."""
    assert 6 == running("ggevent", sockets=2, worker_connections=3).capacity


def test_a_running_sync_worker_is_single_whatever_threads_says():
    """worker_class given as a class object is not turned into gthread, so that threads counts for nothing."""
    assert 1 == running("sync", threads=4).capacity


def test_the_size_of_the_pool_beats_the_setting():
    """A worker class that makes a pool of its own (get_thread_pool) is read by the pool."""
    made = worker_class("gthread", lambda: on_request(gunicorn))(config(threads=1), ["socket"])
    made.tpool = SimpleNamespace(_max_workers=8)
    assert 8 == made.load_wsgi().capacity


def test_a_class_derived_from_a_known_one_is_known():
    """A custom worker is what it derives from."""
    derived = type("Ours", (worker_class("gthread", lambda: at_startup(gunicorn)),), {"__module__": "ours"})
    assert 3 == derived(config("ours.Ours", threads=3), ["socket"]).load_wsgi().capacity


@pytest.mark.parametrize("name, capacity", [("sync", None), ("gthread", 3)])
def test_a_class_derived_from_sync_that_starts_threads_is_not_known(name, capacity):
    """Nothing bounds the threads that it starts for its connections; gthread's pool is there as before."""
    base = worker_class(name, lambda: at_startup(gunicorn))
    handle = "def handle(self, *args):\n    threading.Thread(target=super().handle, args=args).start()\n"
    derived = type("Ours", (base,), {"__module__": "ours", "handle": module("ours", handle).handle})
    reading = derived(config("ours.Ours", threads=3), ["socket"]).load_wsgi()
    assert capacity == (reading and reading.capacity)


def test_a_class_that_derives_from_none_is_not_known_but_serves():
    """A custom worker over the bare Worker gives no capacity, yet its requests are gunicorn's."""
    base = module("gunicorn.workers.base", WORKER, look=lambda: (on_request(gunicorn), serves(gunicorn))).Worker
    derived = type("Ours", (base,), {"__module__": "ours"})
    assert (None, True) == derived(config("ours.Ours", threads=3), ["socket"]).load_wsgi()


def test_what_calls_the_application_before_a_worker_runs_is_no_request():
    """While it is loaded, in a hook, and in the Arbiter: `run` is what serves, of whatever class."""
    source = "class Worker:\n    cfg = None\n    def init_process(self):\n        return look(), self.run()\n"
    base = module("gunicorn.workers.base", source, look=lambda: serves(gunicorn)).Worker
    run = module("ours", "def run(self):\n    return look()\n", look=lambda: serves(gunicorn)).run
    worker = type("Ours", (base,), {"__module__": "ours", "run": run})()
    worker.cfg = config("ours.Ours")
    assert (False, True) == worker.init_process()
    arbiter = module("gunicorn.arbiter", ARBITER, look=lambda: serves(gunicorn)).Arbiter
    assert arbiter(config(), worker_class("sync", None)).setup() is False


def test_preloading_reads_the_arbiter():
    """With --preload no Worker exists yet: the Arbiter knows the class, and the Config the threads."""
    chosen = type("Ours", (worker_class("gthread", None),), {"__module__": "ours"})
    arbiter = module("gunicorn.arbiter", ARBITER, look=lambda: at_startup(gunicorn)).Arbiter
    assert 5 == arbiter(config("ours.Ours", threads=5), chosen).setup().capacity


def test_a_dirty_worker_serves_no_requests():
    """gunicorn.dirty runs tasks in processes of its own, which the Arbiter below has forked."""
    dirty = module("gunicorn.dirty.worker", "def load():\n    return look()\n", look=lambda: at_startup(gunicorn))
    arbiter = module("gunicorn.arbiter", ARBITER, look=dirty.load).Arbiter
    assert arbiter(config(), worker_class("gthread", None)).setup() is None


def test_the_application_object_alone_gives_the_name_of_the_class():
    """Under --check-config neither Arbiter nor Worker is on the stack."""
    application = module("gunicorn.app.wsgiapp", APPLICATION, look=lambda: at_startup(gunicorn)).WSGIApplication
    assert 2 == application(config("gthread", threads=2)).load().capacity


def test_a_configuration_that_is_still_being_read_says_nothing():
    """A configuration file that imports the application does so before the command line is applied."""
    application = module("gunicorn.app.base", APPLICATION, look=lambda: at_startup(gunicorn)).WSGIApplication
    assert application(config("sync")).do_load_config() is None


def test_gevent_pywsgi_is_reached_through_the_logger_of_its_server():
    """gevent's handler knows no Worker, but its server logs with gunicorn's Logger, which has the Config."""
    handler = module("gevent.pywsgi", "class Handler:\n    def run_application(self):\n        return look()\n",
                     look=lambda: on_request(gunicorn)).Handler
    ours = type("PyWSGIHandler", (handler,), {"__module__": "gunicorn.workers.ggevent"})()
    ours.server = SimpleNamespace(log=SimpleNamespace(cfg=config("gevent_pywsgi", worker_connections=9)))
    assert ("gunicorn's gevent_pywsgi worker", 9) == (ours.run_application().server, ours.run_application().capacity)


def test_an_attribute_that_moved_gives_nothing():
    """Without cfg.threads a gthread worker is not known, and not single."""
    made = worker_class("gthread", lambda: at_startup(gunicorn))(config(), ["socket"])
    del made.cfg.threads
    assert made.load_wsgi() is None


def test_gunicorn_off_the_stack_serves_nothing():
    """A loaded gunicorn that is on no stack gives no reading."""
    assert (None, None, False) == (at_startup(gunicorn), on_request(gunicorn), serves(gunicorn))


def test_the_real_worker_holds_the_real_config():
    """gunicorn's own Worker and Config have the attributes that are read."""
    real = pytest.importorskip("gunicorn.workers.gthread", reason="gunicorn is not installed").ThreadWorker
    settings = pytest.importorskip("gunicorn.config", reason="gunicorn is not installed").Config()
    settings.set("threads", 4)
    worker = real.__new__(real)
    worker.cfg, worker.sockets = settings, ["socket"]
    worker.app = SimpleNamespace(wsgi=lambda: at_startup(gunicorn))
    worker.load_wsgi()
    assert ("gunicorn's gthread worker", 4) == (worker.wsgi.server, worker.wsgi.capacity)
