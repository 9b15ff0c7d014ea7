"""Use the installed threadguard as someone would who has no checkout: run with -I, in an empty directory."""

import pathlib
import subprocess
import sys
import threading
import types
import urllib.request
import wsgiref.simple_server

import threadguard
from paste.deploy import loadapp

HELLO = b"hello, world\n"
INI = """
[app:main]
paste.app_factory = wheel_check_app:factory
filter-with = threadguard

[filter:threadguard]
use = egg:threadguard
policy = refuse

[filter-app:wrapped]
use = egg:threadguard
next = main
"""


class Quiet(wsgiref.simple_server.WSGIRequestHandler):
    """Writes no line per request."""

    def log_message(self, *args):
        pass


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def get(url):
    """Status and body of one answer."""
    with urllib.request.urlopen(url, timeout=30) as response:
        return response.status, response.read()


def fetch_from(app):
    """One request to *app* behind wsgiref's own single-threaded server, in the main thread as anywhere."""
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app, handler_class=Quiet) as server:
        url = "http://127.0.0.1:%d/" % server.server_port
        answers = []
        client = threading.Thread(target=lambda: answers.append(get(url)))
        server.timeout = 30
        client.start()
        server.handle_request()
        client.join(30)
    return answers[0]


def load(name):
    """The application *name* of the ini file above, through PasteDeploy."""
    module = types.ModuleType("wheel_check_app")
    module.factory = lambda global_conf, **options: hello
    sys.modules[module.__name__] = module
    path = pathlib.Path("check.ini").resolve()
    path.write_text(INI)
    return loadapp("config:%s" % path, name=name)


def main():
    package = pathlib.Path(threadguard.__file__).parent
    assert "site-packages" in package.parts, package
    assert (package / "py.typed").is_file(), "py.typed is not in the wheel"
    assert not list(package.parent.glob("tests")), "the tests are in the wheel"
    for number, app in enumerate((threadguard.ThreadGuard(hello), load("main"), load("wrapped")), 1):
        assert fetch_from(app) == (200, HELLO)
        assert isinstance(app, threadguard.ThreadGuard), app
        assert app.verdict.status == "single-threaded", app.verdict
        stats = app.stats()  # of the process: all guards are one group
        assert (stats.requests, stats.in_flight, stats.overlaps) == (number, 0, 0), stats
    explained = subprocess.run([str(pathlib.Path(sys.executable).parent / "threadguard"), "explain", "TG101"],
                               check=True, timeout=60, stdout=subprocess.PIPE, universal_newlines=True).stdout
    assert "TG101" in explained, explained
    print("ok: guarded in code, by filter-with and by [filter-app:], from %s" % threadguard.__version__)


if __name__ == "__main__":
    main()
