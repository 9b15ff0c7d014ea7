"""A threaded Kallithea does not start, and its log says which line of which file to change.

Those that docs/kallithea.md shows (waitress, gevent and gunicorn --paste) are in test_documentation.py.
"""

import re

import pytest
from children import Said, the_finding
from instance import line_of

SECTION = "%s in [server:main]; for more throughput start more processes"
GEVENT = "TG101 gunicorn's gevent worker lets 1000 requests at once into each process"
CONNECTIONS = "has worker_class 'gevent' and worker_connections 1000 on 1 listening socket(s)"
GUNICORN = SECTION % "worker_class = sync and threads = 1"
PASTE = "gunicorn", "--paste", "refused.ini", "--bind", "127.0.0.1:0", "--workers", "1", "--worker-class", "gevent"


@pytest.mark.parametrize("http_server, setting, culprit, said, command", [
    pytest.param("waitress", "threads=", "[server:main]", Said(
        "TG101 waitress lets 4 requests at once into each process",
        "[server:main] sets no threads, and waitress' default is 4", SECTION % "threads = 1"), (),
        id="waitress, no threads"),
    pytest.param("gearbox", "wsgiref.threaded=true", "wsgiref.threaded = true", Said(
        "TG102 wsgiref lets any number of requests at once into each process",
        "[server:main] sets wsgiref.threaded = 'true'", SECTION % "wsgiref.threaded = false"), (),
        id="wsgiref.threaded"),
    pytest.param("gunicorn", "threads=4", "threads = 4", Said(
        "TG101 gunicorn's gthread worker lets 4 requests at once into each process",
        "[server:main] has worker_class 'gthread' and threads 4", GUNICORN), (), id="gunicorn, threads = 4"),
    pytest.param("gunicorn", "worker_class=gevent", "worker_class = gevent", Said(
        GEVENT, "[server:main] " + CONNECTIONS, GUNICORN), (), id="gunicorn, worker_class = gevent"),
    pytest.param("gunicorn", "workers=1", None, Said(
        GEVENT, "gunicorn's configuration " + CONNECTIONS,
        "--worker-class sync --threads 1, and --workers N for more throughput"), PASTE, id="gunicorn --paste, gevent"),
])
def test_a_threaded_kallithea_does_not_start(instance, http_server, setting, culprit, said, command):
    """The server ends before it listens; its log has the finding: where, what, why and what to write instead."""
    ini = instance.ini("refused", "[server:main]", setting, http_server=http_server)
    ini.write_text(re.sub(r"(?m)^threads =\s*$", "# no threads", ini.read_text()))
    with instance.serve(ini, *command) as server:
        status = server.ended()
        assert not server.listens()
    place = "refused.ini:%d: " % line_of(ini, culprit) if culprit else ""
    assert the_finding(server.log) == said._replace(head=place + said.head)
    assert status == (3 if command else 4)


def test_the_server_name_that_gearbox_is_told_is_the_one_that_counts(instance):
    """Of two sections the one that ``gearbox serve --server-name`` chooses is read, and named in the remedy."""
    ini = instance.ini("refused", "[server:other]", "use=egg:waitress#main", "port=0", "threads=3")
    with instance.serve(ini, "gearbox", "serve", "-c", ini.name, "--server-name", "other") as server:
        assert server.ended() == 4
    assert the_finding(server.log) == Said(
        "refused.ini:%d: TG101 waitress lets 3 requests at once into each process" % line_of(ini, "threads = 3"),
        "[server:other] sets threads = 3", "threads = 1 in [server:other]; for more throughput start more processes")
