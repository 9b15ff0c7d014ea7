"""``gunicorn`` and its configuration file, which is Python: it is read, and run only with --exec.

The strongest wins: the arguments, GUNICORN_CMD_ARGS, the file, the default (gunicorn/app/base.py `load_config`).
"""

import ast
import io
import os
import re
import tokenize
import warnings
from dataclasses import replace
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence

from threadguard.check import execute, paste
from threadguard.check.model import Command, Item, Server, explain, number, quote
from threadguard.check.source import CannotTell, Source, Unreadable
from threadguard.check.words import ASSUMED, Environment, Given, Word, expand, is_known, parse, shown, split
from threadguard.model import Reading
from threadguard.servers import gunicorn

DEFAULT_FILE = "gunicorn.conf.py"  # gunicorn/config.py get_default_config_file, 20 and later
PIN = "--worker-class sync --threads 1 on gunicorn's command line"

_VALUES = "-c,--config -k,--worker-class --threads --worker-connections -b,--bind --chdir --paste,--paster" \
    " -w,--workers --log-config-json --log-syslog-to -n,--name -e,--env -p,--pid -u,--user -g,--group -m,--umask" \
    " -t,--timeout --reload-engine --reload-extra-file --log-file,--error-logfile --access-logfile"
_FLAGS = "--reload --preload -D,--daemon --check-config --print-config --spew --no-sendfile --reuse-port --initgroups" \
    " --capture-output --log-syslog -R,--enable-stdio-inheritance --disable-redirect-access-to-syslog -v,--version"
_DEFAULTS: Dict[str, Any] = {"worker_class": "sync", "threads": 1, "worker_connections": 1000, "bind": "one"}
_SUBCLASSES = {"geventwebsocket.gunicorn.workers.GeventWebSocketWorker": "gevent_pywsgi"}
"""Workers of other packages that derive from one of gunicorn's and run requests as that does."""


class Setting(NamedTuple):
    """The value of one setting, as it is written, and the place that it has it from."""

    value: Any
    written: str = ""
    file: Optional[str] = None
    line: Optional[int] = None


def read_file(text: Source, command: Command) -> Iterator[Item]:
    """What the file sets, as ``gunicorn -c FILE application`` would read it."""
    environment = Environment({}, ASSUMED, "the environment of gunicorn")
    command = replace(command, words=("gunicorn", "-c", text.path, "app"), environment=environment, directory=".")
    command.assumed.append("gunicorn's command line sets neither worker class nor threads")
    try:
        yield from read_command(command)
    except CannotTell as error:
        yield explain(error, gunicorn.NAME)


def read_command(command: Command) -> Iterator[Item]:
    """The worker class, and what bounds it; with ``--paste`` whether that application is guarded, and nothing else.

    gunicorn does not read the [server:] section of such a file (gunicorn/app/pasterapp.py `get_wsgi_app`).
    """
    reading = _judge(_settings(command))
    yield reading
    path = command.parse(_VALUES, _FLAGS).last("--paster")
    if path is not None and is_known(path):
        name, _, section = re.sub("^config:", "", path).partition("#")
        try:
            ini = paste.Ini(command.read(name, "--paste"), command.tree)
            ini.served_by.append(reading)
            yield from paste.unguarded(ini, section or "main")
        except CannotTell:
            return  # it says nothing of the threads


def _judge(found: Dict[str, Setting]) -> Reading:
    """The capacity that the settings give. Raises `CannotTell`."""
    worker, threads, connections, bind = (found[name] for name in _DEFAULTS)
    kind = re.sub("^egg:gunicorn#", "", str(worker.value))
    listeners = str(bind.value).count(",") + 1 if is_known(str(bind.value)) else 1
    reading = gunicorn.read_settings(
        _SUBCLASSES.get(kind, kind), number(threads.value, "threads", threads.file, threads.line),
        number(connections.value, "worker_connections", connections.file, connections.line), listeners)
    if reading is None:
        raise CannotTell("%s is none of gunicorn's own workers, or no number that makes sense" % (
            worker.written or threads.written), "pin it: " + PIN, worker.file, worker.line or threads.line)
    server = reading.server[len("gunicorn's "):]
    place = worker if not threads.written or not server.startswith(("gthread", "sync")) else threads
    evidence = place.written
    if reading.capacity != 1 and server.startswith("gthread") and "thread" not in kind.lower():
        evidence = threads.written + ", which makes gunicorn take gthread instead of sync"
    elif server.startswith("gthread"):
        evidence = " and ".join(filter(None, (worker.written, threads.written)))
    elif reading.capacity != 1:
        evidence += ", with %s" % (connections.written or "worker_connections at its default of 1000")
    in_file, only = place.file is not None, "thread" in server or place is threads
    remedy = ("threads = 1" if only else 'worker_class = "sync" and threads = 1') + " in %s; for more throughput" \
        " workers = N" % os.path.basename(str(place.file)) if in_file else (
            "--threads 1" if only else "--worker-class sync --threads 1") + "; for more throughput --workers N"
    return quote(reading, evidence, remedy, place.file, place.line)


