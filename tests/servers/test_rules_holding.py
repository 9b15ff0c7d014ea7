"""What may hold an accept loop up, in servers that really have such loops."""

import errno
import sys

import pytest

from threadguard.rules.holding import holds_up


class Seen(Exception):
    """The loop was looked at."""


def test_gunicorns_own_loop_waits_for_nothing_but_connections():
    """A worker class of one's own that starts threads is back in `run_for_one` as soon as it has started one."""
    sync = pytest.importorskip("gunicorn.workers.sync")

    class Own(sync.SyncWorker):
        alive, sockets = True, [None]

        def __init__(self):
            self.held = []

        def notify(self):
            pass

        def accept(self, listener):
            raise BlockingIOError(errno.EAGAIN, "nobody is waiting")

        def is_parent_alive(self):
            self.held.append(holds_up(sys._getframe(1)))
            raise Seen

    worker = Own()
    with pytest.raises(Seen):
        worker.run_for_one(1)
    assert worker.held == [False]
