"""Ask every reader and every sign, and let none of them break the application: one that raises becomes a finding."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from threadguard.model import Finding, Reading, Source
from threadguard.process.facts import Process
from threadguard.servers import SERVERS, Server, pastedeploy, unknown
from threadguard.servers.judge import decide, is_threaded
from threadguard.servers.origin import Call, Origin, is_imported, serving, trace
from threadguard.servers.unknown import IsGuard

ANY_SERVER = "set this server to one thread for each process, and start more processes for more throughput"
UNKNOWN_SERVER = ANY_SERVER + "; if it has one thread already, option server_threads = 1 states it"

_NO_LIMIT = 2 ** 31 - 1
"""The greatest number of a C int: no process has so many threads."""

_LOOKS = 4
"""How often a request is looked at while threads come, or while the one that waits for it does not sleep yet."""


class Answers(NamedTuple):
    """What the readers said, by reader, so that a later answer can replace an earlier one of the same reader."""

    readings: Dict[str, Reading]
    notes: Tuple[Finding, ...]
    origin: Origin = Origin.PLAIN
    """Where the call came from."""
    thread: int = 0
    """The thread that it came from, if that may be the server's: 0 while a module was being imported."""


def at_startup() -> Answers:
    """What can be read while the guard is being built."""
    try:
        with Process() as process:
            return _ask_servers("at_startup", process)
    except Exception as error:  # noqa: B902
        return Answers({}, (_failed("this process", error),))


def on_request(environ: Dict[str, Any], is_guard: IsGuard, is_server_known: bool = False) -> Answers:
    """What can be read on the request of *environ*.

    :param is_guard: knows the guards of the group.
    :param is_server_known: whether the server has shown itself before: see `origin.trace`.

    A server may be starting its threads meanwhile: what does not know of them is looked at once more.
    """
    try:
        return _looked(environ, is_guard, is_server_known)
    except Exception as error:  # noqa: B902  a look at other people's stacks and objects: anything may come out
        flag, notes = declared(environ)
        readings = {} if flag is None else {"wsgi.multithread": _named(flag, None)}
        return Answers(readings, (_failed("this process", error), *notes))


def _looked(environ: Dict[str, Any], is_guard: IsGuard, is_server_known: bool) -> Answers:
    for look in range(_LOOKS):
        with Process(environ) as here:
            call = trace(here, SERVERS, is_guard, is_server_known)
            if call.origin is Origin.POOL and here.hides_threads() and look < _LOOKS - 1:
                continue
            if call.origin is Origin.ELSEWHERE:
                return Answers({}, (), call.origin)
            answers = _of_call(call, here, environ)
            first = decide(list(answers.readings.values()))
            if (first is not None and is_threaded(first)) or not here.is_over():
                break
    return answers


def origin_of(environ: Dict[str, Any], is_guard: IsGuard, is_server_known: bool) -> Origin:
    """Where the request of *environ* comes from: from the server only if that runs it, and not while it is loading."""
    try:
        return _origin_of(environ, is_guard, is_server_known)
    except Exception:  # noqa: B902  as above
        return Origin.PLAIN


def _origin_of(environ: Dict[str, Any], is_guard: IsGuard, is_server_known: bool) -> Origin:
    with Process(environ) as here:
        if is_imported(here.stack):
            return Origin.ELSEWHERE
        call = trace(here, [server for server in SERVERS if server not in pastedeploy.COMMANDS], is_guard,
                     is_server_known)
        is_plain = call.origin is Origin.PLAIN
        return Origin.SERVER if is_plain and _ask_signs(call, here).readings else call.origin


def _of_call(call: Call, here: Process, environ: Dict[str, Any]) -> Answers:
    readings, notes, *_ = _ask_servers("on_request", call.process)
    readings = {name: replace(reading, source=Source.POOL) if reading.source is Source.SETTING else reading
                for name, reading in readings.items()}
    if not readings:
        readings, more, *_ = _ask_signs(call, here)
        notes += more
    readings = _bounded(readings, call)
    origin = Origin.SERVER if call.origin is Origin.PLAIN and readings else call.origin
    flag, more = declared(environ)
    if flag is not None:
        readings["wsgi.multithread"] = flag
    server = serving(call.process, SERVERS)
    return Answers({name: _named(reading, server) for name, reading in readings.items()}, notes + more, origin,
                   0 if is_imported(here.stack) else here.ident)


def _bounded(readings: Dict[str, Reading], call: Call) -> Dict[str, Reading]:
    """*readings* of the server, or the pool that it hands each call on to, if that is the smaller one."""
    smallest = min(call.pools, key=lambda pool: pool.size, default=None)
    first = decide(list(readings.values()))
    if smallest is None or (first is None and smallest.size > 1):
        return readings
    if first is not None and first.capacity is not None and first.capacity <= smallest.size:
        return readings
    return {"the pool": unknown.reading_of(smallest)}


def _ask_servers(function: str, process: Process) -> Answers:
    """What each reader that has *function* says of *process*."""
    return _ask((server.NAME, partial(getattr(server, function), process))
                for server in SERVERS if hasattr(server, function))


def _ask_signs(call: Call, here: Process) -> Answers:
    """What the signs that need no server's name show of *call*."""
    return _ask((sign.__name__, partial(sign, call.process)) for sign in unknown.SIGNS
                if call.process is here or sign is not unknown.frameless)


def _ask(questions: Iterable[Tuple[str, Callable[[], Optional[Reading]]]]) -> Answers:
    readings: Dict[str, Reading] = {}
    notes: List[Finding] = []
    for name, question in questions:
        try:
            reading = question()
        except Exception as error:  # noqa: B902  a reader looks into other people's objects: anything may come out
            notes.append(_failed(name, error))
        else:
            if reading is not None:
                readings[name] = reading
    return Answers(readings, tuple(notes))


def _failed(name: str, error: Exception) -> Finding:
    return Finding("TG402", "the reader for %s failed" % name, "%s: %s" % (type(error).__name__, error),
                   "please report it; server_threads states the capacity until then")


def _named(reading: Reading, server: Optional[Server]) -> Reading:
    """*reading* with the name and the remedy of the *server* that serves, where it has no remedy of its own, and in
    words where its number stands for no limit: `sys.maxsize`, or so."""
    if reading.capacity is not None and reading.capacity >= _NO_LIMIT:
        evidence = reading.evidence.replace(str(reading.capacity), "without limit")
        reading = replace(reading, capacity=None, unbounded=True, evidence=evidence)
    if reading.remedy:
        return reading
    if server is None:
        return replace(reading, remedy=UNKNOWN_SERVER if reading.source is Source.DECLARED else ANY_SERVER)
    return replace(reading, server=server.NAME, remedy=server.REMEDY)


def declared(environ: Dict[str, Any]) -> Tuple[Optional[Reading], Tuple[Finding, ...]]:
    """What ``wsgi.multithread`` says (PEP 3333, "environ Variables"), or a note that it says nothing."""
    remedy = "server_threads = 1 states that it is not"
    if "wsgi.multithread" not in environ:
        return None, (Finding("TG401", "the server does not say whether it is threaded",
                              "the environ has no wsgi.multithread", remedy),)
    flag = environ["wsgi.multithread"]
    if flag not in (True, False):
        return None, (Finding("TG401", "the server does not say clearly whether it is threaded",
                              "wsgi.multithread is %.80r, which is neither true nor false" % (flag,), remedy),)
    return Reading(Source.DECLARED, "the server", None if flag else 1,
                   "wsgi.multithread is %r, and nothing stronger could be read" % flag), ()
