"""docs/cost.md and docs/cost.svg, made from the figures in results/."""

import json
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple
from xml.sax.saxutils import escape

GUARD, EMPTY = "threadguard, refuse", "an empty middleware"
GAUGE, OTEL = "prometheus_client's in-progress gauge", "opentelemetry-instrumentation-wsgi"

HEAD = """# What the guard costs

**%(guard)s µs a request**, on CPython %(python)s with a list for a body (%(others)s on the Pythons below).
Beside it, in the same run:

- an empty middleware, which only calls the application: %(empty)s µs;
- Werkzeug's ProxyFix: %(proxy)s µs; the in-progress gauge of prometheus_client: %(gauge)s µs;
- the middleware of OpenTelemetry: %(otel)s µs; Sentry's: %(sentry)s µs.

So a page that takes a millisecond to make takes %(percent)s %% longer. A whole server under load, gunicorn or uWSGI
with an application that does nothing, had %(load)s of its throughput without the guard: runs
beside each other on two shared cores differ by more than the guard's own work, which is 0.2 %% of gunicorn's.

![What each middleware adds to a request](cost.svg)

## Where it is more

- **`serialize`** costs %(serialize)s µs a request: every request is put to the policy, also if nothing waits.
- **A body that is neither a list nor a generator** costs some 25 ns a chunk more: beside a chunk that takes two
  microseconds to make it is 1 %%. A generator is handed out as it is.
- **The first guard** of a process takes some %(first)s ms, most of which is loading Python's own modules; `import
  threadguard` alone %(imports)s ms more than an empty interpreter.
- **Ten thousand requests inside at once**, in greenlets under the policy `log`: each that enters looks for a nested
  call in its own stack and at the earliest of those inside, some microseconds.

Memory does not grow: %(memory)s.
"""

METHOD = """## How it was measured

By `make bench ARGS=--write`, for each Python in turn (`PYTHON=python3.8`; some five minutes each). Contenders run in
turn, in short rounds, in one process (servers: side by side); what one adds is its time less that of the bare
application in the same round. Shown are medians, in brackets their spread: of pairs, the range in which the median lies
nine times out of ten (of throughput, by drawing lots among the rounds); of a ratio of two medians, the quartiles of ten
parts of the run; Ruby's two are told by the quickest of many rounds. What is not installed is named in its row.

The goals were set before anything was measured. *Not settled* means that median and spread lie on both sides of the
goal: the machine was too busy to tell. The import is measured in milliseconds of the processor. What stands in the way
of those that are missed:

- *beside an empty middleware*: a ticket, a store into a dict, a look at its length and at a mark that a fork wipes
  away, and a deletion are calls of C. They do not get quicker with the interpreter, as the call that they are compared
  with does: on CPython 3.14 an empty middleware takes 50 ns. On 3.8 each name that is looked up costs.
- *a chunk of another iterable*: `itertools.chain` hands on each chunk, so that the guard runs no code of its own for
  it. That is some 25 ns; the chunks here take little longer to make.
- *10,000 inside*: each that enters looks for a nested call on its own stack, and at the earliest that is inside.
- *throughput*: gunicorn takes 170 µs for a request on 3.11, so the guard's 0.3 µs are 0.2 % of it. What else is lost
  on 3.8 was not explained.
- *the import*: two fifths of it are `typing`, with `re` and `enum`; most programs have loaded them already.
"""


