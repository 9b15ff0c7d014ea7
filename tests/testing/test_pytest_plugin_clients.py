"""``--threadguard``: every application that a test client calls is guarded, and no test is touched."""

import sys

import pytest
import werkzeug.test
from plugin_rig import needs
from werkzeug.wrappers import Response

pytest_plugins = ["pytester", "plugin_rig"]

DJANGO = '''
import django
from django.conf import settings
from django.http import HttpResponse, StreamingHttpResponse
from django.urls import path
import apps

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", DEBUG=False, MIDDLEWARE=[])
django.setup()
both = apps.Meeting()

def meeting(request):
    both.barrier.wait(apps.DEADLINE)
    return HttpResponse("met")

urlpatterns = [
    path("a", meeting), path("b", meeting), path("", lambda request: HttpResponse("hello")),
    path("stream", lambda request: StreamingHttpResponse(iter(["one", "two"])))]
'''

CLIENTS = {
    "werkzeug": '''
from werkzeug.test import Client
def new_client(app):
    return Client(app)
''',
    "webob": '''
import webob
class new_client:
    def __init__(self, app):
        self.app = app
    def get(self, path):
        return webob.Request.blank(path).get_response(self.app)
''',
    "webtest": '''
from webtest import TestApp
def new_client(app):
    return TestApp(app)
''',
    "flask": '''
from flask import Flask, Response
def new_client(app):
    flask_app = Flask("its_name")
    flask_app.add_url_rule("/<path:path>", "view", lambda path: Response.from_app(app, {"PATH_INFO": "/" + path}))
    flask_app.add_url_rule("/", "hello", lambda: "hello")
    return flask_app.test_client()
''',
    "django": '''
import django_site
from django.test import Client
def new_client(app):
    return Client()
'''}

CLIENT = [pytest.param(name, marks=needs(name, name)) for name in CLIENTS]


def with_client(suite, name, source):
    """*suite* with *source*, for which `new_client` makes a client of the kind *name*."""
    if name == "django":
        suite.write_django(DJANGO)
    return suite.write(CLIENTS[name] + source)


MEET = '''
def test_before():
    new_client(hello).get("/")

def test_meet():
    meet(new_client(Meeting()))

def test_after():
    new_client(hello).get("/")
'''


@pytest.mark.parametrize("client", CLIENT)
def test_an_overlap_fails_the_test_under_fail(suite, client):
    """Under fail, requests that a test client sends at the same time are an error of their test, and of no other."""
    result = with_client(suite, client, MEET).run("--threadguard=fail")
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines([
        "TG301 two requests were inside the application at once", "*= threadguard: fail =*",
        "* requests to * in 3 tests: at most 2 inside at once, 1 overlap",
        "OVERLAP test_it.py::test_meet - *", "ERROR test_it.py::test_meet*"])


@pytest.mark.parametrize("client", CLIENT)
def test_an_overlap_is_reported_under_log(suite, client):
    """Under log the test passes, and the report is in the summary."""
    result = with_client(suite, client, MEET).run("--threadguard=log")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines([
        "*= threadguard: log =*", "OVERLAP test_it.py::test_meet - *",
        "  TG301 two requests were inside the application at once", "    inside: GET /[ab], in *",
        "    entering: GET /[ab], in *"])


@pytest.mark.parametrize("client", CLIENT)
def test_nothing_is_seen_when_it_is_off(suite, client):
    """Off is the default: no error, no summary."""
    result = with_client(suite, client, MEET).run()
    result.assert_outcomes(passed=3)
    result.stdout.no_fnmatch_line("*threadguard:*")


STREAM = '''
def stream(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    yield b"one"
    yield b"two"

class Chunks:
    def __init__(self):
        self.chunks = iter([b"one", b"two"])
    def __iter__(self):
        return self
    def __next__(self):
        return next(self.chunks)

def chunks(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return Chunks()
'''


