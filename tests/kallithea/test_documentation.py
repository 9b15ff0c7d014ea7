"""The commands and the messages of docs/kallithea.md are real ones. Those of uWSGI and Apache have their own tests."""

import re
from pathlib import Path

import pytest
from children import Child, run, the_finding
from clients import push_git
from documentation import PAGE, block, blocks, commands, headings, moved
from instance import BIN, port_of
from programs import free_ports

INSTALL, CREATE = commands("Guard an instance")
MACHINES = "test_several_machines.py::test_pushes_through_the_proxy_are_journalled"
COMMANDS = {
    "From nothing to a guarded site": ("test_from_nothing.py::test_the_site_of_the_page_journals_pushes",) * 27,
    "Guard an instance": ("test_documentation.py::test_pip_changes_nothing_of_kallithea_s",
                          "test_documentation.py::test_the_commands_serve"),
    "gearbox with waitress": ("test_documentation.py::test_the_commands_serve",),
    "gunicorn": ("test_documentation.py::test_the_commands_serve",) * 3,
    "uWSGI": ("test_documentation.py::test_the_file_for_uwsgi_is_the_one_that_is_tried",
              "test_uwsgi.py::test_kallithea_s_own_template_serves"),
    "Several machines": (MACHINES,) * 4 + ("test_several_machines.py::test_the_probe_proves_each_process",),
    "If it must run now": ("test_documentation.py::test_the_commands_serve",),
}
"""The tests that run the commands of each section, in their order."""
SAID = "test_documentation.py::test_the_messages_are_what_the_log_says"
BLOCKS = {
    ("text", "SQLAlchemy"): "test_from_nothing.py::test_the_site_of_the_page_journals_pushes",
    ("ini", "filter-with"): "test_documentation.py::"
                            "test_the_lines_for_a_file_that_is_there_are_those_that_the_command_writes",
    ("text", "waitress lets"): SAID, ("text", "TG102 gevent"): SAID, ("text", "gunicorn's"): SAID,
    ("text", "uWSGI lets"): "test_uwsgi.py::test_a_threaded_uwsgi_never_serves",
    ("python", "loadapp"): "test_mod_wsgi.py::test_a_single_threaded_daemon_serves",
    ("apache", "WSGIDaemonProcess"): "test_mod_wsgi.py::test_a_single_threaded_daemon_serves",
    ("text", "mod_wsgi"): "test_mod_wsgi.py::test_the_documentation_shows_what_the_log_says_before_any_request",
    ("text", "backend machines"): MACHINES,
}
"""The tests that use each block, by its language and a word in it."""


def _serve(instance, command, port):
    shell = "exec env " + moved(command, {"5000": str(port), "/srv/kallithea/venv": str(BIN.parent)})
    return Child(["/bin/sh", "-c", shell], instance.env, instance.directory, port)


def _create(instance, command):
    """Run the page's config-create *command*, and put a free port into its my.ini; returns the port."""
    ini, [port] = instance.directory / "my.ini", free_ports(1)
    if ini.exists():
        ini.unlink()
    run(["/bin/sh", "-c", command], instance.env, instance.directory)
    ini.write_text(ini.read_text().replace("5000", str(port)))
    return port


def test_every_block_of_the_page_is_run():
    """Each command and each block has its test, and that test is there."""
    assert {heading: len(commands(heading)) for heading in headings() if commands(heading)} == {
        heading: len(tests) for heading, tests in COMMANDS.items()}
    assert sum(map(len, COMMANDS.values())) == len(re.findall(r"(?m)^\$ ", PAGE))
    assert sorted(block(*key) for key in BLOCKS) == sorted(text for _, text in blocks())
    for test in [*BLOCKS.values(), *(test for tests in COMMANDS.values() for test in tests)]:
        file, _, name = test.partition("::")
        assert "\ndef %s(" % name in (Path(__file__).parent / file).read_text("utf-8"), test


def test_pip_changes_nothing_of_kallithea_s(instance):
    """The session of noxfile.py has put threadguard there, from this checkout; the page's command finds it there."""
    command = moved(INSTALL, {"/srv/kallithea/venv": str(BIN.parent)})
    said = run(["/bin/sh", "-c", command], dict(instance.env, PIP_NO_INDEX="1"), instance.directory)
    assert "Requirement already satisfied: threadguard" in said and "Installing" not in said


def test_the_file_for_uwsgi_is_the_one_that_is_tried(instance):
    """The page's command writes what the tests of uWSGI start, but for the port and what is drawn by lot."""
    _create(instance, commands("uWSGI")[0])
    made = instance.directory / "my.ini"
    tried = instance.ini("guarded", "[app:main]", "instance_id=*", http_server="uwsgi")
    port, changes = str(port_of(tried)), r"(?m)^(app_instance_uuid|session.secret) = .*$"
    same_port = re.sub(r"\b%d\b" % port_of(made), port, made.read_text())
    assert re.sub(changes, "", same_port) == re.sub(changes, "", tried.read_text())


@pytest.mark.parametrize("heading, number, made_by", [
    pytest.param("gearbox with waitress", 0, CREATE, id="gearbox with waitress"),
    pytest.param("gunicorn", 1, commands("gunicorn")[0], id="gearbox with gunicorn"),
    pytest.param("gunicorn", 2, commands("gunicorn")[0], id="gunicorn --paste"),
    pytest.param("If it must run now", 0, CREATE + " '[server:main]' threads=4", id="serialize"),
])
def test_the_commands_serve(instance, heading, number, made_by):
    """The ini file of the page, and the command of the page: a page is served, and a git push is journalled."""
    port = _create(instance, made_by)
    with _serve(instance, commands(heading)[number], port) as server:
        assert server.answers()[0] == 200
        assert push_git(instance, server) in instance.journal()


@pytest.mark.parametrize("word, made_by, edit, command", [
    pytest.param("waitress lets", CREATE, ("\nthreads = 1\n", "\nthreads = 4\n"), "gearbox serve -c my.ini",
                 id="waitress"),
    pytest.param("TG102 gevent", CREATE.replace("my.ini", "my.ini http_server=gevent"), ("", ""),
                 "gearbox serve -c my.ini", id="gevent"),
    pytest.param("gunicorn's", CREATE, ("", ""), "gunicorn --paste my.ini --bind 127.0.0.1:5000 --threads 4",
                 id="gunicorn"),
])
def test_the_messages_are_what_the_log_says(instance, word, made_by, edit, command):
    """A threaded Kallithea ends before it listens, and its log says what the page shows, to the line number."""
    port = _create(instance, made_by)
    ini = instance.directory / "my.ini"
    ini.write_text(ini.read_text().replace(*edit))
    with _serve(instance, command, port) as server:
        assert server.ended() == (3 if command.startswith("gunicorn") else 4)
        assert not server.listens()
    assert the_finding(server.log) == the_finding(block("text", word))


def test_the_lines_for_a_file_that_is_there_are_those_that_the_command_writes(instance):
    """The sections that the page shows for an ini file of one's own are in the generated one, and no option more."""
    _create(instance, CREATE)
    made = (instance.directory / "my.ini").read_text()
    app, guard = re.split(r"\n\n", block("ini", "filter-with").strip())
    section = re.search(r"(?ms)^\[app:main\]$(.*?)^\[", made)
    assert section and set(app.splitlines()[1:]) <= set(section.group(1).splitlines())
    written = re.search(r"(?ms)^\[filter:threadguard\]$(.*)\Z", made)
    assert written and set(written.group(1).split("\n")) - {""} == set(guard.splitlines()[1:])
