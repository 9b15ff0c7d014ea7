"""Kallithea with ``filter-with = threadguard``, as it comes: gearbox, waitress, ``threads = 1``."""

from pathlib import Path
from typing import Iterator, Tuple

import pytest
from children import Child, lines_of, wrongs
from clients import push_git, push_hg
from instance import Instance


@pytest.fixture(scope="module")
def ini(instance: Instance) -> Path:
    """The ini file that Kallithea generates, with the guard."""
    return instance.ini("guarded")


@pytest.fixture(scope="module")
def server(instance: Instance, ini: Path) -> Iterator[Child]:
    """``gearbox serve`` with that file."""
    with instance.serve(ini) as server:
        server.answers()
        yield server


@pytest.mark.parametrize("path, word", [
    pytest.param("/", b"Kallithea", id="front page"),
    pytest.param("/_admin/login", b"Log In", id="login form"),
    pytest.param("/r1", b"r1", id="Mercurial repository"),
    pytest.param("/g1", b"g1", id="git repository"),
    pytest.param("/images/kallithea-logo.svg", b"<svg", id="static file"),
])
def test_pages_are_served(server: Child, path: str, word: bytes) -> None:
    """The guard lets every page of a single-threaded Kallithea pass."""
    status, body = server.get(path)
    assert (status, word in body) == (200, True)


def test_a_mercurial_push_arrives_and_is_journalled(instance: Instance, server: Child) -> None:
    """`hg clone`, commit, `hg push` over HTTP work, and the journal has the row of the push."""
    assert push_hg(instance, server) in instance.journal()


def test_a_git_push_arrives_and_is_journalled(instance: Instance, server: Child) -> None:
    """`git clone`, commit, `git push` over HTTP work, and the hook that Kallithea runs for git journals the push."""
    assert push_git(instance, server) in instance.journal()


def test_what_was_pushed_can_be_cloned(instance: Instance, server: Child) -> None:
    """A second push builds upon a clone of the first, for hg and for git."""
    pushed = [push_hg(instance, server), push_hg(instance, server), push_git(instance, server)]
    assert [row for row in instance.journal() if row in pushed] == pushed


def test_nothing_is_reported(server: Child) -> None:
    """A single-threaded waitress is no finding, although it says that wsgi.multithread is True."""
    assert wrongs(server.log) == []


@pytest.mark.parametrize("command, threads", [
    pytest.param(("repo-scan", "--install-git-hooks"), 1, id="repo-scan"),
    pytest.param(("repo-update-metadata",), 1, id="repo-update-metadata"),
    pytest.param(("index-create", "--full"), 1, id="index-create"),
    pytest.param(("repo-scan",), 4, id="repo-scan, where the server is threaded"),
])
def test_kallithea_cli_works_with_the_guarded_ini(instance: Instance, command: Tuple[str, ...], threads: int) -> None:
    """`kallithea-cli` serves nobody: it works, whatever the section of the server says."""
    ini = instance.ini("cli", "[server:main]", "threads=%d" % threads)
    said = instance.cli(command[0], "-c", str(ini), *command[1:])
    assert lines_of(said, "Traceback") + wrongs(said) == []
