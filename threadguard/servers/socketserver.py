"""The standard library's `socketserver`, beneath wsgiref, Werkzeug, Paste and servers made at home: its ThreadingMixIn.

`ThreadingMixIn.process_request` starts a thread for each connection, in which `process_request_thread` handles it. A
class that replaces one of the two may do anything: put the connection into a pool, or take a lock. Not a reader of its
own: who serves is told by the readers of those servers.
"""

from typing import Any, Dict, Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import is_a
from threadguard.servers import paste, werkzeug, wsgiref

_SERVERS: Dict[str, Any] = {
    "werkzeug.serving": werkzeug, "paste.httpserver": paste, "wsgiref.simple_server": wsgiref,
}
_REMEDY = "a server class without ThreadingMixIn; for more throughput start more processes"


def of_server(server: Any) -> Optional[Reading]:
    """That *server*, a `BaseServer` about to serve, starts a thread for each connection; None if it does not."""
    import socketserver  # loaded, as the server is one of its own

    kind, mixin = type(server), socketserver.ThreadingMixIn
    if not is_a(server, mixin) or any(
            getattr(kind, name) is not getattr(mixin, name) for name in ("process_request", "process_request_thread")):
        return None
    known = next((_SERVERS[base.__module__] for base in kind.__mro__ if base.__module__ in _SERVERS), None)
    evidence = "%s.%s, which begins to serve, is a ThreadingMixIn: it starts a thread for each connection" % (
        kind.__module__, kind.__qualname__)
    return Reading(Source.SETTING, "the server" if known is None else known.NAME, None, evidence,
                   _REMEDY if known is None else known.REMEDY, unbounded=True, on_stack=True)
