"""Who called: which executors of one are a bound that all calls have in common."""

import sys
from concurrent.futures import ThreadPoolExecutor

from threadguard.rules.callers import _is_private


def test_an_executor_that_only_frames_know_is_private():
    """What ``f_locals`` gave of a frame is the frame's: a thread that only begins to wait has been looked at so."""
    executor = ThreadPoolExecutor(1)
    with executor:
        assert _is_private(executor)
        assert sys._getframe().f_locals["executor"] is executor
        assert _is_private(executor)


def test_an_executor_that_anything_else_knows_is_not():
    """A dict in a list is kept by whoever keeps the list; a frame's own dict is kept by nobody else."""
    executor = ThreadPoolExecutor(1)
    kept = [{"executor": executor}]
    assert not _is_private(executor)
    kept.clear()
    assert _is_private(executor)
