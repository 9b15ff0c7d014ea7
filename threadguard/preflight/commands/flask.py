"""``flask run``: click's parser of Flask's own command decides where Flask is installed."""

from typing import Iterator, Optional, Tuple

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import CannotTell, Command
from threadguard.servers import flask

NAME = flask.NAME
PROGRAMS = ("flask",)

_GROUP = "-A,--app -e,--env-file"  # flask/cli.py FlaskGroup; the other values and flags are those of run_command
_RUN = "-h,--host -p,--port --cert --key --extra-files --exclude-patterns"
_FLAGS = "--debug --no-debug --version --help --reload --no-reload --debugger --no-debugger --with-threads" \
    " --without-threads --eager-loading --lazy-loading"
_WORDS = {"true": True, "1": True, "yes": True, "on": True, "t": True, "y": True,
          "false": False, "0": False, "no": False, "off": False, "f": False, "n": False}  # click's BoolParamType


def read_command(command: Command) -> Iterator[Reading]:
    """The flags ``--with-threads`` and ``--without-threads``, and FLASK_RUN_WITH_THREADS."""
    words = command.words[1:]
    given = arguments.parse(words, _GROUP + " " + _RUN, _FLAGS)
    if given.words[:1] != ["run"]:
        return
    chosen = _by_flags(words[words.index("run") + 1:])
    if chosen is not None:
        yield flask.read_settings(chosen, "the command line")
    else:
        yield _by_variable(command)


def _by_flags(words: Tuple[str, ...]) -> Optional[bool]:
    by_click = arguments.by_click("flask.cli", "run_command", words)
    if by_click is not None:
        chosen: Optional[bool] = by_click.get("with_threads")
        return chosen
    flags = [word for word in words if word in ("--with-threads", "--without-threads")]
    return flags[-1] == "--with-threads" if flags else None


def _by_variable(command: Command) -> Reading:
    value = arguments.from_env(command.env, "FLASK_RUN", "with_threads")
    if value is None:
        return flask.read_settings(True, "flask run's default")
    if value.strip().lower() not in _WORDS:
        raise CannotTell("FLASK_RUN_WITH_THREADS is %.80r" % value)
    return flask.read_settings(_WORDS[value.strip().lower()], "the variable FLASK_RUN_WITH_THREADS")
