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


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(HELLO)))])
    return [HELLO]


def fetch_from(app):
    """The body of one request to *app* behind wsgiref's own single-threaded server, in the main thread as anywhere."""
    bodies = []
    with wsgiref.simple_server.make_server("127.0.0.1", 0, app) as server:
        url = "http://127.0.0.1:%d/" % server.server_port
        client = threading.Thread(target=lambda: bodies.append(urllib.request.urlopen(url, timeout=30).read()))
        server.timeout = 30
        client.start()
        server.handle_request()
        client.join(30)
    return bodies[0]


def main():
    package = pathlib.Path(threadguard.__file__).parent
    assert "site-packages" in package.parts, package
    assert (package / "py.typed").is_file(), "py.typed is not in the wheel"
    assert not list(package.parent.glob("tests")), "the tests are in the wheel"
    module = sys.modules["wheel_check_app"] = types.ModuleType("wheel_check_app")
    module.factory = lambda global_conf, **options: hello
    pathlib.Path("check.ini").write_text(INI)
    ini = "config:%s" % pathlib.Path("check.ini").resolve()
    for number, app in enumerate([threadguard.ThreadGuard(hello), loadapp(ini), loadapp(ini, name="wrapped")], 1):
        assert fetch_from(app) == HELLO and isinstance(app, threadguard.ThreadGuard), app
        assert app.verdict.status == "single-threaded", app.verdict
        stats = app.stats()  # of the process: all guards are one group
        assert (stats.requests, stats.in_flight, stats.overlaps) == (number, 0, 0), stats
    command = pathlib.Path(sys.executable).with_name("threadguard")
    assert b"TG101" in subprocess.check_output([str(command), "explain", "TG101"], timeout=60)
    print("ok: guarded in code, by filter-with and by [filter-app:], from %s" % threadguard.__version__)


if __name__ == "__main__":
    main()
