"""A real Prometheus scrapes a real gunicorn of four workers; the rules and the dashboard say what they mean."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from programs import Program, Prometheus, free_ports, get, program

from threadguard import codes
from threadguard.observe import metrics

MONITORING = Path(__file__).resolve().parents[2] / "examples" / "monitoring"
GRAFANA = MONITORING.parents[1] / ".venv" / "grafana" / "node_modules"
needs_gunicorn = pytest.mark.skipif(not (Path(sys.executable).parent / "gunicorn").exists(),
                                    reason="gunicorn is not installed: pip install gunicorn")
needs_prometheus = pytest.mark.skipif(not program("prometheus"),
                                      reason="Prometheus is not installed: apt-get install prometheus")
needs_promtool = pytest.mark.skipif(not program("promtool"),
                                    reason="promtool is not installed: apt-get install prometheus")
pytest.importorskip("prometheus_client", reason="prometheus_client is not installed")
SCRAPE = """
global: {scrape_interval: 1s, scrape_timeout: 1s}
scrape_configs:
  - job_name: threadguard
    static_configs: [{targets: ["127.0.0.1:%d"]}]
"""


@pytest.fixture
def site(tmp_path_factory):
    """gunicorn with four workers, with or without preload: ``site("--preload")``."""
    directory = tmp_path_factory.mktemp("g")
    shutil.copy(str(MONITORING / "site_metrics.py"), str(directory))
    (directory / "m").mkdir()
    started = []

    def start(*options):
        [port] = free_ports(1)
        server = Program("gunicorn", [
            sys.executable, "-m", "gunicorn", "--workers=4", "--bind=127.0.0.1:%d" % port, *options,
            "site_metrics:application"], directory, PROMETHEUS_MULTIPROC_DIR=str(directory / "m"))
        started.append(server.__enter__())
        server.port = port
        server.until(lambda: get(port, "/")[0] == 200)
        return server

    yield start
    for server in started:
        server.__exit__()


def requests_by_pid(port):
    """What the page tells of each process; asked again where it says that one did not answer it in time."""
    page = ""
    for _ in range(20):
        page = get(port, "/metrics", timeout=30)[1]
        if "\nthreadguard_silent_processes 0.0\n" in page:
            break
    return {int(pid): float(value) for pid, value in re.findall(
        r'^threadguard_requests_total\{process_pid="(\d+)",threadguard_group="default"\} (\S+)$', page, re.MULTILINE)}


def pids_of(series):
    return {int(labels["process_pid"]) for labels, _ in series}


def all_four(port):
    """Ask until each of the four was asked: the kernel chooses who answers."""
    for _ in range(20):
        get(port, "/")
    told = requests_by_pid(port)
    return told if len(told) == 4 else None


@needs_gunicorn
@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["each loads", "preloaded"])
def test_any_worker_tells_of_all_four(site, options):
    """The counts add up to the requests that were made, whoever is scraped; the master is none of them."""
    server = site(*options)
    told = server.until(lambda: all_four(server.port))
    assert server.process.pid not in told
    before = sum(told.values())
    for _ in range(10):
        get(server.port, "/")
    assert [sum(requests_by_pid(server.port).values()) for _ in range(8)] == [before + 10] * 8


@needs_gunicorn
@needs_prometheus
def test_prometheus_sees_every_worker_and_forgets_the_dead(site, tmp_path):
    """Four verdicts of four processes; one is killed, and the next scrapes do not have it any more."""
    server = site()
    told = server.until(lambda: all_four(server.port))
    with Prometheus(SCRAPE % server.port, tmp_path) as prometheus:
        seen = 'threadguard_verdict{status="single-threaded"} == 1'
        prometheus.until(lambda: pids_of(prometheus.ask(seen)) == set(told))
        # A scrape that a busy machine made too late leaves a gap, and nobody's values.
        assert prometheus.until(lambda: prometheus.ask("max(threadguard_capacity)"))[0][1] == 1
        prometheus.until(lambda: [value for _, value in prometheus.ask("max(threadguard_silent_processes)")] == [0])
        victim = min(told)
        os.kill(victim, signal.SIGKILL)
        prometheus.until(lambda: all_four(server.port))
        now = prometheus.until(lambda: pids if len(pids := pids_of(prometheus.ask(seen))) == 4 and victim not in pids
                               else None)
        assert set(told) - {victim} < now


@needs_promtool
@pytest.mark.parametrize("arguments", [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]],
                         ids=["they can be loaded", "they fire when they should"])
def test_the_alert_rules_are_right(arguments):
    """promtool checks them, and runs their own tests."""
    run = subprocess.run([program("promtool"), *arguments], cwd=str(MONITORING), timeout=120, universal_newlines=True,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout


def metric_names(text):
    return set(re.findall(r"\b((?:threadguard|http_server)_[a-z_]+)\b", text)) - {"threadguard_group"}


EXPORTED = {each.prometheus_name + ("_total" if each.kind == "counter" else "") for each in metrics.INSTRUMENTS}
EXPORTED.add("threadguard_silent_processes")


def test_the_rules_ask_for_metrics_that_exist():
    """A metric that was renamed would silence an alert."""
    rules = (MONITORING / "alerts.yml").read_text()
    names = metric_names("".join(re.findall(r"expr:((?:.|\n)*?)\n        (?:for|labels):", rules)))
    assert names and names <= EXPORTED


def test_the_dashboard_shows_every_metric():
    """Valid JSON; each panel has a title, a description and a query, and no metric is left out."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    assert all(panel["title"] and panel["description"] and panel["targets"] for panel in panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert metric_names(" ".join(target["expr"] for panel in panels for target in panel["targets"])) == EXPORTED


