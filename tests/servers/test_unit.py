import pytest
from fake_stacks import at_startup, on_request
from threadguard.model import Reading, Source
from threadguard.process.facts import Process
from threadguard.servers import unit


def environ(flag, software="Unit/1.35.0"):
    """The environ of a server that calls itself *software* and says *flag*."""
    return {"SERVER_SOFTWARE": software, "wsgi.multithread": flag}


@pytest.mark.parametrize("threads", [1, 4])
def test_the_option_is_the_capacity(threads):
    """Each thread of an application's process runs one request."""
    expected = Reading(Source.SETTING, "Unit", threads, 'conf.json has "threads": %d' % threads, unit.REMEDY)
    assert expected == unit.read_settings(threads, "conf.json")


def test_without_the_option_there_is_one_thread():
    """Unit's default is one thread for each process."""
    assert 1 == unit.read_settings().capacity


@pytest.mark.parametrize("flag, capacity", [(False, 1), (True, None)])
def test_under_unit_the_flag_is_the_setting(flag, capacity):
    """Unit sets the flag from its option, so that it counts like the option."""
    expected = Reading(Source.POOL, "Unit", capacity,
                       "wsgi.multithread is %r, and Unit sets it from its option threads" % flag, unit.REMEDY)
    assert expected == on_request(unit, environ(flag))


@pytest.mark.parametrize("given", [
    pytest.param(environ(False, "gunicorn/27.0.1"), id="another server"),
    pytest.param(environ(None), id="a flag that is none"),
    pytest.param({}, id="nothing"),
])
def test_the_flag_of_another_server_is_not_read(given):
    """The flag is exact under Unit only."""
    assert on_request(unit, given) is None


def test_at_startup_nothing_is_known():
    """Unit starts its threads after the application is loaded, and tells nobody."""
    assert at_startup(unit) is None


@pytest.mark.parametrize("given, expected", [(environ(False), True), ({}, False)])
def test_its_name_in_the_environ_tells_that_unit_serves(given, expected):
    """SERVER_SOFTWARE is Unit's name and version."""
    with Process(given) as process:
        assert unit.serves(process) is expected
