"""Sections on real servers: a scheduler's job beside requests, under each policy.

On a single-threaded server each request is served, and none beside the job. On a threaded one the job changes nothing
of what is found. A job that lasts is a 503 with Retry-After to those who wait for it.
"""

import json
import time

import pytest
from needs import child_of
from rig import at_once, get
from rows import BY_ID
from test_matrix import told

SINGLE = ["gunicorn sync, the default", "gunicorn gthread with one thread", "gunicorn gevent with one connection",
          "waitress-serve --threads=1", "uWSGI enable-threads", "mod_wsgi 4.9 WSGIDaemonProcess threads=1",
          "mod_wsgi-express --threads 1"]
THREADED = ["gunicorn gthread with four threads", "gunicorn gevent", "waitress-serve --threads=4", "uWSGI threads=4",
            "mod_wsgi 4.9 WSGIDaemonProcess threads=4"]
MANY = 24


def serving(name, **options):
    """The child of the row of that *name*, with the application that has a scheduler."""
    row = BY_ID[name]
    files = {file: text.replace("from guarded import application", IN_APACHE % json.dumps(options))
             for file, text in row.files.items()}
    return child_of(row, files, TRUTH_APP="sections:application", TRUTH_OPTIONS=json.dumps(options))


IN_APACHE = """import os, sys
os.environ.update(TRUTH_APP="sections:application", TRUTH_OPTIONS='%s')
from guarded import application"""
"""A daemon of Apache's starts with another environment than its master."""


def begin(child):
    """Start the scheduler, with the first request."""
    return told(child.first(lambda port: get(port, "/start")))


def last(child):
    """What is known in the end."""
    return told(get(child.port, "/"))


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_single_threaded_server_serves_every_request_and_none_beside_the_job(name, policy):
    """No false alarm, and the job does not starve behind requests that come without a pause."""
    with serving(name, policy=policy) as child:
        begin(child)
        statuses = [answer[0] for answer in at_once(MANY, lambda: get(child.port, "/work"))]
        end = last(child)
        assert statuses == [200] * MANY, child.output()[-4000:]
        assert end["most"] == {"request": 1, "job": 1, "both": 0}
        assert end["verdict"] == "single-threaded" and end["stats"]["refused"] == 0
        assert end["stats"]["requests"] == MANY + 2 and end["stats"]["sections"] >= MANY / 2
        assert "TG" not in child.output().replace("TG204", "")


@pytest.mark.parametrize("name", SINGLE)
@pytest.mark.parametrize("policy", ["refuse", "serialize"])
def test_a_job_that_lasts_is_503_with_retry_after(name, policy):
    """After serialize_timeout; when it is over, requests are served as before."""
    with serving(name, policy=policy, serialize_timeout=0.4) as child:
        begin(child)
        status, headers, body = answers_503(child)
        assert ("retry-after", "1") in [(header.lower(), value) for header, value in headers]
        assert b"busy: requests are served one at a time" in body
        end = until_served(child)
        assert end["verdict"] == "single-threaded" and end["most"]["both"] == 0
        assert "a section was inside for longer than a request waits for it" in child.output()


def answers_503(child):
    """The answer while the long job is inside."""
    told(get(child.port, "/long"))
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = get(child.port, "/work")
        if answer[0] == 503:
            return answer
    raise AssertionError("always served\n" + child.output()[-4000:])


def until_served(child):
    """What is told once a request is served again."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answer = get(child.port, "/work")
        if answer[0] == 200:
            return told(answer)
    raise AssertionError("never served again\n" + child.output()[-4000:])


@pytest.mark.parametrize("name", THREADED)
def test_requests_that_meet_on_a_threaded_server_are_a_collision(name):
    """Where the operator's word says one thread: TG302 beside a job as without one, and never two inside."""
    with serving(name, policy="refuse", server_threads=1) as child:
        assert begin(child)["verdict"] == "single-threaded"
        statuses = [answer[0] for answer in at_once(MANY, lambda: get(child.port, "/work"))]
        assert 503 in statuses and get(child.port, "/")[0] == 503
        assert "TG302 a second request came" in child.output()


@pytest.mark.parametrize("name", THREADED)
def test_a_threaded_server_under_serialize_serves_all_in_turn(name):
    """Requests and the job, one at a time."""
    with serving(name, policy="serialize") as child:
        begin(child)
        statuses = [answer[0] for answer in at_once(MANY, lambda: get(child.port, "/work"))]
        end = last(child)
        assert statuses == [200] * MANY, child.output()[-4000:]
        assert end["most"] == {"request": 1, "job": 1, "both": 0}
        assert end["stats"]["overlaps"] == 0 and end["stats"]["sections"] > 0


@pytest.mark.parametrize("name", SINGLE[:1] + SINGLE[3:4] + THREADED[1:])
def test_under_log_both_run_and_it_is_reported(name):
    """TG307, which says nothing of the server."""
    with serving(name, policy="log", server_threads=1) as child:
        begin(child)
        statuses = [answer[0] for answer in at_once(MANY, lambda: get(child.port, "/work"))]
        end = last(child)
        assert statuses == [200] * MANY
        assert end["most"]["both"] and "TG307 a section and a request" in child.output()
        assert end["verdict"] == ("threaded" if end["most"]["request"] > 1 else "single-threaded")
