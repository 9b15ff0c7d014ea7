"""The metrics of one process: names, values, and that a collection reads them at its own moment."""

import math

import pytest
from conftest import Response, held_inside, hello, new_environ

from threadguard.observe import metrics

prometheus_client = pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")
parser = pytest.importorskip("prometheus_client.parser")


@pytest.fixture(autouse=True)
def only_mine(monkeypatch):
    """No group of another test is told of, and nothing that another test has seen."""
    from threadguard.guard import groups

    monkeypatch.setattr(groups, "_groups", {})
    monkeypatch.setattr(metrics, "_seen", set())
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)


@pytest.fixture
def registry():
    """A registry with the metrics of this process."""
    registry = prometheus_client.CollectorRegistry()
    metrics.register(registry)
    return registry


def values(registry):
    """What a scrape of *registry* gives: {(name, label values beside process and group): value}."""
    everywhere = ("process_pid", "threadguard_group")
    return {(sample.name, *(value for label, value in sorted(sample.labels.items()) if label not in everywhere)):
            sample.value for metric in registry.collect() for sample in metric.samples}


TOLD = {
    ("http.server.active_requests", "{request}", "GET", "http"): 0,
    ("threadguard.peak_requests", "{request}"): 1,
    ("threadguard.requests", "{request}"): 3,
    ("threadguard.refused_requests", "{request}"): 0,
    ("threadguard.overlaps", "{overlap}"): 0,
    ("threadguard.active_sections", "{section}"): 0,
    ("threadguard.sections", "{section}"): 0,
    ("threadguard.capacity", "{request}"): 1,
    ("threadguard.verdict", "{verdict}", "single-threaded"): 1,
    ("threadguard.verdict", "{verdict}", "threaded"): 0,
    ("threadguard.verdict", "{verdict}", "unknown"): 0,
}
"""Of a process that served three requests: name, unit and attributes, as OpenTelemetry has them."""
COUNTERS = {"threadguard.requests", "threadguard.refused_requests", "threadguard.overlaps", "threadguard.sections"}


def test_a_scrape_tells_what_the_guard_knows(guarded, registry):
    """Counts, capacity and verdict, under the names of the documentation."""
    guard = guarded(hello, server_threads=1)
    for _ in range(3):
        Response(guard)
    assert values(registry) == {
        (name.replace(".", "_") + ("_total" if name in COUNTERS else ""), *attributes): value
        for (name, _, *attributes), value in TOLD.items()}


def test_opentelemetry_gets_the_same(guarded):
    """Nine observable instruments, whose attributes name process and group."""
    pytest.importorskip("opentelemetry.sdk", reason="opentelemetry-sdk is not installed")
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import InMemoryMetricReader

    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    metrics.instrument(provider.get_meter("test"))
    guard = guarded(hello, server_threads=1)
    for _ in range(3):
        Response(guard)
    told = {}
    for metric in reader.get_metrics_data().resource_metrics[0].scope_metrics[0].metrics:
        for point in metric.data.data_points:
            attributes = dict(point.attributes)
            assert attributes.pop("process.pid") == guard.stats().pid
            assert attributes.pop("threadguard.group") == guard._group.name
            told[(metric.name, metric.unit, *sorted(attributes.values()))] = point.value
    provider.shutdown()
    assert told == TOLD


def test_requests_inside_are_told_by_method_and_scheme(guarded, registry, gate):
    """As the semantic conventions ask of http.server.active_requests; a method nobody knows is _OTHER."""
    guard = guarded(gate, policy="log", server_threads=4)
    with held_inside(guard, gate, new_environ(REQUEST_METHOD="POST", wsgi__url_scheme="https")):
        with held_inside(guard, gate, new_environ(REQUEST_METHOD="BREW")):
            inside = values(registry)
    active = {key[1:]: value for key, value in inside.items() if key[0] == "http_server_active_requests"}
    assert active == {("POST", "https"): 1, ("_OTHER", "http"): 1}
    assert inside[("threadguard_overlaps_total",)] == 1 and inside[("threadguard_peak_requests",)] == 2


def test_a_series_of_requests_inside_falls_to_0(guarded, registry, gate):
    """It does not vanish with the request."""
    guard = guarded(gate, server_threads=1)
    with held_inside(guard, gate, new_environ(REQUEST_METHOD="PUT")):
        assert values(registry)[("http_server_active_requests", "PUT", "http")] == 1
    assert values(registry)[("http_server_active_requests", "PUT", "http")] == 0


def test_a_section_is_counted_apart_from_requests(guarded, registry):
    """Work that is no request is none in these numbers either."""
    guard = guarded(hello, server_threads=1)
    with guard.inside("nightly job"):
        seen = values(registry)
        assert (seen[("threadguard_active_sections",)], seen[("http_server_active_requests", "GET", "http")]) == (1, 0)
    seen = values(registry)
    assert (seen[("threadguard_active_sections",)], seen[("threadguard_sections_total",)]) == (0, 1)
    assert seen[("threadguard_requests_total",)] == 0