def test_one_thread_never_overlaps(suite):
    """Unclosed and half-read bodies, nested calls, redirects: what a client does in one thread is no overlap."""
    result = suite.write(STREAM + '''
import webob
from werkzeug.test import Client, run_wsgi_app
from werkzeug.utils import redirect

@pytest.mark.parametrize("app", [stream, chunks])
def test_half_read(app):
    client = Client(app)
    bodies = [iter(client.get("/%d" % number).response) for number in range(3)]
    assert [next(body) for body in bodies] == [b"one"] * 3
    client.get("/unread")
    assert [next(body) for body in reversed(bodies)] == [b"two"] * 3

def test_nested():
    def outer(environ, start_response):
        inner = Client(hello).get("/inner").data
        again = webob.Request(environ).get_response(stream)
        return again(environ, start_response)
    assert Client(outer).get("/").data == b"onetwo"

def test_redirects():
    def app(environ, start_response):
        here = int(environ["PATH_INFO"].strip("/"))
        return redirect("/%d" % (here - 1))(environ, start_response) if here else hello(environ, start_response)
    assert Client(app).get("/3", follow_redirects=True).data == b"hello"

def test_an_exception():
    def broken(environ, start_response):
        raise RuntimeError
    for app in (broken, hello):
        try:
            Client(app).get("/")
        except RuntimeError:
            pass

def test_in_a_loop():
    import asyncio
    async def run():
        bodies = [iter(Client(app).get("/").response) for app in (stream, chunks, stream)]
        return [b"".join(chunks) for chunks in zip(*bodies)]
    assert asyncio.run(run()) == [b"oneoneone", b"twotwotwo"]

def test_one_thread_after_the_other():
    for _ in range(3):
        in_threads(lambda: Client(stream).get("/").data)
''').run("--threadguard=fail")
    result.assert_outcomes(passed=7)
    result.stdout.fnmatch_lines(["*in 7 tests: at most * inside at once, 0 overlaps"])


@needs("django", "Django")
def test_djangos_streamed_response_is_inside_until_it_is_read(suite):
    """A streamed response of Django's test client is the one that Django made, and inside while it is unread."""
    suite.write_django(DJANGO)
    suite.write('''
import django_site
from django.http import StreamingHttpResponse
from django.test import Client

def test_one_thread():
    response = Client().get("/stream")
    assert type(response) is StreamingHttpResponse
    assert Client().get("/").content == b"hello"
    assert b"".join(response.streaming_content) == b"onetwo"

def test_two_threads():
    started, go_on = threading.Event(), threading.Event()
    def half_read():
        body = iter(Client().get("/stream").streaming_content)
        next(body)
        started.set()
        go_on.wait(DEADLINE)
    def whole():
        started.wait(DEADLINE)
        Client().get("/")
        go_on.set()
    in_threads(half_read, whole)
''').run("--threadguard=fail").assert_outcomes(passed=2, errors=1)


def test_a_client_that_is_imported_by_a_test_is_guarded(suite):
    """What is imported first within a test is changed as it comes."""
    suite.pytester.makepyfile(test_it='''
import sys
import apps

def test_it():
    assert "werkzeug.test" not in sys.modules and "webob.request" not in sys.modules
    from werkzeug.test import Client
    apps.meet(Client(apps.Meeting()))
''')
    suite.run("--threadguard=fail", in_process=False).assert_outcomes(passed=1, errors=1)


def test_everything_is_put_back(suite):
    """After the session the clients are their own, and nothing is left in the way of imports."""
    client, finders = werkzeug.test.run_wsgi_app, list(sys.meta_path)
    suite.write(MEET.replace("new_client", "werkzeug.test.Client"), **{"conftest": "import werkzeug.test"})
    suite.write("import werkzeug.test\n" + MEET.replace("new_client", "werkzeug.test.Client"))
    suite.run("--threadguard=fail").assert_outcomes(passed=3, errors=1)
    assert werkzeug.test.run_wsgi_app is client
    assert sys.meta_path == finders


def test_what_others_have_changed_is_left_to_them(suite):
    """A client that the suite has wrapped for good is not taken back from it, and works after the session."""
    client = werkzeug.test.run_wsgi_app
    suite.write('''
import werkzeug.test

def test_it():
    ours = werkzeug.test.run_wsgi_app
    werkzeug.test.run_wsgi_app = lambda *args, **kwargs: ours(*args, **kwargs)
    assert werkzeug.test.Client(hello).get("/").data == b"hello"
''').run("--threadguard=fail").assert_outcomes(passed=1)
    try:
        assert werkzeug.test.Client(Response("hello")).get("/").data == b"hello"
    finally:
        werkzeug.test.run_wsgi_app = client


