"""Pools of C and Rust servers: their idle threads run no Python, and yet have a thread state."""

import threading
from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process, is_a
from threadguard.rules.reach import IsGuard


def frameless(process: Process, is_guard: IsGuard) -> Optional[Reading]:
    """Two or more thread states without frames, and a thread that Python did not start runs this request.

    Python 3.10 and later; before that such pools rest on the flag.
    """
    mine = process.thread
    if process.in_main_thread or not (mine is None or is_a(mine, threading._DummyThread)):
        return None
    idle = process.frameless()
    if idle < 2:
        return None
    return Reading(Source.STRUCTURE, "the server", None,
                   "%d threads that Python did not start idle beside the one that runs this request" % idle)
