import sys
from types import ModuleType

import pytest
from fake_stacks import at_startup, module, on_request, serves
from threadguard.model import Source
from threadguard.servers.pastedeploy import gearbox, paster, pserve

COMMAND = """
def {function}(server_spec, server_name=None, relative_to=None):
    server = load(server_spec, name=server_name, relative_to=relative_to, global_conf=dict(spare="3"))
    return look()
"""
BEFORE = """
def {function}(server_spec):
    found = look()
    server = None
    return found
"""
COMMANDS = [
    pytest.param(gearbox, "gearbox.commands.serve", "take_action", id="gearbox"),
    pytest.param(pserve, "pyramid.scripts.pserve", "run", id="pserve"),
    pytest.param(paster, "paste.script.serve", "command", id="paster"),
]


@pytest.fixture(autouse=True)
def runner(monkeypatch):
    """A waitress to load: PasteDeploy imports what a section names."""
    waitress = ModuleType("waitress")
    exec("def serve_paste(app, global_conf, **kw):\n    raise AssertionError('started')\n", vars(waitress))
    monkeypatch.setitem(sys.modules, "waitress", waitress)


@pytest.fixture
def serve(tmp_path):
    """What a reader finds below a command that serves from an ini file with this text."""
    loadwsgi = pytest.importorskip("paste.deploy.loadwsgi", reason="PasteDeploy is not installed")

    def serve(text, reader=gearbox, name="gearbox.commands.serve", function="take_action", spec="config:production.ini",
              server_name=None, other=None):
        (tmp_path / "production.ini").write_text(text)
        (tmp_path / "other.ini").write_text(other or "")
        command = module(name, COMMAND.format(function=function), load=loadwsgi.loadserver,
                         look=lambda: at_startup(reader))
        return getattr(command, function)(spec, server_name, str(tmp_path))
    return serve


WAITRESS = "paste.server_runner = waitress:serve_paste\n"


@pytest.mark.parametrize("reader, name, function", COMMANDS)
def test_the_section_that_the_command_serves_is_read(serve, reader, name, function):
    """Each of the commands has its loaded server on the stack while it loads the application."""
    reading = serve("[server:main]\n" + WAITRESS + "threads = 1\n", reader, name, function)
    assert (Source.SETTING, "waitress", 1, True) == (reading.source, reading.server, reading.capacity, reading.on_stack)
    assert "[server:main] sets threads = 1" == reading.evidence


@pytest.mark.parametrize("choice", [
    pytest.param(dict(server_name="two"), id="--server-name"),
    pytest.param(dict(spec="config:production.ini#two"), id="a name behind the file's"),
    pytest.param(dict(spec="config:production.ini#one", server_name="two"), id="--server-name beats it"),
])
def test_the_server_that_was_chosen_is_read(serve, choice):
    """--server-name, or the name behind the file's, chooses the section."""
    sections = "".join("[server:%s]\n%sthreads = %d\n" % (name, WAITRESS, number)
                       for name, number in (("main", 1), ("one", 1), ("two", 2)))
    reading = serve(sections, **choice)
    assert (2, "[server:two] sets threads = 2") == (reading.capacity, reading.evidence)


@pytest.mark.parametrize("text, other, capacity", [
    pytest.param("[DEFAULT]\nn = 5\n[server:main]\n" + WAITRESS + "threads = %(n)s\n", None, 5, id="interpolated"),
    pytest.param("[server:main]\n" + WAITRESS + "threads = %(spare)s\n", None, 3, id="from the command line"),
    pytest.param("[server:main]\n" + WAITRESS + "ident = %(here)s\n", None, 4, id="%(here)s"),
    pytest.param("[DEFAULT]\nn = 6\n[server:main]\n" + WAITRESS + "get threads = n\n", None, 6, id="get"),
    pytest.param("[server:main]\n" + WAITRESS + "set threads = 1\n", None, 4, id="set is not a setting"),
    pytest.param("[DEFAULT]\nthreads = 1\n[server:main]\n" + WAITRESS + "threads = 1\n", None, 4, id="dropped"),
    pytest.param("[server:main]\nuse = config:other.ini\n", "[server:main]\n" + WAITRESS + "threads = 7\n", 7,
                 id="use = config:other.ini"),
    pytest.param("[server:main]\nuse = config:other.ini#x\nthreads = 2\n",
                 "[server:x]\n" + WAITRESS + "threads = 7\n", 2, id="overridden"),
    pytest.param("[server:main]\nuse = main2\n[server:main2]\n" + WAITRESS + "threads = 3\n", None, 3,
                 id="another section"),
    pytest.param("[server:main]\nuse = call:waitress:serve_paste\n", None, None, id="a factory nobody knows"),
])
def test_the_settings_are_those_that_pastedeploy_passes_on(serve, monkeypatch, text, other, capacity):
    """What PasteDeploy makes of the section counts, not what the section says."""
    if capacity is None:  # call: in a [server:] section is a factory, which PasteDeploy calls at once
        monkeypatch.setattr("waitress.serve_paste", lambda global_conf, **kw: print)
    reading = serve(text, other=other)
    assert capacity == (reading and reading.capacity)


