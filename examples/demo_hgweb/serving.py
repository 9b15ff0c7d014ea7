"""A server in a child process: started for real, its own log read line by line, ended by its pid."""

import os
import re
import subprocess
import threading
from types import TracebackType
from typing import Dict, List, Optional, Sequence, Type

DEADLINE = 90.0
"""Seconds that a server may take to say where it serves, or to end."""
_SERVES = re.compile(r"Serving on http://127\.0\.0\.1:(\d+)")


class Server:
    """The child that *command* starts, for the time of a ``with`` block.

    On entry it has either said where it serves (`port`) or ended (`status`, with `port` None).
    """

    def __init__(self, command: Sequence[str], variables: Dict[str, str], directory: str) -> None:
        self._command, self._variables, self._directory = list(command), variables, directory
        self.lines: List[str] = []
        self.port: Optional[int] = None
        self.status: Optional[int] = None

    def __enter__(self) -> "Server":
        self._child = subprocess.Popen(self._command, env=self._variables, cwd=self._directory, text=True,
                                       encoding="utf-8", stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._settled = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._settled.wait(DEADLINE):
            self._end()
            raise TimeoutError("%s: neither serves nor ends" % " ".join(self._command))
        if self.port is None:
            self.status = self._child.wait(DEADLINE)
        return self

    def _read(self) -> None:
        """Keep what the child says, until it ends: a full pipe would stop it."""
        assert self._child.stderr is not None
        for line in self._child.stderr:
            self.lines.append(line)
            serves = _SERVES.search(line)
            if serves:
                self.port = int(serves.group(1))
                self._settled.set()
        self._settled.set()

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._end()

    def _end(self) -> None:
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(30)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait(30)
        self._reader.join(30)
        assert self._child.stderr is not None
        self._child.stderr.close()

    @property
    def said(self) -> str:
        """All that the child wrote to its stderr so far."""
        return "".join(self.lines)


def variables(base: Dict[str, str], directory: str, **more: str) -> Dict[str, str]:
    """The environment of a child: *base* without any ``THREADGUARD_…`` of the caller's, and *more*."""
    clean = {name: value for name, value in base.items() if not name.startswith("THREADGUARD_")}
    path = os.pathsep.join(filter(None, [directory, base.get("PYTHONPATH", "")]))
    return dict(clean, PYTHONPATH=path, PYTHONUNBUFFERED="1", **more)
