"""Passenger (open source): one request at a time, in a loop of its wsgi-loader.py.

The loader tells Passenger's core ``"concurrency": 1`` and answers one connection after the other
(src/helper-scripts/wsgi-loader.py `advertise_sockets`, `RequestHandler.main_loop`). It is the process' ``__main__``,
so its frames are known by their file. A loader that was changed to do otherwise is not recognised.
"""

import os
from types import FrameType
from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process

NAME = "Passenger"
REMEDY = "passenger_max_pool_size N for more throughput: each process runs one request at a time"
RUNS_ON = "the main thread"
READS = (
    ("IN_PASSENGER, and wsgi-loader.py loading the application", "startup"),
    ("RequestHandler.main_loop of wsgi-loader.py on the request's own stack", "request"),
)
CALLS = ()


def at_startup(process: Process) -> Optional[Reading]:
    """One, where the loader of Passenger loads the application."""
    return _SINGLE if os.environ.get("IN_PASSENGER") and _frame(process, "load_app") else None


def on_request(process: Process) -> Optional[Reading]:
    """One, where the loader's loop runs the request itself, in the main thread."""
    return _SINGLE if serves(process) and process.main is process.stack else None


def serves(process: Process) -> bool:
    """Whether the loop of Passenger's loader runs the request."""
    return _frame(process, "main_loop") is not None


def _frame(process: Process, function: str) -> Optional[FrameType]:
    frames = process.frames("__main__", function)
    return next((frame for frame in frames if frame.f_code.co_filename.endswith("wsgi-loader.py")), None)


_SINGLE = Reading(Source.SETTING, NAME, 1, "wsgi-loader.py answers one connection after the other", REMEDY)
