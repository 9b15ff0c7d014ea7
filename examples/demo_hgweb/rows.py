"""The rows of the table: how each server is started, and what it must do."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Optional, Tuple

from measuring import Measured

HERE = str(Path(__file__).resolve().parent)
TRIES = 3
"""Times that the unguarded server is measured, until it sends a wrong page: the damage is a matter of chance."""

_SERVE = (str(Path(sys.executable).with_name("waitress-serve")), "--listen=127.0.0.1:0")
_GUARDED = {"THREADGUARD_APP": "site_hgweb:application"}


@dataclass(frozen=True)
class Row:
    """One deployment: how it is started, and when what it did is as it should be."""

    title: str
    command: Tuple[str, ...]
    more: Dict[str, str]
    as_expected: Callable[["Outcome"], bool]
    result: str
    """What it did, in words, if it did as expected."""
    tries: int = 1


@dataclass(frozen=True)
class Outcome:
    """What a deployment did: it ended with a status before it served, or served and was measured."""

    measured: Measured
    said: str
    status: Optional[int] = None

    @property
    def perfect(self) -> bool:
        """Every page was right, there were enough of them to tell, and no overlap was reported."""
        overlaps = any(code in self.said for code in ("TG301", "TG302", "TG303", "TG304"))
        return self.measured.right == self.measured.pages >= 20 and not overlaps

    @property
    def refused(self) -> bool:
        """No page at all was served, and the finding names the code, the reason and the remedy."""
        not_started = self.status not in (None, 0)
        only_503 = self.measured.pages == self.measured.refused > 0 and self.measured.told == "never entered"
        return (not_started or only_503) and all(word in self.said for word in ("because:", "remedy:")) and any(
            "%s waitress lets 4 requests at once" % code in self.said for code in ("TG101", "TG201"))


ROWS = (
    Row("unguarded, threads=4", (*_SERVE, "--threads=4", "site_hgweb:application"), {},
        lambda outcome: outcome.measured.wrong > 0, "wrong pages", TRIES),
    Row("guarded, threads=4", (*_SERVE, "--threads=4", "threadguard.wsgi:application"), _GUARDED,
        lambda outcome: outcome.refused, "did not start"),
    Row("guarded, waitress.serve(..., threads=4)", (sys.executable, str(Path(HERE) / "serve_by_api.py"), "4"), {},
        lambda outcome: outcome.refused, "did not start"),
    Row("guarded, threads=4, policy serialize", (*_SERVE, "--threads=4", "threadguard.wsgi:application"),
        dict(_GUARDED, THREADGUARD_POLICY="serialize"), lambda outcome: outcome.perfect, "all right, one at a time"),
    Row("guarded, threads=1", (*_SERVE, "--threads=1", "threadguard.wsgi:application"), _GUARDED,
        lambda outcome: outcome.perfect and "TG1" not in outcome.said, "all right"),
)