def test_a_refused_request_is_counted_as_refused(guarded, registry):
    """It never entered."""
    guard = guarded(hello)
    Response(guard, new_environ(wsgi__multithread=True))
    seen = values(registry)
    assert (seen[("threadguard_refused_requests_total",)], seen[("threadguard_requests_total",)]) == (1, 0)
    assert seen[("threadguard_verdict", "threaded")] == 1


@pytest.mark.parametrize("row, samples", [
    pytest.param({"unbounded": True, "capacity": None}, [({}, math.inf)], id="unbounded"),
    pytest.param({"unbounded": False, "capacity": None}, [], id="not known"),
    pytest.param({"unbounded": False, "capacity": 4}, [({}, 4)], id="four"),
])
def test_capacity_is_a_number_or_absent(row, samples):
    """A number that is not known is no number."""
    [capacity] = [each for each in metrics.INSTRUMENTS if each.name == "threadguard.capacity"]
    assert list(capacity.samples(row)) == samples


def test_a_group_whose_guards_are_gone_is_not_told_of(guarded, registry):
    """Nothing is served by it any more."""
    guard = guarded(hello)
    assert values(registry)
    del guard
    assert values(registry) == {}


def test_a_name_that_is_taken_stops_the_start(guarded, registry):
    """The registry tells the second registration from the first, also while there is no value."""
    with pytest.raises(ValueError, match="http_server_active_requests"):
        metrics.register(registry)


def test_nothing_is_done_on_the_way_of_a_request(guarded, registry, monkeypatch):
    """A request that is not collected leads to no call of the metrics."""
    def never(*arguments):
        raise AssertionError("a request called the metrics")

    for name in ("rows", "_row", "_active_by_method", "_kind"):
        monkeypatch.setattr(metrics, name, never)
    assert Response(guarded(hello, server_threads=1)).body == b"hello"


def exposed(registry):
    """Names and labels of a page that Prometheus scrapes, without those of the exporter itself."""
    text = prometheus_client.generate_latest(registry).decode()
    return {(sample.name, *sorted(label for label in sample.labels if not label.startswith("otel_scope_")))
            for family in parser.text_string_to_metric_families(text) for sample in family.samples
            if sample.name != "target_info"}


def test_prometheus_gets_the_same_by_opentelemetrys_exporter(guarded, registry):
    """Names and labels are equal, so alerts and dashboard fit both."""
    exporter = pytest.importorskip("opentelemetry.exporter.prometheus",
                                   reason="opentelemetry-exporter-prometheus is not installed")
    from opentelemetry.sdk.metrics import MeterProvider

    other, reader = prometheus_client.CollectorRegistry(), exporter.PrometheusMetricReader()
    other.register(reader._collector)  # the reader itself is only in the global registry, before it takes another
    provider = MeterProvider([reader])
    metrics.instrument(provider.get_meter("threadguard"))
    guard = guarded(hello, server_threads=1)
    Response(guard)
    by_exporter = exposed(other)
    provider.shutdown()
    assert by_exporter == exposed(registry)


def test_a_group_that_no_encoding_takes_costs_no_scrape(guarded, registry):
    """A lone surrogate, as a variable that is no UTF-8 may give it, would break the whole page."""
    guard = guarded(hello, server_threads=1, group="site \udce4")
    Response(guard)
    assert b'threadguard_group="site \\\\udce4"' in prometheus_client.generate_latest(registry)


ROW = {"pid": 7, "group": "a", "active": [["GET", "http", 1]], "peak": 1, "requests": 3, "refused": 0, "overlaps": 0,
       "sections": 0, "sections_inside": 0, "capacity": 1, "unbounded": False, "status": "single-threaded"}


def test_a_row_of_another_process_comes_as_it_was_told():
    """JSON has no tuples; a method that nobody knows would make series without end."""
    assert metrics.checked_row(ROW) == {**ROW, "active": [("GET", "http", 1)]}
    assert metrics.checked_row({**ROW, "active": [["BREW", "gopher", 1]], "more": 1})["active"] == [
        ("_OTHER", "http", 1)]


@pytest.mark.parametrize("change", [
    {"pid": "7"}, {"pid": -1}, {"pid": True}, {"requests": 1.5}, {"overlaps": 10 ** 400},
    {"group": "\ud800"}, {"status": "fine"}, {"status": []}, {"capacity": "4"},
    {"active": [["GET"]]}, {"active": [[["GET"], "http", 1]]}, {"active": [["GET", "http", None]]},
    *({name: None} for name in ROW if name not in ("capacity", "unbounded")), *({"not": name} for name in ROW),
], ids=str)
def test_what_is_no_row_of_this_version_is_told_from_one(change):
    """One such value, or one that lacks, would take all others of the scrape with it."""
    with pytest.raises((ValueError, TypeError, KeyError)):
        metrics.checked_row({name: value for name, value in {**ROW, **change}.items() if name != change.get("not")})


def test_the_name_in_flight_is_that_of_the_semantic_conventions():
    """As opentelemetry-semantic-conventions spells it, with the unit it gives."""
    http = pytest.importorskip("opentelemetry.semconv._incubating.metrics.http_metrics",
                               reason="opentelemetry-semantic-conventions is not installed")
    assert metrics.INSTRUMENTS[0].name == http.HTTP_SERVER_ACTIVE_REQUESTS
