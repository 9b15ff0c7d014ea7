"""A threaded Kallithea does not start, and its log says which line of which file to change."""

import re
from typing import NamedTuple, Optional, Tuple

import pytest
from children import Said, the_finding
from instance import Instance, line_of

PASTE = ("gunicorn", "--paste", "refused.ini", "--bind", "127.0.0.1:0", "--workers", "1")
SECTION = "%s in [server:main]; for more throughput start more processes"
COMMAND_LINE = "--worker-class sync --threads 1, and --workers N for more throughput"


class Threaded(NamedTuple):
    """One threaded deployment of Kallithea, and what must be said of it."""

    http_server: str
    """Which of Kallithea's ini templates."""
    setting: str
    """What is set in ``[server:main]``; a setting without a value is taken out."""
    culprit: Optional[str]
    """The line of the ini file that has to be changed, if it is a line of that file."""
    says: str
    because: str
    remedy: str
    command: Tuple[str, ...] = ()
    """How it is started, where not by ``gearbox serve``."""


THREADED = {
    "waitress, threads = 4": Threaded(
        "waitress", "threads=4", "threads = 4",
        "TG101 waitress lets 4 requests at once into each process",
        "[server:main] sets threads = 4", SECTION % "threads = 1"),
    "waitress, no threads": Threaded(
        "waitress", "threads=", "[server:main]",
        "TG101 waitress lets 4 requests at once into each process",
        "[server:main] sets no threads, and waitress' default is 4", SECTION % "threads = 1"),
    "gevent": Threaded(
        "gevent", "", "use = egg:gearbox#gevent",
        "TG102 gevent lets any number of requests at once into each process",
        "[server:main] has no pool for its greenlets", SECTION % "use = egg:waitress#main and threads = 1"),
    "wsgiref.threaded": Threaded(
        "gearbox", "wsgiref.threaded=true", "wsgiref.threaded = true",
        "TG102 wsgiref lets any number of requests at once into each process",
        "[server:main] sets wsgiref.threaded = 'true'", SECTION % "wsgiref.threaded = false"),
    "gunicorn, threads = 4": Threaded(
        "gunicorn", "threads=4", "threads = 4",
        "TG101 gunicorn's gthread worker lets 4 requests at once into each process",
        "[server:main] has worker_class 'gthread' and threads 4", SECTION % "worker_class = sync and threads = 1"),
    "gunicorn, worker_class = gevent": Threaded(
        "gunicorn", "worker_class=gevent", "worker_class = gevent",
        "TG101 gunicorn's gevent worker lets 1000 requests at once into each process",
        "[server:main] has worker_class 'gevent' and worker_connections 1000 on 1 listening socket(s)",
        SECTION % "worker_class = sync and threads = 1"),
    "gunicorn --paste, gthread": Threaded(
        "gunicorn", "", None,
        "TG101 gunicorn's gthread worker lets 4 requests at once into each process",
        "gunicorn's Config on the stack has worker_class 'gthread' and threads 4", COMMAND_LINE,
        PASTE + ("--worker-class", "gthread", "--threads", "4")),
    "gunicorn --paste, --threads alone": Threaded(
        "gunicorn", "", None,
        "TG101 gunicorn's gthread worker lets 4 requests at once into each process",
        "gunicorn's Config on the stack has worker_class 'gthread' and threads 4", COMMAND_LINE,
        PASTE + ("--threads", "4")),
    "gunicorn --paste, gevent": Threaded(
        "gunicorn", "", None,
        "TG101 gunicorn's gevent worker lets 1000 requests at once into each process",
        "gunicorn's Config on the stack has worker_class 'gevent' and worker_connections 1000 on 1 listening socket(s)",
        COMMAND_LINE, PASTE + ("--worker-class", "gevent")),
}


@pytest.mark.parametrize("threaded", [pytest.param(case, id=name) for name, case in THREADED.items()])
def test_a_threaded_kallithea_does_not_start(instance: Instance, threaded: Threaded) -> None:
    """The server ends before it listens; its log has the finding: where, what, why and what to write instead."""
    ini = instance.ini("refused", "[server:main]", *filter(None, [threaded.setting]), http_server=threaded.http_server)
    ini.write_text(re.sub(r"(?m)^threads =\s*$", "# no threads", ini.read_text()))
    with instance.serve(ini, *threaded.command) as server:
        status = server.ended()
        assert not server.listens()
    place = "refused.ini:%d: " % line_of(ini, threaded.culprit) if threaded.culprit else ""
    assert the_finding(server.log) == Said(place + threaded.says, threaded.because, threaded.remedy)
    assert status == (3 if threaded.command else 4)


def test_the_server_name_that_gearbox_is_told_is_the_one_that_counts(instance: Instance) -> None:
    """Of two sections the one that ``gearbox serve --server-name`` chooses is read, and named in the remedy."""
    ini = instance.ini("refused", "[server:other]", "use=egg:waitress#main", "port=0", "threads=3")
    with instance.serve(ini, "gearbox", "serve", "-c", ini.name, "--server-name", "other") as server:
        assert server.ended() == 4
    assert the_finding(server.log) == Said(
        "refused.ini:%d: TG101 waitress lets 3 requests at once into each process" % line_of(ini, "threads = 3"),
        "[server:other] sets threads = 3", "threads = 1 in [server:other]; for more throughput start more processes")
