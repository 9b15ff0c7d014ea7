"""Files as text: at most a few megabytes of a regular file, with line numbers."""

import os
import re
import stat
from typing import List, NamedTuple, Optional

from threadguard.preflight.model import Unreadable

LIMIT = 4 * 1024 * 1024
"""Bytes: no server's configuration is longer."""


class Source(NamedTuple):
    """A file that was read."""

    path: str
    """As the user or another file named it, joined to the directory it is relative to."""
    text: str

    @property
    def lines(self) -> List[str]:
        """Its lines, without their ends."""
        return self.text.split("\n")

    @property
    def directory(self) -> str:
        """Where it lies."""
        return os.path.dirname(self.path) or "."

    @property
    def name(self) -> str:
        """Its name without the directory."""
        return os.path.basename(self.path)

    def line_of(self, pattern: str, after: Optional[str] = None) -> Optional[int]:
        """The number of the first line that *pattern* matches, below the first that *after* matches; or None."""
        waiting = after is not None
        for number, line in enumerate(self.lines, 1):
            if waiting:
                waiting = re.search(after or "", line) is None
            elif re.search(pattern, line):
                return number
        return None


def read(path: str) -> Source:
    """The file *path*. Raises `Unreadable` for what is no text, not there, not regular, or longer than `LIMIT`."""
    if not path:
        raise Unreadable("a file should be named here, and is not")
    try:
        # Not blocking: opening a FIFO would wait for somebody who writes.
        with open(os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0)), "rb") as stream:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise Unreadable("it is no regular file", path)
            data = stream.read(LIMIT + 1)
    except OSError as error:
        raise Unreadable("%s" % (error.strerror or error), path) from None
    except ValueError:  # a NUL in the name
        raise Unreadable("there is no such name", path) from None
    if len(data) > LIMIT:
        raise Unreadable("it is longer than %d MiB" % (LIMIT // (1024 * 1024)), path)
    if b"\0" in data:
        raise Unreadable("it is binary, or in an encoding such as UTF-16", path)
    text = data.decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return Source(path, text[1:] if text.startswith("\ufeff") else text)


def shown(path: str) -> str:
    """*path* as seen from here, if it lies below, else as it is."""
    relative = os.path.relpath(path) if os.path.isabs(path) else path
    return path if relative.startswith("..") else relative


def join(directory: str, name: str) -> str:
    """*name* as seen from *directory*, as short as the user would write it."""
    path = name if directory in (".", "") or os.path.isabs(name) else os.path.join(directory, name)
    return os.path.normpath(path) if name.startswith("../") else path
