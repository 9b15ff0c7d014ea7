"""Mercurial's and git's own clients: clone, commit, push over HTTP, and what the journal says of it."""

import tempfile
from pathlib import Path

from children import run
from instance import BIN, USER


def url(server, repository):
    """The address of *repository*, with the name and the password of the user."""
    return "http://%s@%s:%d/%s" % (USER, server.host, server.port, repository)


def push_hg(instance, server, repository="r1"):
    """Clone *repository*, commit, push; returns the row that the journal must have."""
    return _push(instance, server, repository, str(BIN / "hg"), (
        ("clone", "-q", url(server, repository), "."), ("commit", "-qAm", "a change"),
        ("push", "-q", url(server, repository))),
        ("log", "-r", ".", "-T", "{node}"))


def push_git(instance, server, repository="g1"):
    """Clone *repository*, commit, push; returns the row that the journal must have."""
    return _push(instance, server, repository, "git", (
        ("clone", "-q", url(server, repository), "."), ("add", "-A"), ("commit", "-qm", "a change"),
        ("push", "-q", url(server, repository), "HEAD:master")), ("rev-parse", "HEAD"))


def _push(instance, server, repository, client, steps, identify):
    with tempfile.TemporaryDirectory() as name:
        directory, env = Path(name), hg_env(instance)
        for step in steps:
            run([client, *step], env, directory)
            if step[0] == "clone":
                (directory / directory.name).write_text("a file of its own\n")
        node = run([client, *identify], env, directory).strip()
    return (USER.split(":")[0], repository, "push:" + node)


def hg_env(instance):
    """The environment of a client: that of the instance, without its Python path."""
    env = instance.env
    del env["PYTHONPATH"]
    return env
