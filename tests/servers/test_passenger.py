import types

import pytest
from fake_stacks import at_startup, in_thread, on_request, serves
from threadguard.model import Reading, Source
from threadguard.servers import passenger

LOADER = """
def load_app():
    return look()


class RequestHandler:
    def main_loop(self):
        return look()
"""


def loader(look, name="__main__", file="/usr/share/passenger/helper-scripts/wsgi-loader.py"):
    """Passenger's loader, as the main program of its process."""
    made = types.ModuleType(name)
    made.look = look
    exec(compile(LOADER, file, "exec"), vars(made))
    return made


@pytest.fixture(autouse=True)
def variable(monkeypatch):
    """Passenger marks its processes."""
    monkeypatch.setenv("IN_PASSENGER", "1")


def test_the_loader_loads_applications_of_one_request_at_a_time():
    """While the loader loads the application its own frame tells who will serve it."""
    expected = Reading(Source.SETTING, "Passenger", 1, "wsgi-loader.py answers one connection after the other",
                       passenger.REMEDY, on_stack=True)
    assert expected == loader(lambda: at_startup(passenger)).load_app()


def test_the_loop_of_the_loader_runs_one_request():
    """On a request the loop is below it, in the main thread."""
    found = loader(lambda: (on_request(passenger), serves(passenger))).RequestHandler().main_loop()
    assert (Source.POOL, 1, True) == (found[0].source, found[0].capacity, found[1])


def test_a_loop_in_another_thread_is_not_known():
    """A loader that runs its loop in several threads is not the one that was read."""
    loop = loader(lambda: (on_request(passenger), serves(passenger))).RequestHandler().main_loop
    assert (None, True) == in_thread(loop)


@pytest.mark.parametrize("other", [
    pytest.param(dict(file="/srv/app/start.py"), id="another file"),
    pytest.param(dict(name="loader"), id="not the main program"),
])
def test_another_program_is_not_the_loader(other):
    """Neither its function's name nor the variable alone is evidence."""
    assert loader(lambda: at_startup(passenger), **other).load_app() is None


def test_a_loader_outside_passenger_says_nothing(monkeypatch):
    """Without IN_PASSENGER nobody else drives the loader."""
    monkeypatch.delenv("IN_PASSENGER")
    assert loader(lambda: at_startup(passenger)).load_app() is None


def test_the_variable_alone_says_nothing():
    """A process that Passenger started may serve in any way it likes."""
    assert (None, None, False) == (at_startup(passenger), on_request(passenger), serves(passenger))
