"""The main thread, as ``thread = main`` wants it: which servers never run a request there, and how to get one there.

A server's reader may have three tables, each with readings' names of the server and a remedy in its own syntax:
``NEVER_ON_MAIN``, where requests never run on the main thread, whatever is set (an empty remedy stands for another
server); ``ON_MAIN``, where it depends on how the server is started; and ``ON_ONE``, for ``thread = same``, where a pool
of one changes its thread.
"""

from typing import Dict, Optional

from threadguard.model import Finding, Reading
from threadguard.servers import SERVERS

OTHER_SERVER = ("a server that runs requests on the main thread: gunicorn --worker-class sync --threads 1, or uWSGI"
                " without threads; code that only has to stay on one thread can do with thread = same")
ANY_ON_ONE = ("a server that runs every request on one thread, such as gunicorn --worker-class sync --threads 1 or"
              " waitress with threads = 1; for more throughput start more processes")
_SECTION = ("use = egg:gunicorn#main, worker_class = sync and threads = 1 in its [server:] section: gunicorn's sync"
            " worker runs requests on the main thread")


def never_runs_on_main(reading: Reading) -> bool:
    """Whether the server of *reading* runs no request on the main thread, whatever it is set to."""
    return reading.server in _table("NEVER_ON_MAIN")


def remedy_on_main(reading: Optional[Reading]) -> str:
    """What gets requests to the main thread, in the words of the server of *reading*.

    Where a [server:] section of an ini file chooses a server that cannot, another one is chosen there.
    """
    if reading is None:
        return OTHER_SERVER
    if reading.file and never_runs_on_main(reading):
        return _SECTION
    return {**_table("NEVER_ON_MAIN"), **_table("ON_MAIN")}.get(reading.server) or OTHER_SERVER


def remedy_on_one(reading: Optional[Reading]) -> str:
    """What gets requests to one thread always, in the words of the server of *reading* if it has some."""
    return ANY_ON_ONE if reading is None else _table("ON_ONE").get(reading.server, ANY_ON_ONE)


def finding_on_main(reading: Optional[Reading]) -> Optional[Finding]:
    """TG105, if the server of *reading* is known to run no request on the main thread."""
    if reading is None or not never_runs_on_main(reading):
        return None
    return Finding("TG105", "%s never runs requests on the main thread, and thread = main is set" % reading.server,
                   reading.evidence, remedy_on_main(reading), reading.file, reading.line)


def _table(name: str) -> Dict[str, str]:
    return {server: remedy for reader in SERVERS for server, remedy in getattr(reader, name, {}).items()}
