"""Which servers never run a request on the main thread: what ``thread = main`` needs to know before the first one.

A server that has such readings names them in ``NEVER_ON_MAIN``, each with the remedy: what to set on this server, or
the server to use instead.
"""

from typing import Dict, Optional

from threadguard.model import Finding, Reading
from threadguard.servers import SERVERS

OTHER_SERVER = ("a server that runs requests on the main thread: gunicorn --worker-class sync --threads 1, or uWSGI"
                " without threads; code that only has to stay on one thread can do with thread = same")
_SECTION = ("use = egg:gunicorn#main, worker_class = sync and threads = 1 in its [server:] section: gunicorn's sync worker"
            " runs requests on the main thread")


def never_on_main() -> Dict[str, str]:
    """The servers, as a `Reading` names them, that run no request on the main thread, and the remedy of each."""
    return {name: remedy or OTHER_SERVER for server in SERVERS
            for name, remedy in getattr(server, "NEVER_ON_MAIN", {}).items()}


def never_runs_on_main(reading: Reading) -> bool:
    """Whether the server of *reading* runs no request on the main thread, whatever it is set to."""
    return reading.server in never_on_main()


def finding_on_main(reading: Optional[Reading]) -> Optional[Finding]:
    """TG105, if the server of *reading* is known to run no request on the main thread.

    Where a [server:] section of an ini file chooses the server, another one is chosen there.
    """
    remedy = never_on_main().get(reading.server) if reading is not None else None
    if reading is None or remedy is None:
        return None
    return Finding("TG105", "%s never runs requests on the main thread, and thread = main is set" % reading.server,
                   reading.evidence, _SECTION if reading.file else remedy, reading.file, reading.line)
