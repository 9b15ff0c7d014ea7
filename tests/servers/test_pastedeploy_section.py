import pytest
from threadguard.model import Reading, Source
from threadguard.servers import pastedeploy

INI = """\
[DEFAULT]
threads = 9

[server:main]
use = egg:waitress#main
; threads = 8
port: 8080
set threads = 7
threads=1

[server:bare]
use = egg:waitress#main

[server: spaced ]
use = config:other.ini
"""


@pytest.fixture
def ini(tmp_path):
    """A file with several server sections."""
    path = tmp_path / "production.ini"
    path.write_text(INI)
    return str(path)


def read(use, settings, section="server:main", file=None):
    """The reading for what *use* names, with these settings."""
    return pastedeploy.read_settings(pastedeploy.EGGS[use], settings, section, file)


@pytest.mark.parametrize("use, settings, server, capacity", [
    pytest.param("egg:waitress#main", {}, "waitress", 4, id="waitress by default"),
    pytest.param("egg:waitress", {"threads": "1"}, "waitress", 1, id="waitress with one thread"),
    pytest.param("egg:Paste#http", {}, "Paste's httpserver", 10, id="Paste by default"),
    pytest.param("egg:Paste#http", {"threadpool_workers": "1", "threadpool_spawn_if_under": "0"},
                 "Paste's httpserver", 1, id="Paste with one worker"),
    pytest.param("egg:Paste#http", {"use_threadpool": "no"}, "Paste's httpserver", None, id="Paste without a pool"),
    pytest.param("egg:gunicorn", {"workers": "4"}, "gunicorn's sync worker", 1, id="gunicorn by default"),
    pytest.param("egg:gunicorn#main", {"threads": "4"}, "gunicorn's gthread worker", 4, id="gunicorn with threads"),
    pytest.param("egg:gunicorn#main", {"worker_class": "gevent", "worker_connections": "1", "bind": "a:1,b:1"},
                 "gunicorn's gevent worker", 2, id="gunicorn's gevent on two addresses"),
    pytest.param("egg:gearbox#wsgiref", {}, "wsgiref", 1, id="gearbox' wsgiref"),
    pytest.param("egg:gearbox#wsgiref", {"wsgiref.threaded": "true"}, "wsgiref", None, id="wsgiref with threads"),
    pytest.param("egg:gearbox#cherrypy", {}, "cheroot", 10, id="gearbox' cherrypy by default"),
    pytest.param("egg:gearbox#cherrypy", {"numthreads": "1"}, "cheroot", 1, id="cherrypy with one thread"),
    pytest.param("egg:gearbox#gevent", {}, "gevent", None, id="gearbox' gevent"),
    pytest.param("egg:pyramid#wsgiref", {"wsgiref.threaded": "true"}, "wsgiref", 1, id="Pyramid's has no threads"),
    pytest.param("egg:pyramid#cherrypy", {"numthreads": "2"}, "cheroot", 2, id="Pyramid's cherrypy"),
])
def test_every_runner_reads_its_settings(use, settings, server, capacity):
    """What ``use`` names decides which settings of the section count."""
    reading = read(use, settings, file="production.ini")
    assert (Source.SETTING, server, capacity) == (reading.source, reading.server, reading.capacity)


@pytest.mark.parametrize("use, settings", [
    pytest.param("egg:waitress#main", {"threads": "0"}, id="no number of requests"),
    pytest.param("egg:gunicorn#main", {"config": "conf.py"}, id="a configuration file of its own"),
])
def test_what_the_section_does_not_tell_is_not_known(use, settings):
    """A value that gives no capacity, and settings that stand elsewhere, give no reading."""
    assert read(use, settings) is None


def test_a_value_that_the_server_will_refuse_is_named():
    """Where a whole number is needed and none is written, the option and what stands there are told."""
    with pytest.raises(pastedeploy.NotTaken, match="^threads = four is not a whole number$") as caught:
        read("egg:waitress#main", {"threads": "four"})
    assert "threads" == caught.value.option


def test_an_unknown_runner_is_not_known():
    """A server that nobody wrote a line for gives no reading."""
    assert pastedeploy.read_settings("bjoern:run", {}, "server:main") is None


def test_a_setting_is_reported_with_its_line(ini):
    """The finding names the line that sets the number, comments and ``set`` left aside."""
    expected = Reading(Source.SETTING, "waitress", 1, "[server:main] sets threads = 1",
                       "threads = 1 in [server:main]; for more throughput start more processes", file=ini, line=9)
    assert expected == read("egg:waitress#main", {"threads": "1"}, file=ini)


def test_a_missing_setting_is_reported_with_the_line_of_its_section(ini):
    """Where nothing is set, the section's own line is the place to add it."""
    reading = read("egg:waitress#main", {}, "server:bare", ini)
    assert (11, "[server:bare] sets no threads, and waitress' default is 4") == (reading.line, reading.evidence)


def test_a_setting_that_default_hides_is_told(ini):
    """PasteDeploy drops each option of a section that [DEFAULT] has as well."""
    reading = read("egg:waitress#main", {}, file=ini)
    assert (9, 4) == (reading.line, reading.capacity)
    assert ("[server:main], whose threads PasteDeploy drops because [DEFAULT] has it too, sets no threads,"
            " and waitress' default is 4") == reading.evidence
    assert "threads = 1 in [server:main] and not in [DEFAULT]; for more throughput start more processes" \
        == reading.remedy


def test_a_setting_of_another_section_is_reported_with_the_line_of_use(ini):
    """What a section takes over from another one is overridden where it is used."""
    reading = read("egg:waitress#main", {"threads": "6"}, "server:spaced", ini)
    assert (15, "[server:spaced], through its use, sets threads = 6") == (reading.line, reading.evidence)


def test_a_server_that_nothing_makes_single_is_reported_with_the_line_of_use(ini):
    """gevent has no setting to change: the server itself is."""
    reading = read("egg:gearbox#gevent", {}, file=ini)
    assert (5, True) == (reading.line, reading.unbounded)
    assert reading.remedy.startswith("use = egg:waitress#main and threads = 1 in [server:main]")


def test_a_server_of_the_command_line_has_no_line():
    """``--server cherrypy`` reads no section at all."""
    reading = read("egg:gearbox#cherrypy", {}, "server:cherrypy")
    assert (None, None) == (reading.file, reading.line)
    assert "the command's option --server sets no numthreads, and cheroot's default is 10" == reading.evidence


def test_a_file_that_cannot_be_read_costs_the_line_only():
    """Without the file the settings are known all the same."""
    reading = read("egg:waitress#main", {"threads": "2"}, file="/nowhere/production.ini")
    assert ("/nowhere/production.ini", None, 2) == (reading.file, reading.line, reading.capacity)
