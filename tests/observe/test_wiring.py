"""The ready-made snippets of docs/wiring.md: each is run as far as it can be without the machine that it is for."""

import configparser
import json
import os
import re
import shlex

import pytest
import real_servers
from programs import program
from real_servers import BIN, ask, free_ports, run, serving, start
from test_docs import blocks

PATH, TOKEN = "/-/threadguard", "change me"
APACHE = """ServerRoot "{dir}"
ServerName localhost
PidFile "{dir}/httpd.pid"
DefaultRuntimeDir "{dir}"
Mutex file:{dir} default
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule authz_host_module /usr/lib/apache2/modules/mod_authz_host.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
StartServers 1
User {user}
Group {user}
ErrorLog "{dir}/error.log"
IncludeOptional sites-enabled/*.conf
"""


def snippet(name):
    """The block of the page that begins with a comment with *name*."""
    [text] = [block.text for block in blocks("wiring.md") if block.text.startswith("# %s\n" % name)]
    return text


class Place:
    """A directory with the site of the page, and the port that stands for 8000."""

    def __init__(self, path):
        self.path = path
        [self.port] = free_ports(1)
        self.write("site_health.py", snippet("site_health.py"))

    def here(self, text):
        """*text* with the machine of the page replaced by this one."""
        for there, here in (("/srv/site/venv/bin/", "%s/" % BIN), ("/etc/systemd/system/", "%s/" % self.path),
                            ("/etc/apache2/", "%s/" % self.path), ("/srv/site", str(self.path)),
                            ("0.0.0.0:8000", "127.0.0.1:%d" % self.port), (":8000", ":%d" % self.port)):
            text = text.replace(there, here)
        return text

    def write(self, name, text):
        """The file *name*, with *text* as it is for this machine."""
        (self.path / name).parent.mkdir(exist_ok=True)
        (self.path / name).write_text(self.here(text))

    def serving(self, command, **variables):
        """The server of *command*, once it answers."""
        return serving("server", command, self.path, self.port, **variables)

    def health(self, **headers):
        """Status, headers and body of the health endpoint."""
        return ask(self.port, PATH, headers)


@pytest.fixture
def place():
    """A new directory."""
    with real_servers.directory() as path:
        yield Place(path)


def need(reason):
    """Skip for a *reason*, if there is one."""
    if reason:
        pytest.skip(reason)


@pytest.fixture
def gunicorn():
    """gunicorn and threadguard, as commands of this environment."""
    need(real_servers.lacks("gunicorn") or real_servers.lacks("threadguard"))


