"""The health endpoint: what it tells, to whom, and what it never tells."""

import base64
import html
import json
import threading
from html.parser import HTMLParser

import pytest
from conftest import DEADLINE, Response, held_inside, hello, in_thread, new_environ

from threadguard import codes
from threadguard.guard import rendezvous
from threadguard.report import health_page

TOKEN = "s3cret"


def never(environ, start_response):
    raise AssertionError("a health check never touches the application")


def basic(password, user="operator"):
    """What a browser sends for a user and a password."""
    return "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode("utf-8")).decode("ascii")


def ask(guard, path="/-/tg", token=None, **changes):
    environ = new_environ(PATH_INFO=path, **changes)
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = "Bearer " + token
    return Response(guard, environ)


@pytest.fixture
def checked(guarded):
    return lambda app=never, **options: guarded(app, **{"health_path": "/-/tg", "health_token": TOKEN, **options})


def test_it_is_off_unless_set(guarded):
    """Without health_path the application answers every path."""
    assert ask(guarded(hello)).body == b"hello"


def test_without_the_token_it_tells_the_status_and_nothing_else(checked):
    """A load balancer needs no more."""
    response = ask(checked(server_threads=1))
    assert response.status == "200 OK"
    assert dict(response.headers)["Content-Type"] == "application/health+json"
    assert json.loads(response.body) == {"status": "pass"}


RAW = b"\xe4\xf6\xfc\xdf"
NO_UTF_8 = RAW.decode("utf-8", "surrogateescape")
"""As Python reads a variable of bytes that are none (PEP 383)."""


@pytest.mark.parametrize("token, given", [
    # The scheme in any case (RFC 9110, 11.1); any letters as UTF-8, whose bytes WSGI gives as Latin-1.
    (TOKEN, "Bearer s3cret"), (TOKEN, "bearer  s3cret "), (TOKEN, "BEARER s3cret"),
    ("caf\xe9", "Bearer caf\xc3\xa9"), ("\u20ac", "Bearer \xe2\x82\xac"),
    (NO_UTF_8, "Bearer " + RAW.decode("latin-1")),
    *((token, basic(token, user)) for user in ("", "operator", "caf\xe9")
      for token in (TOKEN, "caf\xe9", "with:colon", "voil\xe0")),
], ids=ascii)
def test_the_token_comes_as_a_bearer_token_or_as_a_browsers_password(checked, token, given):
    """With any user name, in UTF-8, as the challenge says (RFC 7617, 2.1); a token that is no UTF-8 keeps its bytes."""
    response = ask(checked(server_threads=1, health_token=token), HTTP_AUTHORIZATION=given)
    assert "verdict" in json.loads(response.body)


@pytest.mark.parametrize("token, given", [
    *((TOKEN, given) for given in (
        "Bearer ", "Bearer wrong", "Bearer s3cre", "Bearer s3cret2", "Bearer caf\xe9", "s3cret", "Basic s3cret",
        "Bearer", "Bearer s3cret,s3cret", "Digest s3cret", "Basic", "Basic =", "Basic \u20ac", "Bearer \u20ac",
        "Basic " + base64.b64encode(b"s3cret").decode(), "Basic " + base64.b64encode(b"s3cret:").decode())),
    *((NO_UTF_8, "Bearer " + other) for other in ("????", "", "\xe4", RAW.decode("utf-8", "backslashreplace"))),
    ("what?", "Bearer what\u20ac"),
], ids=ascii)
def test_whatever_else_comes_is_no_token(checked, token, given):
    """Neither a part of it, another scheme, a user name, nor question marks for what is not Latin-1."""
    response = ask(checked(server_threads=1, health_token=token), HTTP_AUTHORIZATION=given)
    assert json.loads(response.body) == {"status": "pass"}


def test_a_browser_that_asks_for_details_is_asked_for_the_token(checked):
    """By the page's own link, whose answer still has the status; a wrong password is asked for again."""
    guard = checked(server_threads=1)
    assert '<a href="?details">' in ask(guard, HTTP_ACCEPT="text/html").body.decode()
    for changes in ({}, {"HTTP_AUTHORIZATION": basic("wrong")}):
        response = ask(guard, HTTP_ACCEPT="text/html", QUERY_STRING="details", **changes)
        assert response.status == "401 Unauthorized"
        assert dict(response.headers)["WWW-Authenticate"].startswith("Basic realm=")
        assert "single-threaded" in response.body.decode().lower() and b"<dl" not in response.body
    response = ask(guard, HTTP_ACCEPT="text/html", QUERY_STRING="details", HTTP_AUTHORIZATION=basic(TOKEN))
    assert response.status == "200 OK" and b"<dl" in response.body


