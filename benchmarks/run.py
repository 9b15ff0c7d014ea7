"""What the guard costs: measures, keeps the figures in results/, and writes docs/cost.md and docs/cost.svg from them.

Usage: run.py [--quick] [--only SECTION ...] [--write]

Without ``--write`` the figures are only printed. Each Python that it is run with has a file of its own in results/.
"""

import argparse
import json
import os
import platform
import sys
import sysconfig
from pathlib import Path

import cost_page
import in_process
import under_load

HERE = Path(__file__).parent
SECTIONS = {"requests": in_process.requests, "bodies": in_process.bodies, "crowd": in_process.crowd,
            "imports": in_process.imports, "memory": in_process.memory, "load": under_load.load,
            "rack": under_load.rack}


FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))


def python() -> str:
    """The version, and whether it does without the GIL."""
    return "%d.%d%s" % (*sys.version_info[:2], "t" if FREE_THREADED else "")


def keep_the_gil_off() -> None:
    """Free-threaded Python turns the GIL on for an extension that was not made for it: begin again, and forbid that."""
    if FREE_THREADED and os.environ.get("PYTHON_GIL") != "0":
        os.environ["PYTHON_GIL"] = "0"
        os.execv(sys.executable, [sys.executable] + sys.argv)


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few rounds: a glance, no figures for the page")
    parser.add_argument("--only", nargs="+", choices=list(SECTIONS), default=list(SECTIONS))
    parser.add_argument("--write", action="store_true", help="keep the figures, and make the page and the plot anew")
    given = parser.parse_args()
    keep_the_gil_off()
    kept = HERE / "results" / (python() + ".json")
    found = json.loads(kept.read_text()) if kept.exists() else {}
    found["python"] = platform.python_version() + (" free-threaded" if FREE_THREADED else "")
    found["machine"] = "%s, %s, %d cores" % (platform.system(), platform.machine(), os.cpu_count() or 0)
    found["busy"] = round(os.getloadavg()[0], 1)
    for section in given.only:
        found[section] = SECTIONS[section](given.quick)
        print(section, json.dumps(found[section], indent=1), flush=True)
        if given.write:
            kept.write_text(json.dumps(found, indent=1) + "\n")
    if given.write:
        cost_page.write(HERE / "results", HERE.parent / "docs")


if __name__ == "__main__":
    main()
