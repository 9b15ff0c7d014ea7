"""Kallithea with the guard under the other servers of its ini templates, single-threaded: all of it works."""

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
