"""The commands and the messages of docs/kallithea.md are real ones. Those of uWSGI and Apache have their own tests."""

import re
from typing import Tuple

import pytest
from children import Child, free_port, run, the_finding
from clients import push_git
from documentation import block, commands, moved
from instance import BIN, Instance

CREATE = commands("Install and guard")[0]


def _serve(instance: Instance, command: str, port: int) -> Child:
    shell = "exec env " + moved(command, {"5000": str(port), "/srv/kallithea/venv": str(BIN.parent)})
    return Child(["/bin/sh", "-c", shell], instance.env, instance.directory, port)


def _create(instance: Instance, command: str) -> int:
    """Run the page's config-create *command*, and put a free port into its my.ini; returns the port."""
    ini, port = instance.directory / "my.ini", free_port()
    if ini.exists():
        ini.unlink()
    run(["/bin/sh", "-c", command], instance.env, instance.directory)
    ini.write_text(ini.read_text().replace("5000", str(port)))
    return port


@pytest.mark.parametrize("heading, number, made_by", [
    pytest.param("gearbox with waitress", 0, CREATE, id="gearbox with waitress"),
    pytest.param("gunicorn", 1, commands("gunicorn")[0], id="gearbox with gunicorn"),
    pytest.param("gunicorn", 2, commands("gunicorn")[0], id="gunicorn --paste"),
    pytest.param("If it must run now", 0, CREATE + " '[server:main]' threads=4", id="serialize"),
])
def test_the_commands_serve(instance: Instance, heading: str, number: int, made_by: str) -> None:
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
def test_the_messages_are_what_the_log_says(instance: Instance, word: str, made_by: str, edit: Tuple[str, str],
                                            command: str) -> None:
    """The finding on the page is the one in the log, to the letter and to the line number."""
    port = _create(instance, made_by)
    ini = instance.directory / "my.ini"
    ini.write_text(ini.read_text().replace(*edit))
    with _serve(instance, command, port) as server:
        assert server.ended() in (3, 4)
    assert the_finding(server.log) == the_finding(block("text", word))


def test_the_lines_for_a_file_that_is_there_are_those_that_the_command_writes(instance: Instance) -> None:
    """The sections that the page shows for an ini file of one's own are in the generated one, and no option more."""
    _create(instance, CREATE)
    made = (instance.directory / "my.ini").read_text()
    app, guard = re.split(r"\n\n", block("ini", "filter-with").strip())
    section = re.search(r"(?ms)^\[app:main\]$(.*?)^\[", made)
    assert section and set(app.splitlines()[1:]) <= set(section.group(1).splitlines())
    written = re.search(r"(?ms)^\[filter:threadguard\]$(.*)\Z", made)
    assert written and set(written.group(1).split("\n")) - {""} == set(guard.splitlines()[1:])