@pytest.mark.parametrize("token, changes", [
    (TOKEN, {}), (TOKEN, {"HTTP_ACCEPT": "text/html"}), (TOKEN, {"HTTP_AUTHORIZATION": "Basic eDp5"}),
    (TOKEN, {"QUERY_STRING": "detail&x=%ff"}), (None, {"HTTP_ACCEPT": "text/html", "QUERY_STRING": "details"})])
def test_a_load_balancer_never_meets_a_401(checked, token, changes):
    """Whatever it sends: 401 would take the instance out. Without a token there is nothing to sign in to."""
    response = ask(checked(server_threads=1, health_token=token), **changes)
    assert response.status == "200 OK" and (token or b"<a " not in response.body)


def test_a_foreign_page_holds_no_process_with_the_browsers_password(checked):
    """A browser would send it along with any request: the probe takes Bearer alone."""
    assert ask(checked(), "/-/tg/probe", HTTP_AUTHORIZATION=basic(TOKEN)).status == "401 Unauthorized"


@pytest.mark.parametrize("accept, content_type", [
    ("*/*", "application/health+json"), ("application/json", "application/json"), ("", "application/health+json"),
    ("text/plain", "application/health+json"), ("text/html;q=0", "application/health+json"),
    ("nonsense,,;;", "application/health+json"),
    ("application/health+json;q=0.1, text/html", "text/html; charset=UTF-8"),
])
def test_only_who_would_rather_have_a_page_gets_one(checked, accept, content_type):
    """A load balancer sends any Accept, or none."""
    response = ask(checked(server_threads=1), HTTP_ACCEPT=accept)
    assert (response.status, dict(response.headers)["Content-Type"]) == ("200 OK", content_type)


def test_a_path_of_any_letters_comes_as_utf_8(checked):
    """PATH_INFO has the client's bytes as Latin-1 (PEP 3333)."""
    guard = checked(health_path="/-/gesundheit/\u00fcber-\u4e2d")
    for path in ("/-/gesundheit/\u00fcber-\u4e2d", "/-/gesundheit/\u00fcber-\u4e2d/probe"):
        assert ask(guard, path.encode("utf-8").decode("latin-1"), TOKEN, QUERY_STRING="hold=0").status == "200 OK"


@pytest.mark.parametrize("path", ["/-/tg/", "//-/tg", "/-/TG", "/-/tg/other"])
def test_another_path_is_the_applications(checked, path):
    """Nothing of the application is hidden by a path that merely looks like the check's own, which is PATH_INFO."""
    guard = checked(hello, server_threads=1)
    assert ask(guard, path).body == b"hello"
    assert ask(guard, SCRIPT_NAME="/site").body != b"hello"


def test_with_the_token_it_tells_everything(checked, gate):
    """Verdict, counts, findings with remedies, process, server, versions, and both sides of an overlap."""
    guard = checked(gate, policy="log")
    with held_inside(guard, gate, "/inside"):
        with held_inside(guard, gate, new_environ(PATH_INFO="/late", QUERY_STRING="key=hidden", HTTP_COOKIE="hidden")):
            content = json.loads(ask(guard, token=TOKEN).body)
    assert content["verdict"]["status"] == "threaded"
    assert content["stats"]["in_flight"] == 2 and content["stats"]["overlaps"] == 1
    [overlap] = content["overlaps"]
    assert "GET /inside" in overlap["evidence"] and "GET /late" in overlap["evidence"]
    assert overlap["evidence"].count("self.open.wait") == 1 and overlap["remedy"]
    assert {"host", "pid", "group", "policy", "server"} <= set(content["process"])
    assert "hidden" not in json.dumps(content)


