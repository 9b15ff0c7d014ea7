"""What is printed of each server, and the table."""

import os
from typing import List, Tuple

from rows import Outcome, Row

LONGEST = 60
"""Lines of a server's stderr that are shown."""
QUEUE = "WARNING:waitress.queue:Task queue depth is"


def announce(row: Row) -> None:
    """Print the command that is about to run."""
    shown = [os.path.basename(word) for word in row.command]
    settings = ["%s=%s" % pair for pair in row.more.items()]
    print("\n%s:\n$ %s" % (row.title, " ".join(settings + shown)), flush=True)


def show(outcome: Outcome) -> None:
    """Print what an operator would see of the server's own stderr, and an example of a wrong page."""
    told(shortened(outcome.said.splitlines()))
    if outcome.status is not None:
        print("  ended with exit status %d, its port was never open" % outcome.status)
    if outcome.measured.example:
        print("  for example: " + outcome.measured.example)


def told(lines: List[str]) -> None:
    """Print *lines* as those of another program."""
    for line in lines:
        print("  | " + line)


def shortened(lines: List[str]) -> List[str]:
    """*lines* without waitress' remarks on its queue, and at most `LONGEST` of them; what is left out is said."""
    shown = [line for line in lines if not line.startswith(QUEUE)]
    left_out = ["(... and %d times: %s)" % (len(lines) - len(shown), QUEUE)] if len(shown) < len(lines) else []
    if len(shown) > LONGEST:
        left_out.insert(0, "(... and %d more lines)" % (len(shown) - LONGEST))
    return shown[:LONGEST] + left_out


def table(outcomes: List[Tuple[Row, Outcome]]) -> None:
    """Print the counts."""
    line = "%-40s %6s %6s %6s %8s   %-16s %s"
    print("\n" + line % ("waitress, 4 clients, 2 repositories", "pages", "right", "wrong", "503", "wsgi.multithread",
                         "result"))
    for row, outcome in outcomes:
        measured = outcome.measured
        good = row.result if row.as_expected(outcome) else "NOT AS IT SHOULD BE"
        print(line % (row.title, measured.pages, measured.right, measured.wrong, measured.refused, measured.told, good))
    print("\nHow many pages are made, and how many of them wrong, varies from run to run: it is a matter of chance.")
