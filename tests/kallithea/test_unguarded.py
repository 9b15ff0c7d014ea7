"""What happens without the guard: two users push at once, and a push is journalled under the other one's name.

Kallithea hands what it knows of a request to the hooks of a push in the environment variable KALLITHEA_EXTRAS
(kallithea/lib/utils2.py `set_hook_environment`), of which a process has one.
"""

import concurrent.futures
import threading
from typing import NamedTuple

import pytest
from children import run
from clients import hg_env
from conftest import fresh_instance
from instance import BIN

ROUNDS = 40
"""Times that both push at once, at most: how soon it goes wrong is a matter of chance."""
ENOUGH = 8
"""Rounds of a Kallithea of one thread."""
PEOPLE = (("alice", "hers"), ("bob", "his"))
_MAKE_USERS = """
import sys
import paste.deploy
import kallithea.config.application
config = paste.deploy.appconfig("config:" + sys.argv[1])
kallithea.config.application.make_app(config.global_conf, **config.local_conf)
from kallithea.model import meta
from kallithea.model.user import UserModel
for name in sys.argv[2:]:
    UserModel().create_or_update(name, "secret1", name + "@example.com", name, "Lab", active=True, admin=True,
                                 extern_type="internal", extern_name="")
meta.Session().commit()
"""


class Row(NamedTuple):
    """A row of the journal, without its push: user and repository."""

    user: str
    repository: str


@pytest.fixture(scope="module")
def instance():
    """An instance of its own, in which alice and bob have a repository each, and nobody pushes to the other one's."""
    with fresh_instance() as made:
        plain = made.ini("users", guarded=False)
        run([str(BIN / "python"), "-c", _MAKE_USERS, str(plain), *dict(PEOPLE)], made.env, made.directory)
        for _, repository in PEOPLE:
            path = made.directory / "repos" / repository
            run([str(BIN / "hg"), "init", str(path)], made.env, made.directory)
            run([str(BIN / "hg"), "clone", "-q", str(path), repository], hg_env(made), made.directory)
        made.cli("repo-scan", "-c", str(plain))
        yield made


def push(instance, server, person, number, together):
    """Commit and push as *person*, when the other one pushes too; returns the node of the commit."""
    user, repository = person
    clone, env = instance.directory / repository, hg_env(instance)
    (clone / ("file%d" % number)).write_text("%s %d\n" % (user, number) * 400)
    run([str(BIN / "hg"), "commit", "-qAm", "change %d" % number, "-u", user], env, clone)
    node = run([str(BIN / "hg"), "log", "-r", ".", "-T", "{node}"], env, clone)
    together.wait(60)
    run([str(BIN / "hg"), "push", "-q", "http://%s:secret1@%s:%d/%s" % (user, server.host, server.port, repository)],
        env, clone)
    return node


def wrong_rows(instance, server, first, rounds):
    """Let both push at once until the journal has a push under a wrong name, *rounds* times at most.

    Returns how many pushes were made, and a sentence for each that is wrong in the journal, or not in it.
    """
    pushed = {}
    together = threading.Barrier(len(PEOPLE))
    with concurrent.futures.ThreadPoolExecutor(len(PEOPLE)) as pool:
        for number in range(first, first + rounds):
            nodes = list(pool.map(lambda person: push(instance, server, person, number, together), PEOPLE))
            pushed.update({node: Row(*person) for node, person in zip(nodes, PEOPLE)})
            journal = {action.partition(":")[2]: Row(user, place) for user, place, action in instance.journal()}
            wrong = ["%s pushed %s to %s, and the journal says %s" % (
                row.user, node[:12], row.repository, "%s to %s" % journal[node] if node in journal else "nothing")
                for node, row in pushed.items() if journal.get(node) != row]
            if wrong:
                break
    return len(pushed), wrong


def serve(instance, threads):
    """Kallithea without the guard, behind waitress with *threads*."""
    ini = instance.ini("threads%d" % threads, "[server:main]", "threads=%d" % threads, guarded=False)
    return instance.serve(ini)


def test_with_one_thread_every_push_is_journalled_as_what_it_was(instance):
    """The same pushes at the same moments: the second one waits in waitress."""
    with serve(instance, 1) as server:
        assert server.answers()[0] == 200
        assert wrong_rows(instance, server, 0, ENOUGH) == (2 * ENOUGH, [])


def test_with_four_threads_a_push_is_journalled_under_another_name(instance, capsys):
    """No request fails and no log says so; the first that is wrong is printed."""
    with serve(instance, 4) as server:
        assert server.answers()[0] == 200
        pushes, wrong = wrong_rows(instance, server, 1000, ROUNDS)
    assert wrong, "%d pushes, and all are journalled as what they were" % pushes
    with capsys.disabled():
        print("\nKallithea, four threads, no guard: %d of %d pushes are wrong in the journal" % (len(wrong), pushes))
        print("\n".join("    " + each for each in wrong))
