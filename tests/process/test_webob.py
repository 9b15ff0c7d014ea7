"""The package answers for itself even where every warning is an error: Python 3.11 and 3.12 warn of WebOb's import."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import sys, warnings
before = list(warnings.filters)
from threadguard import ThreadGuard

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]

def ask(path, **headers):
    statuses = []
    list(guard({"REQUEST_METHOD": "GET", "PATH_INFO": path, "wsgi.url_scheme": "http", "SERVER_NAME": "x",
                "SERVER_PORT": "80", "wsgi.multithread": True, **headers}, lambda status, *_: statuses.append(status)))
    return statuses[0][:3]

guard = ThreadGuard(app, policy="%s", serialize_timeout=0.01, health_path="/health", health_token="secret")
loaded = set(sys.modules)
trusted = {"HTTP_AUTHORIZATION": "Bearer secret"}
print(ask("/health"), ask("/health", HTTP_ACCEPT="text/html", **trusted),
      ask("/health/probe", QUERY_STRING="hold=0.01", **trusted), ask("/"), warnings.filters == before,
      sorted(name for name in set(sys.modules) - loaded if name.split(".")[0] in ("webob", "cgi")))
"""


@pytest.mark.parametrize("policy, statuses", [("refuse", "503 503 200 503"), ("serialize", "200 200 200 200")])
def test_a_refusal_and_a_health_check_answer_where_warnings_are_errors(policy, statuses):
    """WebOb is loaded as the guard is built, without a warning, and no filter is left behind."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", PROGRAM % policy], timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert done.stdout == statuses + " True []\n", done.stderr
