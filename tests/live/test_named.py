"""Recipes that must be judged right, by name: threads that serve no guarded request, and a server that nobody knows."""

import json

import pytest
from needs import missing
from rig import Child, at_once, get
from rows import ROWS
from test_matrix import told
from test_refusal import refusing, settle

BY_ID = {row.id: row for row in ROWS}


def the_row(name):
    """The row of the matrix, unless its server is missing."""
    row = BY_ID[name]
    reason = missing(row.needs)
    if reason:
        pytest.skip(reason)
    return row


def serves_eight(row):
    """Start it with the default policy: eight requests at once are all served, one after the other."""
    with refusing(row) as child:
        first = told(child.first(lambda port: get(port, "/first")))
        rest = [told(answer) for answer in at_once(8, lambda: get(child.port, "/hold"))]
        assert [1] * 8 == [answer["peak"] for answer in rest]
        assert "ERROR" not in "".join(sum(rest[-1]["log"].values(), []))
        return first["verdict"]


def test_gunicorn_gthread_with_one_thread_beside_an_idle_executor_of_the_application():
    """The application's own executors, pools and timers are no request workers."""
    row = the_row("gunicorn gthread of one thread, the application with pools")
    assert "single-threaded" == serves_eight(row)["status"]


def test_wsgiref_beside_a_metrics_server():
    """prometheus_client's server runs in this process, a thread for each request, and serves another application."""
    assert "single-threaded" == serves_eight(the_row("wsgiref beside prometheus_client.start_http_server"))["status"]


def test_a_guarded_waitress_of_one_thread_beside_an_unguarded_one_of_four():
    """The other waitress' four idle workers have the same function, and are of another pool."""
    row = the_row("a waitress of one thread beside another, unguarded, of four")
    assert "single-threaded" == serves_eight(row)["status"]


UNKNOWN = "{py} launch.py homemade thread_each_joined_says_true {port}"


def test_an_unknown_server_that_declares_true_is_believed_and_the_way_out_is_named():
    """Every request is refused, the application is not entered, and the log names server_threads = 1."""
    with Child(UNKNOWN, env={"TRUTH_OPTIONS": "{}"}) as child:
        assert ("answer", 503) == settle(child, get)
        assert 0 == child.entered()
        assert "server_threads = 1" in child.output()


@pytest.mark.parametrize("command, needs", [
    pytest.param(UNKNOWN, (), id="home-made"),
    pytest.param("{py} launch.py apis zope {port} 1", ("zope.server", "asyncore"), id="zope.server of one thread")])
def test_an_unknown_server_that_declares_true_serves_with_the_operators_word(command, needs):
    """With server_threads = 1 such a server is served."""
    if missing(needs):
        pytest.skip(missing(needs))
    with Child(command, env={"TRUTH_OPTIONS": json.dumps({"server_threads": 1})}) as child:
        first = told(child.first(lambda port: get(port, "/first")))
        assert ("single-threaded", 1) == (first["verdict"]["status"], first["verdict"]["capacity"])


@pytest.mark.parametrize("name", [
    "tornado WSGIContainer", "gunicorn tornado worker", "uWSGI async=10, bodies streamed"])
def test_streamed_bodies_that_interleave_on_one_thread_are_overlaps(name):
    """One thread, many unfinished bodies: the application's code runs for several requests in turn."""
    row = the_row(name)
    with Child(row.command, row.files, row.env) as child:
        child.first(lambda port: get(port, "/first"))
        rest = [told(answer) for answer in at_once(8, lambda: get(child.port, "/stream"))]
        last = told(get(child.port, "/first"))
    assert max(answer["peak"] for answer in rest) > 1
    assert last["stats"]["overlaps"] > 0
    assert "threaded" == last["verdict"]["status"]


def test_threads_that_begin_after_the_first_request_and_declare_false_are_caught_before_two_are_inside():
    """Nothing shows on the first request, and the flag lies: of eight at once at most one enters, and none after."""
    with Child("{py} launch.py homemade late_loops_say_false {port} 4", env={"TRUTH_OPTIONS": "{}"}) as child:
        assert 200 == child.first(lambda port: get(port, "/first"))[0]
        statuses = sorted(answer[0] for answer in at_once(8, lambda: get(child.port, "/hold")))
        assert [503] * 7 == statuses[1:]
        assert 503 == get(child.port, "/first")[0]
        assert child.entered() <= 2
        assert "ERROR TG" in child.output()