def test_each_alert_names_a_page_that_there_is():
    """A code's page, as `threadguard explain` has it, or one of the documentation."""
    addresses = re.findall(r"runbook_url: (\S+)", (MONITORING / "alerts.yml").read_text())
    assert len(addresses) == (MONITORING / "alerts.yml").read_text().count("- alert:")
    pages = {codes.page_of(code) for code in codes.CODES}
    pages |= {codes.DOCUMENTATION + path.stem + ".html" for path in (MONITORING.parents[1] / "docs").glob("*.md")}
    assert set(addresses) <= pages


def test_the_dashboard_is_one_of_grafanas_own_schema(tmp_path):
    """Every property of it is one that Grafana knows there, with a value that it takes: Grafana's package says so."""
    if not (GRAFANA / ".bin" / "tsc").exists():
        pytest.skip("Grafana's schema is not installed: make dashboard installs it")
    (tmp_path / "node_modules").symlink_to(GRAFANA)
    text = (MONITORING / "dashboard.json").read_text()
    check = (Path(__file__).parent / "grafana" / "check.ts").read_text()
    (tmp_path / "check.ts").write_text(check.replace(" = DASHBOARD;", " = %s;" % text))
    run = subprocess.run([
        "node", str(GRAFANA / ".bin" / "tsc"), "--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext",
        "--moduleResolution", "nodenext", "--target", "es2022", "check.ts"], cwd=str(tmp_path), timeout=120,
        universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout


TWO_PROCESSES = """
evaluation_interval: 1m
tests:
  - interval: 1m
    input_series:
      - series: 'threadguard_verdict{job="j", instance="i", process_pid="1", threadguard_group="a", status="threaded"}'
        values: '1x5'
      - series: 'threadguard_verdict{job="j", instance="i", process_pid="1", threadguard_group="b", status="threaded"}'
        values: '1x5'
      - series: 'threadguard_verdict{job="j", instance="i", process_pid="2", threadguard_group="a", status="threaded"}'
        values: '0x5'
      - series: 'threadguard_verdict{job="j", instance="i", process_pid="2", threadguard_group="a", status="unknown"}'
        values: '1x5'
    promql_expr_test:
      - {eval_time: 2m, expr: '%s', exp_samples: [{labels: '{}', value: %d}]}
"""


@needs_promtool
@pytest.mark.parametrize("title, number", [("Processes", 2), ("Threaded processes", 1), ("Not known", 1)])
def test_the_dashboard_counts_a_process_once(tmp_path, title, number):
    """Also one with guards of several groups, each of which has a verdict."""
    panels = json.loads((MONITORING / "dashboard.json").read_text())["panels"]
    expression, = [panel["targets"][0]["expr"] for panel in panels if panel["title"] == title]
    for variable in ("$job", "$instance"):
        expression = expression.replace(variable, ".*")
    (tmp_path / "test.yml").write_text(TWO_PROCESSES % (expression, number))
    run = subprocess.run([program("promtool"), "test", "rules", "test.yml"], cwd=str(tmp_path), timeout=120,
                         universal_newlines=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert run.returncode == 0, run.stdout
