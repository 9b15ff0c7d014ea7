"""What is measured in one process: requests, chunks, import, memory, ten thousand inside."""

import gc
import logging
import os
import statistics
import subprocess
import sys
from functools import partial
from typing import Any, Dict, Iterable, List

import paired
from contenders import CONTENDERS, Empty, guard, hello, made, serve, start_response

CHUNKS = 10000
GUARD = "threadguard, refuse"
HEAVY = ("threadguard, serialize", "wsgiref.validate", "Werkzeug's LintMiddleware", "Sentry's middleware",
         "opentelemetry-instrumentation-wsgi")


def requests(quick: bool) -> Dict[str, Any]:
    """What each contender adds to a request with a list for a body."""
    apps, missing = made(hello)
    calls = {name: partial(serve, app) for name, app in apps.items()}
    for call in calls.values():
        paired.repeat(call, 2000)  # the last look at the server is on the 1024th request
    quick_ones = {name: call for name, call in calls.items() if name not in HEAVY}
    heavy_ones = {name: call for name, call in calls.items() if name in (*HEAVY, "nothing", GUARD)}
    found: Dict[str, Any] = {name: {"missing": package} for name, package in missing.items()}
    beside: Dict[str, Any] = dict(found)
    for some, rounds, number in (heavy_ones, 150, 100), (quick_ones, 2000, 200):
        series = paired.run(some, rounds // 10 if quick else rounds, number)
        base = series.pop("nothing")
        found.update((name, each.added(base)) for name, each in series.items())
        beside.update((name, series[GUARD].beside(each, base)) for name, each in series.items())
    found[GUARD]["beside"] = beside
    return {name: found[name] for name in CONTENDERS if name in found}


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
            paired.repeat(partial(stream, sides["guard"], 1), 2000)
            short = paired.run({side: partial(stream, each, 1) for side, each in sides.items()}, 100, 200)
            long = paired.run({side: partial(stream, each, CHUNKS) for side, each in sides.items()},
                              20 if quick else 300, 1)
            base, mine = long["nothing"].times, long["guard"].times
            percent = [100 * (with_it - bare) / bare for with_it, bare in zip(mine, base)]
            found["%s, %s" % (name, policy)] = {
                "request": short["guard"].added(short["nothing"]), "percent": statistics.median(percent),
                "percent_min": 100 * (min(mine) - min(base)) / min(base),
                "middle": paired.middle(percent)}
    return found


def stream(app: Any, number: int) -> None:
    """One request for *number* chunks."""
    for _ in app({"number": number, "wsgi.multithread": False}, start_response):
        pass


IMPORT = "from threadguard import ThreadGuard"
FIRST_GUARD = IMPORT + "; ThreadGuard(print)"
UNWANTED = "webob", "werkzeug", "pytest", "prometheus_client"


def imports(quick: bool) -> Dict[str, Any]:
    """Milliseconds of the processor that importing the guard adds to an empty interpreter, and to build the first one.

    Not by the clock: other processes and a slow disk made five times as much of it. Also what the import loads that it
    should not.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def start(program: str) -> float:
        process = subprocess.Popen([sys.executable, "-c", program], env=environment, cwd=sys.path[0])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = status
        assert status == 0, program
        return (used.ru_utime + used.ru_stime) * 1000

    start(FIRST_GUARD)  # compiles
    pairs = [(start(IMPORT), start("pass"), start(FIRST_GUARD)) for _ in range(7 if quick else 60)]
    added = [guarded - bare for guarded, bare, _ in pairs]
    loaded = subprocess.run([sys.executable, "-c", IMPORT + "; import sys; print(*sys.modules)"],
                            cwd=sys.path[0], stdout=subprocess.PIPE, check=True, universal_newlines=True).stdout.split()
    return {"median": statistics.median(added), "middle": paired.middle(added),
            "min": min(guarded for guarded, _, _ in pairs) - min(bare for _, bare, _ in pairs),
            "first guard": statistics.median(built - guarded for guarded, _, built in pairs),
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
print(kilobytes() - before, [len(app._ledger.inside) + len(app._ledger._pending) for app in apps])
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
    try:
        import greenlet
    except ImportError:
        return {"missing": "greenlet"}

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
                        5 if quick else 31, 1)
    logging.disable(logging.NOTSET)
    gc.collect()
    found: Dict[str, Any] = {way: {key: value / len(environs) for key, value in
                                   series[way].added(series[way + ", bare"]).items()} for way in ("alone", "together")}
    found["in all"] = _ratios([many / one for many, one in zip(series["together"].times, series["alone"].times)])
    found["added"] = _ratios([(many - bare) / (one - bare_one) for many, bare, one, bare_one in zip(
        *(series[name].times for name in ("together", "together, bare", "alone", "alone, bare")))])
    return found


def _ratios(values: List[float]) -> Dict[str, Any]:
    return {"ratio": statistics.median(values), "middle": paired.middle(values)}
