"""``threadguard.wsgi`` on real servers: one word of the command line is changed, and the application is guarded."""

import pytest
from needs import child_of, need
from rig import Child, get
from rows.model import Row
from test_refusal import settle

SITE = {"plain.py": """
def app(environ, start_response):
    open("entered", "a").write("in\\n")
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"plain"]
"""}
NAME = {"THREADGUARD_APP": "plain:app"}
UWSGI = "{bin}/uwsgi --virtualenv {bin}/.. --http-socket 127.0.0.1:{port} --die-on-term --need-app "
EXPRESS = "{bin}/mod_wsgi-express start-server threadguard.wsgi --application-type module --host 127.0.0.1" \
          " --port {port} --server-root {dir}/express --user {user} --group {user} --python-path {dir} --threads "
ROWS = [
    Row("gunicorn", "{bin}/gunicorn --bind 127.0.0.1:{port} threadguard.wsgi", False, needs=("gunicorn",)),
    Row("gunicorn --threads 4", "{bin}/gunicorn --threads 4 --bind 127.0.0.1:{port} threadguard.wsgi:application", True,
        needs=("gunicorn",)),
    Row("waitress-serve --threads=1", "{bin}/waitress-serve --threads=1 --listen=127.0.0.1:{port}"
        " threadguard.wsgi:application", False, needs=("waitress",)),
    Row("waitress-serve", "{bin}/waitress-serve --listen=127.0.0.1:{port} threadguard.wsgi:application", True,
        needs=("waitress",)),
    Row("uWSGI", UWSGI + "--module threadguard.wsgi", False, needs=("/uwsgi",)),
    Row("uWSGI mount", UWSGI + "--mount /=threadguard.wsgi:application", False, needs=("/uwsgi",)),
    Row("uWSGI threads=4", UWSGI + "--threads 4 --module threadguard.wsgi:application", True, needs=("/uwsgi",)),
    Row("Debian's uWSGI", "/usr/bin/uwsgi-core --plugins python3 --http-socket 127.0.0.1:{port} --die-on-term"
        " --need-app --module threadguard.wsgi", False, staged=True, needs=("/usr/bin/uwsgi-core", "plugin:python3")),
    Row("granian --blocking-threads 1", "{bin}/granian --interface wsgi --host 127.0.0.1 --port {port}"
        " --blocking-threads 1 threadguard.wsgi:application", False, needs=("granian",)),
    Row("mod_wsgi-express --threads 1", EXPRESS + "1", False, needs=("mod_wsgi",)),
]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS])
def test_one_word_of_the_command_line_guards_an_application(row):
    """A single-threaded server serves it; a threaded one does not start, and the application is never entered."""
    with child_of(row, SITE, **NAME) as child:
        if not row.threaded:
            assert (200, b"plain") == child.first(lambda port: get(port, "/"))[::2]
        else:
            assert "exit" == settle(child, get)[0]
            assert "ThreadedDeploymentError: TG101" in child.output()
            assert not (child.directory / "entered").exists()


@pytest.mark.parametrize("name, message", [
    ("", "THREADGUARD_APP is not set"), ("plain:ap", "has no ap"), ("plian:app", "there is no module plian"),
    ("threadguard.wsgi:application", "names the guard itself"),
])
@pytest.mark.parametrize("command", [
    pytest.param("{bin}/gunicorn --bind 127.0.0.1:{port} threadguard.wsgi", id="gunicorn"),
    pytest.param(UWSGI + "--module threadguard.wsgi", id="uWSGI"),
])
def test_a_name_that_cannot_be_loaded_is_said_by_every_server(command, name, message):
    """Also by one that looks for the callable in the dictionary of the module, and says no more than that it misses."""
    need(("/uwsgi",) if "uwsgi" in command else ())
    with Child(command, SITE, {"THREADGUARD_APP": name}) as child:
        assert "exit" == settle(child, get)[0]
        assert "LoadError: TG901 threadguard: THREADGUARD_APP" in child.output() and message in child.output()
