"""gunicorn: the worker class and its threads.

The settings are those of the `Config` that the running `Worker`, `Arbiter` or `WSGIApplication` holds as `self.cfg`
(gunicorn/arbiter.py `Arbiter.setup`, gunicorn/app/base.py `BaseApplication`). ``--threads 4`` turns the sync worker into gthread
silently (gunicorn/config.py `Config.worker_class_str`), so the class is taken from there.
"""

from types import FrameType
from typing import Any, Optional

from threadguard.model import Reading, Source
from threadguard.process import Process, count, dig, local

NAME = "gunicorn"
REMEDY = "--worker-class sync --threads 1, and --workers N for more throughput"
READS = (
    ("worker class and threads, of the Config that a Worker, Arbiter or WSGIApplication on the stack holds", "startup"),
    ("the same, on the stack of the main thread", "request"),
)

_GREENLETS = ("gevent", "eventlet")


def capacity(worker_class: str, threads: Optional[int], connections: Optional[int]) -> "tuple[Optional[int], str]":
    raise NotImplementedError


def _config(process: Process, main: bool) -> Any:
    for frame in process.frames("gunicorn.", main=main):
        config = dig(local(frame, "self"), "cfg")
        if config is not None:
            return config
    return None


def at_startup(process: Process) -> Optional[Reading]:
    return None


def on_request(process: Process) -> Optional[Reading]:
    return None
