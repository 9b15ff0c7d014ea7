"""Kallithea with the guard under servers that the documentation does not try, and serialised."""

import concurrent.futures
from typing import Callable, List, Tuple

import pytest
from children import Child, wrongs
from clients import Pushed, push_git, push_hg
from instance import Instance, port_of

GUNICORN = ("gunicorn", "--paste", "guarded.ini", "--workers", "2", "--bind")


@pytest.mark.parametrize("http_server, command", [
    pytest.param("gearbox", (), id="gearbox's wsgiref"),
    pytest.param("waitress", GUNICORN, id="gunicorn --paste, [server:main] of waitress"),
])
def test_a_single_threaded_kallithea_serves(instance: Instance, http_server: str, command: Tuple[str, ...]) -> None:
    """Pages are served, pushes of hg and git arrive and are journalled, nothing is reported."""
    # gunicorn --paste reads nothing of [server:main]: what stands there for waitress must not be held against it.
    threads = ["[server:main]", "threads=4"] if command else []
    ini = instance.ini("guarded", *threads, http_server=http_server)
    words = command and command + ("127.0.0.1:%d" % port_of(ini),)
    with instance.serve(ini, *words) as server:
        assert server.answers()[0] == 200
        pushed = [push_hg(instance, server), push_git(instance, server)]
    assert [row for row in instance.journal() if row in pushed] == pushed
    assert wrongs(server.log) == []


def test_a_threaded_kallithea_is_right_when_it_is_serialised(instance: Instance) -> None:
    """With ``policy = serialize`` and four threads, pushes made at the same time are journalled as what they were."""
    ini = instance.ini("serialised", "[server:main]", "threads=4")
    ini.write_text(ini.read_text().replace("\npolicy = refuse\n", "\npolicy = serialize\n"))

    def three(push: Callable[[Instance, Child], Pushed]) -> List[Pushed]:
        return [push(instance, server) for _ in range(3)]

    with instance.serve(ini) as server, concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert server.answers()[0] == 200
        pushed = {row for rows in pool.map(three, (push_hg, push_git)) for row in rows}
    assert {row for row in instance.journal() if row in pushed} == pushed
    assert [line for line in wrongs(server.log) if "TG305" not in line] == []