def test_an_egg_is_found_by_the_runner_that_it_names(serve):
    """``use = egg:Paste#http`` becomes the function of the package's entry point."""
    pytest.importorskip("paste.httpserver", reason="Paste is not installed")
    reading = serve("[server:main]\nuse = egg:Paste#http\nthreadpool_workers = 7\n")
    assert ("Paste's httpserver", 7) == (reading.server, reading.capacity)


def test_a_factory_is_known_by_the_function_that_it_returns():
    """gearbox' gevent is a server_factory: PasteDeploy keeps no context of it."""
    source = COMMAND.format(function="take_action") + (
        "def gevent_server_factory(global_config, **kw):\n    def _gevent_serve(app):\n        raise AssertionError\n"
        "    return _gevent_serve\n")
    command = module("gearbox.commands.serve", source, look=lambda: at_startup(gearbox))
    command.load = lambda spec, **kw: command.gevent_server_factory({})
    reading = command.take_action("config:production.ini")
    assert ("gevent", True, "production.ini") == (reading.server, reading.unbounded, reading.file)


def test_a_server_of_the_command_line_is_no_section(serve):
    """``--server wsgiref`` is looked up among gearbox' own entry points, and no file is named."""
    command = module("gearbox.commands.serve", COMMAND.format(function="take_action") + (
        "def wsgiref_server_runner(app, global_conf, **kw):\n    raise AssertionError\n"),
        look=lambda: at_startup(gearbox))
    command.load = lambda spec, **kw: command.wsgiref_server_runner
    reading = command.take_action("egg:gearbox", "wsgiref")
    assert ("wsgiref", 1, None) == (reading.server, reading.capacity, reading.file)


def test_gunicorn_with_a_configuration_file_is_not_known(tmp_path, monkeypatch):
    """gunicorn.conf.py in the working directory stands beneath the section and may set the threads."""
    source = COMMAND.format(function="take_action")
    command = module("gearbox.commands.serve", source, look=lambda: at_startup(gearbox))
    command.load = lambda spec, **kw: module(
        "gunicorn.app.pasterapp", "def serve(app, global_conf, **kw):\n    raise AssertionError\n").serve
    monkeypatch.chdir(tmp_path)
    assert 1 == command.take_action("config:production.ini").capacity
    (tmp_path / "gunicorn.conf.py").write_text("threads = 4\n")
    assert command.take_action("config:production.ini") is None


def test_a_value_that_the_server_will_refuse_is_not_known(serve):
    """The server says so itself; the guard's start does not end because of it."""
    section = "[server:main]\n" + WAITRESS + "threads = four\n"
    assert serve(section, gearbox, "gearbox.commands.serve", "take_action") is None


def test_before_the_server_is_loaded_nothing_is_known():
    """A command on the stack that has not chosen yet gives no reading."""
    command = module("gearbox.commands.serve", BEFORE.format(function="take_action"), look=lambda: at_startup(gearbox))
    assert command.take_action("config:production.ini") is None


@pytest.mark.parametrize("reader", [gearbox, pserve, paster])
def test_without_the_command_a_section_serves_nobody(reader):
    """Under mod_wsgi, uWSGI's ini-paste or a shell no command is on the stack, and no section is read."""
    assert (None, None, False) == (at_startup(reader), on_request(reader), serves(reader))


@pytest.mark.parametrize("reader, name, function", COMMANDS)
def test_a_request_on_the_stack_of_the_command_is_its_own(reader, name, function):
    """wsgiref serves in the command's own thread: then the section is the place of the remedy."""
    command = module(name, COMMAND.format(function=function), load=lambda spec, **kw: print,
                     look=lambda: (on_request(reader), serves(reader)))
    assert (None, True) == getattr(command, function)("config:production.ini")
