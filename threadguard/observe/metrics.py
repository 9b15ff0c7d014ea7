"""Metrics for Prometheus and OpenTelemetry: what each process knows of itself, read when it is collected.

Nothing is done on the way of a request: a collection reads `ThreadGuard.stats` and `ThreadGuard.verdict` of each group.
Names and labels are the same whichever way they come, by prometheus_client or by OpenTelemetry and its exporter for
Prometheus: ``http.server.active_requests`` of the semantic conventions is ``http_server_active_requests``, and the
attribute ``process.pid`` is the label ``process_pid``. Several processes behind one port: see
`threadguard.observe.metrics_sharing`.
"""

import math
import os
from collections import Counter
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple

from threadguard.guard import groups
from threadguard.guard.group import Group
from threadguard.model import SINGLE_THREADED, THREADED, UNKNOWN

if TYPE_CHECKING:
    from opentelemetry.metrics import CallbackOptions, Meter, Observation
    from prometheus_client import CollectorRegistry, Metric

Row = Dict[str, Any]
"""What one group of one process tells of itself, in words that JSON has."""
Sample = Tuple[Dict[str, str], float]
"""The attributes of a value beside process and group, and the value."""

PID, GROUP = "process.pid", "threadguard.group"
# The methods of the semantic conventions; any other is _OTHER, so that nobody can make series without end.
_METHODS = frozenset("CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE".split())
_STATUSES = (SINGLE_THREADED, THREADED, UNKNOWN)
_COUNTS = ("pid", "peak", "requests", "refused", "overlaps", "sections", "sections_inside")
_seen: Set[Tuple[str, str, str]] = set()


class Instrument(NamedTuple):
    """One metric: its name and unit as OpenTelemetry writes them, and where its values are."""

    name: str
    kind: str
    """``counter``, ``up_down_counter`` or ``gauge``."""
    unit: str
    description: str
    samples: Callable[[Row], List[Sample]]
    attributes: Tuple[str, ...] = ()

    @property
    def prometheus_name(self) -> str:
        """As OpenTelemetry's exporters for Prometheus translate it. ``_total`` is added when a counter is written."""
        return self.name.replace(".", "_")


def _active(row: Row) -> List[Sample]:
    return [({"http.request.method": method, "url.scheme": scheme}, number) for method, scheme, number in row["active"]]


def _capacity(row: Row) -> List[Sample]:
    capacity = math.inf if row["unbounded"] else row["capacity"]
    return [] if capacity is None else [({}, capacity)]


def _verdict(row: Row) -> List[Sample]:
    return [({"status": status}, int(row["status"] == status)) for status in _STATUSES]


def _plain(key: str) -> Callable[[Row], List[Sample]]:
    return lambda row: [({}, row[key])]


INSTRUMENTS = (
    Instrument("http.server.active_requests", "up_down_counter", "{request}",
               "Requests inside the application now.", _active, ("http.request.method", "url.scheme")),
    Instrument("threadguard.peak_requests", "gauge", "{request}",
               "The most requests that were ever inside the application at once.", _plain("peak")),
    Instrument("threadguard.requests", "counter", "{request}",
               "Requests that entered the application.", _plain("requests")),
    Instrument("threadguard.refused_requests", "counter", "{request}",
               "Requests that were answered 503 instead of entering the application.", _plain("refused")),
    Instrument("threadguard.overlaps", "counter", "{overlap}",
               "Requests that entered while another was inside, and bodies that interleaved.", _plain("overlaps")),
    Instrument("threadguard.active_sections", "up_down_counter", "{section}",
               "Sections, work that is no request, inside now.", _plain("sections_inside")),
    Instrument("threadguard.sections", "counter", "{section}",
               "Sections that entered.", _plain("sections")),
    Instrument("threadguard.capacity", "gauge", "{request}",
               "Requests that the server lets inside one process at once; +Inf without a bound, absent if not known.",
               _capacity),
    Instrument("threadguard.verdict", "gauge", "{verdict}",
               "1 for the status that is the verdict on this process, 0 for the others.", _verdict, ("status",)),
)


def rows() -> List[Row]:
    """What the groups of this process know now."""
    return [_row(group) for group in list(groups._groups.values()) if list(group.guards)]


def _row(group: Group) -> Row:
    stats, verdict = group.stats(), group.verdict
    name = group.name.encode("utf-8", "backslashreplace").decode("utf-8")  # what no encoding takes, a page cannot have
    return {**{count: getattr(stats, count) for count in _COUNTS}, "group": name, "active": _active_by_method(group),
            "capacity": verdict.capacity, "unbounded": verdict.unbounded, "status": verdict.status}