def _settings(command: Command) -> Dict[str, Setting]:
    """Each setting from the strongest place that has it. Raises `CannotTell` where a place that decides is not here."""
    given = command.parse(_VALUES, _FLAGS)
    found, chosen = _given(given, ""), given.last("--config")
    if not _is_pinned(found):
        variable = command.variable("GUNICORN_CMD_ARGS") or Word.of("")
        words = [Word.of(expand(word, Environment({}, ASSUMED)), word) for word in split(variable)]
        given = parse(words, _VALUES, _FLAGS)
        found, chosen = {**_given(given, "GUNICORN_CMD_ARGS: "), **found}, chosen or given.last("--config")
    of_file: Dict[str, Setting] = {}
    try:
        of_file = _of_file(command, chosen, found)
    except CannotTell:
        # The working directory of an image is filled from the tree, and threads make one worker of all but tornado.
        is_threaded = command.elsewhere.endswith("image") and "threads" in found and found["threads"].value != "1"
        if not _is_pinned(found) and not is_threaded:
            raise
    return {name: found.get(name) or of_file.get(name) or Setting(_DEFAULTS[name]) for name in _DEFAULTS}


def _given(given: Given, where: str) -> Dict[str, Setting]:
    options = {name: given.options.get("--" + name.replace("_", "-")) for name in _DEFAULTS}
    return {name: Setting(",".join(words) if name == "bind" else words[-1], where + words[-1].written)
            for name, words in options.items() if words}


def _is_pinned(found: Dict[str, Setting]) -> bool:
    """Whether no configuration file can change what these settings decide: one of greenlets, or both of the others."""
    worker = found.get("worker_class")
    return worker is not None and is_known(worker.value) and (
        "threads" in found or re.search("gevent|eventlet|tornado", worker.value) is not None)


def _of_file(command: Command, chosen: Optional[Word], found: Dict[str, Setting]) -> Dict[str, Setting]:
    """What the configuration file sets: the *chosen* one, else that of the working directory, if it is there."""
    name = DEFAULT_FILE if chosen is None else re.sub("^file:", "", chosen)
    try:
        if name.startswith("python:"):
            raise CannotTell("%s is a module, which only gunicorn can find" % shown(name))
        path = command.path(name, "gunicorn's configuration")
        if chosen is None and not os.path.lexists(path) and command.tree.holds(os.path.dirname(path) or "."):
            return {}
        text = command.tree.read(path)
    except CannotTell as error:
        raise CannotTell(error.evidence, "pin it: " + PIN, error.file, error.line) from None
    literals = Literals(text)
    doubts, settings = list(literals.doubts), {}  # type: List[CannotTell], Dict[str, Setting]
    for each in (each for each in _DEFAULTS if each not in found):
        try:
            setting = literals.get(each)
            settings.update({each: setting} if setting else {})
        except CannotTell as error:
            doubts += [error] if each != "bind" else []
            if each != "bind" and not command.options.execute:
                raise
    if doubts and command.options.execute:
        values = execute.gunicorn_settings(command, path, doubts[-1])
        return {each: Setting(value, "%s = %r, says gunicorn" % (each, value), path, literals.line(each))
                for each, value in values.items()}
    command.doubts.extend(doubts)
    return settings or {"worker_class": Setting("sync", "", text.path)}  # the file is where it would have been set


_FREE_HANDS = ("exec", "eval", "globals", "locals", "vars", "setattr", "delattr", "__import__", "execfile",
               "__dict__", "__globals__", "f_globals", "f_locals", "modules", "__builtins__", "builtins",
               "import_module", "_getframe", "currentframe", "ctypes")
