"""Fuzzing (hypothesis): no option's value, no environ and no request text breaks more than it may.

``EXAMPLES=10000`` in the environment tries that many of each.
"""

import os
import string

import pytest
from conftest import new_environ, start_response

hypothesis = pytest.importorskip("hypothesis", reason="needs the package hypothesis")

from hypothesis import example, given, settings, strategies  # noqa: E402

from threadguard import OptionError, ThreadGuard, options  # noqa: E402
from threadguard.guard import groups  # noqa: E402
from threadguard.report import text as report  # noqa: E402
from threadguard.paste import filter_factory  # noqa: E402

EXAMPLES = int(os.environ.get("EXAMPLES", "100"))
SETTINGS = settings(max_examples=EXAMPLES, deadline=None, database=None, derandomize=EXAMPLES <= 100,
                    suppress_health_check=list(hypothesis.HealthCheck))
NAMES = ["policy", "serialize_timeout", "server_threads", "group", "health_path", "health_token", "watch_pool_start"]
SENSIBLE = {
    "policy": lambda value: value in ("refuse", "serialize", "log"),
    "serialize_timeout": lambda value: 0 < value < float("inf"),
    "server_threads": lambda value: value >= 1,
    "group": str.strip, "health_path": lambda value: value[0] == "/" != value[-1], "health_token": str.strip,
    "watch_pool_start": lambda value: value in (True, False),
}
VALUES = strategies.one_of(
    strategies.text(max_size=30), strategies.integers().map(str), strategies.floats().map(str),
    strategies.sampled_from(["refuse", "LOG", " serialize ", "true", "off", "1e999", "nan", "-inf", "0", "", " ", "١",
                             "0x10", "1_000", "/health", "//", "/\x00", "9" * 5000]))
ANYTHING = strategies.one_of(
    strategies.none(), strategies.booleans(), strategies.integers(), strategies.floats(), strategies.binary(max_size=9),
    strategies.text(max_size=30), strategies.just(object()))


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]


@SETTINGS
@given(name=strategies.one_of(strategies.sampled_from(NAMES), strategies.text(string.ascii_lowercase, max_size=9)),
       value=VALUES)
@example(name="serialize_timeout", value="nan")
@example(name="serialize_timeout", value="1e999")
@example(name="server_threads", value="9" * 5000)
def test_a_value_from_an_ini_file_is_taken_or_named(name, value):
    """Each is converted, or refused by an error that names the option and fits into a log; nothing else comes out."""
    try:
        taken = options.from_strings({name: value}, "production.ini")[name]
    except OptionError as error:
        assert repr(name) in str(error) or name in NAMES and name in str(error)
        assert str(error).isprintable()
    else:
        assert SENSIBLE[name](taken), taken


@SETTINGS
@given(given_options=strategies.dictionaries(strategies.sampled_from(NAMES[:1] + NAMES[1:2] + NAMES[4:]), VALUES,
                                             max_size=4))
def test_a_filter_of_an_ini_file_guards_or_says_why_not(given_options):
    """PasteDeploy hands over strings: what is accepted serves a request, what is not is an OptionError."""
    try:
        guard = filter_factory({}, **dict(given_options, group="fuzz"))(app)
    except OptionError:
        return
    finally:
        group = groups._groups.pop("fuzz", None)
        if group is not None:
            group._end_watches()
    assert guard(new_environ(PATH_INFO="/hello"), start_response) == [b"x"]
    assert guard.stats().in_flight == 0


@pytest.mark.usefixtures("few_objects")
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@SETTINGS
@given(changes=strategies.dictionaries(strategies.sampled_from([
    "wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once", "wsgi.input", "wsgi.errors", "wsgi.file_wrapper",
    "wsgi.version", "SERVER_SOFTWARE", "SERVER_PROTOCOL", "REQUEST_METHOD", "SCRIPT_NAME", "QUERY_STRING",
    "mod_wsgi.version", "mod_wsgi.process_group",
    "mod_wsgi.daemon_connects", "uwsgi.version", "uwsgi.node", "waitress.client_disconnected",
    "gunicorn.socket", "werkzeug.server.shutdown", "paste.httpserver.thread_pool", "x-wsgiorg.fdevent.readable",
    "HTTP_ACCEPT", "PATH_INFO", "HTTP_AUTHORIZATION", "CONTENT_LENGTH"]), ANYTHING, max_size=8))
@example(changes={"PATH_INFO": b"bytes", "REQUEST_METHOD": 7, "SCRIPT_NAME": None, "HTTP_AUTHORIZATION": "\udc80" * 3})
@example(changes={"PATH_INFO": None, "QUERY_STRING": b"bytes", "HTTP_AUTHORIZATION": 7, "HTTP_ACCEPT": "\x00"})
def test_no_environ_breaks_a_request(policy, changes):
    """A server may put anything under any key: the request is served or refused, and nobody stays inside."""
    guard = ThreadGuard(app, policy=policy, group="fuzz", watch_pool_start=False, health_path="/health")
    statuses = []
    try:
        environ = {**new_environ(), **changes}
        body = guard(environ, lambda status, headers, exc_info=None: statuses.append(status[:3]))
        assert b"".join(body) and statuses in (["200"], ["503"])
        assert guard.stats().in_flight == 0
    finally:
        groups._groups.pop("fuzz", None)


@SETTINGS
@given(text=strategies.text(strategies.characters(), max_size=400))
@example("\ud800" * 300)
@example("\x85\u2028\u202e")
def test_what_is_escaped_is_printable_short_and_encodes(text):
    """Whatever a client sends: no control character, no surrogate, a bounded length."""
    shown = report.escaped(text)
    assert shown.isprintable()
    assert len(shown) < 200 * 10 + 30
    shown.encode("utf-8")
