"""An instance of Kallithea: ini files that its own command generates, a database, a Mercurial and a git repository."""

import os
import sqlite3
import sys
from dataclasses import dataclass
from pathlib import Path

from children import Child, environment, run
from programs import free_ports

BIN = Path(sys.executable).parent
USER = "admin:secret1"

# The inner side of the guard: whoever gets this far has entered Kallithea.
_WITNESS = '''\
import os

def factory(global_conf, entered):
    def witness(app):
        def seen(environ, start_response):
            with open(entered, "a") as file:
                file.write(environ["PATH_INFO"] + "\\n")
            return app(environ, start_response)
        return seen
    return witness
'''


@dataclass(frozen=True)
class Instance:
    """Kallithea in *directory*."""

    directory: Path

    @classmethod
    def make(cls, directory):
        """Create the database, the user admin and the empty repositories ``r1`` (Mercurial) and ``g1`` (git)."""
        instance = cls(directory)
        (directory / "repos").mkdir()
        (directory / "witness.py").write_text(_WITNESS)
        plain = instance.ini("plain", guarded=False)
        name, password = USER.split(":")
        instance.cli("db-create", "-c", str(plain), "--user=" + name, "--password=" + password,
                     "--email=admin@example.com", "--repos=%s" % (directory / "repos"), "--force-yes")
        run([str(BIN / "hg"), "init", str(directory / "repos" / "r1")], instance.env, directory)
        run(["git", "init", "-q", "--bare", str(directory / "repos" / "g1")], instance.env, directory)
        instance.cli("repo-scan", "-c", str(plain), "--install-git-hooks")
        return instance

    @property
    def env(self):
        """The environment of every process of the instance, and of its clients."""
        path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
        return dict(environment(self.directory, PYTHONPATH=str(self.directory)), PATH=path)

    @property
    def entered(self):
        """The paths of the requests that got as far as Kallithea behind a witness."""
        file = self.directory / "entered.txt"
        return file.read_text().splitlines() if file.exists() else []

    def cli(self, command, *arguments, status=0):
        """What ``kallithea-cli`` prints."""
        return run([str(BIN / "kallithea-cli"), command, *arguments], self.env, self.directory, status)

    def ini(self, name, *settings, http_server="waitress", guarded=True, witness=False):
        """An ini file as Kallithea generates it, guarded as docs/kallithea.md says, with *settings* more.

        *settings* are words for ``kallithea-cli config-create``: ``key=value`` or ``[section]``. With a *witness*
        inside the guard the requests that enter Kallithea are written down.
        """
        path = self.directory / (name + ".ini")
        words = ["http_server=" + http_server, "port=%d" % free_ports(1)[0]]
        if witness:
            words += ["filter-with=witness", "[filter:witness]", "paste.filter_factory=witness:factory",
                      "entered=%s" % (self.directory / "entered.txt"), "filter-with=threadguard"]
        elif guarded:
            words += ["filter-with=threadguard"]
        if guarded:
            words += ["[filter:threadguard]", "use=egg:threadguard", "policy=refuse"]
        if path.exists():
            path.unlink()
        self.cli("config-create", path.name, *words, *settings)
        return path

    def serve(self, ini, *command):
        """The server that *command* starts, or ``gearbox serve`` with *ini*, on the port of *ini*."""
        words = [str(BIN / word) if (BIN / word).exists() else word for word in command[:1]] + list(command[1:])
        return Child(words or [str(BIN / "gearbox"), "serve", "-c", ini.name], self.env, self.directory, port_of(ini))

    def journal(self):
        """User, repository and action of each row of Kallithea's journal, oldest first."""
        database = sqlite3.connect(str(self.directory / "kallithea.db"), timeout=30)
        try:
            rows = database.execute("select username, repository_name, action from user_logs order by user_log_id")
            return [(str(user), str(repository), str(action)) for user, repository, action in rows]
        finally:
            database.close()


def port_of(ini):
    """The port that *ini* sets, in ``[server:main]`` or as uWSGI's http-socket."""
    for line in ini.read_text().splitlines():
        if line.startswith(("port = ", "http-socket = ")):
            return int(line.rpartition(" ")[2].rpartition(":")[2])
    raise AssertionError("%s sets no port" % ini)


def line_of(ini, setting):
    """The number of the one line of *ini* that is *setting*."""
    numbers = [number for number, line in enumerate(ini.read_text().splitlines(), 1) if line == setting]
    assert len(numbers) == 1, "%s has %d lines %r" % (ini, len(numbers), setting)
    return numbers[0]
