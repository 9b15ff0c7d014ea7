"""What a row needs, whether it is there, and what would install it."""

import importlib.util
import os
import sys
from pathlib import Path

import pytest
import unitd
from rig import BIN, OLD, Child, packages

APACHE, PLUGINS = Path("/usr/lib/apache2/modules"), Path("/usr/lib/uwsgi/plugins")
DEBIAN = {
    "/usr/sbin/apache2": "apache2", "apache:mod_wsgi.so": "libapache2-mod-wsgi-py3",
    "apache:mod_passenger.so": "libapache2-mod-passenger", "/usr/bin/passenger": "passenger",
    "/usr/bin/uwsgi-core": "uwsgi-core",
    "plugin:python3": "uwsgi-plugin-python3", "plugin:gevent_python3": "uwsgi-plugin-gevent-python3",
}
COMPILED = {"first:mod_wsgi": "mod_wsgi 4.6", "first:/uwsgi": "uWSGI 2.0.18"}
"""What the oldest Python alone compiles: see requirements-first.txt."""
READ = {"mod_wsgi": (sys.base_prefix,), "first:mod_wsgi": (sys.base_prefix,),
        "unit:home": (sys.base_prefix, sys.prefix)}
"""What the server reads of this Python and of this environment, after it has given up its rights."""


def there(need):
    """Whether it is installed."""
    kind, _, name = need.partition(":")
    if kind in OLD:
        return bool(OLD[kind]) and there_with(Path(OLD[kind]), name)
    if kind == "apache":
        return (APACHE / name).exists()
    if kind == "unit":
        return unitd.modules() is not None and (name != "home" or unitd.speaks(sys.version_info[:2]))
    if kind == "plugin":
        return (PLUGINS / (name + "_plugin.so")).exists()
    if need.startswith("/"):
        return Path(need).exists() or ("/" not in need[1:] and (BIN / need[1:]).exists())
    return importable(need)


def there_with(python, name):
    """Whether the environment of *python*, another than this one, has the module or the command (with a slash)."""
    place = python.with_name(name[1:]) if name.startswith("/") else packages(python) / name
    return python.exists() and place.exists()


def importable(name):
    """Whether this environment has the module."""
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False


def remedy(need):
    """What would install it."""
    if need in DEBIAN:
        return "apt-get install %s (make setup-servers)" % DEBIAN[need]
    kind = need.partition(":")[0]
    if need in COMPILED and OLD[kind]:
        return "make test-live-pythons, whose Python 3.8 compiles %s" % COMPILED[need]
    if kind in OLD:
        return "an environment with tests/live/requirements-%s.txt, its Python named in THREADGUARD_LIVE_%s" % (
            kind, kind.upper())
    if need == "unit:home":
        return "a Unit with a module for Python %d.%d" % sys.version_info[:2]
    if need.startswith("unit:"):
        return "put unitd on PATH or name it in THREADGUARD_LIVE_UNITD, its module for Python beside it"
    if need == "asyncore":
        return "a Python before 3.12, whose standard library has it"
    return "pip install %s (tests/live/requirements.txt)" % need.strip("/")


def missing(needs):
    """One sentence for the first thing that is not there, or None."""
    for need in needs:
        if not there(need):
            return "%s is not installed: %s" % (need, remedy(need))
    for prefix in (prefix for need in needs for prefix in READ.get(need, ()) if not world_readable(Path(prefix))):
        return "the server's user may not read the Python in %s: use one that it may, such as Debian's" % prefix
    return None


def need(needs):
    """Skip the test unless all of them are there, and say what is not."""
    reason = missing(needs)
    if reason:
        pytest.skip(reason)


def child_of(row, files=None, **env):
    """The server of *row*, with *files* and variables beside its own; the test is skipped where it is not there."""
    need(row.needs)
    return Child(row.command, {**row.files, **(files or {})}, {**row.env, **env}, row.python, row.staged)


def world_readable(path):
    """Whether anybody may go into *path*: Apache gives up its rights before it imports, and so does Unit."""
    return os.getuid() != 0 or all(part.stat().st_mode & 0o001 for part in (path, *path.parents))