def checked_row(row: Any) -> Row:
    """*row*, which another process told, if it is in this version's form.

    Raises `ValueError`, `TypeError` or `KeyError` if it is not: one such value would take all others with it.
    """
    counts = {name: _number(row[name]) for name in _COUNTS}
    group, status, capacity = row["group"], row["status"], row["capacity"]
    if status not in _STATUSES or not isinstance(group, str):
        raise ValueError("another version's row")
    group.encode("utf-8")
    active = {_kind(method, scheme): _number(number) for method, scheme, number in row["active"]}
    return {**counts, "group": group, "status": status, "unbounded": bool(row["unbounded"]),
            "capacity": None if capacity is None else _number(capacity),
            "active": [(*kind, number) for kind, number in active.items()]}


def _number(value: Any) -> int:
    if type(value) is int and 0 <= value < 2 ** 64:  # Prometheus has floats: a greater one may be none
        return value
    raise ValueError("another version's number")


def _active_by_method(group: Group) -> List[Tuple[str, str, int]]:
    """How many are inside, by method and scheme. What was seen once stays, with 0: a series shall not come and go."""
    requests = [group.ledger.request_of(ticket) for ticket in list(group.ledger.inside)]
    # A section is no dict, nor is what a request leaves behind that has just left.
    inside = Counter(_kind(environ.get("REQUEST_METHOD"), environ.get("wsgi.url_scheme")) for environ in requests
                     if isinstance(environ, dict))
    _seen.update((group.name, *kind) for kind in inside)
    kinds = sorted(seen[1:] for seen in _seen if seen[0] == group.name) or [("GET", "http")]
    return [(method, scheme, inside[(method, scheme)]) for method, scheme in kinds]


def _kind(method: Any, scheme: Any) -> Tuple[str, str]:
    return method if method in _METHODS else "_OTHER", "https" if scheme == "https" else "http"


class Collector:
    """A collector for a registry of prometheus_client.

    :param directory: where processes share their metrics: it collects those of all of them, else of this process.
    """

    def __init__(self, directory: Optional[str] = None) -> None:
        self._directory = directory

    def describe(self) -> Iterator["Metric"]:
        """The metrics without values: a registry looks for names that are taken."""
        return self._families([], None)

    def collect(self) -> Iterator["Metric"]:
        """The metrics with the values of now."""
        if self._directory is None:
            return self._families(rows(), None)
        from threadguard.observe import metrics_sharing

        # Again: a uWSGI worker was forked without hooks, and another one gave up root's rights.
        metrics_sharing.share(self._directory)
        found, silent = metrics_sharing.read_all(self._directory)
        return self._families(found if found or silent else rows(), silent)

    def _families(self, read: List[Row], silent: Optional[int]) -> Iterator["Metric"]:
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        for instrument in INSTRUMENTS:
            family = CounterMetricFamily if instrument.kind == "counter" else GaugeMetricFamily
            names = [name.replace(".", "_") for name in (PID, GROUP, *instrument.attributes)]
            metric = family(instrument.prometheus_name, instrument.description, labels=names)
            for row in read:
                for attributes, value in instrument.samples(row):
                    metric.add_metric([str(row["pid"]), row["group"], *attributes.values()], value)
            yield metric
        if self._directory is not None:
            yield GaugeMetricFamily("threadguard_silent_processes", "Processes that are alive and did not answer in"
                                    " time.", value=silent)


def register(registry: Optional["CollectorRegistry"] = None) -> Collector:
    """Add the metrics of this process to *registry*, by default prometheus_client's own.

    In prometheus_client's multiprocess mode (``PROMETHEUS_MULTIPROC_DIR`` is set) they are those of all processes that
    share the directory, and this process shares its own from now on: call it in each of them, at the latest before the
    server forks, with the registry that ``/metrics`` is made from.

    Raises `ValueError` (prometheus_client's) if the registry has a metric of one of the names.
    """
    from prometheus_client import REGISTRY

    directory = os.environ.get("PROMETHEUS_MULTIPROC_DIR") or os.environ.get("prometheus_multiproc_dir")
    if directory:
        from threadguard.observe.metrics_sharing import share

        share(directory)
    collector = Collector(directory or None)
    (REGISTRY if registry is None else registry).register(collector)
    return collector


def instrument(meter: Optional["Meter"] = None) -> None:
    """Make the observable instruments of *meter*, by default of the meter ``threadguard`` of the global provider.

    Each process has a provider of its own, so call it where that is made: in gunicorn's ``post_fork``, for example.
    """
    from opentelemetry.metrics import get_meter

    from threadguard import __version__

    chosen = get_meter("threadguard", __version__) if meter is None else meter
    for each in INSTRUMENTS:
        create = getattr(chosen, "create_observable_" + each.kind)
        create(each.name, [_callback(each)], unit=each.unit, description=each.description)


def _callback(each: Instrument) -> Callable[["CallbackOptions"], Iterable["Observation"]]:
    from opentelemetry.metrics import Observation

    def observe(options: "CallbackOptions") -> Iterator["Observation"]:
        for row in rows():
            for attributes, value in each.samples(row):
                yield Observation(value, {PID: row["pid"], GROUP: row["group"], **attributes})

    return observe
