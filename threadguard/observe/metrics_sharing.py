"""Several processes behind one port: whichever of them is scraped asks the others, at that moment.

prometheus_client's multiprocess mode knows values that were written to a file while a request ran; a custom collector
it does not know. So each process listens on a Unix socket in the directory of that mode, and answers with what it knows
now. That keeps three promises that files cannot: nothing is written on the way of a request, the values are those of
the moment, and a process that died does not count, as the kernel refuses connections to its socket (a file may belong
to a process that was killed, and its pid to another one). The price is one idle thread for each process.

A process is told of once a request came to it, so neither a preloaded master nor a child of the application is. Where
no request came to any yet, the one that is scraped tells what it knows: an idle instance is guarded as well.

An answer is data from another process: it is bounded in time and size, and checked. A process whose answer does not
come, has no end, or is in the form of another version counts as silent, and the others' answers are told all the same.
Only sockets and records of this user (or root) are looked at, and they are open to their owner alone.

Only an overlap is written down, when it happens: the health page tells of it after its process was replaced.
"""

import json
import os
import secrets
import selectors
import socket
import stat
import threading
import time
from typing import Any, Dict, Iterable, Iterator, List, Optional, Set, Tuple

from threadguard.codes import CODES
from threadguard.errors import SharingError
from threadguard.guard import group as groups
from threadguard.observe.metrics import Row, checked_row, rows
from threadguard.model import Finding

__all__ = ["share"]

PATIENCE = 1.0
"""Seconds that all the others together have for their answers."""
LONGEST = 1024 * 1024
"""Bytes of an answer at the most."""
_PREFIX, _SUFFIX = "threadguard_", ".sock"
_listening: Dict[str, Tuple[Tuple[int, int], socket.socket]] = {}
"""Directory: who listens in it, see `_myself`, and the socket."""
_hooked: List[bool] = []


# -- answering -----------------------------------------------------------------------------------------------------


def share(directory: str) -> None:
    """Answer in *directory* for this process from now on, and for every process forked from it. Twice does no harm.

    Raises `threadguard.SharingError`, an `OSError`, if the directory is not there, cannot be written, or its path is
    too long for a Unix socket.
    """
    known = _listening.get(directory)
    if known is not None and known[0] == _myself():
        return
    if known is not None:
        known[1].close()  # the parent's, or that of root, whose rights this process has given up
    listener = _listener(directory)
    _listening[directory] = _myself(), listener
    threading.Thread(target=_answer, args=(listener,), name="threadguard-metrics", daemon=True).start()
    if all(records.directory != directory for records in groups.overlap_records):
        groups.overlap_records.append(OverlapRecords(directory))
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked.append(True)
        os.register_at_fork(after_in_child=_after_fork)


def _myself() -> Tuple[int, int]:
    """This process, and the user that its files belong to."""
    return os.getpid(), os.geteuid()


def _listener(directory: str) -> socket.socket:
    """A socket that listens already when it gets its name: one that refuses connections belongs to a dead process."""
    path = os.path.join(directory, "%s%d_%s" % (_PREFIX, os.getpid(), secrets.token_hex(4)))
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(path)
        os.chmod(path, 0o600)  # whatever the umask is; it refuses everybody until it listens
        listener.listen(64)
        os.rename(path, path + _SUFFIX)
    except OSError as error:
        listener.close()
        _remove(path)
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
            if listener.fileno() < 0:
                return
            time.sleep(0.1)  # no file descriptor is free: until then this process is silent
            continue
        with connection:
            try:
                connection.settimeout(PATIENCE)
                connection.sendall(json.dumps(_served()).encode("utf-8"))
            except OSError:
                pass  # the other side has gone


def _served() -> List[Row]:
    return [row for row in rows() if row["requests"] or row["refused"]]


# -- asking --------------------------------------------------------------------------------------------------------


def read_all(directory: str) -> Tuple[List[Row], int]:
    """What all processes that share *directory* know now, and how many are alive and did not tell it in time."""
    listening = _listening.get(directory)
    own = listening[1].getsockname() + _SUFFIX if listening is not None and listening[0] == _myself() else None
    found = _served() if own is not None else []
    seen = {(row["pid"], row["group"]) for row in found}
    answers, silent = _ask(path for path in _own_files(directory, _SUFFIX, stat.S_ISSOCK) if path != own)
    for answer in answers:
        told = _rows_of(answer, seen)
        silent += told is None
        found += told or []
    return found, silent


