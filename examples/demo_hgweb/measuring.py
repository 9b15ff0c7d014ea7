"""Ask a server for pages from several clients at once, and judge each page byte for byte."""

import concurrent.futures
import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Counter as Counts
from typing import List, Optional, Tuple

from repositories import REPOSITORIES, Repository

CLIENTS = 4
ENOUGH_REFUSED = 25
ENOUGH = 8
"""Pages that each client asks for at the least, however slow the machine is."""
RIGHT, REFUSED, WRONG = "right", "refused", "wrong"


@dataclass(frozen=True)
class Page:
    """What came back for one request: how it is judged, and why it is wrong, if it is."""

    judged: str
    told: str = ""
    """``wsgi.multithread`` as the application was told."""
    why: str = ""


@dataclass(frozen=True)
class Measured:
    """The counts of one run of all clients."""

    pages: int = 0
    right: int = 0
    wrong: int = 0
    refused: int = 0
    told: str = "never entered"
    example: str = ""


def measure(port: int, seconds: float) -> Measured:
    """Ask for pages of both repositories from `CLIENTS` clients, for *seconds* and until each has `ENOUGH`."""
    start = threading.Barrier(CLIENTS)
    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        runs = [pool.submit(_client, port, seconds, REPOSITORIES[number % len(REPOSITORIES)], start)
                for number in range(CLIENTS)]
        print("  asking it for pages ", end="", flush=True)
        while concurrent.futures.wait(runs, timeout=1).not_done:
            print(".", end="", flush=True)
        print()
        pages = [page for run in runs for page in run.result()]
    return _sum(pages)


def _client(port: int, seconds: float, repository: Repository, start: threading.Barrier) -> List[Page]:
    start.wait(60)
    end = time.monotonic() + seconds
    pages: List[Page] = []
    while (time.monotonic() < end or len(pages) < ENOUGH) and not _refuses_all(pages):
        pages.append(_ask(port, repository))
    return pages


def _refuses_all(pages: List[Page]) -> bool:
    """Whether enough requests were refused to tell that all of them are: a refusal is answered in no time."""
    return len(pages) >= ENOUGH_REFUSED and all(page.judged == REFUSED for page in pages)


def _ask(port: int, repository: Repository) -> Page:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/%s/shortlog/tip?revcount=60&style=paper" % repository.name)
        answer = connection.getresponse()
        return _judge(repository, answer, answer.read())
    except (OSError, http.client.HTTPException) as error:
        return Page(WRONG, why="no answer: %r" % error)
    finally:
        connection.close()


def _judge(repository: Repository, answer: http.client.HTTPResponse, body: bytes) -> Page:
    """Right is: status 200, the repository's encoding in the header, and every message in exactly those bytes."""
    told = answer.getheader("X-Told-Multithread", "")
    if answer.status == 503:
        return Page(REFUSED, told, body.decode("utf-8", "replace").strip())
    why = _fault(repository, answer, body)
    return Page(WRONG if why else RIGHT, told, why or "")


def _fault(repository: Repository, answer: http.client.HTTPResponse, body: bytes) -> Optional[str]:
    if answer.status != 200:
        return "status %d" % answer.status
    charset = answer.headers.get_content_charset()
    if charset != repository.encoding:
        return "a page of %s said charset=%s, and its encoding is %s" % (repository.name, charset, repository.encoding)
    lost = sum(message.encode(repository.encoding) not in body for message in repository.messages)
    if lost:
        return "a page of %s (charset=%s) had %d of %d messages in other bytes, or not at all" % (
            repository.name, charset, lost, len(repository.messages))
    return None


def _sum(pages: List[Page]) -> Measured:
    counts: Counts[str] = Counter(page.judged for page in pages)
    told = ", ".join(sorted({page.told for page in pages if page.told}))
    return Measured(len(pages), counts[RIGHT], counts[WRONG], counts[REFUSED], told or "never entered", _example(pages))


def _example(pages: List[Page]) -> str:
    faults: Tuple[str, ...] = tuple(page.why for page in pages if page.why)
    return faults[0] if faults else ""
