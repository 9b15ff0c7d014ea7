import pytest
from fake_stacks import Application, at_startup, get, module, on_request, running, serves
from threadguard.model import Reading, Source
from threadguard.servers import waitress

RUNNER = """
def run(argv, kw):
    return look()
"""
SERVE = """
def serve(app, **kw):
    return look()
"""
CHANNEL = """
class HTTPChannel:
    def __init__(self, server):
        self.server = server

    def service(self):
        return look()

    def check_client_disconnected(self):
        return False
"""


class Named:
    """Anything with these attributes."""

    def __init__(self, **attributes):
        vars(self).update(attributes)


def channel(threads, look=lambda: on_request(waitress), adj=None):
    """The channel of a server whose dispatcher has these *threads*."""
    server = Named(task_dispatcher=Named(threads=threads), adj=adj)
    return module("waitress.channel", CHANNEL, look=look).HTTPChannel(server)


def command_line(**kw):
    """What is found below waitress-serve, which has parsed its command line into *kw*."""
    return module("waitress.runner", RUNNER, look=lambda: at_startup(waitress)).run([], kw)


def test_missing_threads_are_waitress_default():
    """Without the setting waitress starts four threads."""
    expected = Reading(Source.SETTING, "waitress", 4, "[server:main] sets no threads, and waitress' default is 4",
                       waitress.REMEDY)
    assert expected == waitress.read_settings(None, "[server:main]")


@pytest.mark.parametrize("threads", [1, 8])
def test_the_setting_is_the_capacity(threads):
    """Each of the threads runs one request."""
    expected = Reading(Source.SETTING, "waitress", threads, "[server:main] sets threads = %d" % threads,
                       waitress.REMEDY)
    assert expected == waitress.read_settings(threads, "[server:main]")


@pytest.mark.parametrize("threads", [0, -1, True])
def test_a_number_that_makes_no_sense_gives_nothing(threads):
    """A server without a thread serves nothing, and nothing is said of it."""
    assert waitress.read_settings(threads) is None


def test_the_command_line_is_read_where_it_was_parsed():
    """waitress-serve has its arguments in a dict while it imports the application; values are text."""
    expected = Reading(Source.SETTING, "waitress", 3, "the command line of waitress-serve sets threads = 3",
                       waitress.REMEDY, on_stack=True)
    assert expected == command_line(call=False, threads="3")


def test_a_command_line_without_threads_means_the_default():
    """waitress-serve hands on only what was given."""
    assert 4 == command_line(call=False).capacity


def test_a_call_of_serve_on_the_stack_is_read():
    """waitress.serve(app, threads=2) that builds the application by itself shows its arguments."""
    assert 2 == module("waitress", SERVE, look=lambda: at_startup(waitress)).serve(None, threads=2).capacity


def test_a_parser_that_keeps_no_dict_says_nothing():
    """A waitress whose runner keeps its arguments otherwise gives no reading."""
    assert module("waitress.runner", RUNNER, look=lambda: at_startup(waitress)).run([], ["threads"]) is None


def test_waitress_off_the_stack_says_nothing():
    """A loaded waitress that serves nothing here gives no reading."""
    assert (None, None, False) == (at_startup(waitress), on_request(waitress), serves(waitress))


@pytest.mark.parametrize("threads", [{0}, {0: 1}, {0, 1, 2, 3}])
def test_on_a_request_the_dispatcher_of_its_channel_is_counted(threads):
    """The dispatcher knows its threads by number; old releases keep a dict."""
    reading = channel(threads).service()
    assert (Source.POOL, len(threads), True) == (reading.source, reading.capacity, reading.on_stack)


def test_a_request_that_runs_elsewhere_is_reached_through_the_environ():
    """waitress 3 puts a bound method of the channel into the environ."""
    check = channel({0, 1}).check_client_disconnected
    assert 2 == on_request(waitress, {"waitress.client_disconnected": check}).capacity


@pytest.mark.parametrize("threads", [None, 4, (), set()])
def test_a_dispatcher_that_changed_gives_nothing(threads):
    """Where the threads are no set and no dict, or there are none yet, the capacity is not known."""
    assert channel(threads).service() is None


# waitress' loop may be about to select the socket that close() has taken away: its thread ends with EBADF.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("threads", [1, 3])
def test_a_real_waitress_is_read(threads):
    """The real server, started by create_server, shows its threads on a request."""
    server = pytest.importorskip("waitress.server", reason="waitress is not installed")
    application = Application(lambda: (on_request(waitress), serves(waitress)))
    made = server.create_server(application, listen="127.0.0.1:0", threads=threads,
                                clear_untrusted_proxy_headers=True)  # 1.4 warns without it
    with running(made.run, made.close):
        assert 200 == get(made.effective_port)
    (reading, mine), = application.seen
    assert (threads, True) == (reading.capacity, mine)


def test_the_default_is_the_installed_waitress_own():
    """The number that stands for a missing setting is that of the waitress that is installed."""
    adjustments = pytest.importorskip("waitress.adjustments", reason="waitress is not installed").Adjustments
    assert adjustments.threads == waitress.DEFAULT