"""With these a module can set any name."""
_PLAIN = (ast.Import, ast.ImportFrom, ast.Assign, ast.AnnAssign, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef,
          ast.Pass)


class Literals:
    """What a configuration file binds its names to, as far as it is plain to see. Raises `Unreadable` for no Python.

    It is plain if each name that decides is assigned once, at the top level, a literal, and nothing else mentions it,
    beside nothing but imports, literals, definitions and expressions for other names.
    """

    def __init__(self, source: Source) -> None:
        self._source = source.limited(64)  # deeper expressions than that leave no stack to Python 3.8
        try:
            tokenize.detect_encoding(io.BytesIO(source.text.encode()).readline)  # or a SyntaxError: no such encoding
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a bad escape in a string is not ours to tell
                tree = ast.parse(source.text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            said, line = getattr(error, "msg", None) or error, getattr(error, "lineno", None)
            raise Unreadable("it is no Python: %s" % said, source.path, line) from None
        self._assigned: Dict[str, List[Any]] = {}
        self.doubts: List[CannotTell] = []
        """What only a proof of one thread minds: statements that may do anything, though they name no setting."""
        plain = set()
        for statement in tree.body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            if len(targets) == 1 and isinstance(targets[0], ast.Name) and isinstance(
                    statement, (ast.Assign, ast.AnnAssign)) and statement.value is not None:
                self._assigned.setdefault(targets[0].id, []).append(statement)
                plain.add(id(targets[0]))
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not isinstance(statement, _PLAIN) and not is_text:
                self.doubts.append(self._cannot("a statement beside the settings may change them", statement.lineno))
        self._mentioned: Dict[str, int] = {}
        for node in ast.walk(tree):
            for name in () if id(node) in plain else _names(node):
                self._mentioned.setdefault(name, getattr(node, "lineno", 1))

    def _cannot(self, what: str, line: Optional[int]) -> CannotTell:
        return CannotTell(what, "pin it: %s; or let gunicorn read it, which executes it: --exec" % PIN,
                          self._source.path, line)

    def line(self, name: str) -> Optional[int]:
        """The line of the last assignment to *name* at the top level."""
        return self._assigned[name][-1].lineno if name in self._assigned else None

    def get(self, name: str) -> Optional[Setting]:
        """The value of *name* when the module has run, None if it sets none. Raises `CannotTell`."""
        for each in ("*",) + _FREE_HANDS:
            if each in self._mentioned:
                raise self._cannot("%s can set any name" % ("import *" if each == "*" else each), self._mentioned[each])
        if name in self._mentioned or len(self._assigned.get(name, ())) > 1:
            line = self._mentioned.get(name) or self.line(name)
            raise self._cannot("%s is set or named in more than one place" % name, line)
        if name not in self._assigned:
            return None
        statement = self._assigned[name][-1]
        try:
            value = ast.literal_eval(statement.value)
        except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
            raise self._cannot("%s is set to an expression" % name, statement.lineno) from None
        if name == "worker_class" and not isinstance(value, str):
            raise self._cannot("worker_class is no text", statement.lineno)
        written = self._source.lines[statement.lineno - 1].strip()[:100]
        try:
            value = int(value, 0) if isinstance(value, str) and name == "threads" else value
        except ValueError:
            raise Unreadable("%s is no number" % written, self._source.path, statement.lineno) from None
        return Setting(value, written, self._source.path, statement.lineno)


def _names(node: ast.AST) -> Sequence[str]:
    """The names that *node* mentions in a way that may set them; a name that is only read is none."""
    if isinstance(node, ast.Constant):
        return [str(node.value)] if node.value in tuple(_DEFAULTS) else []
    is_read = isinstance(getattr(node, "ctx", None), ast.Load)
    found: List[Any] = [] if isinstance(node, ast.alias) else [
        each for _, value in ast.iter_fields(node) for each in (value if isinstance(value, list) else [value])]
    for alias in [each for each in found if isinstance(each, ast.alias)]:
        found += (alias.asname or alias.name).split(".")
    return [each for each in found if isinstance(each, str) and (not is_read or each in _FREE_HANDS)]


COMMAND = Server(gunicorn.NAME, ("gunicorn", "gunicorn3", "gunicorn_paster", "gunicorn.app.wsgiapp"), read_command, PIN)