def _own_files(directory: str, suffix: str, is_right: Any) -> List[str]:
    """The files of this package in *directory* that are of the kind that *is_right* (of `stat`), and no stranger's."""
    found = []
    for name in sorted(os.listdir(directory)):
        if name.startswith(_PREFIX) and name.endswith(suffix):
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except OSError:  # another scrape took it away
                continue
            if is_right(status.st_mode) and status.st_uid in (0, os.geteuid()):
                found.append(path)
    return found


def _ask(paths: Iterable[str]) -> Tuple[List[bytes], int]:
    """The answers of those that listen at *paths*, which are read side by side, and how many did not end in time."""
    deadline = time.monotonic() + PATIENCE
    answers: List[bytes] = []
    silent = 0
    with selectors.DefaultSelector() as selector:
        for path in paths:
            connection = socket.socket(socket.AF_UNIX)
            connection.setblocking(False)
            try:
                connection.connect(path)
                selector.register(connection, selectors.EVENT_READ, bytearray())
            except (ConnectionRefusedError, FileNotFoundError):
                connection.close()
                _remove(path)  # its process is dead
            except PermissionError:  # root's: a master's, or a worker's that has not been asked since it gave up rights
                connection.close()
            except OSError:  # its backlog is full: it is alive, and has not answered for long
                connection.close()
                silent += 1
        while selector.get_map() and time.monotonic() < deadline:
            for key, _ in selector.select(max(0.0, deadline - time.monotonic())):
                asked: Any = key.fileobj
                if _read_part(asked, key.data):
                    selector.unregister(asked)
                    asked.close()
                    answers.append(bytes(key.data))
        unanswered: List[Any] = [key.fileobj for key in selector.get_map().values()]
    for asked in unanswered:
        asked.close()
    return answers, silent + len(unanswered)


def _read_part(connection: Any, answer: bytearray) -> bool:
    """Read what is there, into *answer*; whether that was the end of it, or of what is read of it."""
    try:
        part = connection.recv(65536)
    except BlockingIOError:
        return False
    except OSError:
        part = b""
    answer += part
    return not part or len(answer) > LONGEST


def _rows_of(answer: bytes, seen: Set[Tuple[int, str]]) -> Optional[List[Row]]:
    """The rows of *answer*; None if it is none, or tells of what was *seen* already: a series has one value."""
    try:
        if len(answer) > LONGEST:
            return None
        told = [checked_row(row) for row in json.loads(answer.decode("utf-8"))]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    names = [(row["pid"], row["group"]) for row in told]
    if len(set(names)) < len(names) or seen.intersection(names):
        return None
    seen.update(names)
    return told


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        pass  # another scrape was quicker, or the directory is not ours to write


# -- overlaps ------------------------------------------------------------------------------------------------------


class OverlapRecords:
    """The reports of overlaps in *directory*, one file each: they outlive the process that they are of."""

    KEPT = 20
    SUFFIX = ".overlap.json"

    def __init__(self, directory: str) -> None:
        self.directory = directory

    def keep(self, group: str, finding: Finding) -> None:
        """Write down what this process reports. A directory that cannot be written costs no request."""
        name = "%s%d_%d_%s%s" % (_PREFIX, os.getpid(), time.time_ns(), secrets.token_hex(4), self.SUFFIX)
        record = {"pid": os.getpid(), "group": group, "time": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
                  "code": finding.code, "sentence": finding.sentence, "evidence": finding.evidence}
        path = os.path.join(self.directory, name)
        try:
            with open(os.open(path + ".new", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump(record, file)
            os.rename(path + ".new", path)
            for old in self._paths()[self.KEPT:]:
                os.unlink(old)
        except OSError:
            pass  # the report is in this process and in the log: no request fails for the sake of its copy

    def _paths(self) -> List[str]:
        """Newest first."""
        paths = _own_files(self.directory, self.SUFFIX, stat.S_ISREG)
        return sorted(paths, key=lambda path: path.rsplit("_", 2)[1], reverse=True)

    def of_others(self, group: str) -> Iterator[Dict[str, Any]]:
        """The records of *group* that other processes wrote, newest first."""
        try:
            paths = self._paths()[:self.KEPT]
        except OSError:  # the directory is gone
            return
        for path in paths:
            record = self._read(path)
            if record is not None and record["group"] == group and record["pid"] != os.getpid():
                yield record

    @staticmethod
    def _read(path: str) -> Optional[Dict[str, Any]]:
        try:
            with open(path, "rb") as file:
                told = json.loads(file.read(LONGEST).decode("utf-8"))
            record = {name: str(told[name]) for name in ("group", "time", "code", "sentence", "evidence")}
            return {**record, "pid": int(told["pid"])} if record["code"] in CODES else None
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None
