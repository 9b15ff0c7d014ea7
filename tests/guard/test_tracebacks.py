"""A traceback shows the application's frames, and the guard's are marked: Werkzeug, Sentry, Django, Paste hide them.

All of them look for a local variable ``__traceback_hide__`` (werkzeug/debug/tbtools.py, sentry_sdk/utils.py
`should_hide_frame`, django/views/debug.py, paste/exceptions/collector.py).
"""

import asyncio
import io
from wsgiref.util import FileWrapper

import pytest
from conftest import new_environ, start_response


class Failed(Exception):
    """What the application raises."""


def fail(*args):
    raise Failed


class Fails:
    """A body whose method *where* fails."""

    def __init__(self, where):
        self.where = where

    def __iter__(self):
        return fail() if self.where == "iter" else self

    def __next__(self):
        return fail() if self.where == "next" else b"chunk"

    def close(self):
        if self.where == "close":
            fail()


class Pages:
    """One that is no iterator itself."""

    def __init__(self, where):
        self.where, self.close = where, Fails(where).close

    def __iter__(self):
        return iter(Fails(self.where))


class File(io.BytesIO):
    """A file that is the application's own."""

    def __init__(self, where):
        super().__init__(b"chunk")
        self.where = where

    def read(self, *size):
        return fail() if self.where == "next" else super().read(*size)

    def close(self):
        if self.where == "close":
            fail()


def generated(where):
    try:
        yield b"chunk"
        if where == "next":
            fail()
    finally:
        if where == "close":
            fail()


BODIES = {
    "iterator": Fails, "iterable": Pages, "generator": generated, "map": lambda where: map(fail, [1]),
    "file": lambda where: FileWrapper(File(where)),
}
STAGES = [(kind, where) for kind in ("iterator", "iterable") for where in ("iter", "next", "close")] + [
    (kind, where) for kind in ("generator", "file") for where in ("next", "close")] + [("map", "next")]


def serve(app, where):
    """Call *app* as a server does, until it fails."""
    body = app(new_environ(wsgi__file_wrapper=FileWrapper), start_response)
    try:
        for chunk in body:
            if where == "close":
                break
    finally:
        if hasattr(body, "close"):
            body.close()


def frames_of(app, where):
    """The frames of what *app* raises: module, function, and whether it is marked."""
    with pytest.raises(Failed) as raised:
        serve(app, where)
    trace, frames = raised.value.__traceback__, []
    while trace is not None:
        frame = trace.tb_frame
        is_marked = frame.f_locals.get("__traceback_hide__", False)
        frames.append((frame.f_globals["__name__"], frame.f_code.co_name, is_marked))
        trace = trace.tb_next
    return frames


@pytest.fixture(params=["no loop", "an event loop"])
def running(request):
    """A function that calls another one, under an event loop or under none: there each chunk is looked at."""
    if request.param == "no loop":
        return lambda function, *args: function(*args)

    async def run(function, *args):
        return function(*args)

    return lambda function, *args: asyncio.run(run(function, *args))


def assert_marked(app, guard, where, running):
    """Every frame of the guard is marked, and the others are what they are without it."""
    bare, guarded = frames_of(app, where), running(frames_of, guard, where)
    own = [frame for frame in guarded if frame[0].startswith("threadguard.")]
    assert all(is_marked for _, _, is_marked in own), own
    assert [frame for frame in guarded if frame not in own] == bare


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("kind, where", STAGES)
def test_the_frames_of_the_guard_are_marked(guarded, running, policy, kind, where):
    """Wherever the application fails: as its body begins, in a chunk, or in close()."""
    def app(environ, start):
        start("200 OK", [])
        return BODIES[kind](where)

    assert_marked(app, guarded(app, policy=policy), where, running)


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_the_frame_that_calls_the_application_is_marked(guarded, running, policy):
    """The one that every traceback has."""
    assert_marked(fail, guarded(fail, policy=policy), "next", running)
