"""Run the test suites of other projects without a guard and behind one that refuses (refusing.py): nothing may change.

    make test-suites
    make test-suites ARGS="WebTest Flask"

Each project's sdist is downloaded, checked against its hash, unpacked under .venv and installed into the environment
that runs this. What a suite must show, both times, is in projects.py.
"""

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from projects import PROJECTS

HOME = Path(sys.prefix) / "suites"
LIMIT = 300
"""Seconds for one run of a suite."""
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
COUNTS = re.compile(r"^(\d+ [a-z]+(?:, \d+ [a-z]+)*?)(?:, \d+ warnings?)? in [\d.]+s", re.MULTILINE)
SUMMARY = re.compile(r"^guarded: (.*)$", re.MULTILINE)
NOTHING = " requests, 0 refused, 0 overlaps, single-threaded"
"""The end of the line of refusing.py."""


def install(project):
    """Install the sdist of *project*, and return the directory that it was unpacked to."""
    with tempfile.TemporaryDirectory() as directory:
        wanted = Path(directory, "wanted.txt")
        wanted.write_text("%s==%s --hash=sha256:%s\n" % (project.name, project.version, project.sha256))
        subprocess.run([*PIP, "download", "--no-deps", "--no-build-isolation", "--no-binary=:all:", "--require-hashes",
                        "--dest", directory, "-r", str(wanted)], check=True, timeout=LIMIT)
        sdist, = Path(directory).glob("*.tar.gz")
        subprocess.run([*PIP, "install", "--no-deps", "--no-build-isolation", "--force-reinstall", str(sdist)],
                       check=True, timeout=LIMIT)
        unpacked = HOME / sdist.name[:-len(".tar.gz")]
        shutil.rmtree(unpacked, ignore_errors=True)
        with tarfile.open(sdist) as archive:
            archive.extractall(HOME)
    return unpacked


def output_of(directory, *arguments):
    """What pytest prints for the suite in *directory*. A run that does not end is an error here."""
    environment = dict(os.environ, PYTHONPATH=str(Path(__file__).parent))
    return subprocess.run([*PYTEST, "-p", "no:threadguard", *arguments], cwd=directory, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, universal_newlines=True, timeout=LIMIT,
                          env=environment).stdout


def differences(project, without, guarded):
    """Where the two outputs are not what *project* says, as lines."""
    shown = [
        ("counts without a guard", COUNTS.findall(without), [project.counts]),
        ("counts behind a guard", COUNTS.findall(guarded), [project.counts]),
        ("what the guard saw", SUMMARY.findall(guarded), ["%d%s" % (project.requests, NOTHING)]),
    ]
    return ["%s: %s\n    found  %s\n    wanted %s" % (project, what, found, wanted)
            for what, found, wanted in shown if found != wanted]


def try_one(project):
    """Run the suite of *project* twice; the differences."""
    directory = install(project)
    start = time.monotonic()
    without = output_of(directory)
    guarded = output_of(directory, "-p", "refusing")
    found = differences(project, without, guarded)
    print("%s: %s, the same behind a guard that refuses: %d%s (%.0f s)" % (
        project, project.counts, project.requests, NOTHING, time.monotonic() - start)
        if not found else "\n".join([without[-3000:], guarded[-6000:], *found]), flush=True)
    return found


def main(names):
    """Try the projects of these names, or all."""
    unknown = set(names) - {project.name for project in PROJECTS}
    if unknown:
        raise SystemExit("no project here is called %s" % ", ".join(sorted(unknown)))
    HOME.mkdir(exist_ok=True)
    chosen = [project for project in PROJECTS if not names or project.name in names]
    return 1 if any([try_one(project) for project in chosen]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
