"""gunicorn's settings from gunicorn itself: a process of its own reads them, and executes the configuration file.

That file is code. It may raise, exit, loop, or leave threads and children behind; so it has a limit of time, and its
process group is ended in any case.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any, Dict, NamedTuple, Optional, Tuple

from threadguard.preflight import literals, source
from threadguard.preflight.model import CannotTell, Command, Unreadable

SECONDS = 30.0
"""The time that gunicorn has to read its configuration: on a busy machine its own imports take some of them."""
SETTINGS = ("worker_class", "threads", "worker_connections", "bind")


class Setting(NamedTuple):
    """The value of one setting, and the place that it has it from; of ``bind``, the number of addresses."""

    value: Any
    where: str = "gunicorn's default"
    file: Optional[str] = None
    line: Optional[int] = None


Settings = Dict[str, Setting]


def decisive(found: Settings) -> str:
    """The name of the setting that decides: the threads of a sync or gthread worker if they are set, else its class."""
    by_threads = found["worker_class"].value in ("sync", "gthread") and found["threads"] != Setting(1)
    return "threads" if by_threads else "worker_class"


def read(command: Command) -> Settings:
    """What gunicorn makes of *command*. Raises `Unreadable` where it would not start, `CannotTell` after `SECONDS`."""
    answer = _run(command)
    return {name: Setting(answer["values"][name], *_place(answer["by"][name], name)) for name in SETTINGS}


_PLACES = {"line": "the command line", "env": "GUNICORN_CMD_ARGS", "default": "gunicorn's default"}


def _place(by: str, name: str) -> Tuple[str, Optional[str], Optional[int]]:
    """Who set *name*, in words; its file and line, if it was a file."""
    if by in _PLACES or by.startswith("python:"):
        return _PLACES.get(by, by), None, None
    return os.path.basename(by), source.shown(by), _line(by, name)


def _run(command: Command) -> Dict[str, Any]:
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as answer, tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                [sys.executable, "-c", _program(), str(writer)] + list(command.words[1:]), cwd=command.directory,
                env=_environment(command), pass_fds=(writer,), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=errors, start_new_session=True)
        except (OSError, ValueError) as error:
            raise Unreadable("gunicorn cannot be started in %s: %s" % (command.directory, error)) from None
        finally:
            os.close(writer)
        _wait(child)
        os.set_blocking(reader, False)  # a grandchild that got away may hold the other end
        said = answer.read() if child.returncode == 0 else b""
        if not said:
            raise Unreadable("gunicorn does not start with it: %s" % _last_words(errors, child.returncode))
    try:
        found: Dict[str, Any] = json.loads(said)
        return {"values": found["values"], "by": found["by"]}
    except (ValueError, KeyError, TypeError):
        raise Unreadable("gunicorn's configuration spoilt the answer: %.80r" % said) from None


def _wait(child: "subprocess.Popen[bytes]") -> None:
    try:
        child.wait(SECONDS)
    except subprocess.TimeoutExpired:
        raise CannotTell("gunicorn's configuration was not read within %d seconds" % SECONDS,
                         "find out what it waits for; --no-exec reads plain assignments only") from None
    finally:
        _end(child)


def _end(child: "subprocess.Popen[bytes]") -> None:
    """End the child and all that it left behind in its own process group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except OSError:
        pass  # nobody is left
    child.wait()


def _program() -> str:
    path = os.path.join(os.path.dirname(__file__), "gunicorn_child.py")
    with open(path, encoding="utf-8") as stream:
        return stream.read()


def _environment(command: Command) -> Dict[str, str]:
    """This process' own, so that the file finds what it looks for; gunicorn's variable only as *command* has it."""
    own = {name: value for name, value in os.environ.items() if name != "GUNICORN_CMD_ARGS"}
    return {**own, **command.env}


def _last_words(errors: Any, status: int) -> str:
    """What gunicorn said at the end of its traceback or of its usage, and the status."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 4096))
    lines = [line.strip() for line in errors.read().decode("utf-8", "replace").splitlines() if line.strip()]
    ended = "it was ended by signal %d" % -status if status < 0 else "it exited with status %d" % status
    return "%s (%s)" % (lines[-1][:300], ended) if lines else ended


def _line(file: str, name: str) -> Optional[int]:
    try:
        return literals.Literals(source.read(file)).line(name)
    except Unreadable:
        return None
