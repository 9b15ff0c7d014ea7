"""Kallithea with the guard under the other servers of its ini templates, single-threaded: all of it works."""

import concurrent.futures
from typing import Tuple

import pytest
from children import lines_of
from clients import push_git, push_hg
from instance import Instance, port_of

GUNICORN = ("gunicorn", "--paste", "guarded.ini", "--workers", "2", "--bind")


@pytest.mark.parametrize("http_server, command", [
    pytest.param("gearbox", (), id="gearbox's wsgiref"),
    pytest.param("gunicorn", (), id="gunicorn by gearbox serve"),
    pytest.param("gunicorn", GUNICORN, id="gunicorn --paste"),
    pytest.param("waitress", GUNICORN, id="gunicorn --paste, [server:main] of waitress"),
])
def test_a_single_threaded_kallithea_serves(instance: Instance, http_server: str, command: Tuple[str, ...]) -> None:
    """Pages are served, pushes of hg and git arrive and are journalled, nothing is reported."""
    # gunicorn --paste reads nothing of [server:main]: what stands there for waitress must not be held against it.
    threads = ["[server:main]", "threads=4"] if command and http_server == "waitress" else []
    ini = instance.ini("guarded", *threads, http_server=http_server)
    words = command and command + ("127.0.0.1:%d" % port_of(ini),)
    with instance.serve(ini, *words) as server:
        assert server.answers()[0] == 200
        pushed = [push_hg(instance, server), push_git(instance, server)]
    assert [row for row in instance.journal() if row in pushed] == pushed
    assert lines_of(server.log, "TG") == []


def test_a_threaded_kallithea_is_right_when_it_is_serialised(instance: Instance) -> None:
    """With ``policy = serialize`` and four threads, pushes made at the same time are journalled as what they were."""
    ini = instance.ini("serialised", "[server:main]", "threads=4")
    ini.write_text(ini.read_text().replace("\npolicy = refuse\n", "\npolicy = serialize\n"))
    with instance.serve(ini) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert server.answers()[0] == 200
        runs = [pool.submit(lambda push=push: [push(instance, server) for _ in range(4)]) for push in (push_hg, push_git)]
        pushed = {row for run in runs for row in run.result()}
    assert {row for row in instance.journal() if row in pushed} == pushed
    assert [line for line in lines_of(server.log, "TG") if "TG305" not in line] == []