def read(text):
    """A systemd unit."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str
    parser.read_string(text)
    return parser["Service"]


# -- Kubernetes


def container(place):
    """The one container of the deployment, as Kubernetes' API takes it, with this machine's address in its command."""
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    [found] = yaml.safe_load(snippet("deployment.yaml"))["spec"]["template"]["spec"]["containers"]
    return {**found, "command": [place.here(word) for word in found["command"]]}


def probed(place, found):
    """The answer to the readiness probe, asked as the kubelet asks it."""
    asked = found["readinessProbe"]["httpGet"]
    ports = {each["name"]: each["containerPort"] for each in found["ports"]}
    assert ports[asked["port"]] == 8000
    return ask(place.port, asked["path"], {each["name"]: each["value"] for each in asked.get("httpHeaders", ())})


def test_kubernetes_sends_requests_to_a_single_threaded_container_and_no_other(place, gunicorn):
    """200 is success to a kubelet, 503 is none."""
    found = container(place)
    with place.serving(found["command"]):
        status, headers, body = probed(place, found)
        assert (status, json.loads(body)) == (200, {"status": "pass"})
    with place.serving(found["command"] + ["--threads=4"], THREADGUARD_POLICY="log"):
        assert probed(place, found)[0] == 503


@pytest.mark.parametrize("name", ["livenessProbe", "startupProbe"])
def test_kubernetes_kills_no_container_for_its_setting(place, name):
    """A container whose liveness or startup probe fails is killed and started anew, and no restart mends a setting.

    Under the policy log a threaded process starts and its health says fail, for ever: that were a restart a minute.
    """
    assert name not in container(place)


# -- systemd


def unit(place, more=""):
    """The unit, with *more* at the end of its ExecStart, as a file."""
    place.write("site.service", re.sub("(?m)^(ExecStart=.*)$", r"\1" + more, snippet("site.service")))
    return read((place.path / "site.service").read_text())


def test_systemd_starts_a_unit_that_is_single_threaded(place, gunicorn):
    """ExecStartPre succeeds, and what ExecStart starts is what it says."""
    service = unit(place)
    status, said = run(shlex.split(service["ExecStartPre"]), service["WorkingDirectory"])
    assert (status, said) == (
        0, "%s/site.service:12: TG100 gunicorn's sync worker lets one request at a time into each process, assuming"
        " that the service manager sets no GUNICORN_CMD_ARGS\n" % place.path)
    with place.serving(shlex.split(service["ExecStart"])):
        assert place.health()[0] == 200


def test_systemd_does_not_start_a_unit_with_threads(place, gunicorn):
    """ExecStartPre fails, and its output, which the journal keeps, names the line."""
    service = unit(place, " --threads=4")
    status, said = run(shlex.split(service["ExecStartPre"]), service["WorkingDirectory"])
    assert (status, said.splitlines()[0]) == (
        1, "%s/site.service:12: TG101 gunicorn's gthread worker lets 4 requests at once into each process" % place.path)


def test_systemd_itself_finds_nothing_wrong_with_the_unit(place, gunicorn):
    """systemd-analyze verify says so."""
    if not program("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed: make setup-servers installs it")
    unit(place)
    assert run(["systemd-analyze", "verify", str(place.path / "site.service")], place.path) == (0, "")


def test_systemd_gives_up_a_unit_that_is_never_right(place, gunicorn):
    """Restart= tries again after ExecStartPre= as well; how often is said, and does not depend on how long it takes."""
    parser = configparser.RawConfigParser()
    parser.optionxform = str
    parser.read_string(snippet("site.service"))
    assert parser["Service"]["Restart"] == "on-failure"
    assert (parser["Unit"]["StartLimitIntervalSec"], parser["Unit"]["StartLimitBurst"]) == ("10min", "3")


# -- supervisord


def supervised(place, more=""):
    """supervisord with the program, whose server has *more* options."""
    need(real_servers.lacks("supervisord"))
    place.write("supervisord.conf", snippet("supervisord.conf").replace(" site_health", "%s site_health" % more))
    return ["supervisord", "-c", "supervisord.conf"]


def test_supervisord_starts_what_is_single_threaded(place, gunicorn):
    """The real supervisord: the check passes, and its process becomes the server."""
    with place.serving(supervised(place)):
        assert place.health()[0] == 200


def test_supervisord_gives_up_what_is_never_right(place, gunicorn):
    """It is FATAL after the retries, and not started for ever: each check failed within startsecs."""
    with start("server", supervised(place, " --threads=4"), place.path, **real_servers.environment()) as running:
        running.until(lambda: "gave up: site entered FATAL state" in running.output())
        assert running.output().count("spawned: 'site'") == 3


# -- Docker


def image(place, more=""):
    """The instructions of the Dockerfile, with *more* at the end of its command, as a file."""
    text = snippet("Dockerfile").replace('"site_health"]', '"site_health"%s]' % more)
    place.write("Dockerfile", text)
    return dict(re.findall(r"(?m)^(RUN|HEALTHCHECK|CMD)[^\[\n]*(\[.*\])$", place.here(text)))


def test_docker_builds_and_keeps_a_container_that_is_single_threaded(place, gunicorn):
    """The check of the build succeeds, and so does the health check beside what CMD starts."""
    found = image(place)
    status, said = run(json.loads(found["RUN"]), place.path)
    assert (status, said.partition(" ")[0]) == (0, "Dockerfile:8:")
    with place.serving(json.loads(found["CMD"])):
        assert run(json.loads(found["HEALTHCHECK"]), place.path) == (0, "")


def test_docker_neither_builds_nor_keeps_one_with_threads(place, gunicorn):
    """Exit status 1, which Docker calls unhealthy; 2 is reserved."""
    found = image(place, ', "--threads=4"')
    assert run(json.loads(found["RUN"]), place.path)[0] == 1
    with place.serving(json.loads(found["CMD"]), THREADGUARD_POLICY="log"):
        assert run(json.loads(found["HEALTHCHECK"]), place.path)[0] == 1


# -- uWSGI

UWSGI = ["uwsgi-core", "--plugins", "python3", "--ini", "uwsgi.ini"]


@pytest.fixture
def uwsgi(place):
    """Debian's uWSGI, with threadguard beside the site."""
    need(real_servers.lacks_uwsgi() or real_servers.lacks("threadguard") or real_servers.stage(place.path))


