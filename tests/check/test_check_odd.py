"""Configurations of which threads are easy to overlook: legitimate, and written as few people write them."""

import pytest

from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN
from threadguard.check import check_file

UNIT, CONF, DOCKER, COMPOSE = "site.service", "site.conf", "Dockerfile", "compose.yaml"
DAEMONS = "WSGIDaemonProcess one threads=1\nWSGIDaemonProcess many threads=4\nWSGIProcessGroup one\n"
MOUNT = "WSGIScriptAlias / /srv/site.wsgi\n"
PREFORK = "LoadModule mpm_prefork_module m.so\nLoadModule http2_module h.so\n"
HOST = "<VirtualHost *:%d>\n%s</VirtualHost>\n"
THREADS = "threads = 4\n"
GUNICORN = 'CMD ["gunicorn", "app"]\n'
SERVICE = "services:\n  web:\n    build: .\n    command: uwsgi -w app\n"


@pytest.mark.parametrize("expected, name, text, more", [
    (THREADED, UNIT, "[Service]\nExecStart=/usr/bin/uwsgi \\\n  # as many as it takes\n  --threads 4\n", {}),
    (THREADED, UNIT, "[Service]\nType=oneshot\nExecStart=/usr/bin/uwsgi ; -/usr/bin/uwsgi --threads 4 ;\n", {}),
    (THREADED, UNIT, "[Service]\nExecStart=@/usr/bin/uwsgi site --threads 4\n", {}),
    (THREADED, UNIT, "[Service]\nExecStart=/usr/bin/uwsgi\n",
     {"service.d/a.conf": "[Service]\nEnvironment=UWSGI_THREADS=4\n"}),
    (THREADED, "my-site.service", "[Service]\nExecStart=/usr/bin/uwsgi\n",
     {"my-.service.d/a.conf": "[Service]\nEnvironment=UWSGI_THREADS=4\n"}),
    (UNKNOWN, UNIT, "[Service]\nPassEnvironment=HOME UWSGI_THREADS\nExecStart=/usr/bin/uwsgi\n", {}),
    (SINGLE_THREADED, UNIT, "[Service]\nEnvironment=UWSGI_THREADS=4\nUnsetEnvironment=UWSGI_THREADS\n"
     "ExecStart=/usr/bin/uwsgi\n", {}),
    (THREADED, CONF, "LoadModule mpm_event_module m.so\nThreadsPerChild 1\nThreadsPerChild 25\n" + MOUNT, {}),
    (SINGLE_THREADED, CONF, "LoadModule mpm_event_module m.so\nThreadsPerChild 25\nThreadsPerChild 1\n" + MOUNT, {}),
    (THREADED, CONF, DAEMONS + MOUNT + "<Location /admin>\nWSGIProcessGroup many\n</Location>\n", {}),
    (THREADED, CONF, DAEMONS + "WSGIScriptAlias / /srv/wsgi/\n<Directory /srv/wsgi/a>\nWSGIProcessGroup many\n"
     "</Directory>\n", {}),
    (SINGLE_THREADED, CONF, DAEMONS + "WSGIScriptAlias /a /srv/a.wsgi\n<Location /admin>\nWSGIProcessGroup many\n"
     "</Location>\n", {}),
    (SINGLE_THREADED, CONF, DAEMONS + MOUNT.strip() + " process-group=one\n<Location /admin>\nWSGIProcessGroup many\n"
     "</Location>\n", {}),
    (THREADED, CONF, PREFORK + MOUNT + HOST % (80, "Protocols h2c http/1.1\n"), {}),
    (THREADED, CONF, PREFORK + MOUNT + "Protocols h2c\nProtocols http/1.1\n", {}),
    (SINGLE_THREADED, CONF, PREFORK + HOST % (80, "Protocols http/1.1\n" + MOUNT) + "Protocols h2c\n", {}),
    (UNKNOWN, CONF, HOST % (80, DAEMONS + MOUNT + "Use Groups of others\n"), {}),
    (SINGLE_THREADED, CONF, "<Macro Open>\nRequire all granted\n</Macro>\n" + HOST % (
        80, DAEMONS + MOUNT + "Use open\n"), {}),
    (THREADED, "uwsgi.yaml", "uwsgi:\n  - master: true\n  - threads: 4\n", {}),
    (UNKNOWN, DOCKER, 'FROM a\nWORKDIR /app\nCOPY --chown=a ["etc/gunicorn.conf.py", "/app/"]\n' + GUNICORN,
     {"etc/gunicorn.conf.py": THREADS}),
    (UNKNOWN, DOCKER, 'FROM a\nWORKDIR /app\nRUN echo threads=4 > gunicorn.conf.py\n' + GUNICORN, {}),
    (UNKNOWN, COMPOSE, "services:\n  web:\n    build: .\n    command: gunicorn app\n    working_dir: /app\n"
     "    configs: [{source: a, target: /app/gunicorn.conf.py}]\n", {DOCKER: "FROM a\n"}),
    (THREADED, COMPOSE, SERVICE + "    env_file: a.env\n", {"a.env": "export UWSGI_THREADS=4\n", DOCKER: "FROM a\n"}),
    (THREADED, COMPOSE, SERVICE + "    env_file: a.env\n",
     {"a.env": "UWSGI_THREADS = \"4\"  # two are too few\n", DOCKER: "FROM a\n"}),
    (UNKNOWN, "Procfile", "web: bin/start-something uwsgi --threads 4\nadmin: uwsgi\n", {}),
    (UNKNOWN, "Procfile", "web: mod_wsgi-express start-server --threads 1 --include-file more.conf\n", {}),
    (THREADED, COMPOSE, "x-a: &a {environment: {UWSGI_THREADS: 4}}\nx-b: &b {<<: *a}\nservices:\n  web:\n    <<: *b\n"
     "    build: .\n    command: uwsgi -w app\n", {DOCKER: "FROM a\n"}),
    (THREADED, COMPOSE, "services:\n  web:\n    build: .\n    entrypoint:\n", {DOCKER: 'FROM a\nENTRYPOINT ["uwsgi", '
     '"--threads", "4"]\n'}),
    (UNKNOWN, COMPOSE, SERVICE + "  more: {build: ., command: npm start}\n", {DOCKER: "FROM a\n"}),
    (UNKNOWN, COMPOSE, SERVICE.replace("uwsgi", "uwsgi --threads ${N:-1}"), {DOCKER: "FROM a\nENV N=1\n"}),
    (THREADED, "supervisord.conf", "[program:a]\ncommand = uwsgi -w a ; x\nenvironment = A=1,UWSGI_THREADS=4\n", {}),
    (UNKNOWN, "supervisord.conf", "[program:a]\ncommand = gunicorn --threads %(ENV_N)s -k sync a\n", {}),
    (UNKNOWN, "supervisord.conf", "[program:a]\ncommand = gunicorn a\n", {"gunicorn.conf.py": "threads = 4\n"}),
    (SINGLE_THREADED, "pod.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n"
     "    command: [gunicorn, -k, sync]\n    args: [--threads, $(N), a]\n    env: [{name: N, value: '1'}]\n", {}),
    (UNKNOWN, "pod.yaml", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n"
     "    command: [uwsgi, -w, a]\n", {}),
    (UNKNOWN, "site.ini", "[uwsgi]\nthreads = 1\nini = /etc/hostname.ini\n", {}),
    (UNKNOWN, "gunicorn.conf.py", "threads = 1\nif a: workers = 4\n", {}),
    (UNKNOWN, "gunicorn.conf.py.j2", "threads = 4\n", {}),
    (UNKNOWN, "site.conf", "IncludeOptional /nowhere/*.conf\n" + DAEMONS + MOUNT, {}),
    (THREADED, DOCKER, 'FROM a\nSHELL ["/bin/bash", "-eo", "pipefail", "-c"]\nCMD uwsgi --threads 4 -w a\n', {}),
    (UNKNOWN, "Procfile", "web: gunicorn -k sync --threads 1 ${MORE:-${OPTIONS}} a\n", {}),
    (UNKNOWN, "Procfile", "web: gunicorn -k sync --threads $'4' a\n", {}),
    (UNKNOWN, DOCKER, "FROM a\nENV N=${A:-${B}}\nCMD gunicorn -k sync --threads $N a\n", {}),
    (UNKNOWN, "site.ini_tmpl", "[server:main]\nuse = egg:waitress\nthreads = 1\n", {}),
    (UNKNOWN, "site.ini.mako", "[server:main]\nuse = egg:waitress\nthreads = 1\n", {}),
    (UNKNOWN, "uwsgi.ini", "[uwsgi]\nthreads = __THREADS__\n", {}),
    (UNKNOWN, "uwsgi.ini", "[uwsgi]\nthreads = {threads}\n", {}),
    (THREADED, "unit.json", '{"applications": {"a": {"type": "python", "protocol": "asgi"}, "b": {"type": "python",'
     ' "threads": 2}}}', {}),
    (UNKNOWN, COMPOSE, "services:\n  web:\n    image: a\n    command: gunicorn -k sync --threads 1 a\n", {}),
    (SINGLE_THREADED, COMPOSE, "services:\n  web:\n    image: a\n    entrypoint: gunicorn -k sync --threads 1 a\n",
     {}),
])
def test_what_is_easy_to_overlook_counts(expected, name, text, more, tmp_path):
    """As the server, or what starts it, would take it."""
    for each, content in {name: text, **more}.items():
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).write_text(content)
    assert check_file(str(tmp_path / name)).status == expected


def test_an_argument_of_a_container_is_quoted_as_it_is_written(tmp_path):
    """A variable in a manifest is filled in, and the finding shows the variable."""
    (tmp_path / "pod.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - name: a\n    image: b\n    command: [waitress-serve]\n"
        "    args: [--threads=$(N), a:b]\n    env: [{name: N, value: '4'}]\n")
    (finding,) = check_file(str(tmp_path / "pod.yaml")).findings
    assert (finding.code, finding.evidence) == ("TG101", "--threads=$(N)")


@pytest.mark.parametrize("written", ["1.5", "'one'", "'08'"])
def test_what_gunicorn_refuses_is_no_number(written, tmp_path):
    """gunicorn/config.py `validate_pos_int`: a fraction, a word, a number that begins with 0 keep it from starting."""
    (tmp_path / "gunicorn.conf.py").write_text("threads = %s\n" % written)
    (finding,) = check_file(str(tmp_path / "gunicorn.conf.py")).findings
    assert (finding.code, finding.line) == ("TG902", 1)
    assert finding.evidence.startswith("threads = %s" % written) and finding.evidence.endswith("is no number")
