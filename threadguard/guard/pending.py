"""A response whose body was handed out: it stays inside until no code of the application is left to run for it.

How the end shows depends on the body. A generator tells by its frame. `bodies` and `files` put something of their own
between the server and any other body; that calls `end` where the iteration ends, `closing` around ``close()``, and
names itself in `maker` while code of the body runs. Whatever the body is, nothing is left to run once it is gone.
"""

import weakref
from time import monotonic
from types import FrameType, GeneratorType
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from threadguard.process import contexts

if TYPE_CHECKING:
    from threadguard.guard.ledger import Ledger

GRACE = 1.0
"""Seconds that a body which wants to be closed keeps the turn after the end of its iteration, if nothing closes it."""


class SectionEntry:
    """A section that is announced or inside (`sections`): work that is no request, and must not run beside one."""

    __slots__ = ("name", "context", "task", "_life")

    def __init__(self, name: str) -> None:
        self.name = name
        self.context = contexts.current()
        self.task = contexts.current_task()
        """The task that owns it, where one does; else its context does."""
        self._life = contexts.my_life()

    def is_mine(self) -> bool:
        """Whether the caller owns it."""
        if self._life != contexts.my_life():  # a later thread or greenlet may have the same identifier
            return False
        return self.task is None or self.task is contexts.current_task()

    def has_lost_its_owner(self) -> bool:
        """Whether its thread, greenlet or task has ended: nothing will leave it."""
        return not contexts.is_alive(self._life) or getattr(self.task, "done", bool)()  # trio's tell nothing

    def place(self) -> contexts.Place:
        """Where its owner stands."""
        return contexts.here() if self.is_mine() else contexts.place_of(self.context)


