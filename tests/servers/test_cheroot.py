import threading
from types import SimpleNamespace

import pytest
from fake_stacks import Application, at_startup, get, in_thread, module, on_request, running, serves
from threadguard.model import Reading, Source
from threadguard.servers import cheroot

# As in cheroot/cli.py 6.5 to 11.1: the types have effects, and --bind has a default that is not an address.
OPTIONS = {
    "_wsgi_app": {"metavar": "APP_MODULE", "type": lambda path: 1 / 0, "help": "the application"},
    "--bind": {"metavar": "ADDRESS", "dest": "bind_addr", "default": "[::1]:8000"},
    "--chdir": {"metavar": "PATH", "type": lambda path: 1 / 0},
    "--threads": {"metavar": "INT", "dest": "numthreads", "type": int},
    "--max-threads": {"metavar": "INT", "dest": "max", "type": int},
    "--timeout": {"metavar": "INT", "dest": "timeout", "type": int},
}
WORKER = """
class WorkerThread:
    def run(self):
        return self.look()
"""


def command(monkeypatch, *arguments, **names):
    """What is read while cheroot's command with *arguments* loads its application."""
    monkeypatch.setattr("sys.argv", ["cheroot", *arguments])
    return module("cheroot.cli", "def main(): return load()", load=lambda: at_startup(cheroot), **names).main()


def request(pool, server_class=SimpleNamespace, look=lambda: on_request(cheroot)):
    """What *look* returns in a worker thread of a server with *pool*."""
    worker = module("cheroot.workers.threadpool", WORKER).WorkerThread()
    worker.look, worker.server = look, server_class()
    worker.server.requests = pool
    return in_thread(worker.run)


def test_ten_threads_by_default():
    """A server that is told nothing has ten threads."""
    expected = Reading(Source.SETTING, "cheroot", 10, "app.conf sets no numthreads, and cheroot's default is 10",
                       cheroot.REMEDY)
    assert expected == cheroot.read_settings(None, "app.conf")


@pytest.mark.parametrize("numthreads, capacity", [(1, 1), (4, 4), pytest.param(0, 1, id="0 is taken for 1")])
def test_the_number_of_threads_is_the_capacity(numthreads, capacity):
    """numthreads threads are started, and no more."""
    assert capacity == cheroot.read_settings(numthreads).capacity


def test_a_number_that_cheroot_refuses_is_not_known():
    """A negative number starts no server."""
    assert cheroot.read_settings(-1) is None


@pytest.mark.parametrize("arguments, capacity", [
    pytest.param(["app"], 10, id="default"),
    pytest.param(["app", "--threads", "1", "--max-threads", "9"], 1, id="one, with a maximum that nothing grows to"),
    pytest.param(["--threads=4", "--chdir", "/", "app"], 4, id="before the application"),
    pytest.param(["app", "--bind", "127.0.0.1:8080", "--thr", "3"], 3, id="abbreviated"),
])
def test_the_command_line_is_read_to_its_end_without_its_effects(monkeypatch, arguments, capacity):
    """The application is loaded in the middle of the command line: the rest counts, and nothing is loaded again."""
    reading = command(monkeypatch, *arguments, _arg_spec=OPTIONS)
    assert (capacity, Source.SETTING, True) == (reading.capacity, reading.source, reading.on_stack)


@pytest.mark.parametrize("argument", ["--nonsense", "--help"])
def test_a_command_line_that_serves_nobody_raises_no_exit(monkeypatch, argument):
    """A reader may raise an error, but never SystemExit."""
    with pytest.raises(ValueError, match="unrecognized arguments: " + argument):
        command(monkeypatch, "app", argument, _arg_spec=OPTIONS)


def test_a_table_of_options_that_moved_is_not_known(monkeypatch):
    """A cheroot.cli without _arg_spec says nothing."""
    assert command(monkeypatch, "app", "--threads", "1") is None


def test_the_real_table_of_options_is_understood():
    """cheroot's own table, whichever version is installed."""
    cli = pytest.importorskip("cheroot.cli", reason="cheroot is not installed")
    assert 3 == cheroot.parse_threads(["myapp.wsgi", "--bind", "127.0.0.1:80", "--threads", "3"], cli._arg_spec)


@pytest.mark.parametrize("options, capacity", [
    pytest.param({}, 10, id="default"),
    pytest.param({"numthreads": 1}, 1, id="one thread, no maximum"),
    pytest.param({"numthreads": 2, "max": 5}, 2, id="two threads"),
])
def test_a_real_server_tells_its_pool_on_a_request(options, capacity):
    """A request of a real cheroot server finds the pool of its worker thread."""
    wsgi = pytest.importorskip("cheroot.wsgi", reason="cheroot is not installed")
    application = Application(lambda: (on_request(cheroot), serves(cheroot)))
    server = wsgi.Server(("127.0.0.1", 0), application, **options)
    server.prepare()
    with running(server.serve, server.stop):
        assert 200 == get(server.bind_addr[1])
    (reading, is_cheroot), = application.seen
    assert (capacity, Source.POOL, True) == (reading.capacity, reading.source, is_cheroot)


def test_a_pool_that_was_grown_by_hand_counts_its_living_threads():
    """ThreadPool.grow is public: live threads over min count, dead ones do not."""
    ended = threading.Thread()
    alive = threading.current_thread()
    reading = request(SimpleNamespace(min=1, max=5, _threads=[alive, alive, SimpleNamespace(is_alive=ended.is_alive)]))
    assert 2 == reading.capacity


def test_cherrypy_is_named_with_its_own_setting():
    """The server of CherryPy is cheroot's, its setting is not."""
    adapted = type("CPWSGIServer", (SimpleNamespace,), {"__module__": "cherrypy._cpwsgi_server"})
    reading = request(SimpleNamespace(min=10, _threads=[]), adapted)
    assert ("CherryPy", 10, True) == (reading.server, reading.capacity, "server.thread_pool = 1" in reading.remedy)


def test_the_remedy_is_left_to_whoever_drives_the_server():
    """A gearbox or a pserve that runs cheroot has a setting of its own."""
    assert "" == request(SimpleNamespace(min=10, _threads=[])).remedy


@pytest.mark.parametrize("pool", [None, SimpleNamespace(), SimpleNamespace(min="1", _threads=[])])
def test_a_pool_without_a_minimum_is_not_known(pool):
    """A pool that moved says nothing, and above all not single-threaded."""
    assert request(pool) is None


def test_elsewhere_cheroot_says_nothing():
    """Without a frame of cheroot's nothing is known."""
    assert (None, None, False) == (at_startup(cheroot), on_request(cheroot), serves(cheroot))