OWN = '''
from threadguard import ThreadGuard
from werkzeug.test import Client
'''


def test_a_guard_of_the_applications_own_watches_alone(suite):
    """An application with a guard is not guarded twice: what its policy does is what the test sees."""
    result = suite.write(OWN + '''
def test_it():
    gate, entered = threading.Event(), threading.Event()
    def app(environ, start_response):
        entered.set()
        gate.wait(DEADLINE)
        return hello(environ, start_response)
    client = Client(ThreadGuard(app, policy="serialize", serialize_timeout=DEADLINE))
    def second():
        entered.wait(DEADLINE)
        gate.set()
        return client.get("/b").status_code
    assert in_threads(lambda: client.get("/a").status_code, second) == [200, 200]
''').run("--threadguard=fail", "-rA")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([
        "GUARDED test_it.py::test_it - an application that is gone: 2 requests, peak 1, 0 overlaps"])


def test_a_guard_of_the_applications_own_has_a_new_group_in_each_test(suite):
    """A process that one test proved threaded is refused neither to the next test nor to a guard that it builds."""
    result = suite.write(OWN + '''
own = ThreadGuard(Meeting())

def test_one():
    own.app.barrier = threading.Barrier(3)
    responses = []
    def send(path):
        responses.append(Client(own).get(path).status_code)
        if 503 in responses:
            own.app.barrier.abort()
    def second():
        assert any(own.app.barrier.n_waiting or tick.wait(0.01) for _ in range(100 * DEADLINE))
        send("/b")
    tick = threading.Event()
    in_threads(lambda: pytest.raises(threading.BrokenBarrierError, send, "/a"), second)
    assert own.verdict.status == "threaded"

def test_two():
    own.app.barrier = threading.Barrier(1)
    assert Client(own).get("/").status_code == 200
    assert Client(ThreadGuard(hello)).get("/").status_code == 200
''').run("--threadguard=fail")
    result.assert_outcomes(passed=2, errors=1)
    result.stdout.fnmatch_lines(["TG302 *", "ERROR test_it.py::test_one*"])


def test_the_fixtures_guard_is_not_guarded_again(suite):
    """With the option and the fixture together an overlap is one error, and an expected one is none."""
    result = suite.write('''
from werkzeug.test import Client

def test_it(threadguard):
    client = Client(threadguard(Meeting()))
    with threadguard.expect_overlap() as overlaps:
        meet(client)
    assert len(overlaps.findings) == 1

def test_without_the_fixtures_guard(threadguard):
    with threadguard.expect_overlap() as overlaps:
        meet(Client(Meeting()))
    assert len(overlaps.findings) == 1
''').run("--threadguard=fail", "-rA")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["EXPECTED test_it.py::test_it - apps.Meeting: 2 requests, peak 2, 1 overlap"])


def test_what_a_test_leaves_inside_is_nothing_to_the_next(suite):
    """A body that a thread of one test still holds collides with no request of a later one."""
    suite.write(STREAM + '''
from werkzeug.test import Client
go_on = threading.Event()

def test_one():
    started = threading.Event()
    def half_read():
        body = iter(Client(stream).get("/").response)
        next(body)
        started.set()
        go_on.wait(DEADLINE)
        list(body)
    threading.Thread(target=half_read, daemon=True).start()
    assert started.wait(DEADLINE)

def test_two():
    assert Client(stream).get("/").data == b"onetwo"
    go_on.set()
''').run("--threadguard=fail").assert_outcomes(passed=2)


def test_the_lint_of_webtest_sees_the_application_as_it_is(suite):
    """Behind WebTest's lint an application is counted under its own name."""
    pytest.importorskip("webtest", reason="WebTest is not installed")
    result = suite.write('''
from webtest import TestApp

def test_it():
    assert TestApp(hello).get("/").text == "hello"
''').run("--threadguard=fail")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["1 request to 1 application in 1 test: at most 1 inside at once, 0 overlaps",
                                 "  apps.hello: 1 request"])
