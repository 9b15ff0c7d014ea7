"""Run as a program of its own: let gunicorn read its arguments, environment and configuration file, and say what came.

It imports nothing of threadguard, which need not be importable from where it runs. Arguments: the descriptor to write
the answer to, as JSON, and then gunicorn's arguments. gunicorn itself tells on stderr what it does not like.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any, Dict, Set

_LONGEST = 60
_NAMES = ("worker_class", "threads", "worker_connections")
asked: Set[str] = set()


class Recorder(type(os.environ)):  # type: ignore[misc]
    """The environment, which remembers what the configuration asks it for, and not what Python's own modules do."""

    def __getitem__(self, key: str) -> str:
        record(str(key))
        value: str = super().__getitem__(key)
        return value

    def __iter__(self) -> Any:
        record("the whole environment")
        return super().__iter__()


def record(name: str) -> None:
    """Add *name* to what was asked for, unless a module of Python's own asks."""
    frame: Any = sys._getframe(2)
    while frame is not None and os.path.basename(frame.f_code.co_filename).strip("<>").split(" ")[-1] in (
            "os.py", "os", "_collections_abc.py", "_collections_abc"):
        frame = frame.f_back
    file = frame.f_code.co_filename if frame is not None else "<"
    if "site-packages" in file or not file.startswith((os.path.dirname(os.__file__), "<frozen")):
        asked.add(name)


def main() -> None:
    """Answer, and end at once: what the configuration file left running has no say, and no child that it forked."""
    descriptor, pid = int(sys.argv[1]), os.getpid()
    sys.argv[:] = ["gunicorn"] + sys.argv[2:]
    if sys.path[:1] == [""]:
        del sys.path[0]  # a gunicorn.py beside the configuration is not gunicorn; gunicorn adds the directory later
    signal.alarm(_LONGEST)  # should the process that waits for the answer be killed itself
    answer = json.dumps({"values": read(), "asked": sorted(asked)})
    if os.getpid() == pid:
        os.write(descriptor, answer.encode())
    os._exit(0)


def read() -> Dict[str, Any]:
    """The settings as gunicorn would run with them."""
    application: Any = importlib.import_module("gunicorn.app.wsgiapp").WSGIApplication

    class Reader(application):  # type: ignore[misc]
        def load_config_from_module_name_or_filename(self, location: str) -> Any:
            asked.clear()
            os.environ.__class__ = Recorder
            try:
                return super().load_config_from_module_name_or_filename(location)
            finally:
                os.environ.__class__ = Recorder.__base__

    cfg = Reader("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").cfg
    worker = cfg.settings["worker_class"].get()
    return {"worker_class": worker if isinstance(worker, str) else "%s.%s" % (worker.__module__, worker.__qualname__),
            "threads": cfg.threads, "worker_connections": cfg.worker_connections}


if __name__ == "__main__":
    main()