def write(results: Path, docs: Path) -> None:
    """Write both files."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(results.glob("*.json"), key=_by_version)}
    newest = found.get("3.11") or list(found.values())[-1]
    words = {**_answer(newest), "load": _all_loads(found), "others": _all_requests(found)}
    parts = [HEAD % words] + _requests(found) + _bodies(found) + [METHOD] + _measured_on(found) + _goals(found)
    docs.joinpath("cost.md").write_text("\n".join(parts).rstrip("\n") + "\n", encoding="utf-8")
    docs.joinpath("cost.svg").write_text(_plot(newest["requests"], newest["python"]), encoding="utf-8")


def _answer(figures: Dict[str, Any]) -> Dict[str, str]:
    """The figures of the words that come first; one that is missing is a dash."""
    def micro(name: str) -> str:
        nanoseconds = figures["requests"].get(name, {}).get("median")
        if nanoseconds is None:
            return "–"
        return ("%.1f" if nanoseconds < 5000 else "%.0f") % (nanoseconds / 1000)

    return {"python": figures["python"], "guard": micro(GUARD), "empty": micro(EMPTY), "gauge": micro(GAUGE),
            "otel": micro(OTEL), "proxy": micro("Werkzeug's ProxyFix"), "sentry": micro("Sentry's middleware"),
            "serialize": micro("threadguard, serialize"), "memory": _memory(figures)[0],
            "percent": "%.2f" % (figures["requests"][GUARD]["median"] / 1e4),
            "first": "%.0f" % figures["imports"]["first guard"], "imports": "%.0f" % figures["imports"]["median"]}


def _all_requests(found: Dict[str, Any]) -> str:
    """From the least to the most that a request costs on any Python."""
    medians = [figures["requests"][GUARD]["median"] / 1000 for figures in found.values()]
    return "%.1f to %.1f" % (min(medians), max(medians))


def _all_loads(found: Dict[str, Any]) -> str:
    """From the worst to the best throughput of all that were measured."""
    loads = [each for figures in found.values() for each in figures.get("load", {}).values()]
    ratios = [each["ratio"] for each in loads if "ratio" in each]
    return "%.3f to %.3f" % (min(ratios), max(ratios))


def _by_version(path: Path) -> Tuple[int, str]:
    return int(path.stem.split(".")[1].rstrip("t")), path.stem


def _measured_on(found: Dict[str, Any]) -> List[str]:
    """The machines, and how busy they were: above its number of cores, a load makes every figure uncertain."""
    return ["- CPython %s (%s, load average %s)" % (each["python"], each["machine"], each["busy"])
            for each in found.values()] + [""]


def _name(figures: Dict[str, Any]) -> str:
    """The Python of *figures*, as the head of a narrow column."""
    version = str(figures["python"])
    return ".".join(version.split(".")[:2]) + "t" * ("free-threaded" in version)


def _table(head: List[str], rows: List[List[str]]) -> List[str]:
    lines = [head, ["---"] * len(head)] + rows
    return ["| " + " | ".join(line) + " |" for line in lines] + [""]


def _goals(found: Dict[str, Any]) -> List[str]:
    rows = []
    for name, goal, measure in GOALS:
        cells = []
        for figures in found.values():
            try:
                value, met = measure(figures)
            except Missing as missing:
                value, met = "no %s" % missing, True
            except KeyError:
                value, met = "not measured", True
            cells.append(value + MARKS.get(met, ""))
        rows.append([name, goal] + cells)
    return ["### The goals", ""] + _table(["what", "goal"] + [_name(each) for each in found.values()], rows)


class Missing(Exception):
    """What is not installed for that Python, or on that machine."""


def _there(figures: Dict[str, Any], *path: str) -> Dict[str, Any]:
    """What was measured. Raises `Missing`, and `KeyError` where nobody measured it."""
    for name in path:
        figures = figures[name]
        if "missing" in figures:
            raise Missing(figures["missing"])
    return figures


def _ratio(other: str, most: float) -> Any:
    def measure(figures: Dict[str, Any]) -> Tuple[str, Optional[bool]]:
        each = _there(figures, "requests", GUARD, "beside", other)
        text = "%.2f × [%.2f–%.2f]" if most > 0.1 else "1/%.0f [1/%.0f–1/%.0f]"
        values = [each["ratio"], *_spread(each)]
        values = values if most > 0.1 else [1 / value for value in values]
        return text % tuple(values), _met(each, "ratio", most)
    return measure


def _spread(each: Dict[str, Any]) -> List[float]:
    """What stands in brackets: where the median of the pairs lies, or the quartiles of the parts of a run."""
    return list(each.get("middle") or each["quartiles"])


def _met(each: Dict[str, Any], key: str, goal: float, at_most: bool = True) -> Optional[bool]:
    """Whether the median, which is *key*, and its spread are on the good side of *goal*."""
    return _within([each[key], *_spread(each)], goal, at_most)


def _within(figures: List[float], goal: float, at_most: bool) -> Optional[bool]:
    """Whether all of *figures* lie on the good side of *goal*; None where they lie on both."""
    sides = {(value < goal) == at_most or value == goal for value in figures}
    return sides.pop() if len(sides) == 1 else None


def _empty(figures: Dict[str, Any]) -> Any:
    return _ratio(EMPTY, 6 if "free-threaded" in figures["python"] else 3.5)(figures)


def _serialize(figures: Dict[str, Any]) -> Tuple[str, bool]:
    beside = _there(figures, "requests", GUARD, "beside")
    ratio = beside[EMPTY]["ratio"] / beside["threadguard, serialize"]["ratio"]
    return "%.1f ×" % ratio, ratio <= 15


def _chunk(body: str, most: float = 5) -> Any:
    def measure(figures: Dict[str, Any]) -> Tuple[str, Optional[bool]]:
        each = figures["bodies"][body]
        return "%.1f %% [%.1f–%.1f]" % (each["percent"], *_spread(each)), _met(each, "percent", most)
    return measure


def _load(server: str) -> Any:
    def measure(figures: Dict[str, Any]) -> Tuple[str, Any]:
        each = _there(figures, "load", server)
        return "%.3f [%.3f–%.3f]" % (each["ratio"], *_spread(each)), _met(each, "ratio", 0.98, at_most=False)
    return measure


def _imports(figures: Dict[str, Any]) -> Tuple[str, Optional[bool]]:
    each = figures["imports"]
    return "%.1f ms [%.1f–%.1f]" % (each["median"], *_spread(each)), (
        _met(each, "median", 15) if not each["unwanted"] else False)


def _first_guard(figures: Dict[str, Any]) -> Tuple[str, bool]:
    return "%.1f ms" % figures["imports"]["first guard"], True


def _memory(figures: Dict[str, Any]) -> Tuple[str, bool]:
    each = figures["memory"]
    return "{:,} kB after {:,} requests".format(each["grown"], each["requests"]), each["grown"] < 500


def _crowd(what: str) -> Any:
    def measure(figures: Dict[str, Any]) -> Tuple[str, Optional[bool]]:
        each = _there(figures, "crowd", what)
        if min(_spread(each)) < 0:
            return "less than the runs differ", None
        return "%.2f × [%.2f–%.2f]" % (each["ratio"], *_spread(each)), _met(each, "ratio", 1.3)
    return measure


def _rack(figures: Dict[str, Any]) -> Tuple[str, bool]:
    each = _there(figures, "rack")
    return "%.1f ×" % (each["lock"] / each["empty"]), True


GOALS: List[Tuple[str, str, Any]] = [
    ("added to a request, list body, beside an empty middleware", "≤ 3.5 ×; 6 × without the GIL", _empty),
    ("the same, serialize, nobody waiting", "≤ 15 ×", _serialize),
    ("the same beside the in-progress gauge", "≤ 0.3 ×", _ratio(GAUGE, 0.3)),
    ("the same beside OpenTelemetry's", "≤ 1/60", _ratio(OTEL, 1 / 60)),
    ("the same of Rack::Lock, on Ruby, beside Ruby's empty middleware", "(for comparison)", _rack),
    ("added to a chunk of 10,000, generator", "≤ 5 %", _chunk("a generator, refuse")),
    ("the same, another iterable", "≤ 5 %", _chunk("an iterable, refuse")),
    ("the same, generator, under serialize", "≤ 25 %", _chunk("a generator, serialize", 25)),
    ("the same, another iterable, under serialize", "≤ 25 %", _chunk("an iterable, serialize", 25)),
    ("throughput, gunicorn sync", "≥ 0.98", _load("gunicorn, sync")),
    ("throughput, uWSGI", "≥ 0.98", _load("uWSGI")),
    ("`from threadguard import ThreadGuard`, over an empty interpreter", "≤ 15 ms", _imports),
    ("the first guard that is built after it, which loads the rest", "(for information)", _first_guard),
    ("growth", "none", _memory),
    ("10,000 inside, a whole request beside one alone", "≤ 1.3 ×", _crowd("in all")),
    ("10,000 inside, what the guard adds beside one alone", "≤ 1.3 ×", _crowd("added")),
]

MARKS: Dict[Optional[bool], str] = {False: ", **missed**", None: ", **not settled**"}


def _cell(figures: Dict[str, Any], text: str, keys: Tuple[str, ...], *path: str) -> str:
    try:
        each = _there(figures, *path)
        return text % tuple(each[key] for key in keys)
    except Missing as missing:
        return "no %s" % missing
    except KeyError:
        return "not measured"


def _names(found: Dict[str, Any], section: str) -> List[str]:
    """All that was measured anywhere, in its order."""
    return list(dict.fromkeys(name for each in found.values() for name in each.get(section, ())))


def _requests(found: Dict[str, Any]) -> List[str]:
    rows = [[name] + [_cell(each, "%.0f", ("median",), "requests", name)
                      for each in found.values()] for name in _names(found, "requests")]
    return ["## In nanoseconds", "", "Added to a request with a list for a body:", ""] + _table(
        ["middleware"] + [_name(each) for each in found.values()], rows)


def _bodies(found: Dict[str, Any]) -> List[str]:
    rows = [[name] + [_cell(each, "%.0f", ("median",), "bodies", name, "request") for each in found.values()]
            for name in _names(found, "bodies")]
    return ["Added to a request whose body has one chunk:", ""] + _table(
        ["body, policy"] + [_name(each) for each in found.values()], rows)


_ROW = """<text x="250" y="{0}" text-anchor="end" fill="#f0f6fc">{1}</text>
<rect x="258" y="{2}" width="{3:.1f}" height="16" fill="{4}"/>
<line x1="{5:.1f}" x2="{6:.1f}" y1="{7}" y2="{7}" stroke="#f0f6fc"/>
<text x="{8:.1f}" y="{0}" fill="#f0f6fc">{9:.0f} ns</text>"""


def _plot(requests: Dict[str, Any], python: str) -> str:
    """Bars, each from its lower to its upper quartile drawn over it, on a scale that multiplies by ten."""
    from math import log10

    measured = [pair for pair in requests.items() if "missing" not in pair[1]]
    rows = sorted(measured, key=lambda pair: float(pair[1]["median"]))
    height = 26 * len(rows) + 62

    def x(nanoseconds: float) -> float:
        return 258 + 42 * (log10(max(nanoseconds, 10)) - 1)

    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 530 %d" font-family="sans-serif" font-size="12">'
             % height, '<rect width="530" height="%d" rx="8" fill="#1f2328"/>' % height]
    for power, label in enumerate(["10 ns", "", "1 µs", "", "100 µs"], 1):
        parts.append('<line x1="{0}" x2="{0}" y1="14" y2="{1}" stroke="#3d444d"/><text x="{0}" y="{2}" '
                     'text-anchor="middle" fill="#9198a1">{3}</text>'.format(
                         x(10 ** power), height - 44, height - 28, label))
    for row, (name, each) in enumerate(rows):
        y = 18 + 26 * row
        colour = "#7ee787" if name.startswith("threadguard") else "#59636e"
        parts.append(_ROW.format(
            y + 13, escape(name), y, x(each["median"]) - 258, colour, x(each["low"]), x(each["high"]), y + 8,
            x(each["high"]) + 6, each["median"]))
    parts.append('<text x="265" y="%d" text-anchor="middle" fill="#9198a1">added to a request with a list for a body, '
                 'CPython %s (logarithmic)</text></svg>\n' % (height - 8, python))
    return "\n".join(parts)
