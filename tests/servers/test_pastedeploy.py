"""The [server:] section of an ini file: below the commands that serve it, real ones and fake, and by itself."""

import logging
import sys
from types import ModuleType

import pytest
from fake_stacks import at_startup, module, on_request, serves

from threadguard.model import Reading, Source
from threadguard.servers import pastedeploy

COMMAND = """
def {function}(server_spec, server_name=None, relative_to=None):
    server = load(server_spec, name=server_name, relative_to=relative_to, global_conf=dict(spare="3"))
    return look()
"""
GEARBOX, PSERVE, PASTER = pastedeploy.COMMANDS
COMMANDS = [
    pytest.param(GEARBOX, "gearbox.commands.serve", "take_action", id="gearbox"),
    pytest.param(PSERVE, "pyramid.scripts.pserve", "run", id="pserve"),
    pytest.param(PASTER, "paste.script.serve", "command", id="paster"),
]
WAITRESS = "paste.server_runner = waitress:serve_paste\n"


@pytest.fixture(autouse=True)
def runner(monkeypatch):
    """A waitress to load: PasteDeploy imports what a section names."""
    waitress = ModuleType("waitress")
    exec("def serve_paste(app, global_conf, **kw):\n    raise AssertionError('started')\n", vars(waitress))
    monkeypatch.setitem(sys.modules, "waitress", waitress)


def below_command(load, spec="config:production.ini", name=None, place=None, reader=GEARBOX,
                  of="gearbox.commands.serve", function="take_action", look=None):
    """What a reader finds below a command that has loaded its server by *load*."""
    command = module(of, COMMAND.format(function=function), load=load, look=look or (lambda: at_startup(reader)))
    return getattr(command, function)(spec, name, place)


@pytest.fixture
def serve(tmp_path):
    """What a reader finds below a command that serves from an ini file with this text."""
    loadwsgi = pytest.importorskip("paste.deploy.loadwsgi", reason="PasteDeploy is not installed")

    def serve(text, other="", **more):
        (tmp_path / "production.ini").write_text(text)
        (tmp_path / "other.ini").write_text(other)
        return below_command(loadwsgi.loadserver, place=str(tmp_path), **more)
    return serve


@pytest.mark.parametrize("reader, of, function", COMMANDS)
def test_the_section_that_the_command_serves_is_read(serve, reader, of, function):
    """Each of the commands has its loaded server on the stack while it loads the application."""
    reading = serve("[server:main]\n" + WAITRESS + "threads = 1\n", reader=reader, of=of, function=function)
    assert (reading.server, reading.capacity, reading.evidence) == ("waitress", 1, "[server:main] sets threads = 1")


@pytest.mark.parametrize("choice", [
    pytest.param(dict(name="two"), id="--server-name"),
    pytest.param(dict(spec="config:production.ini#two"), id="a name behind the file's"),
    pytest.param(dict(spec="config:production.ini#one", name="two"), id="--server-name beats it"),
])
def test_the_server_that_was_chosen_is_read(serve, choice):
    """--server-name, or the name behind the file's, chooses the section."""
    sections = "".join("[server:%s]\n%sthreads = %d\n" % (name, WAITRESS, number)
                       for name, number in (("main", 1), ("one", 1), ("two", 2)))
    assert serve(sections, **choice).evidence == "[server:two] sets threads = 2"


@pytest.mark.parametrize("text, other, capacity", [
    pytest.param("[DEFAULT]\nn = 5\n[server:main]\n" + WAITRESS + "threads = %(n)s\n", "", 5, id="interpolated"),
    pytest.param("[server:main]\n" + WAITRESS + "threads = %(spare)s\n", "", 3, id="from the command line"),
    pytest.param("[server:main]\n" + WAITRESS + "ident = %(here)s\n", "", 4, id="%(here)s"),
    pytest.param("[DEFAULT]\nn = 6\n[server:main]\n" + WAITRESS + "get threads = n\n", "", 6, id="get"),
    pytest.param("[server:main]\n" + WAITRESS + "set threads = 1\n", "", 4, id="set is not a setting"),
    pytest.param("[DEFAULT]\nthreads = 1\n[server:main]\n" + WAITRESS + "threads = 1\n", "", 4, id="dropped"),
    pytest.param("[server:main]\nuse = config:other.ini\n", "[server:main]\n" + WAITRESS + "threads = 7\n", 7,
                 id="use = config:other.ini"),
    pytest.param("[server:main]\nuse = config:other.ini#x\nthreads = 2\n",
                 "[server:x]\n" + WAITRESS + "threads = 7\n", 2, id="overridden"),
    pytest.param("[server:main]\nuse = main2\n[server:main2]\n" + WAITRESS + "threads = 3\n", "", 3,
                 id="another section"),
    pytest.param("[server:main]\nuse = call:waitress:serve_paste\n", "", None, id="a factory nobody knows"),
    pytest.param("[server:main]\n" + WAITRESS + "threads = four\n", "", None, id="the server will say so itself"),
])
def test_the_settings_are_those_that_pastedeploy_passes_on(serve, monkeypatch, text, other, capacity):
    """What PasteDeploy makes of the section counts, not what the section says."""
    if "call:" in text:  # in a [server:] section that is a factory, which PasteDeploy calls at once
        monkeypatch.setattr("waitress.serve_paste", lambda global_conf, **kw: print)
    reading = serve(text, other=other)
    assert (reading and reading.capacity) == capacity


