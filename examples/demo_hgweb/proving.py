"""The first part: that hgweb has a race, proved with its line by ``threadguard race``, without any server."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Dict, List

from rows import HERE
from showing import told

REQUESTS = tuple("/%s/raw-rev/tip" % name for name in ("orleans", "kyoto"))
COMMAND = ("race", "site_hgweb:application", *REQUESTS, "--within", "mercurial.hgweb", "--points", "10")
DEADLINE = 600.0
SHOWN = ("because:", "was paused in", "tried again", "remedy:")
"""What is shown of the report, beside the findings themselves."""


def prove(variables: Dict[str, str]) -> bool:
    """Run the command, print what it found, and tell whether that is as it should be: the same each time."""
    print("\n$ threadguard " + " ".join("'%s'" % word if "?" in word else word for word in COMMAND))
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "threadguard", *COMMAND], env=variables, cwd=HERE, text=True,
                             encoding="utf-8", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = _said(child)
    report = said.splitlines()
    told(shown_of(report))
    print("  ended with exit status %d after %.1f s" % (child.returncode, time.monotonic() - began))
    return child.returncode == 1 and is_proof(report)


def _said(child: "subprocess.Popen[str]") -> str:
    """What *child* prints until it ends; a dot for each second of it. Raises TimeoutError at the deadline."""
    print("  pausing a request at its lines ", end="", flush=True)
    for _ in range(int(DEADLINE)):
        try:
            said, _ = child.communicate(timeout=1)
            print()
            return said
        except subprocess.TimeoutExpired:
            print(".", end="", flush=True)
    child.kill()
    child.communicate()
    raise TimeoutError("threadguard race did not end")


def shown_of(report: List[str]) -> List[str]:
    """The first finding of *report*, shortened."""
    home = str(Path(sys.prefix)) + "/"
    first = [line for line in report if "TG308" in line or any(word in line for word in SHOWN)][:5]
    return [shorten(line.replace(home, "")) for line in first]


def shorten(line: str) -> str:
    """*line*, or its beginning."""
    return line if len(line) <= 240 else line[:239] + "…"


def is_proof(report: List[str]) -> bool:
    """Whether a page came out in the other repository's encoding, each of the times that it was tried, and the line is
    that behind hgweb's assignment of its ``encoding.encoding`` (mercurial/hgweb/hgweb_mod_inner.py `_runwsgi`)."""
    text = "\n".join(report)
    return "hgweb_mod_inner.py" in report[0] and "TG308" in report[0] and "10 of 10 times" in text
