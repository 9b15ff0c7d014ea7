"""A gevent.Timeout or an eventlet kill strikes inside the guard itself, on real servers: nobody stays inside."""

import random
import threading

import pytest
from fire import ask, assert_serves, settled, started, stats, until
from rig import at_once, get

SERVERS = {"gevent": "gevent", "gunicorn -k gevent": "gevent", "eventlet": "eventlet",
           "gunicorn 23 -k eventlet": "eventlet"}
WAITING = 10


@pytest.fixture(params=SERVERS)
def serving(request):
    """Starts the server, under the policy that is named."""
    children = []

    def serve(policy, timeout=20):
        child = started(request.param, "struck", threads=100, STRUCK_BY=SERVERS[request.param], STRUCK_POLICY=policy,
                        STRUCK_TIMEOUT=str(timeout))
        children.append(child)
        child.__enter__()
        child.first(stats)
        return child

    yield serve
    for child in children:
        child.__exit__()


def in_background(port, *paths):
    """Somebody who asks for each of *paths*."""
    threads = [threading.Thread(target=ask, args=(port, path, 60), daemon=True) for path in paths]
    for thread in threads:
        thread.start()
    return threads


def held(port, where):
    """One that is held inside: in its call, or in its body."""
    threads = in_background(port, "/" + where)
    assert until(port, lambda found: found["hold"])["in_flight"] == 1
    return threads


def assert_well(port, threads, overlaps=0):
    """All have ended, nobody stands in line, no more than *overlaps* were seen, and it goes on."""
    for thread in threads:
        thread.join(90)
        assert not thread.is_alive()
    assert settled(port)["in_flight"] == 0
    found = assert_serves(port)
    assert (found["line"], found["overlaps"], found["peak"]) == (0, overlaps, 1)


@pytest.mark.parametrize("where", ["call", "body"])
def test_a_timeout_strikes_those_in_line(serving, where):
    """Who waits is struck; who holds the turn is not, and passes it on."""
    port = serving("serialize").port
    threads = held(port, where)
    struck = in_background(port, *["/timed/good?0.1"] * WAITING)
    for thread in struck:
        thread.join(90)
        assert not thread.is_alive()
    assert stats(port)["line"] == 0
    get(port, "/release")
    assert_well(port, threads + struck)


@pytest.mark.parametrize("where", ["call", "body"])
def test_a_kill_strikes_those_in_line_and_the_one_inside(serving, where):
    """All at once: those who come later are served."""
    port = serving("serialize").port
    threads = held(port, where) + in_background(port, *["/good"] * WAITING)
    assert until(port, lambda found: found["line"] == WAITING)["line"] == WAITING
    get(port, "/kill")
    assert_well(port, threads)


@pytest.mark.parametrize("where", ["call", "body"])
def test_a_timeout_strikes_the_one_inside(serving, where):
    """Those in line behind it are served."""
    port = serving("serialize").port
    for seconds in 0.5, 2, 8, 32:
        threads = in_background(port, "/timed/%s?%g" % (where, seconds))
        if until(port, lambda found: found["hold"])["in_flight"] == 1:
            break
        get(port, "/release")  # it was struck before anybody could come in line behind it
    else:
        pytest.fail("nobody was inside, however late the timeout was")
    assert at_once(WAITING, lambda: get(port, "/good")[::2]) == [(200, b"hello")] * WAITING
    assert_well(port, threads)


@pytest.mark.parametrize("strike", ["timeout", "kill"])
@pytest.mark.parametrize("policy", ["log", "serialize"])
def test_it_strikes_while_the_guard_logs(serving, policy, strike):
    """A handler that lets the others run lets it come out of the logging of a first finding, or of who is stuck."""
    port = serving(policy, timeout=1).port
    threads = held(port, "call") if policy == "serialize" else []
    get(port, "/log")
    if policy == "log":  # what the server is was logged before: that two requests meet is the next finding
        threads = held(port, "call")
    struck = in_background(port, "/timed/good?4" if strike == "timeout" else "/good")
    assert until(port, lambda found: found["logging"])["logging"]
    if strike == "kill":
        get(port, "/kill")
    for thread in struck:
        thread.join(90)
        assert not thread.is_alive()
    get(port, "/release")
    assert_well(port, threads + struck, overlaps=int(policy == "log"))


def test_timeouts_strike_at_any_moment(serving):
    """Eight clients whose requests end in good time, in line, in the call, or as they are woken."""
    port = serving("serialize").port
    seconds = random.Random(1)

    def some():
        for _ in range(100):
            ask(port, "/timed/short?%.4f" % seconds.uniform(0.001, 0.02))

    at_once(8, some)
    assert_well(port, [])
