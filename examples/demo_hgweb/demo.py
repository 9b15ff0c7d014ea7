"""The race, the damage, and the guard: Mercurial's hgweb over two repositories, alone and behind real waitress servers.

    python demo.py [SECONDS]       seconds that each row is measured, 6 unless told

Exit status 0: the race was proved, the unguarded server sent wrong pages, and no guarded one sent any.
"""

import sys
import tempfile
import time
from pathlib import Path

import repositories
from measuring import Measured, measure
from proving import prove
from rows import HERE, ROWS, Outcome, Row
from serving import Server, variables
from showing import announce, show, table


def run(row: Row, config: Path, seconds: float) -> Outcome:
    """Start *row*'s server, measure it if it serves, and end it."""
    child = variables(repositories.environment(), HERE, DEMO_HGWEB_CONFIG=str(config), **row.more)
    with Server(row.command, child, str(config.parent)) as server:
        measured = Measured() if server.port is None else measure(server.port, seconds)
    return Outcome(measured, server.said, server.status)


def main(seconds: float) -> int:
    """Run every row; 0 if all did as they should."""
    with tempfile.TemporaryDirectory(prefix="threadguard-demo-") as directory:
        began = time.monotonic()
        config = repositories.make(Path(directory))
        print("set-up: two repositories of %d changes each (%s), %.1f s" % (
            repositories.CHANGES, ", ".join("%s %s" % (one.name, one.encoding) for one in repositories.REPOSITORIES),
            time.monotonic() - began))
        print("\nthe race, proved line by line without a server:")
        is_proved = prove(variables(repositories.environment(), HERE, DEMO_HGWEB_CONFIG=str(config)))
        print("\nthe damage, and the guard, on real servers:")
        began = time.monotonic()
        outcomes = [(row, tried(row, config, seconds)) for row in ROWS]
        took = time.monotonic() - began
    table(outcomes)
    print("\nmeasured in %.1f s" % took)
    failed = [] if is_proved else ["the race was not proved"]
    failed += [row.title for row, outcome in outcomes if not row.as_expected(outcome)]
    for title in failed:
        print("NOT AS IT SHOULD BE: " + title)
    return 1 if failed else 0


def tried(row: Row, config: Path, seconds: float) -> Outcome:
    """The outcome of *row*: the first that is as it should be, at the latest that of its last try."""
    announce(row)
    for left in range(row.tries, 0, -1):
        outcome = run(row, config, seconds)
        if row.as_expected(outcome) or left == 1:
            break
        print("  nothing went wrong, measuring again")
    show(outcome)
    return outcome


if __name__ == "__main__":
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 6.0))
