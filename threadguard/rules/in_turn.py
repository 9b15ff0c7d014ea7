"""A server of the standard library that serves its requests in turn, in the thread that accepts them."""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, module_of, variables
from threadguard.rules.accepting import own_loop, several_loops
from threadguard.rules.reach import IsGuard
from threadguard.rules.siblings import siblings
from threadguard.rules.stacks import own_frames


def in_turn(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """`socketserver.BaseServer` is below me in the thread that accepts: it comes back for the next when I return.

    socketserver.py `_handle_request_noblock` calls the handler itself; a mixin's threads have stacks of their own. So
    the flag does not matter, which Django's `WSGIServer` and others set to True. Unless another loop serves as well.
    """
    servers = [variables(frame).get("self") for frame in own_frames(process)
               if module_of(frame) == "socketserver" and frame.f_code.co_name == "_handle_request_noblock"]
    if not servers or own_loop(process) is None:
        return None
    if siblings(process, is_guard) or several_loops(process, is_guard):
        return None
    kind = type(servers[-1])
    return Reading(Source.POOL, "the server", 1, (
        "%s.%s serves this request in the thread that accepts the next one" % (kind.__module__, kind.__name__)))
