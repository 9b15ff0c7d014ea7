"""Telling a fork by a page of memory that is empty in the child, and by the process's number where there is none."""

import mmap
import sys

import pytest
from conftest import is_pypy, forked_without_hooks, without_hooks

from threadguard.process import fork

linux = pytest.mark.skipif(not sys.platform.startswith("linux") or is_pypy,
                           reason="only Linux empties a page at a fork, and PyPy does not ask it to")


class Memory:
    """An `mmap.mmap` whose system *agrees* to some advice only."""

    def __init__(self, *agrees):
        self._agrees = agrees

    def __call__(self, *arguments, **options):
        return self

    def madvise(self, advice):
        if advice not in self._agrees:
            raise OSError(22, "Invalid argument")


@without_hooks
@pytest.mark.parametrize("make", [pytest.param(fork.new_page, id="page", marks=linux), fork.Numbered])
def test_marks_are_gone_in_the_child_and_in_the_child_s_child(make):
    """They stay in the process that made them; the child makes its own, which its own child has not."""
    marks = make()
    marks[0] = marks[1] = 1

    def child():
        gone = not marks[0] and not marks[1]
        marks[1] = 1
        return gone and marks[1] and not marks[0] and forked_without_hooks(lambda: not marks[1])

    assert forked_without_hooks(child)
    assert marks[0] and marks[1]


def test_marks_are_made_and_taken_away_one_by_one():
    """Nothing is marked before, nothing afterwards, and each mark stands for itself."""
    for marks in fork.new_marks(), fork.Numbered():
        seen = [(marks[0], marks[1])]
        for index, value in (0, 1), (1, 1), (0, 0):
            marks[index] = value
            seen.append((marks[0], marks[1]))
        assert seen == [(0, 0), (1, 0), (1, 1), (0, 1)]


@linux
def test_linux_gives_a_page():
    """Reading it costs a tenth of a system call."""
    assert isinstance(fork.new_marks(), mmap.mmap)


@linux
@pytest.mark.parametrize("memory", [
    pytest.param(Memory(), id="Linux before 4.14"), pytest.param(Memory(18, -1), id="QEMU before 7.2"),
])
def test_where_the_page_is_not_to_be_had_the_number_tells(memory, monkeypatch):
    """A system that refuses the advice, or agrees to anything, empties no page."""
    monkeypatch.setattr(mmap, "mmap", memory)
    assert isinstance(fork.new_marks(), fork.Numbered)


@pytest.mark.parametrize("change", [
    pytest.param(lambda patch: patch.setattr(sys, "platform", "darwin"), id="another system"),
    pytest.param(lambda patch: patch.setitem(sys.modules, "mmap", None), id="Python without mmap"),
    pytest.param(lambda patch: patch.delattr(mmap, "MAP_ANONYMOUS", raising=False), id="mmap without the flag"),
])
def test_where_nothing_empties_pages_the_number_tells(change, monkeypatch):
    """Nothing is asked for that is not there."""
    change(monkeypatch)
    assert isinstance(fork.new_marks(), fork.Numbered)
