import sys
from types import ModuleType

import pytest
from fake_stacks import at_startup, on_request
from threadguard.model import Reading, Source
from threadguard.process.facts import Process
from threadguard.servers import uwsgi

ENVIRON = {"uwsgi.version": b"2.0.31"}


@pytest.fixture
def embedded(monkeypatch):
    """Puts a module in place that has these attributes of the one that uWSGI embeds."""
    def embed(**attributes):
        made = ModuleType("uwsgi")
        vars(made).update({"version": b"2.0.31", "loop": None, **attributes})
        monkeypatch.setitem(sys.modules, "uwsgi", made)
    return embed


@pytest.mark.parametrize("options, cores", [
    pytest.param((), 1, id="nothing"),
    pytest.param((4,), 4, id="threads"),
    pytest.param((1, 10), 10, id="async or gevent"),
    pytest.param((4, 10), 4, id="threads beat async"),
    pytest.param((0, 0), 1, id="zeros"),
])
def test_cores_are_the_threads_or_the_async_cores(options, cores):
    """core/init.c sanitize_args makes the cores of threads, else of async."""
    assert cores == uwsgi.cores(*options)


def test_the_cores_are_the_capacity():
    """A process runs one request on each of its cores."""
    expected = Reading(Source.SETTING, "uWSGI", 4, "uwsgi.ini has cores = 4 and loop = None", uwsgi.REMEDY)
    assert expected == uwsgi.read_settings(4, None, "uwsgi.ini")


def test_a_loop_is_named():
    """The engine that shares the thread among the cores is part of the server's name."""
    assert "uWSGI's gevent loop" == uwsgi.read_settings(10, "gevent").server


def test_the_embedded_module_is_read_at_startup(embedded):
    """The module that uWSGI embeds has the cores and, as bytes, the loop."""
    embedded(cores=10, loop=b"gevent")
    assert ("uWSGI's gevent loop", 10) == (at_startup(uwsgi).server, at_startup(uwsgi).capacity)


def test_enable_threads_is_no_evidence(embedded):
    """has_threads is 1 in every uWSGI, and lets the application start threads of its own."""
    embedded(cores=1, has_threads=1)
    assert 1 == at_startup(uwsgi).capacity


@pytest.mark.parametrize("attributes", [
    pytest.param(dict(cores=1, __file__="uwsgi.py"), id="a file of that name"),
    pytest.param(dict(cores=1, version="2.0.31"), id="a stand-in for tests"),
    pytest.param(dict(), id="no cores"),
    pytest.param(dict(cores="1"), id="cores that are no number"),
])
def test_another_module_of_that_name_is_not_uwsgi(embedded, attributes):
    """Only the module that the uWSGI binary made counts, and only with a number of cores."""
    embedded(**attributes)
    assert at_startup(uwsgi) is None


def test_without_the_module_nothing_is_known():
    """Outside uWSGI there is no module to read."""
    assert at_startup(uwsgi) is None


def test_on_a_request_of_uwsgi_the_cores_are_a_pool(embedded):
    """An environ that uWSGI made is proof that its cores run the request."""
    embedded(cores=1)
    expected = Reading(Source.POOL, "uWSGI", 1, "the uwsgi module has cores = 1 and loop = None", uwsgi.REMEDY)
    assert expected == on_request(uwsgi, ENVIRON)


def test_a_request_of_another_server_within_uwsgi_is_not_judged(embedded):
    """What an application serves in a thread of its own does not run on uWSGI's cores."""
    embedded(cores=1)
    assert on_request(uwsgi, {}) is None


@pytest.mark.parametrize("key", ["uwsgi.core", "x-wsgiorg.fdevent.readable"])
@pytest.mark.parametrize("attributes", [dict(), dict(cores=1)])
def test_the_environ_betrays_more_than_one_core(embedded, attributes, key):
    """uWSGI sets these keys only with several cores: they withdraw a 1, and stand in for cores that cannot be read."""
    embedded(**attributes)
    reading = on_request(uwsgi, {key: 0, **ENVIRON})
    assert (Source.POOL, None, "%s is in the environ" % key) == (reading.source, reading.capacity, reading.evidence)


@pytest.mark.parametrize("environ, expected", [(ENVIRON, True), ({}, False)])
def test_its_key_in_the_environ_tells_that_uwsgi_serves(environ, expected):
    """uwsgi.version is in every environ of uWSGI's Python plugin, and in no other."""
    with Process(environ) as process:
        assert uwsgi.serves(process) is expected
