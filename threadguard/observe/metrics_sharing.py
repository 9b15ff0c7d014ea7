"""Several processes behind one port: whichever of them is scraped asks the others, at that moment.

prometheus_client's multiprocess mode knows values that were written to a file while a request ran; a custom collector
it does not know. So each process listens on a Unix socket in the directory of that mode, and answers with what it knows
now. That keeps three promises that files cannot: nothing is written on the way of a request, the values are those of
the moment, and a process that died does not count, as the kernel refuses connections to its socket (a file may belong
to a process that was killed, and its pid to somebody else). The price is one idle thread for each process.

A process is told of once a request came to it, so neither a preloaded master nor a child of the application is. Where
no request came to any yet, the one that is scraped tells what it knows: an idle instance is guarded as well.
"""

import json
import os
import secrets
import socket
import threading
import time
from typing import TYPE_CHECKING, Dict, Iterator, List, Optional, Tuple

from threadguard.errors import SharingError
from threadguard.metrics import Collector, Row, rows

if TYPE_CHECKING:
    from prometheus_client import Metric

__all__ = ["share"]

PATIENCE = 2.0
"""Seconds that all the others together have for their answers."""
_PREFIX, _SUFFIX = "threadguard_", ".sock"
_listening: Dict[str, Tuple[int, socket.socket]] = {}
"""Directory: the process that listens in it, and its socket."""
_hooked: List[bool] = []


def share(directory: str) -> None:
    """Answer in *directory* for this process from now on, and for every process forked from it. Twice does no harm.

    Raises `threadguard.SharingError`, an `OSError`, if the directory is not there or not writable.
    """
    known = _listening.get(directory)
    if known is not None and known[0] == os.getpid():
        return
    if known is not None:
        known[1].close()  # the parent's
    listener = _listener(directory)
    _listening[directory] = os.getpid(), listener
    threading.Thread(target=_answer, args=(listener,), name="threadguard-metrics", daemon=True).start()
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(after_in_child=_after_fork)


def _listener(directory: str) -> socket.socket:
    """A socket that listens already when it gets its name: who finds one that refuses may take it away."""
    name = "%s%d_%s" % (_PREFIX, os.getpid(), secrets.token_hex(4))
    path = os.path.join(directory, name)
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        listener.listen(64)
        os.rename(path, path + _SUFFIX)
    except OSError as error:
        listener.close()
        raise SharingError(error.errno, "threadguard cannot share its metrics in %r: %s" % (
            directory, error.strerror or error)) from None
    return listener


def _after_fork() -> None:
    for directory in list(_listening):
        try:
            share(directory)
        except OSError:  # the directory is gone: a child of the application must not fail for it
            _listening.pop(directory)[1].close()


def _answer(listener: socket.socket) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            try:
                connection.settimeout(PATIENCE)
                connection.sendall(json.dumps(_served()).encode("utf-8"))
            except OSError:
                pass  # whoever asked has gone


def _served() -> List[Row]:
    return [row for row in rows() if row["requests"] or row["refused"]]


def read_all(directory: str) -> Tuple[List[Row], int]:
    """What all processes that share *directory* know now, and how many of them did not answer in time."""
    listening = _listening.get(directory)
    own = listening[1].getsockname() if listening is not None and listening[0] == os.getpid() else None
    found = _served() if own is not None else []
    deadline = time.monotonic() + PATIENCE
    silent = 0
    for connection in [_connect(path) for path in _paths(directory) if own is None or path != own + _SUFFIX]:
        if connection is not None:
            told = _read(connection, deadline)
            silent += told is None
            found += told or []
    return found, silent


def _paths(directory: str) -> List[str]:
    names = sorted(os.listdir(directory))
    return [os.path.join(directory, name) for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]


def _connect(path: str) -> Optional[socket.socket]:
    """A connection; None where nobody listens any more, and then the name is taken away."""
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    try:
        connection.connect(path)
    except OSError as error:
        connection.close()
        if isinstance(error, ConnectionRefusedError):
            _remove(path)
        return None
    return connection


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # another scrape was quicker, or the directory is not ours to write


def _read(connection: socket.socket, deadline: float) -> Optional[List[Row]]:
    """What the other side tells, or None if it does not by *deadline* (`time.monotonic`)."""
    parts: List[bytes] = []
    with connection:
        try:
            while True:
                connection.settimeout(max(0.01, deadline - time.monotonic()))
                part = connection.recv(65536)
                if not part:
                    told: List[Row] = json.loads(b"".join(parts).decode("utf-8"))
                    return told
                parts.append(part)
        except (OSError, ValueError):
            return None


class SharedCollector(Collector):
    """A `threadguard.metrics.Collector` of all processes that share *directory*."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = directory

    def describe(self) -> Iterator["Metric"]:
        """The metrics without values."""
        yield from super().describe()
        yield self._silent(None)

    def collect(self) -> Iterator["Metric"]:
        """The metrics with the values of now."""
        share(self._directory)  # in a worker of uWSGI, whose fork runs no hooks
        found, silent = read_all(self._directory)
        yield from self._families(found if found or silent else rows())
        yield self._silent(silent)

    @staticmethod
    def _silent(number: Optional[int]) -> "Metric":
        from prometheus_client.core import GaugeMetricFamily

        return GaugeMetricFamily("threadguard_silent_processes", "Processes that are alive and did not answer in time.",
                                 value=number)
