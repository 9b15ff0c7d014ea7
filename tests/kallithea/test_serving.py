"""Kallithea with ``filter-with = threadguard``, single-threaded as it comes; and serialised."""

import concurrent.futures

import pytest
from children import lines_of, wrongs
from clients import push_git, push_hg
from instance import port_of

PAGES = {"/": b"Kallithea", "/_admin/login": b"Log In", "/r1": b"r1", "/g1": b"g1",
         "/images/kallithea-logo.svg": b"<svg"}
GUNICORN = "gunicorn", "--paste", "guarded.ini", "--workers", "2", "--bind"


@pytest.mark.parametrize("http_server, command, settings", [
    pytest.param("waitress", (), (), id="gearbox with waitress"),
    pytest.param("gearbox", (), (), id="gearbox's wsgiref"),
    # gunicorn --paste reads nothing of [server:main]: what stands there for waitress must not be held against it.
    pytest.param("waitress", GUNICORN, ("[server:main]", "threads=4"), id="gunicorn --paste"),
])
def test_a_single_threaded_kallithea_serves(instance, http_server, command, settings):
    """Every page; pushes of hg and git arrive, can be built upon, and are journalled; nothing is reported, although
    waitress says that wsgi.multithread is True."""
    ini = instance.ini("guarded", *settings, http_server=http_server)
    words = command and command + ("127.0.0.1:%d" % port_of(ini),)
    with instance.serve(ini, *words) as server:
        server.answers()
        answers = {path: server.get(path) for path in PAGES}
        pushed = [push(instance, server) for push in (push_hg, push_hg, push_git, push_git)]
    assert [path for path, (status, body) in answers.items() if status != 200 or PAGES[path] not in body] == []
    assert [row for row in instance.journal() if row in pushed] == pushed
    assert wrongs(server.log) == []


def test_a_threaded_kallithea_is_right_when_it_is_serialised(instance):
    """With ``policy = serialize`` and four threads, pushes made at the same time are journalled as what they were."""
    ini = instance.ini("serialised", "[server:main]", "threads=4")
    ini.write_text(ini.read_text().replace("\npolicy = refuse\n", "\npolicy = serialize\n"))

    def three(push):
        return [push(instance, server) for _ in range(3)]

    with instance.serve(ini) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert server.answers()[0] == 200
        pushed = {row for rows in pool.map(three, (push_hg, push_git)) for row in rows}
    assert {row for row in instance.journal() if row in pushed} == pushed
    assert [line for line in wrongs(server.log) if "TG305" not in line] == []


@pytest.mark.parametrize("command, threads", [
    pytest.param(("repo-scan", "--install-git-hooks"), 1, id="repo-scan"),
    pytest.param(("repo-update-metadata",), 1, id="repo-update-metadata"),
    pytest.param(("index-create", "--full"), 1, id="index-create"),
    pytest.param(("repo-scan",), 4, id="repo-scan, where the server is threaded"),
])
def test_kallithea_cli_works_with_the_guarded_ini(instance, command, threads):
    """`kallithea-cli` serves nobody: it works, whatever the section of the server says."""
    ini = instance.ini("cli", "[server:main]", "threads=%d" % threads)
    said = instance.cli(command[0], "-c", str(ini), *command[1:])
    assert lines_of(said, "Traceback") + wrongs(said) == []
