"""A response whose body was handed out: whether it is finished, running, or waits to be asked for its next chunk."""

import weakref
from types import FrameType, GeneratorType
from typing import Any, List

from threadguard.process import contexts, lifetime


class Stream:
    """A response whose body was handed out and is not finished, as far as one can see."""

    __slots__ = ("request", "context", "kept", "told", "_body", "_thread")

    def __init__(self, request: Any, context: contexts.Context, body: "weakref.ref[Any]", kept: bool) -> None:
        self.request = request
        self.context = context
        self.kept = kept
        """An event loop goes on with it after its context has entered again."""
        self.told = 0
        """The newest request that it was found to interleave with."""
        self._body = body
        self._thread = lifetime.mine()

    def has_lost_its_thread(self) -> bool:
        """Whether the thread that called the application is dead: nobody will go on with the body."""
        return not lifetime.is_alive(self._thread)

    def is_finished(self) -> bool:
        """Whether no code of the application is left to run for it."""
        body = self._body()
        if type(body) is GeneratorType:
            return not body.gi_running and body.gi_frame is None  # not to be touched where another thread runs it
        return body is None or getattr(body, "is_finished", False)

    def is_running(self) -> bool:
        """Whether its body computes a chunk at this moment."""
        body = self._body()
        return bool(body.gi_running if type(body) is GeneratorType else getattr(body, "is_running", False))

    def is_made_by(self, frames: List[FrameType]) -> bool:
        """Whether one of *frames* computes a chunk of its body."""
        return self.is_running() and contexts.makes(frames, self._body())

    def place(self) -> contexts.Place:
        """Where its body stands."""
        body = self._body()
        if self.is_running():
            return contexts.find(lambda frame: contexts.makes([frame], body))
        return contexts.waiting(getattr(body, "gi_frame", None), self.context)
