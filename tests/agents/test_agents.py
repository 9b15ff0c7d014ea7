"""Agents and middlewares around the guard and within it, on real servers: what goes out is what it is without a guard.

The table: every agent on every server, the guard around it and within it, under each policy, for every kind of body.
The status, the headers, the bytes, the calls of the application's `close`, and the application's functions in the
traceback that the agent reports are compared with those of the same agent on the same server without a guard.
"""

import http.client
import importlib.util
import json
import os
import re
import select
import subprocess
import sys
from pathlib import Path

import pytest

SITE = Path(__file__).with_name("site_of_agents.py")
DEADLINE = 60
KINDS = ["list", "length", "empty", "written", "generator", "late", "stream", "pages", "sized", "proxy", "nothing",
         "file", "fails", "fails first", "fails later", "generator fails"]
WHOLE = b"first second third"
SERVERS = {"wsgiref": "wsgiref", "waitress": "waitress", "gunicorn": "gunicorn", "cheroot": "cheroot",
           "gevent": "gevent"}
AGENTS = {
    "nothing": (), "werkzeug_debugger": ("werkzeug",), "werkzeug_lint": ("werkzeug",), "werkzeug_others": ("werkzeug",),
    "paste_errors": ("paste",), "paste_others": ("paste",), "paste_lint": ("paste",), "whitenoise": ("whitenoise",),
    "sentry": ("sentry_sdk",), "opentelemetry": ("opentelemetry.sdk", "opentelemetry.instrumentation.wsgi"),
    "newrelic": ("newrelic",), "ddtrace_wsgi": ("ddtrace",), "ddtrace_flask": ("ddtrace", "flask")}
SHOWS_ERRORS = ("werkzeug_debugger", "paste_errors")
"""Agents that answer with a page about the exception, which has addresses in it."""


def need(*modules):
    for module in modules:
        try:
            missing = importlib.util.find_spec(module) is None
        except ModuleNotFoundError:
            missing = True
        if missing:
            pytest.skip("needs the package %s" % module)


class Site:
    """A server in a process of its own."""

    def __init__(self, server, agent, folder):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("THREADGUARD_")}
        self.errors = (folder / "errors").open("w+")
        self.process = subprocess.Popen(
            [sys.executable, "-W", "ignore", str(SITE), server, agent, str(folder)], stdout=subprocess.PIPE,
            stderr=self.errors, cwd=str(folder), env={
                **environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONUNBUFFERED": "1",
                "DD_TRACE_AGENT_URL": "http://127.0.0.1:9", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
                "DD_REMOTE_CONFIGURATION_ENABLED": "false", "NEW_RELIC_DEVELOPER_MODE": "true"})
        ready, _, _ = select.select([self.process.stdout], [], [], DEADLINE)
        line = self.process.stdout.readline() if ready else b""
        assert line.strip().isdigit(), (line, self.said())
        self.port = int(line)

    def said(self):
        self.errors.seek(0)
        return self.errors.read()[-4000:]

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(DEADLINE)
        finally:
            self.process.kill()
            self.process.stdout.close()
            self.errors.close()

    def get(self, path, method="GET"):
        """Status, headers and body; or how far it came."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE)
        try:
            connection.request(method, path.replace(" ", "_"), headers={"Connection": "close"})
            response = connection.getresponse()
            headers = sorted((name, value) for name, value in response.getheaders() if name.lower() != "date")
            try:
                return response.status, headers, response.read()
            except (http.client.HTTPException, OSError) as error:
                return response.status, headers, type(error).__name__, getattr(error, "partial", None)
        except (http.client.HTTPException, OSError) as error:
            return type(error).__name__
        finally:
            connection.close()

    def answer(self, path, method="GET"):
        """What goes out, and what the application and the agent saw of it."""
        out = self.get(path, method)
        return {"out": out, **json.loads(self.get("/none/none/report")[2].decode())}


@pytest.fixture(scope="module", params=[(server, agent) for agent in AGENTS for server in SERVERS], ids="-".join)
def site(request, tmp_path_factory):
    server, agent = request.param
    need(*filter(None, [SERVERS[server] if server != "wsgiref" else None]), *AGENTS[agent])
    site = Site(server, agent, tmp_path_factory.mktemp("site"))
    site.server, site.agent = server, agent
    yield site
    site.end()


def comparable(site, answer):
    """*answer*, and of a page about an exception no more than which of the application's functions it names."""
    if site.agent not in SHOWS_ERRORS or b"<html" not in answer["out"][2]:
        return answer
    status, headers, body = answer["out"][:3]
    before, _, page = body.decode("utf-8", "replace").partition("<html")
    page = page.partition('id="full_traceback"')[0]  # Paste hides the whole traceback behind a button
    assert not re.search('"module"[^>]*>threadguard|"filename">[^<]*threadguard/guard', page), page
    own = [name for name in ("fail_in_the_call", "fail_in_a_chunk", "failing_generator", "written") if name in page]
    return {**answer, "out": (status, [name for name, _ in headers], before, own)}


@pytest.mark.parametrize("position", ["around", "within"])
def test_what_goes_out_is_what_it_is_without_a_guard(site, position):
    """Status, headers, bytes, close() and the application's functions in what the agent reports."""
    differences = []
    for kind in KINDS:
        for method in ("GET", "HEAD") if kind in ("stream", "sized", "generator") else ("GET",):
            bare = comparable(site, site.answer("/none/none/" + kind, method))
            for policy in ("serialize", "log") if site.server == "gevent" else ("refuse", "serialize", "log"):
                guarded = comparable(site, site.answer("/%s/%s/%s" % (position, policy, kind), method))
                # Of a proxy that has no length, as its class says, waitress and gevent serve not all, but with a guard.
                if kind == "proxy" and WHOLE == guarded["out"][2] != bare["out"][2]:
                    continue
                # Some close a body twice, now and then: whatever may be without a guard may be with one.
                if guarded != bare and not any(
                        comparable(site, site.answer("/none/none/" + kind, method)) == guarded for _ in range(8)):
                    differences.append((kind, method, policy, bare, guarded))
    assert not differences, "\n".join(map(str, differences)) + site.said()
