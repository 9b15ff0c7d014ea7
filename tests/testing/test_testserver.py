"""The server in the background: what it lets in at once, how it stops, and who can talk to it."""

import gc
import logging
import os
import shutil
import socket
import threading
import urllib.request

import pytest
from conftest import DEADLINE, hello, in_threads
from plugin_rig import needs
from werkzeug.serving import WSGIRequestHandler

from threadguard.testing.server import BackgroundServer, serve

pytest_plugins = ["pytester", "plugin_rig"]


def get(server, path="/"):
    with urllib.request.urlopen(server.url + path, timeout=DEADLINE) as response:
        return response.read()


def test_one_request_at_a_time_is_the_default(guarded):
    """Requests that come together are served one after the other, and a guard says single-threaded."""
    guard = guarded(hello)
    with serve(guard) as server:
        assert in_threads(lambda: get(server, "/a"), lambda: get(server, "/b")) == [b"hello"] * 2
    assert (guard.verdict.status, guard.stats().peak) == ("single-threaded", 1)


def test_threaded_lets_in_more(guarded):
    """With threaded=True two requests can meet inside, and a guard says threaded."""
    barrier = threading.Barrier(2)

    def meeting(environ, start_response):
        barrier.wait(DEADLINE)
        return hello(environ, start_response)

    guard = guarded(meeting, policy="log")
    with serve(guard, threaded=True) as server:
        assert in_threads(lambda: get(server, "/a"), lambda: get(server, "/b")) == [b"hello"] * 2
    assert (guard.verdict.status, guard.stats().overlaps) == ("threaded", 1)


def test_a_connection_that_sends_nothing_stops_nobody():
    """Browsers open spare connections: a single-threaded server serves the others meanwhile."""
    with serve(hello) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as spare:
            assert get(server) == b"hello"
            spare.settimeout(DEADLINE)
            spare.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert spare.makefile("rb").read().endswith(b"\r\n\r\nhello")


def files_open():
    gc.collect()  # what another test has left would be closed in between
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("threaded", [False, True])
@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nhalf"])
def test_nothing_is_left_when_it_has_stopped(threaded, sent):
    """Neither a thread nor a socket, whatever a client that still waits has sent; and the port is free again."""
    def app(environ, start_response):
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return hello(environ, start_response)

    threads = set(threading.enumerate())
    with socket.socket() as client:
        before = files_open()
        server = BackgroundServer(app, threaded)
        client.connect(("127.0.0.1", server.port))
        client.sendall(sent)
        assert get(server) == b"hello" if threaded or not sent else True
        server.stop()
        assert files_open() == before
        assert set(threading.enumerate()) <= threads
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)
        server.stop()


def test_the_request_that_is_being_served_is_finished():
    """A stop waits for the request that is inside, and its response goes out."""
    inside, stopping = threading.Event(), threading.Event()

    def app(environ, start_response):
        inside.set()
        stopping.wait(DEADLINE)
        return hello(environ, start_response)

    for threaded in (False, True):
        inside.clear()
        stopping.clear()
        server = BackgroundServer(app, threaded)

        def stop():
            inside.wait(DEADLINE)
            threading.Thread(target=stopping.set).start()
            server.stop()
        assert in_threads(lambda: get(server), stop)[0] == b"hello"


def test_an_application_that_holds_a_request_is_told():
    """After the deadline a `TimeoutError` names the server and the thread; sockets are closed nevertheless."""
    gate, inside = threading.Event(), threading.Event()

    def app(environ, start_response):
        inside.set()
        gate.wait(DEADLINE)
        return hello(environ, start_response)

    server = BackgroundServer(app)
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert inside.wait(DEADLINE)
        with pytest.raises(TimeoutError, match="a request is still inside the application, in threadguard_server"):
            server.stop(timeout=0.1)
    gate.set()
    server._acceptor.join(DEADLINE)
    assert not server._acceptor.is_alive()


def test_an_error_of_the_application_is_logged_and_answered(caplog):
    """A traceback goes to the log, where pytest shows it if the test fails, and the client gets 500."""
    def broken(environ, start_response):
        raise RuntimeError("the application's own")

    with caplog.at_level(logging.DEBUG), serve(broken) as server, pytest.raises(urllib.error.HTTPError) as raised:
        get(server)
    raised.value.close()
    assert raised.value.code == 500
    [record] = [record for record in caplog.records if record.name == "threadguard.testserver"]
    assert record.levelname == "ERROR" and "RuntimeError: the application's own" in record.getMessage()