class Texts(HTMLParser):
    """The tags and texts of a page."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.texts = [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_everything_of_the_page_is_escaped(checked):
    """Also what no encoding takes: a lone surrogate, as it may stand in a file's name or in a variable."""
    response = ask(checked(server_threads=1), token=TOKEN, HTTP_ACCEPT="text/html,*/*;q=0.8",
                   SERVER_SOFTWARE="<script>alert(1)</script>\ud800")
    page = Texts(response.body.decode())
    assert "script" not in page.tags
    assert "<script>alert(1)</script>\\ud800" in page.texts
    assert dict(response.headers)["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize("options, flag, status, title, public", [
    pytest.param({"server_threads": 1}, True, "pass", "Single-threaded", "Single-threaded", id="single-threaded"),
    pytest.param({}, False, "warn", "Single-threaded, as the server declares", "Needs a look", id="declared only"),
    pytest.param({}, None, "warn", "Not known", "Needs a look", id="unknown"),
    pytest.param({"policy": "serialize", "server_threads": 4}, True, "warn", "Threaded: requests wait in line",
                 "Needs a look", id="serialised"),
    pytest.param({}, True, "fail", "Threaded: every request is refused", "Threaded", id="refused"),
    pytest.param({"policy": "log"}, True, "fail", "Threaded: requests run at the same time", "Threaded", id="logged"),
])
def test_status_document_and_page_follow_the_verdict(checked, options, flag, status, title, public):
    """pass, warn (unknown, declared only, serialised) or fail, before any other request has come.

    The document is one of draft-inadarei-api-health-check-06: no output of what passes, and no version, which is the
    service's own. The page says at once what the operator wants to know: the verdict, what to change, the counts, how
    it is known; what is certain is called so. Without the token it has no details.
    """
    guard = checked(**options)
    response = ask(guard, wsgi__multithread=flag)
    code = "503 Service Unavailable" if status == "fail" else "200 OK"
    assert (json.loads(response.body), response.status) == ({"status": status}, code)
    content = json.loads(ask(guard, token=TOKEN, wsgi__multithread=flag).body)
    checks = [check for name in content["checks"] for check in content["checks"][name]]
    for part in [content] + checks:
        assert part["status"] == status and ("output" in part) is (status != "pass")
    assert all(name.count(":") == 1 for name in content["checks"])
    assert {check["componentType"] for check in checks} == {"component"}
    assert not {"version", "releaseId", "serviceId"} & set(content)
    page = ask(guard, token=TOKEN, HTTP_ACCEPT="text/html", wsgi__multithread=flag).body.decode()
    texts = Texts(page).texts
    assert texts.index(status) < texts.index(title)
    order = [title, "Change this", "overlaps", "How it is known", "This process"]
    if title.startswith("Single-threaded"):
        order.remove("Change this")
    assert [text for text in texts if text in (*order, "Change this")] == order
    assert "not certain" not in page
    strangers = Texts(ask(guard, HTTP_ACCEPT="text/html", wsgi__multithread=flag).body.decode())
    assert public in strangers.texts and not {"dl", "ul", "pre"} & set(strangers.tags)


def test_a_cause_is_told_once_and_its_remedy_above(checked, gate):
    """An overlap's stacks are in its report alone, folded; a remedy that stands in the banner is not repeated."""
    guard = checked(gate, policy="log")
    with held_inside(guard, gate, "/inside"):
        with held_inside(guard, gate, "/late"):
            page = ask(guard, token=TOKEN, HTTP_ACCEPT="text/html").body.decode()
    assert page.count("GET /inside") == page.count("GET /late") == page.count("<details>") == 1
    assert page.index("How it is known") < page.index("<details>")
    [remedy] = {finding.remedy for finding in guard.verdict.findings if finding.remedy}
    assert page.count(html.escape(remedy)) == 1


def test_each_code_leads_to_its_page(checked):
    """With the meaning where a pointer rests on it."""
    page = ask(checked(server_threads=1), token=TOKEN, HTTP_ACCEPT="text/html").body.decode()
    assert '<a href="%s" title="%s">' % (
        codes.page_of("TG103"), html.escape(codes.CODES["TG103"].meaning)) in page


LIBRARY = "/srv/venv/lib/python3/site-packages/"
SIDES = """  inside: GET /first, in thread waitress-0
      File "%(library)swaitress/task.py", line 84, in handler_thread
        task.service()
      File "%(guard)sguard/middleware.py", line 90, in __call__
        body = self.app(environ, start_response)
%(application)s      File "%(python)sthreading.py", line 655, in wait
        self._cond.wait()
  entering: GET /second, in thread waitress-1
      File "%(library)swaitress/task.py", line 84, in handler_thread
        task.service()"""
OWN = """      File "/srv/site/app.py", line 3, in view
        journal(user)
               ^^^^
"""
INSTALLED = OWN.replace("/srv/site/", LIBRARY + "kallithea/")


@pytest.mark.parametrize("application, shown", [
    pytest.param(OWN, OWN, id="the application's own file"),
    pytest.param(INSTALLED, INSTALLED, id="an installed application"),
    pytest.param(INSTALLED + OWN, OWN, id="a framework around it"),
])
def test_a_report_shows_the_applications_calls_alone(application, shown):
    """No line of the server, of threadguard, of a library or of Python's own, where the application's say it."""
    places = {"library": LIBRARY, "guard": health_page._GUARD, "python": health_page._STANDARD[0]}
    told = health_page._without_libraries(SIDES % {**places, "application": application})
    assert told.count("File ") == 1 and shown in told + "\n"
    assert "GET /first" in told and "GET /second" in told and "waitress/task.py" not in told


