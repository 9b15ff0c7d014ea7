"""Mercurial's and git's own clients: clone, commit, push over HTTP, and what the journal says of it."""

import tempfile
from pathlib import Path
from typing import Dict, Tuple

from children import Child, run
from instance import BIN, USER, Instance

Pushed = Tuple[str, str, str]


def url(server: Child, repository: str) -> str:
    """The address of *repository*, with the name and the password of the user."""
    return "http://%s@%s:%d/%s" % (USER, server.host, server.port, repository)


def push_hg(instance: Instance, server: Child, repository: str = "r1") -> Pushed:
    """Clone *repository*, commit, push; returns the row that the journal must have."""
    return _push(instance, server, repository, str(BIN / "hg"), (
        ("clone", "-q", url(server, repository), "."), ("commit", "-qAm", "a change"),
        ("push", "-q", url(server, repository))),
        ("log", "-r", ".", "-T", "{node}"))


def push_git(instance: Instance, server: Child, repository: str = "g1") -> Pushed:
    """Clone *repository*, commit, push; returns the row that the journal must have."""
    return _push(instance, server, repository, "git", (
        ("clone", "-q", url(server, repository), "."), ("add", "-A"), ("commit", "-qm", "a change"),
        ("push", "-q", url(server, repository), "HEAD:master")), ("rev-parse", "HEAD"))


def _push(instance: Instance, server: Child, repository: str, client: str, steps: Tuple[Tuple[str, ...], ...],
          identify: Tuple[str, ...]) -> Pushed:
    with tempfile.TemporaryDirectory() as name:
        directory, env = Path(name), hg_env(instance)
        for step in steps:
            run([client, *step], env, directory)
            if step[0] == "clone":
                (directory / directory.name).write_text("a file of its own\n")
        node = run([client, *identify], env, directory).strip()
    return (USER.split(":")[0], repository, "push:" + node)


def hg_env(instance: Instance) -> Dict[str, str]:
    """The environment of a client: that of the instance, without its Python path."""
    env = instance.env
    del env["PYTHONPATH"]
    return env
