"""What is measured in one process: requests, chunks, import, memory, ten thousand inside."""

import gc
import logging
import os
import statistics
import subprocess
import sys
import time
from functools import partial
from typing import Any, Dict, Iterable, List

import paired
from contenders import CONTENDERS, Empty, guard, hello, serve, start_response

CHUNKS = 10000


def requests(quick: bool) -> Dict[str, Any]:
    """What each contender adds to a request with a list for a body."""
    apps = {name: make(hello) for name, make in CONTENDERS.items()}
    series = paired.run({name: partial(serve, app) for name, app in apps.items()}, 15 if quick else 60, 2000)
    return {name: each.added(series["nothing"]) for name, each in series.items() if name != "nothing"}


class Chunks:
    """An iterable body that is no generator."""

    def __init__(self, number: int) -> None:
        self._left = iter(range(number))

    def __iter__(self) -> "Chunks":
        return self

    def __next__(self) -> bytes:
        next(self._left)
        return b"chunk"


def generator(number: int) -> Iterable[bytes]:
    """A generator body."""
    for _ in range(number):
        yield b"chunk"


def bodies(quick: bool) -> Dict[str, Any]:
    """What a streamed body costs more: for a request with one chunk (ns), and for each of 10,000 chunks (percent)."""
    found = {}
    for name, make in ("a generator", generator), ("an iterable", Chunks):
        def app(environ: Any, start: Any, make: Any = make) -> Any:
            return make(environ["number"])

        for policy in "refuse", "serialize":
            sides = {"nothing": app, "empty": Empty(app), "guard": guard(app, policy)}
            short = paired.run({side: partial(stream, each, 1) for side, each in sides.items()}, 12, 2000)
            long = paired.run({side: partial(stream, each, CHUNKS) for side, each in sides.items()},
                              20 if quick else 100, 2)
            base, mine = long["nothing"].times, long["guard"].times
            percent = [100 * (with_it - bare) / bare for with_it, bare in zip(mine, base)]
            found["%s, %s" % (name, policy)] = {
                "request": short["guard"].added(short["nothing"]), "percent": statistics.median(percent),
                "percent_min": 100 * (min(mine) - min(base)) / min(base),
                "quartiles": [statistics.quantiles(percent, n=4)[index] for index in (0, 2)]}
    return found


def stream(app: Any, number: int) -> None:
    """One request for *number* chunks."""
    for _ in app({"number": number, "wsgi.multithread": False}, start_response):
        pass


UNWANTED = "webob", "werkzeug", "pytest", "prometheus_client"


def imports(quick: bool) -> Dict[str, Any]:
    """Milliseconds that ``from threadguard import ThreadGuard`` adds to an empty interpreter, and the first guard then.

    Also what the import loads that it should not.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def start(program: str) -> float:
        begin = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True, env=environment)
        return (time.perf_counter() - begin) * 1000

    start("import threadguard")
    pairs = [(start("import threadguard"), start("pass")) for _ in range(7 if quick else 30)]
    loaded = subprocess.run([sys.executable, "-c", "import sys, threadguard; print(*sys.modules)"],
                            stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout.split()
    return {"median": statistics.median(guarded - bare for guarded, bare in pairs),
            "min": min(guarded for guarded, _ in pairs) - min(bare for _, bare in pairs),
            "unwanted": [name for name in UNWANTED if name in loaded]}


MEMORY = """
import gc, os, sys
sys.path.insert(0, %r)
from contenders import guard, hello, serve
from in_process import Chunks, generator, stream
apps = [guard(hello), guard(lambda e, s: generator(2)), guard(lambda e, s: Chunks(2))]
def kilobytes():
    gc.collect()
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024
def some(number):
    for turn in range(number):
        serve(apps[turn %% 3])
some(50000)
before = kilobytes()
some(%d)
print(kilobytes() - before, [len(app._ledger.inside) + len(app._ledger._streams) for app in apps])
"""


def memory(quick: bool) -> Dict[str, Any]:
    """Kilobytes by which a process grows over a million requests with three kinds of bodies."""
    number = 100000 if quick else 1000000
    done = subprocess.run([sys.executable, "-c", MEMORY % (sys.path[0], number)], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True)
    grown, left = done.stdout.split(" ", 1)
    return {"requests": number, "grown": int(grown), "left": left.strip()}


def crowd(quick: bool) -> Dict[str, Any]:
    """What the guard adds (ns) to a greenlet's request that is alone, and with 10,000 inside, under the policy log."""
    import greenlet

    def app(environ: Any, start: Any) -> List[bytes]:
        greenlet.getcurrent().parent.switch()
        return [b"x"]

    environs = [{"wsgi.multithread": False, "PATH_INFO": "/"} for _ in range(10000)]

    def alone(target: Any) -> None:
        for each, environ in zip([greenlet.greenlet(target) for _ in environs], environs):
            each.switch(environ, start_response)
            each.switch()

    def together(target: Any) -> None:
        greenlets = [greenlet.greenlet(target) for _ in environs]
        for each, environ in zip(greenlets, environs):
            each.switch(environ, start_response)
        for each in greenlets:
            each.switch()

    logging.disable(logging.CRITICAL)
    fresh, proved = guard(app, "log"), guard(hello, "log")
    proved.app = app
    together(proved)
    series = paired.run({"alone, bare": partial(alone, app), "alone": partial(alone, fresh),
                         "together, bare": partial(together, app), "together": partial(together, proved)},
                        5 if quick else 15, 1)
    logging.disable(logging.NOTSET)
    gc.collect()
    return {"%s %s" % (way, what): value / len(environs) for way in ("alone", "together")
            for what, value in [("added", series[way].added(series[way + ", bare"])["median"]),
                                ("added, minima", series[way].added(series[way + ", bare"])["min"]),
                                ("in all", min(series[way].times) * 1e9)]}
