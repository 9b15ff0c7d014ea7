"""The live proof against real servers, by itself and through real proxies: right each time."""

import os
import shlex
from contextlib import ExitStack

import pytest
import real_servers
from programs import program
from real_servers import free_ports, probed, serving

from threadguard.cli import main
from threadguard.servers import uwsgi, waitress

PATH, TOKEN = "/-/threadguard", "a token"
HOLD = {False: 0.05, True: 1.0}
"""Seconds, by whether it is threaded: one that is not holds one probe after the other, and two that meet are let go."""
SITE = """from threadguard import ThreadGuard

def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\\n"]

application = ThreadGuard(site, policy="log", health_path="/-/threadguard", health_token="a token")
"""
GUNICORN = "gunicorn --bind=127.0.0.1:{port} site_probed %s"
WAITRESS = "waitress-serve --listen=127.0.0.1:{port} %s site_probed:application"
UWSGI = "uwsgi-core --plugins python3 --http-socket=127.0.0.1:{port} --master --die-on-term --need-app" \
    " --module=site_probed %s"
SERVERS = (
    pytest.param(GUNICORN % "--workers=4", 4, False, id="gunicorn with four workers"),
    pytest.param(GUNICORN % "--workers=2 --threads=4", 2, True, id="gunicorn gthread"),
    pytest.param(GUNICORN % "--worker-class=gevent", 1, True, id="gunicorn gevent"),
    pytest.param(UWSGI % "--processes=2", 2, False, id="uWSGI with two processes"),
    pytest.param(UWSGI % "--processes=2 --threads=4", 2, True, id="uWSGI with threads"),
    pytest.param(WAITRESS % "--threads=1", 1, False, id="waitress with one thread"),
    pytest.param(WAITRESS % "--threads=4", 1, True, id="waitress with four threads"),
)
PROXIES = {
    "nginx": ("nginx -p {dir} -c nginx.conf", "nginx.conf", """daemon off;
pid nginx.pid;
error_log stderr;
events {}
http {
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
    upstream instances { server 127.0.0.1:{a}; server 127.0.0.1:{b}; }
    server { listen 127.0.0.1:{port}; location / { proxy_pass http://instances; } }
}
"""),
    "haproxy": ("haproxy -db -f haproxy.cfg", "haproxy.cfg", """defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen site
    bind 127.0.0.1:{port}
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""),
}


@pytest.fixture
def place():
    """A directory with the site."""
    with real_servers.directory() as path:
        (path / "site_probed.py").write_text(SITE)
        yield path


def started_words(command, place, port):
    """The words of *command*; the test is skipped where it is not installed."""
    words = command.format(port=port, dir=place).split()
    reason = real_servers.lacks(words[0])
    if words[0] == "uwsgi-core" and not (place / "threadguard").exists():
        reason = real_servers.lacks_uwsgi() or real_servers.stage(place)
    if reason:
        pytest.skip(reason)
    if "gevent" in command:
        pytest.importorskip("gevent", reason="gevent is not installed")
    return real_servers.words(words)


def started(command, place, port, name="server"):
    """The server of *command*, once it answers."""
    return serving(name, started_words(command, place, port), place, port)


@pytest.mark.parametrize("command, processes, threaded", SERVERS)
def test_the_probe_is_right_about_a_real_server(command, processes, threaded, place):
    """Two meet in each process of a threaded server, and in no process of another."""
    [port] = free_ports(1)
    with started(command, place, port):
        outcome = probed(port, TOKEN, processes, HOLD[threaded])
    assert outcome.status == ("threaded" if threaded else "single-threaded")
    assert [bool(process.met) for process in outcome.processes.values()] == [threaded] * processes


@pytest.fixture(params=sorted(PROXIES))
def fleet(request, place):
    """Starts two instances of waitress, with so many threads each, behind a real proxy: gives the proxy's port."""
    command, name, text = PROXIES[request.param]
    with ExitStack() as stack:
        def start(*threads):
            port, *instances = free_ports(3)
            for which, number, each in zip("ab", threads, instances):
                stack.enter_context(started(WAITRESS % ("--threads=%d" % number), place, each, which))
            filled = text.replace("{port}", str(port))
            for which, each in zip("ab", instances):
                filled = filled.replace("{%s}" % which, str(each))
            (place / name).write_text(filled)
            stack.enter_context(started(command, place, port, "proxy"))
            return port
        yield start


def test_two_instances_behind_a_proxy_are_told_apart(fleet):
    """Each process by itself: no two met in either of them."""
    outcome = probed(fleet(1, 1), TOKEN, 2, HOLD[False])
    assert (outcome.status, [process.met for process in outcome.processes.values()]) == ("single-threaded", [0, 0])


def test_the_one_instance_with_threads_behind_a_proxy_is_found(fleet, capsys):
    """The other one is cleared; the command exits with 1, and says which process it is."""
    port = fleet(1, 4)
    outcome = probed(port, TOKEN, 2, 0.1)
    assert sorted(outcome.status_of(process) for process in outcome.processes.values()) == [
        "single-threaded", "threaded"]
    [pid] = [process.pid for process in outcome.processes.values() if process.met]
    assert main(["probe", "http://127.0.0.1:%d%s" % (port, PATH), "--token", TOKEN, "--hold", "0.1"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert [line.split()[1] for line in said if line.endswith("TG306 threaded")] == [str(pid)]
    assert {"2 processes on 1 host: threaded", "  remedy:  " + waitress.REMEDY} < set(said), said


# -- two machines

ON = "unshare --uts sh -c".split()
TWO_MACHINES = {"web-1": GUNICORN % "--workers=4", "web-2": UWSGI % "--processes=3"}


@pytest.fixture
def machines(place):
    """Starts each command of a table on a machine of its own, as far as its name goes, behind HAProxy."""
    if program("unshare") is None or os.geteuid() != 0:
        pytest.skip("only root can give a machine another name, with unshare of util-linux")
    with ExitStack() as stack:
        def start(commands):
            port, *instances = free_ports(3)
            # All at first: what uWSGI needs is copied into the place, and not while a worker of gunicorn imports it.
            lines = [started_words(command, place, each) for command, each in zip(commands.values(), instances)]
            for host, words, each in zip(commands, lines, instances):
                named = "hostname %s && exec %s" % (host, " ".join(map(shlex.quote, words)))
                stack.enter_context(serving(host, [*ON, named], place, each))
            command, name, text = PROXIES["haproxy"]
            for which, each in zip(("port", "a", "b"), (port, *instances)):
                text = text.replace("{%s}" % which, str(each))
            (place / name).write_text(text)
            stack.enter_context(started(command, place, port, "proxy"))
            return port
        yield start


def asked(port, *words):
    """The command as it is typed, for seven processes."""
    return main(["probe", "http://127.0.0.1:%d%s" % (port, PATH), "--token", TOKEN, "--processes", "7", *words])


def test_seven_processes_on_two_machines_are_each_told(machines, capsys):
    """In one command through the load balancer; and one that is missing is missed."""
    port = machines(TWO_MACHINES)
    assert asked(port, "--hold", "0.1") == 0
    *table, total = capsys.readouterr().out.splitlines()
    assert total == "7 processes on 2 hosts: single-threaded"
    assert sorted(line.split()[0] for line in table[1:]) == ["web-1"] * 4 + ["web-2"] * 3


def test_a_machine_with_threads_is_told_by_its_name(machines, capsys):
    """With the remedy of its own server."""
    port = machines({**TWO_MACHINES, "web-2": UWSGI % "--processes=3 --threads=2"})
    assert asked(port, "--hold", "0.5") == 1
    said = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in said if line.endswith("threaded") and "TG306" in line} == {"web-2"}
    assert "  remedy:  " + uwsgi.REMEDY in said, said