def test_uwsgi_starts_with_processes(place, uwsgi):
    """The real uWSGI runs the check first, and serves."""
    place.write("uwsgi.ini", snippet("uwsgi.ini"))
    with place.serving(UWSGI) as running:
        assert (place.health()[0], "(asap)" in running.output()) == (200, True)
        assert "uwsgi.ini: TG100 uWSGI lets one request at a time" in running.output()


def test_uwsgi_does_not_start_with_threads(place, uwsgi):
    """The real uWSGI ends with the finding in its log, before it opens a port."""
    place.write("uwsgi.ini", snippet("uwsgi.ini") + "threads = 4\n")
    with start("server", UWSGI, place.path) as running:
        assert running.process.wait(real_servers.DEADLINE) == 1
        assert "TG101 uWSGI lets 4 requests at once" in running.output()
        assert "spawned" not in running.output()


# -- Apache


@pytest.fixture
def apache(place):
    """The configuration of an Apache that includes the site."""
    need(real_servers.lacks_apache() or real_servers.lacks("threadguard") or real_servers.stage(place.path))
    user = "www-data" if os.getuid() == 0 else str(os.getuid())
    place.write("apache2.conf", APACHE.format(dir=place.path, port=place.port, user=user))
    return ["apache2", "-f", "%s/apache2.conf" % place.path, "-DFOREGROUND"]


def site(place):
    """The site of the page; the virtual environment is left out, since mod_wsgi's Python is Debian's."""
    return snippet("/etc/apache2/sites-enabled/site.conf").replace("python-home=/srv/site/venv ", "")


def drop_in(place):
    """The command of the drop-in, run."""
    text = place.here(snippet("/etc/systemd/system/apache2.service.d/threadguard.conf"))
    return run(shlex.split(read(text)["ExecStartPre"]), place.path)


def test_apache_starts_with_a_daemon_of_one_thread(place, apache):
    """The drop-in's command succeeds, and the real Apache gives the token to the health endpoint and its probe."""
    place.write("sites-enabled/site.conf", site(place))
    status, said = drop_in(place)
    assert (status, "site.conf:2: TG100 mod_wsgi's daemon" in said) == (0, True), said
    with place.serving(apache):
        assert json.loads(place.health()[2]) == {"status": "pass"}
        assert json.loads(place.health(Authorization="Bearer " + TOKEN)[2])["verdict"]["capacity"] == 1
        assert real_servers.probed(place.port, TOKEN, 4, 0.1).status == "single-threaded"


def test_apache_does_not_start_with_the_default_threads(place, apache):
    """Without threads=1 there are 15."""
    place.write("sites-enabled/site.conf", site(place).replace(" threads=1", ""))
    status, said = drop_in(place)
    assert (status, "site.conf:2: TG101 mod_wsgi's daemon lets 15 requests" in said) == (1, True), said


def test_the_page_has_no_block_that_is_not_tested_here():
    """Each is asked for by its name."""
    named = {block.text.partition("\n")[0][2:] for block in blocks("wiring.md")}
    assert named == {"site_health.py", "deployment.yaml", "site.service", "supervisord.conf", "Dockerfile",
                     "uwsgi.ini",
                     "/etc/systemd/system/apache2.service.d/threadguard.conf", "/etc/apache2/sites-enabled/site.conf"}
