"""``threadguard probe``: a live proof that needs no trust in any setting.

It sends requests to the guard's probe endpoint, many at once. Each is held for a moment in the process that it reaches;
two that meet prove that process threaded. It works through a load balancer, over many processes and machines.
"""

import http.client
import json
import math
import queue
import ssl
import threading
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, List, Optional, Tuple, Union
from urllib.parse import SplitResult, quote, urlencode, urlsplit

from threadguard.errors import ProbeError as ProbeError
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN

__all__ = ["Outcome", "Prober", "Seen"]

HOLD = 0.2
"""Seconds for which each probe asks to be held."""
ENOUGH = 0.01
"""The chance that luck kept the probes of a threaded process apart, up to which a "no two met" counts."""
_PATIENCE = 30.0
_LONGEST_ANSWER = 65536


@dataclass
class Seen:
    """What was seen of one process."""

    host: str
    """The host name of its machine."""
    pid: int
    """Its number there."""
    requests: int = 0
    """Probes that reached it."""
    met: int = 0
    """Those of them that met another one: it is threaded, proved."""
    held: int = 0
    """Probes that were held for as long as they asked for, and met nobody."""
    verdict: str = "unknown"
    """The status of its own verdict, as its guard told it."""


@dataclass
class Outcome:
    """What all probes found."""

    concurrency: int
    """How many probes were under way at once."""
    processes: Dict[Tuple[str, int], Seen] = field(default_factory=dict)
    """Those that were reached, by host name and number."""
    failures: List[str] = field(default_factory=list)
    """Why probes had no answer, in words."""

    @property
    def status(self) -> str:
        """``threaded``, ``single-threaded`` or ``unknown``: the worst of all processes."""
        statuses = {self.status_of(process) for process in self.processes.values()}
        if THREADED in statuses:
            return THREADED
        return UNKNOWN if UNKNOWN in statuses or self.failures or not statuses else SINGLE_THREADED

    def status_of(self, process: Seen) -> str:
        """What was shown of one process."""
        if process.met or process.verdict == THREADED:
            return THREADED
        return UNKNOWN if self.luck(process) > ENOUGH else SINGLE_THREADED

    def luck(self, process: Seen) -> float:
        """How probable it is that a *threaded* process would have shown no two that met.

        Each probe that was held alone had `concurrency` - 1 others under way; each of these reached this process with
        the share of the requests that it got in all, and as if one more had gone elsewhere. A pair is counted once.
        """
        share = process.requests / (1 + sum(other.requests for other in self.processes.values()))
        pairs = process.held * (self.concurrency - 1) / 2
        return math.exp(pairs * math.log1p(-share))


def _parts(url: str) -> SplitResult:
    """*url* taken apart. Raises `ProbeError` where it is none."""
    try:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts
    except ValueError:  # brackets that are no IPv6 address, a port that is no number
        pass
    raise ProbeError("%r is no http or https URL of a health endpoint" % url)


class Prober:
    """Sends probes and collects what they find.

    :param url: the health URL.
    :param token: the guard's ``health_token``.
    :param hold: seconds for which each probe asks to be held.
    :raises ProbeError: for a URL that is none, and for a token that no header can hold.
    """

    def __init__(self, url: str, token: str, hold: float = HOLD) -> None:
        self._parts = _parts(url)
        self._where = self._parts.netloc.rpartition("@")[2]  # without a password
        if not token.isprintable():
            raise ProbeError("the token has a character that no header may have")
        self._target = "%s/probe?%s" % (quote(self._parts.path.rstrip("/"), "/%"), urlencode({"hold": hold}))
        self._headers = {"Authorization": b"Bearer " + token.encode("utf-8", "replace"), "Connection": b"close",
                         "Accept": b"application/json"}

    def run(self, requests: int, concurrency: int, progress: Callable[[int], object] = lambda done: None) -> Outcome:
        """Send *requests* probes, *concurrency* at once, and tell *progress* how many are done.

        Raises `ProbeError` if the first one cannot be asked at all.
        """
        outcome = Outcome(max(1, min(concurrency, requests - 1)))
        self._note(outcome, {**self._ask(), "held": 0})  # it was alone: nobody could have met it
        progress(1)
        work: "queue.SimpleQueue[Optional[int]]" = queue.SimpleQueue()
        for number in list(range(1, requests)) + [None] * outcome.concurrency:
            work.put(number)
        lock = threading.Lock()
        workers = [threading.Thread(target=self._work, args=(work, outcome, lock, progress), daemon=True)
                   for _ in range(outcome.concurrency)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return outcome

    def _work(self, work: "queue.SimpleQueue[Optional[int]]", outcome: Outcome, lock: threading.Lock,
              progress: Callable[[int], object]) -> None:
        while work.get() is not None:
            try:
                answer: Union[Dict[str, Any], str] = self._ask()
            except ProbeError as error:
                answer = str(error)
            with lock:
                self._note(outcome, answer)
                progress(len(outcome.failures) + sum(process.requests for process in outcome.processes.values()))

    def _ask(self) -> Dict[str, Any]:
        connection = self._connection()
        try:
            connection.request("GET", self._target, headers=self._headers)
            response = connection.getresponse()
            text = response.read(_LONGEST_ANSWER)
        except (OSError, http.client.HTTPException, UnicodeError) as error:  # a host name that cannot be encoded
            said = str(error).strip() or type(error).__name__
            raise ProbeError("no answer from %s: %s" % (self._where, said)) from None
        finally:
            connection.close()
        if 300 <= response.status < 400:
            raise ProbeError("%s redirects to %r: give the URL that is behind it" % (
                self._where, str(response.getheader("Location")).partition("/probe?")[0]))
        return self._read(response.status, text)

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._parts.hostname or "", self._parts.port
        if self._parts.scheme == "https":
            return http.client.HTTPSConnection(host, port, timeout=_PATIENCE, context=ssl.create_default_context())
        return http.client.HTTPConnection(host, port, timeout=_PATIENCE)

    def _read(self, status: int, text: bytes) -> Dict[str, Any]:
        if status == 401:
            raise ProbeError("the token is not the one that %s takes" % self._where)
        try:
            answer = json.loads(text.decode("utf-8"))
            if status == 200 and isinstance(answer["met"], bool) and isinstance(answer["pid"], int):
                return {**answer, "held": float(answer["held"])}
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            pass  # not ours: said below
        raise ProbeError("there is no probe endpoint at %s (HTTP %d): the URL is that of health_path, and the guard"
                         " needs a health_token" % (self._target.partition("?")[0], status))

    @staticmethod
    def _note(outcome: Outcome, answer: Union[Dict[str, Any], str]) -> None:
        """Put into *outcome* an answer, or why there is none."""
        if isinstance(answer, str):
            outcome.failures.append(answer)
            return
        key = (str(answer.get("host")), answer["pid"])
        seen = outcome.processes.setdefault(key, Seen(*key))
        seen.requests += 1
        seen.met += answer["met"]
        seen.held += bool(answer.get("can_hold")) and not answer["met"] and answer["held"] > 0
        seen.verdict = str(answer.get("verdict"))
