"""Kallithea on several machines, as docs/kallithea.md says: two addresses of the loopback stand for two machines.

They have one database and the same repositories, and HAProxy is before them. What they do not have is a host name each.
"""

import concurrent.futures
import os
import shutil
import threading
from typing import Dict, NamedTuple

import pytest
from children import Child, lines_of, run, the_finding, wrongs
from clients import push_git, push_hg, url
from documentation import block, commands, moved
from instance import BIN
from programs import free_ports

CREATE, FIRST, SECOND, PROXY, PROBE = commands("Several machines")
HAPROXY = shutil.which("haproxy", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Machines(NamedTuple):
    """The servers of the page, each started by its own command."""

    first: Child
    second: Child
    proxy: Child
    places: Dict[str, str]
    """The addresses of the page, and those that stand for them."""


def _start(instance, command, server):
    """A server of the page at *server*, an address and a port; ``with`` starts it."""
    host, _, port = server.partition(":")
    env = dict(instance.env, PATH=instance.env["PATH"] + ":/usr/sbin")
    return Child(["/bin/sh", "-c", "exec " + command], env, instance.directory, int(port), host)


@pytest.fixture(scope="module")
def machines(instance):
    """All of it, once each part answers."""
    if HAPROXY is None:
        pytest.skip("HAProxy is not on this machine (Debian: haproxy; make setup-servers)")
    ini = instance.directory / "my.ini"
    if ini.exists():
        ini.unlink()
    run(["/bin/sh", "-c", CREATE], instance.env, instance.directory)
    ports = free_ports(3)
    places = {"10.0.0.11:5000": "127.0.0.2:%d" % ports[0], "10.0.0.12:5000": "127.0.0.3:%d" % ports[1],
              "127.0.0.1:8080": "127.0.0.1:%d" % ports[2]}
    (instance.directory / "haproxy.cfg").write_text(moved(block("text", "backend machines"), places))
    first, second, proxy = [_start(instance, moved(command, places), server)
                            for command, server in zip((FIRST, SECOND, PROXY), places.values())]
    with first, second:
        assert [server.answers("/-/threadguard")[0] for server in (first, second)] == [200, 200]
        with proxy:
            assert proxy.answers()[0] == 200
            yield Machines(first, second, proxy, places)


def test_pushes_through_the_proxy_are_journalled(instance, machines):
    """Whichever machine a request goes to."""
    pushed = [push(instance, machines.proxy) for push in (push_hg, push_git, push_hg, push_git)]
    assert [row for row in instance.journal() if row in pushed] == pushed


def test_what_was_pushed_to_one_machine_is_on_the_other(instance, machines):
    """At once, by Mercurial's client."""
    _, _, action = push_hg(instance, machines.first)
    tip = run([str(BIN / "hg"), "identify", "--id", url(machines.second, "r1")], instance.env, instance.directory)
    assert action.startswith("push:" + tip.strip()), action


def _push_at_the_gate(instance, server, gate, directory):
    """Clone and commit; push when the other one is ready too, a new head if need be."""
    def hg(*words):
        return run([str(BIN / "hg"), *words], instance.env, directory)

    directory.mkdir()
    hg("clone", "-q", url(server, "r1"), ".")
    (directory / directory.name).write_text("one of two\n")
    hg("commit", "-qAm", directory.name)
    gate.wait(60)
    hg("push", "-q", "--force", url(server, "r1"))
    return "admin", "r1", "push:" + hg("log", "-r", ".", "-T", "{node}")


def test_two_pushes_at_the_same_moment_are_both_right(instance, machines, tmp_path):
    """One on each machine, into one repository: Mercurial's own lock takes them in turn."""
    gate = threading.Barrier(2)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        both = [pool.submit(_push_at_the_gate, instance, server, gate, tmp_path / name)
                for name, server in (("one", machines.first), ("two", machines.second))]
        pushed = {each.result(120) for each in both}
    assert {row for row in instance.journal() if row in pushed} == pushed and len(pushed) == 2
    run([str(BIN / "hg"), "verify", "-q", "-R", str(instance.directory / "repos" / "r1")], instance.env,
        instance.directory)


def test_the_probe_proves_each_process(instance, machines):
    """The command of the page, through the proxy; again where one process got hardly any of the probes, by chance."""
    command = ["/bin/sh", "-c", "%s; echo exit status $?" % moved(PROBE, machines.places)]
    for _ in range(10):
        said = run(command, instance.env, instance.directory)
        if len(lines_of(said, "TG206")) == 4 or not lines_of(said, "exit status 0") + lines_of(said, "TG404 cannot"):
            break
    assert len(lines_of(said, "TG206")) == 4 and lines_of(said, "exit status 0"), said


def test_nothing_is_reported(machines):
    """The guards of all processes are content."""
    assert wrongs(machines.first.log + machines.second.log) == []


def test_a_machine_with_threads_is_sent_nothing_and_the_other_goes_on(instance, machines):
    """It does not start; HAProxy takes it out, and every push arrives."""
    machines.second.__exit__(None, None, None)
    threaded = moved(SECOND, machines.places) + " --threads 4"
    with _start(instance, threaded, machines.places["10.0.0.12:5000"]) as second:
        # 1 where the other worker fails while gunicorn ends already: its handler of SIGCHLD raises again
        # (gunicorn/arbiter.py, reap_workers).
        assert second.ended() in (1, 3), second.log
    assert the_finding(second.log) == the_finding(block("text", "gunicorn's"))
    machines.proxy.says("Server machines/second is DOWN")
    pushed = [push(instance, machines.proxy) for push in (push_hg, push_git)]
    assert [row for row in instance.journal() if row in pushed] == pushed