def test_an_egg_is_found_by_the_runner_that_it_names(serve):
    """``use = egg:Paste#http`` becomes the function of the package's entry point."""
    pytest.importorskip("paste.httpserver", reason="Paste is not installed")
    reading = serve("[server:main]\nuse = egg:Paste#http\nthreadpool_workers = 7\n")
    assert (reading.server, reading.capacity) == ("Paste's httpserver", 7)


def runner_of(name, function, factory="%s"):
    """The function *function* of the module *name*, or what it returns."""
    source = "def %s(*args, **kw):\n    def serve(app):\n        raise AssertionError\n    return serve\n" % function
    made = getattr(module(name, source), function)
    return lambda *args, **kw: made() if factory == "called" else made


@pytest.mark.parametrize("load, spec, name, found", [
    pytest.param(runner_of("gearbox.commands.serve", "gevent_server_factory", "called"), "config:production.ini", None,
                 ("gevent", None, "production.ini"), id="a factory is known by the function that it returns"),
    pytest.param(runner_of("gearbox.commands.serve", "wsgiref_server_runner"), "egg:gearbox", "wsgiref",
                 ("wsgiref", 1, None), id="a server of the command line is no section"),
])
def test_a_server_that_pastedeploy_keeps_no_context_of(load, spec, name, found):
    """Its name is all there is."""
    reading = below_command(load, spec, name)
    assert (reading.server, reading.capacity, reading.file) == found


def test_gunicorn_with_a_configuration_file_is_not_known(tmp_path, monkeypatch):
    """gunicorn.conf.py in the working directory stands beneath the section and may set the threads."""
    monkeypatch.chdir(tmp_path)
    assert below_command(runner_of("gunicorn.app.pasterapp", "serve")).capacity == 1
    (tmp_path / "gunicorn.conf.py").write_text("threads = 4\n")
    assert below_command(runner_of("gunicorn.app.pasterapp", "serve")) is None


def test_before_the_server_is_loaded_nothing_is_known():
    """A command on the stack that has not chosen yet gives no reading."""
    assert below_command(lambda *args, **kw: None) is None


@pytest.mark.parametrize("reader, of, function", COMMANDS)
def test_a_request_on_the_stack_of_the_command_is_its_own(reader, of, function):
    """wsgiref serves in the command's own thread: then the section is the place of the remedy."""
    assert (None, True) == below_command(lambda *args, **kw: print, of=of, function=function,
                                         look=lambda: (on_request(reader), serves(reader)))


# -- the commands themselves ----------------------------------------------------------------------------------------

class Stop(Exception):
    """Ends the command before it serves."""


def run_gearbox(*arguments):
    assert pytest.importorskip("gearbox.main", reason="gearbox is not installed").GearBox().run(
        ["serve", "-c", *arguments]) != 0


def run_pserve(*arguments):
    command = pytest.importorskip("pyramid.scripts.pserve", reason="pyramid is not installed")
    with pytest.raises(Stop):
        command.main(["pserve", *arguments], quiet=True)


def run_paster(file, *choice):
    command = pytest.importorskip("paste.script.serve", reason="PasteScript is not installed")
    with pytest.raises(Stop):
        command.ServeCommand("serve").run([file, "=".join(choice)] if choice else [file])


@pytest.mark.parametrize("reader, run", [(GEARBOX, run_gearbox), (PSERVE, run_pserve), (PASTER, run_paster)])
@pytest.mark.parametrize("choice, line, capacity", [((), 4, 4), (("--server-name", "two"), 9, 1)])
def test_the_real_command_shows_its_section(tmp_path, monkeypatch, reader, run, choice, line, capacity):
    """It has loaded the server of its section when it loads the application."""
    found, lookout, path = [], ModuleType("lookout"), tmp_path / "production.ini"

    def app_factory(global_conf):
        found.append(at_startup(reader))
        raise Stop
    lookout.app_factory = app_factory
    monkeypatch.setitem(sys.modules, "lookout", lookout)
    monkeypatch.setattr(logging, "root", logging.getLogger("aside"))  # which gearbox gives a handler and a level
    path.write_text("[app:main]\npaste.app_factory = lookout:app_factory\n\n[server:main]\n%s\n[server:two]\n%s"
                    "threads = 1\n" % (WAITRESS, WAITRESS))
    run(str(path), *choice)
    assert [(one.server, one.capacity, one.file, one.line) for one in found] == [
        ("waitress", capacity, str(path), line)]


# -- the section by itself ------------------------------------------------------------------------------------------

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


