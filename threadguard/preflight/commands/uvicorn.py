"""``uvicorn``: only ``--interface wsgi`` says how the application is called."""

from typing import Iterator

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command
from threadguard.servers import uvicorn

NAME = uvicorn.NAME
PROGRAMS = ("uvicorn",)


def read_command(command: Command) -> Iterator[Reading]:
    """The option ``--interface``, or UVICORN_INTERFACE."""
    words = command.words[1:]
    arguments.refuse_unknown_words(words)
    given = arguments.by_click("uvicorn.main", "main", words)
    if given is None:
        given = {"interface": arguments.parse(words, "--interface").last("--interface")}
    chosen, where = given.get("interface"), "the command line"
    if chosen is None:
        chosen, where = arguments.from_env(command.env, "UVICORN", "interface"), "the variable UVICORN_INTERFACE"
    reading = uvicorn.read_settings(str(chosen or "auto"), where=where)
    if reading is None:
        raise CannotTell("interface is %s, and an ASGI application runs a WSGI one in its own way" % (chosen or "auto"))
    yield reading
