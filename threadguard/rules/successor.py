"""Threads that accept one connection each: mine has started its successor before it serves."""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Frames, Process, dig
from threadguard.rules.accepting import AWAITS, own_loop, waits
from threadguard.rules.code import in_one_loop, names_any
from threadguard.rules.holding import holds_up
from threadguard.rules.reach import IsGuard
from threadguard.rules.siblings import started_alike
from threadguard.rules.sockets import port_of, sockets_held
from threadguard.rules.sources import listens
from threadguard.rules.stacks import other_workers, own_frames


def successor(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """Another thread runs my function, which is in no loop, accepts on the port of my connection, and is behind me.

    It waits for its connection, or is on its way there and nothing holds it up.
    """
    mine = own_frames(process)
    if not mine or process.in_main_thread or own_loop(process) or any(map(in_one_loop, mine)):
        return None
    if not names_any(mine[0].f_code, AWAITS):
        return None
    for ident, other in other_workers(process).items():
        if _follows(process, mine, other) if other else _will_follow(process, mine, ident):
            return Reading(Source.STRUCTURE, "the server", None, unbounded=True, evidence=(
                "another thread is in %s behind this one, and accepts the next connection" % mine[0].f_code.co_name))
    return None


def _follows(process: Process, mine: Frames, other: Frames) -> bool:
    """Whether *other*, a stack from its worker function inwards, is behind *mine* in the same function."""
    if other[0].f_code is not mine[0].f_code or not other[0].f_lasti < mine[0].f_lasti:
        return False
    listeners = [one for frame in other for one in sockets_held(frame) if listens(process, one)]
    ports = {port_of(one) for frame in mine for one in sockets_held(frame)} - {None}
    return not ports.isdisjoint(map(port_of, listeners)) and (waits(other[::-1]) or not holds_up(other[0]))


def _will_follow(process: Process, mine: Frames, ident: int) -> bool:
    """Whether the thread *ident*, which has not come to its function yet, is going to run mine."""
    one, two = process.thread, process.thread_of(ident)
    alike = type(one) is type(two) and dig(type(one), "run.__code__") is mine[0].f_code
    return (alike or started_alike(one, two)) and not holds_up(mine[0])
