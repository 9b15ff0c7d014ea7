"""Ask every reader and every rule, and let none of them break the application: one that raises becomes a finding."""

from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from threadguard import rules
from threadguard.servers.judge import decide, is_threaded
from threadguard.model import Finding, Reading, Source
from threadguard.process.facts import Process
from threadguard.rules.callers import seen_by_the_server
from threadguard.servers import SERVERS, Server

ANY_SERVER = "set this server to one thread for each process, and start more processes for more throughput"
UNKNOWN_SERVER = ANY_SERVER + "; if it has one thread already, option server_threads = 1 states it"

_NO_LIMIT = 2 ** 31 - 1
"""The greatest number of a C int: no process has so many threads."""

_LOOKS = 3
"""How often a request is looked at while threads come."""


class Answers(NamedTuple):
    """What the readers said, by reader, so that a later answer can replace an earlier one of the same reader."""

    readings: Dict[str, Reading]
    notes: Tuple[Finding, ...]


_Question = Tuple[str, Callable[[], Optional[Reading]]]


def at_startup() -> Answers:
    """What can be read while the guard is being built."""
    with Process() as process:
        return _ask((server.NAME, partial(server.at_startup, process)) for server in SERVERS)


def on_request(environ: Dict[str, Any], is_guard: Callable[[object], bool]) -> Answers:
    """What can be read on the request of *environ*; *is_guard* knows the guards of the group.

    A server may be starting its threads meanwhile: what does not know of them is looked at once more.
    """
    for _ in range(_LOOKS):
        with Process(environ) as here:
            answers = _of_request(here, environ, is_guard)
            first = decide(list(answers.readings.values()))
            if (first is not None and is_threaded(first)) or not here.is_over():
                break
    return answers


def _of_request(here: Process, environ: Dict[str, Any], is_guard: Callable[[object], bool]) -> Answers:
    with seen_by_the_server(here) as process:
        questions: List[_Question] = [
            (server.NAME, partial(server.on_request, process)) for server in SERVERS]
        questions += [(rule.__name__, partial(rule, process, is_guard)) for rule in rules.RULES]
        answers = _ask(questions)
        serving = _serving(process)
    readings = {name: _named(reading, serving) for name, reading in answers.readings.items()}
    flag, notes = declared(environ)
    if flag is not None:
        readings["wsgi.multithread"] = _named(flag, serving)
    return Answers(readings, answers.notes + notes)


def _ask(questions: Iterable[_Question]) -> Answers:
    readings: Dict[str, Reading] = {}
    notes: List[Finding] = []
    for name, question in questions:
        try:
            reading = question()
        except Exception as error:  # noqa: B902  a reader looks into other people's objects: anything may come out
            notes.append(Finding("TG402", "the reader for %s failed" % name, "%s: %s" % (type(error).__name__, error),
                                 "please report it; server_threads states the capacity until then"))
        else:
            if reading is not None:
                readings[name] = reading
    return Answers(readings, tuple(notes))


def _serving(process: Process) -> Optional[Server]:
    """The server whose frame is on my stack, as far as its reader can tell."""
    for server in SERVERS:
        try:
            if server.serves(process):
                return server
        except Exception:  # noqa: B902  it only chooses the words of a remedy; on_request has told of the failure
            continue
    return None


def _unbounded(reading: Reading) -> Reading:
    """*reading*, in words where its number stands for no limit: `sys.maxsize`, the default of flup's pool, or so."""
    if reading.capacity is None or reading.capacity < _NO_LIMIT:
        return reading
    return replace(reading, capacity=None, unbounded=True, code=reading.code or "TG202",
                   evidence=reading.evidence.replace(str(reading.capacity), "without limit"))


def _named(reading: Reading, serving: Optional[Server]) -> Reading:
    """*reading* with the name and the remedy of the *serving* server, where it is general and has none of its own."""
    reading = _unbounded(reading)
    if reading.remedy:
        return reading
    if serving is None:
        return replace(reading, remedy=UNKNOWN_SERVER if reading.source is Source.DECLARED else ANY_SERVER)
    return replace(reading, server=serving.NAME, remedy=serving.REMEDY)


def declared(environ: Dict[str, Any]) -> Tuple[Optional[Reading], Tuple[Finding, ...]]:
    """What ``wsgi.multithread`` says (PEP 3333, "environ Variables"), or a note that it says nothing."""
    flag = environ.get("wsgi.multithread")
    if "wsgi.multithread" not in environ:
        return None, (Finding("TG401", "the server does not say whether it is threaded",
                              "the environ has no wsgi.multithread", "server_threads = 1 states that it is not"),)
    if flag not in (True, False):
        return None, (Finding("TG401", "the server does not say clearly whether it is threaded",
                              "wsgi.multithread is %.80r, which is neither true nor false" % (flag,),
                              "server_threads = 1 states that it is not"),)
    return Reading(Source.DECLARED, "the server", None if flag else 1,
                   "wsgi.multithread is %r, and nothing stronger could be read" % flag), ()
