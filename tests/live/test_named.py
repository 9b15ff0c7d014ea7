"""Servers that must be judged right, by name: one that nobody knows, and some that show it only later."""

import json

import pytest
from needs import child_of, need
from rig import Child, at_once, get
from rows import BY_ID
from test_matrix import told
from test_refusal import settle

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
    need(needs)
    with Child(command, env={"TRUTH_OPTIONS": json.dumps({"server_threads": 1})}) as child:
        first = told(child.first(lambda port: get(port, "/first")))
        assert ("single-threaded", 1) == (first["verdict"]["status"], first["verdict"]["capacity"])


@pytest.mark.parametrize("name", [
    "tornado WSGIContainer", "gunicorn tornado worker", "uWSGI async=10, bodies streamed"])
def test_streamed_bodies_that_interleave_on_one_thread_are_overlaps(name):
    """One thread, many unfinished bodies: the application's code runs for several requests in turn."""
    with child_of(BY_ID[name]) as child:
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