def test_a_stack_that_could_not_be_seen_is_said_to_be():
    """It is no call of a library; a program that was given as text is the application's own."""
    sides = ("  inside: GET /a, in a thread that is not known\n      (its stack could not be seen)\n"
             "  entering: GET /b, in thread x\n      File \"<string>\", line 1, in view\n"
             "      File \"<frozen runpy>\", line 9, in run")
    told = health_page._without_libraries(sides)
    assert "(its stack could not be seen)" in told and "<string>" in told and "runpy" not in told


def test_a_report_without_any_call_of_the_application_is_shown_whole():
    """Better than nothing."""
    sides = SIDES.replace("%(guard)sguard/", "%(library)sother/") % {
        "library": LIBRARY, "python": health_page._STANDARD[0], "application": ""}
    assert health_page._without_libraries(sides) == sides


def test_head_has_no_body(checked):
    """GET and HEAD, as for any resource."""
    response = ask(checked(server_threads=1), REQUEST_METHOD="HEAD")
    assert (response.status, response.body) == ("200 OK", b"")


@pytest.mark.parametrize("path", ["/-/tg", "/-/tg/probe"])
def test_other_methods_are_not_allowed(checked, path):
    """405 with Allow, and the application is not asked."""
    response = ask(checked(), path, TOKEN, REQUEST_METHOD="POST")
    assert response.status == "405 Method Not Allowed"
    assert dict(response.headers)["Allow"] == "GET, HEAD"


def test_it_is_answered_outside_the_counted_section(checked, gate):
    """While a request is inside, a check is no collision."""
    guard = checked(gate)
    with held_inside(guard, gate):
        assert ask(guard).status == "200 OK"
    assert (guard.stats().requests, guard.stats().refused) == (1, 0)


def test_the_first_reading_is_made_and_told(checked, caplog):
    """A check that comes before any user finds the threads, and they are logged as on a request."""
    ask(checked(), wsgi__multithread=True)
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert ask(checked(policy="log")).status == "503 Service Unavailable"


# -- probes


def test_without_a_token_there_is_no_probe(guarded):
    """Nobody else can hold a worker."""
    guard = guarded(hello, health_path="/-/tg")
    assert ask(guard, "/-/tg/probe").body == b"hello"


@pytest.mark.parametrize("token", [None, "wrong"])
def test_a_probe_without_the_right_token_is_not_held(checked, token):
    """401 at once."""
    response = ask(checked(), "/-/tg/probe", token)
    assert response.status == "401 Unauthorized"
    assert dict(response.headers)["WWW-Authenticate"].startswith("Bearer")


def test_two_probes_that_meet_prove_a_threaded_process(checked, monkeypatch):
    """Whatever the server declares; from then on requests are refused."""
    monkeypatch.setattr(rendezvous, "LONGEST", DEADLINE)
    guard = checked(hello)
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(
        json.loads(ask(guard, "/-/tg/probe", TOKEN, QUERY_STRING="hold=%d" % DEADLINE).body))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert [answer["met"] for answer in answers] == [True, True]
    assert guard.verdict.findings[0].code == "TG306"
    assert Response(guard).status == "503 Service Unavailable"


def test_a_lonely_probe_is_let_go(checked):
    """It met nobody, and says how long it waited."""
    answer = json.loads(ask(checked(), "/-/tg/probe", TOKEN, QUERY_STRING="hold=0.05").body)
    assert answer["met"] is False and answer["can_hold"] and answer["held"] >= 0.04


@pytest.mark.parametrize("hold", ["99999", "nan", "soon", "-1", "%ff", "", "inf&hold=1"])
def test_holding_is_bounded(checked, monkeypatch, hold):
    """However long the caller asks for."""
    monkeypatch.setattr(rendezvous, "LONGEST", 0.05)
    answer = json.loads(ask(checked(), "/-/tg/probe", TOKEN, QUERY_STRING="hold=" + hold).body)
    assert answer["held"] < DEADLINE


def test_only_so_many_are_held(checked, monkeypatch):
    """One more than the most is answered at once."""
    monkeypatch.setattr(rendezvous, "MOST", 0)
    answer = json.loads(in_thread(lambda: ask(checked(), "/-/tg/probe", TOKEN, QUERY_STRING="hold=2")).body)
    assert answer["held"] == 0


def test_an_operator_s_number_that_the_server_contradicts_is_a_warning(guarded, monkeypatch):
    """Requests are served, as the operator says; the status asks for a look at the report."""
    from threadguard.model import Reading, Source
    from threadguard.servers import readers

    shown = readers.Answers({"a": Reading(Source.POOL, "a", 4, "read", "change it")}, ())
    monkeypatch.setattr(readers, "on_request", lambda *args: shown)
    response = ask(guarded(hello, server_threads=1, health_path="/-/tg"))
    assert (response.status, json.loads(response.body)["status"]) == ("200 OK", "warn")