def read(use, settings, section="server:main", file=None):
    """The reading for what *use* names, with these settings."""
    return pastedeploy.read_settings(pastedeploy.EGGS[use], settings, section, file)


@pytest.mark.parametrize("use, settings, server, capacity", [
    ("egg:waitress#main", {}, "waitress", 4), ("egg:waitress", {"threads": "1"}, "waitress", 1),
    ("egg:Paste#http", {}, "Paste's httpserver", 10),
    ("egg:Paste#http", {"threadpool_workers": "1", "threadpool_spawn_if_under": "0"}, "Paste's httpserver", 1),
    ("egg:Paste#http", {"use_threadpool": "no"}, "Paste's httpserver", None),
    ("egg:gunicorn", {"workers": "4"}, "gunicorn's sync worker", 1),
    ("egg:gunicorn#main", {"threads": "4"}, "gunicorn's gthread worker", 4),
    ("egg:gunicorn#main", {"worker_class": "gevent", "worker_connections": "1", "bind": "a:1,b:1"},
     "gunicorn's gevent worker", 2),
    ("egg:gearbox#wsgiref", {}, "wsgiref", 1), ("egg:gearbox#wsgiref", {"wsgiref.threaded": "true"}, "wsgiref", None),
    ("egg:gearbox#cherrypy", {}, "cheroot", 10), ("egg:gearbox#cherrypy", {"numthreads": "1"}, "cheroot", 1),
    ("egg:gearbox#gevent", {}, "gevent", None),
    ("egg:pyramid#wsgiref", {"wsgiref.threaded": "true"}, "wsgiref", 1),
    ("egg:pyramid#cherrypy", {"numthreads": "2"}, "cheroot", 2),
])
def test_every_runner_reads_its_settings(use, settings, server, capacity):
    """What ``use`` names decides which settings of the section count."""
    reading = read(use, settings, file="production.ini")
    assert (reading.source, reading.server, reading.capacity) == (Source.SETTING, server, capacity)


def test_what_the_section_does_not_tell_is_not_known():
    """A value that gives no capacity, settings that stand elsewhere, and a server that nobody wrote a line for."""
    assert read("egg:waitress#main", {"threads": "0"}) is None
    assert read("egg:gunicorn#main", {"config": "conf.py"}) is None
    assert pastedeploy.read_settings("bjoern:run", {}, "server:main") is None


def test_a_value_that_the_server_will_refuse_is_named():
    """Where a whole number is needed and none is written, the option and what stands there are told."""
    with pytest.raises(pastedeploy.NotTaken, match="^threads = four is not a whole number$") as caught:
        read("egg:waitress#main", {"threads": "four"})
    assert "threads" == caught.value.option


BY_DEFAULT = " sets no threads, and waitress' default is 4"


@pytest.mark.parametrize("use, settings, section, line, evidence", [
    pytest.param("egg:waitress#main", {"threads": "1"}, "server:main", 9, "[server:main] sets threads = 1",
                 id="the line that sets it, comments and set left aside"),
    pytest.param("egg:waitress#main", {}, "server:bare", 11, "[server:bare]" + BY_DEFAULT,
                 id="nothing is set: the section's own line is the place to add it"),
    pytest.param("egg:waitress#main", {}, "server:main", 9, "[server:main], whose threads PasteDeploy drops because"
                 " [DEFAULT] has it too," + BY_DEFAULT, id="hidden by [DEFAULT]"),
    pytest.param("egg:waitress#main", {"threads": "6"}, "server:spaced", 15, "[server:spaced], through its use, sets"
                 " threads = 6", id="of another section: it is overridden where that is used"),
    pytest.param("egg:gearbox#gevent", {}, "server:main", 5, "[server:main] has no pool for its greenlets",
                 id="nothing makes it single: the line that names the server"),
])
def test_a_setting_is_reported_with_its_line(tmp_path, use, settings, section, line, evidence):
    """The finding names the place to change, and the remedy what to write there."""
    path = tmp_path / "production.ini"
    path.write_text(INI)
    reading = read(use, settings, section, str(path))
    change = "threads = 1" if "waitress" in use else "use = egg:waitress#main and threads = 1"
    hidden = " and not in [DEFAULT]" if "drops" in evidence else ""
    assert reading == Reading(Source.SETTING, reading.server, reading.capacity, evidence, "%s in [%s]%s; for more"
                              " throughput start more processes" % (change, section, hidden), reading.unbounded,
                              str(path), line)


def test_without_a_file_the_settings_are_known_all_the_same():
    """``--server cherrypy`` reads no section at all, and a file may be unreadable."""
    reading = read("egg:gearbox#cherrypy", {}, "server:cherrypy")
    assert (reading.file, reading.line, reading.evidence) == (
        None, None, "the command's option --server sets no numthreads, and cheroot's default is 10")
    reading = read("egg:waitress#main", {"threads": "2"}, file="/nowhere/production.ini")
    assert (reading.file, reading.line, reading.capacity) == ("/nowhere/production.ini", None, 2)
