"""The data that threadguard speaks in: readings, findings, verdicts, counts. No behaviour.

A server's reader gives a `Reading`; `judge` weighs readings, and gives each `Finding` and one `Verdict`.
"""

import enum
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Final, Literal, Optional, Tuple

Status = Literal["single-threaded", "threaded", "unknown"]
"""What a verdict says."""
PolicyName = Literal["refuse", "serialize", "log"]
"""What is done where the verdict is threaded."""
ThreadName = Literal["any", "same", "main"]
"""The thread on which the application's requests must run."""

SINGLE_THREADED: Final = "single-threaded"
THREADED: Final = "threaded"
UNKNOWN: Final = "unknown"


class Source(enum.IntEnum):
    """Where a reading comes from, strongest first. What was observed is stronger than all: that is no reading."""

    OPERATOR = 1
    """The option ``server_threads``."""
    POOL = 2
    """The bound of the pool that runs this request, reached through its own stack, thread or environ."""
    STRUCTURE = 3
    """A thread or a greenlet for each request, or idle threads of a pool whose bound cannot be read."""
    SETTING = 4
    """A setting of the server, read at startup."""
    FILE = 5
    """A setting in a file that no server of this process was seen to read."""
    DECLARED = 6
    """``wsgi.multithread``."""


@dataclass(frozen=True)
class Reading:
    """What one reader found out about the capacity of the hosting server.

    A reader that knows nothing returns no reading at all.
    """

    source: Source
    server: str
    """The server as a sentence names it: ``waitress``, ``gunicorn's gthread worker``."""
    capacity: Optional[int]
    """Requests inside one process at once. None: more than one, the number is not known."""
    evidence: str
    """What was read, and where, in words."""
    remedy: str = ""
    """The setting to change, in the server's own syntax."""
    unbounded: bool = False
    """No bound at all: a thread or a greenlet for each request. Goes with ``capacity=None``."""
    file: Optional[str] = None
    line: Optional[int] = None
    invalidated_by: Optional[Callable[[Dict[str, Any]], bool]] = field(default=None, compare=False)
    """Tells of a later environ that it invalidates this reading: the readers are asked again. Costs a look for each
    request, so it is for a server whose setting cannot tell what enters it."""
    is_over: Optional[Callable[[], bool]] = field(default=None, compare=False)
    """Tells that what the reading is about has gone, such as a server that was shut down: the reading goes with it."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found: what, why we say so, and what to change."""

    code: str
    """TGnnn, a key of the catalogue of codes."""
    sentence: str
    """What was found."""
    evidence: str = ""
    """What was read or seen, and where."""
    remedy: str = ""
    """The setting to change, in the server's own syntax."""
    file: Optional[str] = None
    """The file that the setting stands in, where it stands in one."""
    line: Optional[int] = None
    """Its line there, from 1."""


@dataclass(frozen=True)
class Verdict:
    """What is known of this process, and the findings behind it."""

    status: Status
    """``"single-threaded"``, ``"threaded"`` or ``"unknown"``."""
    capacity: Optional[int] = None
    """Requests that the server lets inside one process at once; None where the number is not known."""
    unbounded: bool = False
    """Whether there is no bound at all: a thread or a greenlet for each request."""
    declared_only: bool = False
    """Nothing but ``wsgi.multithread`` says so."""
    findings: Tuple[Finding, ...] = ()
    """What it rests on, and what contradicts it."""


@dataclass(frozen=True)
class Stats:
    """The counts of this process and this group."""

    in_flight: int
    """Requests inside the application now."""
    peak: int
    """The most that were ever inside at once."""
    requests: int
    """Requests that entered the application."""
    refused: int
    """Requests that were answered 503 instead."""
    overlaps: int
    """Requests that entered while another context's was inside, and bodies that interleaved."""
    pid: int
    """The process that they are of."""
    sections: int = 0
    """Sections that entered: work that is no request (`threadguard.inside`)."""
    sections_inside: int = 0
    """Sections that are inside now."""