class PendingResponse:
    """A response whose body was handed out and is not finished, as far as one can see."""

    __slots__ = ("ledger", "ticket", "request", "context", "is_kept", "serializes", "is_read_elsewhere", "told",
                 "closes", "iterations", "is_watched", "before_chunk", "maker", "asked_at", "ended_at", "is_closed",
                 "is_over", "_body", "_life")

    def __init__(self, ledger: "Ledger", ticket: int, request: Any, is_kept: bool = False,
                 is_watched: bool = False) -> None:
        self.ledger = ledger
        self.ticket = ticket
        self.request = request
        self.context = contexts.current()
        self.is_kept = is_kept
        """An event loop goes on with it after its context has entered again."""
        self.serializes = False
        """Whether it was let in by the policy serialize."""
        self.is_read_elsewhere = False
        """Another context may go on with it after its own has entered again: a file wrapper, see `files`."""
        self.told = ticket
        """The newest request that it was found to interleave with."""
        self.closes = False
        """The body wants to be closed: the end of its iteration is not the end of its code."""
        self.iterations: "List[weakref.ref[Any]]" = []
        """The iterations over the body; each knows the `source` of its chunks while it is under way."""
        self.is_watched = is_watched
        self.before_chunk: Optional[Callable[["PendingResponse"], object]] = None
        """Called before each chunk, if it is watched: where one context may have several bodies in work."""
        self.maker: Optional[contexts.Context] = None
        """The context that runs code of the body at this moment, where that is known."""
        self.asked_at = monotonic()
        """When it was asked for a chunk, where each chunk is watched; else when it was handed out."""
        self.ended_at: Optional[float] = None
        """When its iteration ended, if it waits for its ``close()``."""
        self.is_closed = False
        """Whether ``close()`` was entered."""
        self.is_over = False
        self._body: "Optional[weakref.ref[Any]]" = None
        self._life = contexts.my_life()

    def follow(self, body: Any) -> None:
        """From now on it is over when *body* is gone. Raises `TypeError` if that takes no weak reference."""
        self._body = weakref.ref(body, self._is_gone)

    def _is_gone(self, reference: Any) -> None:
        self.finish()

    # -- what the body tells

    def iteration_ended(self) -> None:
        """One iteration has ended; it was the last unless another is under way."""
        if not self._sources():
            self.end()

    def end(self) -> None:
        """The iteration has ended: that is all, unless the body wants to be closed."""
        if self.closes and not self.is_closed:
            self.ended_at = monotonic()
            self.ledger.wake_next()
        elif not self.is_closed:
            self.finish()

    def call(self, function: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        """Call *function*, which is code of the body."""
        __traceback_hide__ = True  # noqa: F841
        before = self.maker
        try:
            self.maker = contexts.current()
            return function(*arguments, **keywords)
        finally:
            self.maker = before

    def close(self, close: Optional[Callable[[], object]]) -> None:
        """Call *close*, the body's own, if it has one; then it is over, unless another thread still makes a chunk.

        One ``close`` may call another, that of the file: the outer one ends it.
        """
        __traceback_hide__ = True  # noqa: F841
        if self.is_closed and close is not None and self.maker == contexts.current():
            close()
            return
        is_running = self.is_running()
        try:
            self.is_closed = True
            if close is not None:
                self.call(close)
        finally:
            if not (is_running and self.is_running()):
                self.finish()

    def finish(self) -> None:
        """No code of the application is left to run."""
        self.is_over = True
        self.ledger.leave(self.ticket)

    # -- what others ask

    def is_finished(self) -> bool:
        """Whether no code of the application is left to run for it."""
        if self.is_over:
            return True
        if self._body is None:
            return False
        body = self._body()
        if type(body) is GeneratorType:
            return not body.gi_running and body.gi_frame is None  # not to be touched where another thread runs it
        if body is None or self.is_closed and self.maker is None and not self.is_running():
            return True
        return not self.closes and self._has_failed()

    def _has_failed(self) -> bool:
        """Whether an exception has ended every iteration: `chain` tells of none, but a generator does."""
        sources = self._sources()
        return bool(sources) and all(type(each) is GeneratorType and each.gi_frame is None and not each.gi_running
                                     for each in sources)

    def is_running(self) -> bool:
        """Whether another context runs its code at this moment; the caller's own stack shows what it runs itself."""
        if self.maker is not None:
            return self.maker != contexts.current()
        return any(_is_running(source) for source in self._sources())

    def is_run_by(self, frames: List[FrameType]) -> bool:
        """Whether one of *frames* runs its code."""
        sources = self._sources()
        return any(getattr(contexts.owner_of(frame), "_pending", None) is self
                   or any(contexts.makes(frame, source) for source in sources) for frame in frames)

    def _sources(self) -> List[Any]:
        body = None if self._body is None else self._body()
        if type(body) is GeneratorType:
            return [body]
        iterations = [reference() for reference in list(self.iterations)]
        return [each.source for each in iterations if each is not None and each.source is not None]

    def can_be_seen_to_end(self) -> bool:
        """Whether something tells of its end. A wrapper in C may take no weak reference, nor may its file."""
        return self._body is not None or self.is_read_elsewhere or self.is_over

    def is_seen_late(self) -> bool:
        """Whether nothing tells of its end, so that a request which waits for it has to look."""
        body = None if self._body is None else self._body()
        return self.is_closed or self._body is None or type(body) is GeneratorType

    def has_lost_its_context(self) -> bool:
        """Whether the thread or greenlet that called the application has ended: nothing will go on with the body."""
        return not contexts.is_alive(self._life)

    def has_lost_its_turn(self, patience: float) -> bool:
        """Whether it may no longer keep others waiting for the turn.

        A server that never calls ``close()`` loses the turn soon after the end of the iteration. Where bodies
        interleave, one that was not asked for a chunk for *patience* seconds belongs to a client that has hung up.
        """
        now = monotonic()
        if self.ended_at is None and self._has_failed():
            self.ended_at = now
        if self.ended_at is not None and not self.is_closed and now - self.ended_at >= GRACE:
            return True
        interleaves = self.is_kept or self.ledger.interleaves
        return interleaves and now - self.asked_at >= patience and not self.is_running()

    def watch(self) -> None:
        """Look at each chunk from now on: its context has entered again and left it unfinished."""
        if self.before_chunk is not None:
            self.is_watched = True
            for iteration in [reference() for reference in list(self.iterations)]:
                if iteration is not None:
                    iteration.watch()

    def place(self) -> contexts.Place:
        """Where its body stands."""
        body = None if self._body is None else self._body()
        if self.is_running():
            return contexts.find(lambda frame: self.is_run_by([frame]))
        return contexts.waiting(getattr(body, "gi_frame", None), self.context)


def _is_running(source: Any) -> bool:
    if type(source) is GeneratorType:
        return source.gi_running
    return contexts.is_made_elsewhere(source)