def test_werkzeug_is_as_it_was():
    """No setting of Werkzeug's own classes is changed: a later server of the suite speaks what it always did."""
    before = dict(vars(WSGIRequestHandler))
    with serve(hello, threaded=True) as server:
        get(server)
    assert dict(vars(WSGIRequestHandler)) == before


@needs("requests", "requests")
@pytest.mark.parametrize("threaded", [False, True])
def test_requests_can_talk_to_it(threaded):
    """A session of requests goes on where the server closes each connection."""
    import requests
    with serve(hello, threaded) as server, requests.Session() as session:
        assert [session.get(server.url, timeout=DEADLINE).text for _ in range(3)] == ["hello"] * 3


@needs("wsgiproxy", "WSGIProxy2")
@needs("webtest", "WebTest")
def test_webtest_can_talk_to_it():
    """WebTest's mode for a real server, ``TestApp("http://…")``."""
    import webtest
    with serve(hello) as server:
        assert webtest.TestApp(server.url).get("/").text == "hello"


@pytest.fixture
def browser(tmp_path):
    """Chromium, driven by Selenium, which is given both programs: it has nothing to look for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium and its driver are not installed: make setup-servers")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                     "--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage",
                     "--user-data-dir=%s" % tmp_path):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(executable_path=driver))
    browser.set_page_load_timeout(DEADLINE)
    yield browser
    browser.quit()


def test_selenium_can_talk_to_it(browser, guarded):
    """A browser asks for a page and what belongs to it over connections of its own, and each is served in turn."""
    def page(environ, start_response):
        path = environ["PATH_INFO"]
        start_response("200 OK", [("Content-Type", "text/javascript" if path.endswith(".js") else "text/html")])
        if path.endswith(".js"):
            return [b"document.title += '%s';" % path[1:-3].encode()]
        return [b"<title>loaded</title>", *(b"<script src=/%d.js></script>" % number for number in range(9))]

    guard = guarded(page)
    with serve(guard) as server:
        browser.get(server.url)
        assert browser.title == "loaded012345678"
        browser.get(server.url + "/again")
        assert browser.title == "loaded012345678"
    assert guard.verdict.status == "single-threaded"
    assert guard.stats().requests >= 11 and guard.stats().peak == 1


def test_the_fixture_stops_what_it_started(suite):
    """`threadguard_server` makes servers as they are asked for, and stops them all after the test."""
    suite.write('''
import urllib.request
before = set(threading.enumerate())
servers = []

def test_it(threadguard, threadguard_server):
    app = threadguard(hello)
    servers.extend([threadguard_server(app), threadguard_server(app, threaded=True)])
    for server in servers:
        assert urllib.request.urlopen(server.url, timeout=DEADLINE).read() == b"hello"
    assert [server.threaded for server in servers] == [False, True]
    assert len({server.port for server in servers}) == 2

def test_after():
    assert set(threading.enumerate()) <= before
''').run().assert_outcomes(passed=2)


def test_the_fixture_tells_of_a_request_that_is_stuck(suite):
    """A server that cannot be stopped is an error of its test, and the others are stopped."""
    result = suite.write('''
import socket
import threadguard.testing.server
gate, inside = threading.Event(), threading.Event()

def app(environ, start_response):
    inside.set()
    gate.wait(DEADLINE)
    return hello(environ, start_response)

@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    stop = threadguard.testing.server.BackgroundServer.stop
    monkeypatch.setattr(threadguard.testing.server.BackgroundServer, "stop",
                        lambda server: stop(server, 0.1 if server.app is app else DEADLINE))

def test_it(threadguard_server):
    threadguard_server(hello)
    with socket.create_connection(("127.0.0.1", threadguard_server(app).port)) as client:
        client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
        assert inside.wait(DEADLINE)
    threadguard_server(hello)

def test_after():
    left = [thread for thread in threading.enumerate() if thread.name.startswith("threadguard_server")]
    assert len(left) == 1
    gate.set()
    left[0].join(DEADLINE)
''').run()
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines([
        "E *threadguard.StillInside: <BackgroundServer http://127.0.0.1:*> was stopped, but after 0.1*"])


def test_only_an_application_is_served():
    """The mistake is said where it is made, not by a log of each request."""
    with pytest.raises(TypeError, match="^a server serves a WSGI application, which is callable; None is not$"):
        BackgroundServer(None)
