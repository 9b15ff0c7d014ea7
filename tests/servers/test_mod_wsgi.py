import sys
from types import ModuleType

import pytest
from fake_stacks import at_startup, on_request
from threadguard.model import Reading, Source
from threadguard.process.facts import Process
from threadguard.servers import mod_wsgi

ENVIRON = {"mod_wsgi.version": (4, 9, 4), "mod_wsgi.process_group": ""}


@pytest.fixture
def apache(monkeypatch):
    """Puts a module in place that has these attributes of the one that mod_wsgi makes inside Apache."""
    monkeypatch.delenv("MOD_WSGI_EXPRESS", raising=False)

    def embed(**attributes):
        made = ModuleType("mod_wsgi")
        vars(made).update(attributes)
        monkeypatch.setitem(sys.modules, "mod_wsgi", made)
    return embed


def test_a_daemon_is_named_with_its_group():
    """The threads of a daemon process are those of its WSGIDaemonProcess."""
    expected = Reading(Source.SETTING, "mod_wsgi's daemon", 2,
                       "the site has 2 thread(s) for each process of the WSGIDaemonProcess 'kallithea'",
                       mod_wsgi.REMEDY)
    assert expected == mod_wsgi.read_settings(2, "kallithea", where="the site")


def test_the_default_of_a_daemon_is_pointed_out():
    """Who sets processes only gets fifteen threads in each, and is told that this is a default."""
    evidence = mod_wsgi.read_settings(mod_wsgi.DAEMON_THREADS, "kallithea").evidence
    assert evidence.endswith("'kallithea', which is the default without threads=")


def test_embedded_threads_are_those_of_apache():
    """Without a process group the application runs in Apache's own children, and the remedy says how to leave them."""
    reading = mod_wsgi.read_settings(25)
    assert ("mod_wsgi embedded in Apache", 25) == (reading.server, reading.capacity)
    assert reading.remedy.endswith("or mpm_prefork with Protocols http/1.1")


def test_express_has_its_own_remedy():
    """A configuration that mod_wsgi-express wrote is changed by its options."""
    assert mod_wsgi.read_settings(5, "localhost:8000", express=True).remedy.startswith("mod_wsgi-express start-server")


def test_a_number_that_makes_no_sense_gives_nothing():
    """Without a number of threads nothing is known."""
    assert mod_wsgi.read_settings(None, "kallithea") is None


@pytest.mark.parametrize("group, threads, server", [
    ("kallithea", 15, "mod_wsgi's daemon"), ("kallithea", 1, "mod_wsgi's daemon"),
    ("", 25, "mod_wsgi embedded in Apache"), ("", 1, "mod_wsgi embedded in Apache"),
])
def test_the_embedded_module_is_read_at_startup(apache, group, threads, server):
    """The module tells the process group and its threads, before any request."""
    apache(process_group=group, threads_per_process=threads, maximum_processes=4)
    reading = at_startup(mod_wsgi)
    assert (Source.SETTING, server, threads) == (reading.source, reading.server, reading.capacity)


def test_express_is_told_by_its_variable(apache, monkeypatch):
    """The script that mod_wsgi-express generates sets MOD_WSGI_EXPRESS."""
    apache(process_group="localhost:8000", threads_per_process=5)
    monkeypatch.setenv("MOD_WSGI_EXPRESS", "true")
    assert at_startup(mod_wsgi).remedy.startswith("mod_wsgi-express")


@pytest.mark.parametrize("attributes", [
    pytest.param(dict(), id="the package on PyPI"),
    pytest.param(dict(process_group="x"), id="no threads"),
    pytest.param(dict(threads_per_process=1), id="no process group"),
    pytest.param(dict(process_group=0, threads_per_process=1), id="a group that is no text"),
])
def test_a_module_that_apache_did_not_make_says_nothing(apache, attributes):
    """That mod_wsgi can be imported is no evidence."""
    apache(**attributes)
    assert at_startup(mod_wsgi) is None


def test_on_a_request_of_mod_wsgi_the_threads_are_a_pool(apache):
    """An environ that mod_wsgi made is proof that these threads run the request."""
    apache(process_group="x", threads_per_process=1)
    reading = on_request(mod_wsgi, {**ENVIRON, "mod_wsgi.process_group": "x"})
    assert (Source.POOL, 1) == (reading.source, reading.capacity)


def test_a_request_of_another_server_within_apache_is_not_judged(apache):
    """What an application serves by itself does not run on mod_wsgi's threads."""
    apache(process_group="", threads_per_process=1)
    assert on_request(mod_wsgi, {}) is None


def test_http2_invalidates_the_single_thread_of_an_embedded_interpreter(apache):
    """mod_http2 enters with threads of its own, which the MPM's setting does not count."""
    apache(process_group="", threads_per_process=1)
    reading = on_request(mod_wsgi, {**ENVIRON, "HTTP2": "on"})
    assert (Source.POOL, "mod_wsgi embedded behind HTTP/2", None) == (reading.source, reading.server, reading.capacity)


@pytest.mark.parametrize("environ", [
    pytest.param({"HTTP2": "on", "mod_wsgi.process_group": "x"}, id="a daemon behind HTTP/2"),
    pytest.param({"SERVER_PROTOCOL": "HTTP/1.1"}, id="HTTP/1.1"),
    pytest.param({"SERVER_PROTOCOL": "HTTP/2.0"}, id="a client that writes HTTP/2.0 into its request line"),
    pytest.param({"HTTP2": "off"}, id="HTTP2 not on"),
])
def test_http2_is_nothing_to_a_daemon(environ):
    """A daemon process is reached over its own socket, by its own threads only."""
    assert not mod_wsgi.enters_by_http2({**ENVIRON, **environ})


@pytest.mark.parametrize("environ, expected", [(ENVIRON, True), ({}, False)])
def test_its_key_in_the_environ_tells_that_mod_wsgi_serves(environ, expected):
    """mod_wsgi.version is in every environ of mod_wsgi."""
    with Process(environ) as process:
        assert mod_wsgi.serves(process) is expected
