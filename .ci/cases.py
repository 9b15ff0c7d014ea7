"""Run the cases that lie beside the checkout, in ../shared/cases, if they are there: reported faults stay mended.

Usage: cases.py [NAME...], with the Python of an environment that has threadguard and the packages that the cases name.
"""

import csv
import os
import pathlib
import re
import subprocess
import sys

CASES = pathlib.Path(__file__).resolve().parents[2] / "shared" / "cases"
MINUTES = 5
NOT_RUN = {"guard": 77, "field": 2}
"""The exit status of a case that lacks something here."""
EXPECTED = {"field/wish_socketio_handlers": (0, 1), "guard/waitress-one-thread-file log": (0, 1)}
"""Exit statuses of those that need not be 0: a wish, and two requests inside under the policy that lets them pass."""


def commands():
    """Each case as its name, its folder and its command; one that has several policies is several."""
    for kind in "guard", "field":
        with (CASES / kind / "CASES.tsv").open(encoding="utf-8") as table:
            for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
                command, _, choices = row["command"].rstrip("]").partition(" [")
                command = re.sub(r"GUARD_PATH=\S+", "GUARD_PATH=" + os.environ.get("GUARD_PATH", ""), command)
                for choice in choices.split("|"):
                    yield "%s/%s" % (kind, row["name"]), CASES / kind, ("%s %s" % (command, choice)).strip()
    yield "check", CASES / "check", "python run_cases.py"


def main(names):
    """Run those that are asked for, or all; the number that is wrong."""
    results = {"right": 0, "WRONG": 0, "not run": 0}
    for name, folder, command in commands() if CASES.is_dir() else ():
        if names and not any(asked in name for asked in names):
            continue
        try:
            done = subprocess.run(command, shell=True, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  universal_newlines=True, errors="replace", timeout=60 * MINUTES)
            status, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired:
            status, output = None, "no end in %d minutes" % MINUTES
        policy = command.rpartition(" ")[2]
        result = "right" if status in EXPECTED.get(name, EXPECTED.get("%s %s" % (name, policy), (0,))) else "WRONG"
        if status in (NOT_RUN.get(name.partition("/")[0]), 127):
            result = "not run"
        results[result] += 1
        print("%-8s %s%s" % (result, name, "" if result == "right" else "\n    %s: exit status %s\n    %s" % (
            command, status, "\n    ".join(output.splitlines()[-12:]))), flush=True)
    print("cases: %s" % (", ".join("%d %s" % (number, result) for result, number in results.items())
                         if CASES.is_dir() else "none here (../shared/cases)"))
    return results["WRONG"]


if __name__ == "__main__":
    sys.exit(1 if main(sys.argv[1:]) else 0)
