"""Use the installed threadguard as someone would who has no checkout: run with -I, in an empty directory."""

import pathlib
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


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def fetch_from(app):
    """One request to *app* behind wsgiref's own single-threaded server."""
    server = wsgiref.simple_server.make_server("127.0.0.1", 0, app)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    try:
        with urllib.request.urlopen("http://127.0.0.1:%d/" % server.server_port, timeout=30) as response:
            return response.status, response.read()
    finally:
        thread.join(30)
        server.server_close()


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
    print("ok: guarded in code, by filter-with and by [filter-app:], from %s" % threadguard.__version__)


if __name__ == "__main__":
    main()
