"""The damage, and the guard: Mercurial's hgweb over two repositories, behind real waitress servers.

    python demo.py [SECONDS]       seconds that each row is measured, 9 unless told

Exit status 0: the unguarded server sent wrong pages, and no guarded one sent any.
"""

import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

import repositories
from measuring import Measured, measure
from serving import Server, variables

HERE = str(Path(__file__).resolve().parent)
TRIES = 3
"""Times that the unguarded server is measured, until it sends a wrong page: the damage is a matter of chance."""
LONGEST = 60
"""Lines of a server's stderr that are shown."""
QUEUE = "WARNING:waitress.queue:Task queue depth is"

_SERVE = (str(Path(sys.executable).with_name("waitress-serve")), "--listen=127.0.0.1:0")
_GUARDED = {"THREADGUARD_APP": "site_hgweb:application"}


@dataclass(frozen=True)
class Row:
    """One deployment: how it is started, and when what it did is as it should be."""

    title: str
    command: Tuple[str, ...]
    more: Dict[str, str]
    as_expected: Callable[["Outcome"], bool]
    tries: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a deployment did: it ended with a status before it served, or served and was measured."""

    measured: Measured
    said: str
    status: Optional[int] = None

    @property
    def perfect(self) -> bool:
        """Every page was right, and there were enough of them to tell."""
        return self.measured.right == self.measured.pages >= 20

    @property
    def refused(self) -> bool:
        """No page at all was served, and the finding names the code, the reason and the remedy."""
        not_started = self.status not in (None, 0)
        only_503 = self.measured.pages == self.measured.refused > 0 and self.measured.told == "never entered"
        return (not_started or only_503) and all(word in self.said for word in ("because:", "remedy:")) and any(
            "%s waitress lets 4 requests at once" % code in self.said for code in ("TG101", "TG201"))


ROWS = (
    Row("unguarded, threads=4", (*_SERVE, "--threads=4", "site_hgweb:application"), {},
        lambda outcome: outcome.measured.wrong > 0, TRIES),
    Row("guarded, threads=4", (*_SERVE, "--threads=4", "threadguard.wsgi:application"), _GUARDED,
        lambda outcome: outcome.refused),
    Row("guarded, waitress.serve(…, threads=4)", (sys.executable, os.path.join(HERE, "serve_by_api.py"), "4"), {},
        lambda outcome: outcome.refused),
    Row("guarded, threads=4, policy serialize", (*_SERVE, "--threads=4", "threadguard.wsgi:application"),
        dict(_GUARDED, THREADGUARD_POLICY="serialize"), lambda outcome: outcome.perfect),
    Row("guarded, threads=1", (*_SERVE, "--threads=1", "threadguard.wsgi:application"), _GUARDED,
        lambda outcome: outcome.perfect and "TG1" not in outcome.said),
)


def run(row: Row, config: Path, seconds: float) -> Outcome:
    """Start *row*'s server, measure it if it serves, and end it."""
    child = variables(repositories.environment(), HERE, DEMO_HGWEB_CONFIG=str(config), **row.more)
    with Server(row.command, child, str(config.parent)) as server:
        measured = Measured() if server.port is None else measure(server.port, seconds)
    return Outcome(measured, server.said, server.status)


def show(row: Row, outcome: Outcome) -> None:
    """Print the command, and what an operator would see of the server's own stderr."""
    shown = [os.path.basename(word) for word in row.command]
    settings = ["%s=%s" % pair for pair in row.more.items()]
    print("\n$ %s" % " ".join(settings + shown))
    for line in shortened(outcome.said.splitlines()):
        print("  | " + line)
    if outcome.status is not None:
        print("  ended with exit status %d, its port was never open" % outcome.status)
    if outcome.measured.example:
        print("  for example: " + outcome.measured.example)


def shortened(lines: List[str]) -> List[str]:
    """*lines* without waitress' remarks on its queue, and at most `LONGEST` of them; what is left out is said."""
    shown = [line for line in lines if not line.startswith(QUEUE)]
    left_out = ["(… and %d times: %s)" % (len(lines) - len(shown), QUEUE)] if len(shown) < len(lines) else []
    if len(shown) > LONGEST:
        left_out.insert(0, "(… and %d more lines)" % (len(shown) - LONGEST))
    return shown[:LONGEST] + left_out


def table(outcomes: List[Tuple[Row, Outcome]]) -> None:
    """Print the counts."""
    line = "%-38s %6s %6s %6s %8s   %-16s %s"
    print("\n" + line % ("waitress, 4 clients, 2 repositories", "pages", "right", "wrong", "503", "wsgi.multithread",
                         "as it should be"))
    for row, outcome in outcomes:
        measured = outcome.measured
        good = "yes" if row.as_expected(outcome) else "NO"
        print(line % (row.title, measured.pages, measured.right, measured.wrong, measured.refused, measured.told,
                      good + (", did not start" if outcome.status is not None else "")))


def main(seconds: float) -> int:
    """Run every row; 0 if all did as they should."""
    with tempfile.TemporaryDirectory(prefix="threadguard-demo-") as directory:
        began = time.monotonic()
        config = repositories.make(Path(directory))
        print("set-up: two repositories of %d changes each (%s), %.1f s" % (
            repositories.CHANGES, ", ".join("%s %s" % (one.name, one.encoding) for one in repositories.REPOSITORIES),
            time.monotonic() - began))
        began = time.monotonic()
        outcomes = [(row, tried(row, config, seconds)) for row in ROWS]
        took = time.monotonic() - began
    table(outcomes)
    print("\nmeasured in %.1f s" % took)
    failed = [row.title for row, outcome in outcomes if not row.as_expected(outcome)]
    for title in failed:
        print("NOT AS IT SHOULD BE: " + title)
    return 1 if failed else 0


def tried(row: Row, config: Path, seconds: float) -> Outcome:
    """The outcome of *row*: the first that is as it should be, at the latest that of its last try."""
    for left in range(row.tries, 0, -1):
        outcome = run(row, config, seconds)
        if row.as_expected(outcome) or left == 1:
            break
        print("%s: nothing went wrong, measuring again" % row.title)
    show(row, outcome)
    return outcome


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 9.0))
