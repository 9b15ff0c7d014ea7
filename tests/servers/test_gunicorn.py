"""gunicorn's reader on stacks of each of its processes. Settings are in test_readers.py, real workers in tests/live."""

from types import SimpleNamespace

import pytest
from fake_stacks import an_object, at_startup, below, module, on_request, serves

from threadguard.servers import gunicorn

NAMES = {"sync": "SyncWorker", "gthread": "ThreadWorker", "ggevent": "GeventWorker", "gtornado": "TornadoWorker"}


def config(worker_class="sync", threads=1, worker_connections=1000):
    """A Config of gunicorn with these settings."""
    return SimpleNamespace(settings={}, worker_class_str=worker_class, threads=threads, bind=["one"],
                           worker_connections=worker_connections)


def kind(name, **methods):
    """gunicorn's worker class in ``gunicorn.workers.<name>``, with *methods* of its own."""
    return type(NAMES[name], (), {"__module__": "gunicorn.workers." + name, **methods})


def derived(name):
    """A worker class of an application's own."""
    return type("Ours", (kind(name),), {"__module__": "ours"})


def worker(of, sockets=1, **settings):
    """A worker of the class *of*."""
    made = of()
    made.cfg, made.sockets = config(**settings), ["socket"] * sockets
    return made


def loads(holder, look=lambda: at_startup(gunicorn), place="gunicorn.workers.base load_wsgi"):
    """What *look* finds below *holder*, which loads the application."""
    return below(look, (place, {"self": holder}))


@pytest.mark.parametrize("holder, server, capacity", [
    pytest.param(worker(kind("gthread"), threads=4), "gthread", 4, id="its threads"),
    pytest.param(worker(kind("ggevent"), 2, worker_connections=3), "gevent", 6, id="a pool for each socket"),
    pytest.param(worker(kind("sync"), threads=4), "sync", 1, id="a class given as an object is not made gthread"),
    pytest.param(worker(derived("gthread"), threads=3), "gthread", 3, id="a class derived from gunicorn's"),
])
@pytest.mark.parametrize("look", [at_startup, on_request])
def test_a_worker_on_the_stack_is_read(look, holder, server, capacity):
    """By its class, and what of the Config bounds that."""
    reading = loads(holder, lambda: look(gunicorn))
    assert (reading.server, reading.capacity) == ("gunicorn's %s worker" % server, capacity)


def test_the_size_of_the_pool_beats_the_setting():
    """A worker class that makes a pool of its own (get_thread_pool) is read by the pool."""
    made = worker(kind("gthread"))
    made.tpool = SimpleNamespace(_max_workers=8)
    assert loads(made, lambda: on_request(gunicorn)).capacity == 8


@pytest.mark.parametrize("name, capacity", [("sync", None), ("gthread", 3)])
def test_a_class_derived_from_sync_that_starts_threads_is_not_known(name, capacity):
    """Nothing bounds the threads that it starts for its connections; gthread's pool is there as before."""
    of = type("Ours", (kind(name),), {"__module__": "ours", "handle": lambda *args: None})
    reading = loads(worker(of, worker_class="ours.Ours", threads=3))
    assert (reading and reading.capacity) == capacity


def test_a_class_that_derives_from_none_is_not_known_but_serves():
    """A custom worker over the bare Worker gives no capacity, yet its requests are gunicorn's."""
    made = worker(type("Ours", (), {"__module__": "ours"}), worker_class="ours.Ours", threads=3)
    assert loads(made, lambda: (on_request(gunicorn), serves(gunicorn))) == (None, True)


def test_what_calls_the_application_before_a_worker_runs_is_no_request():
    """While it is loaded, in a hook, and in the Arbiter: `run` is what serves, of whatever class."""
    source = "class Worker:\n    cfg = None\n    def init_process(self):\n        return look(), self.run()\n"
    base = module("gunicorn.workers.base", source, look=lambda: serves(gunicorn)).Worker
    run = module("ours", "def run(self):\n    return look()\n", look=lambda: serves(gunicorn)).run
    made = type("Ours", (base,), {"__module__": "ours", "run": run})()
    made.cfg = config("ours.Ours")
    assert made.init_process() == (False, True)
    assert loads(SimpleNamespace(cfg=config()), lambda: serves(gunicorn), "gunicorn.arbiter setup") is False


@pytest.mark.parametrize("place, holder, capacity", [
    pytest.param("gunicorn.arbiter setup", SimpleNamespace(
        cfg=config("ours.Ours", threads=5), worker_class=derived("gthread")), 5, id="--preload: the Arbiter alone"),
    pytest.param("gunicorn.app.wsgiapp load", SimpleNamespace(cfg=config("gthread", threads=2)), 2,
                 id="--check-config: the application object alone"),
    pytest.param("gunicorn.app.base do_load_config", SimpleNamespace(cfg=config()), None,
                 id="a configuration file that is still being read: the command line comes after it"),
    pytest.param("gunicorn.dirty.worker load", worker(kind("gthread")), None, id="a dirty worker serves no requests"),
    pytest.param("gunicorn.workers.base load_wsgi", worker(kind("gthread"), threads=None), None,
                 id="threads that moved: not known, and not single"),
])
def test_what_holds_the_settings_before_there_is_a_worker(place, holder, capacity):
    """It is read where it is complete."""
    reading = loads(holder, place=place)
    assert (reading and reading.capacity) == capacity


def test_gevent_pywsgi_is_reached_through_the_logger_of_its_server():
    """gevent's handler knows no Worker, but its server logs with gunicorn's Logger, which has the Config."""
    handler = an_object("gunicorn.workers.ggevent", server=SimpleNamespace(
        log=SimpleNamespace(cfg=config("gevent_pywsgi", worker_connections=9))))
    reading = loads(handler, lambda: on_request(gunicorn), "gevent.pywsgi run_application")
    assert (reading.server, reading.capacity) == ("gunicorn's gevent_pywsgi worker", 9)
