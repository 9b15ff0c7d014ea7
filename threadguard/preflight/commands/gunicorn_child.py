"""Run as a program of its own: let gunicorn read its arguments, environment and configuration file, and say what came.

It imports nothing of threadguard, which need not be importable from where it runs. Arguments: the descriptor to write
the answer to, as JSON, and then gunicorn's arguments. gunicorn itself tells on stderr what it does not like.
"""

import importlib
import json
import os
import signal
import sys
from typing import Any, Dict

_LONGEST = 60
_NAMES = ("worker_class", "threads", "worker_connections", "bind")


def main() -> None:
    """Answer, and end at once: what the configuration file left running has no say, and no child that it forked."""
    descriptor, pid = int(sys.argv[1]), os.getpid()
    sys.argv[:] = ["gunicorn"] + sys.argv[2:]
    if sys.path[:1] == [""]:
        del sys.path[0]  # a gunicorn.py beside the configuration is not gunicorn; gunicorn adds the directory later
    # Whoever waits for the answer ends this process; if that one was killed itself, the alarm does.
    signal.alarm(_LONGEST)
    answer = json.dumps(read())
    if os.getpid() == pid:
        os.write(descriptor, answer.encode())
    os._exit(0)


def read() -> Dict[str, Any]:
    """The settings as gunicorn would run with them; for each: line, env, default, or the file that it comes from."""
    WSGIApplication: Any = importlib.import_module("gunicorn.app.wsgiapp").WSGIApplication

    by_file: Dict[str, str] = {}

    class Reader(WSGIApplication):  # type: ignore[misc]
        def load_config_from_module_name_or_filename(self, location: str) -> Any:
            set_by_file = super().load_config_from_module_name_or_filename(location)
            path = location[len("file:"):] if location.startswith("file:") else location
            path = path if path.startswith("python:") else os.path.abspath(path)
            by_file.update((name, path) for name in _NAMES if name in set_by_file)
            return set_by_file

    cfg = Reader("%(prog)s [OPTIONS] [APP_MODULE]", prog="gunicorn").cfg
    parser = cfg.parser()
    by_line = vars(parser.parse_args())
    by_env = vars(parser.parse_args(cfg.get_cmd_args_from_env()))
    worker = cfg.settings["worker_class"].get()
    values = {"worker_class": worker if isinstance(worker, str) else "%s.%s" % (worker.__module__, worker.__qualname__),
              "threads": cfg.threads, "worker_connections": cfg.worker_connections, "bind": len(cfg.bind)}
    by = {name: "line" if by_line.get(name) is not None else "env" if by_env.get(name) is not None
          else by_file.get(name, "default") for name in _NAMES}
    return {"values": values, "by": by}


if __name__ == "__main__":
    main()
