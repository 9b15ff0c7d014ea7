"""Who is inside, without any WSGI."""

import itertools
import sys
import sysconfig
import threading

import pytest
from conftest import counts_references

from threadguard.guard.ledger import SAME_PROCESS, Ledger
from threadguard.guard.pending import PendingResponse


def enter(ledger, request):
    ticket = next(ledger.tickets)
    ledger.inside[ticket] = request
    return ticket


def follow(ledger, ticket, body):
    """The call of *ticket* has returned *body*."""
    pending = PendingResponse(ledger, ticket, ledger.inside[ticket])
    pending.follow(body)
    ledger.follow(pending)


def chunks():
    yield 1
    yield 2


@pytest.fixture
def ledger():
    return Ledger()


def test_of_two_that_enter_the_later_sees_the_earlier(ledger):
    """And the earlier does not see the later: exactly one of them collides."""
    first, second = enter(ledger, {"a": 1}), enter(ledger, {"b": 2})
    assert ledger.classify(first, ledger.inside[first]).collision is None
    assert ledger.classify(second, ledger.inside[second]).collision == first


def test_what_enters_is_counted_once(ledger):
    """What was cancelled was never inside; leaving twice does no harm, and asking for the counts changes none."""
    ledger.cancel(enter(ledger, {}))
    assert ledger.counts() == (0, 0, 0, 0)
    request = {}
    ticket = enter(ledger, request)
    assert ledger.counts() == ledger.counts() == (1, 1, 1, 0)
    ledger.leave(ticket)
    ledger.leave(ticket)
    assert ledger.counts() == (0, 1, 1, 0)


def test_a_body_that_takes_no_weak_reference_is_refused(ledger):
    """The caller has to wrap it."""
    with pytest.raises(TypeError):
        follow(ledger, enter(ledger, {}), iter([1]))


def test_the_peak_of_one_that_enters_alone_counts_nobody_who_comes_later(ledger):
    """Where a later one is refused, it is in the ledger for a moment and was never inside the application."""
    requests = [{"n": number} for number in range(3)]
    first, second, third = (enter(ledger, request) for request in requests)
    ledger.keep_peak(first)
    assert ledger.counts()[1] == 1
    for refused in (second, third):
        ledger.cancel(refused)
    assert ledger.counts()[:3] == (1, 1, 1)


def test_a_fresh_start_keeps_the_tickets_going(ledger):
    """A request that is under way across a fork keeps its ticket, and nobody gets it a second time."""
    request = {"a": 1}
    ticket = enter(ledger, request)
    ledger.marks[SAME_PROCESS] = 0
    ledger.reset_after_fork()
    ledger.move(ticket, request)
    assert ledger.counts() == (1, 1, 1, 0)
    assert next(ledger.tickets) > ticket


def test_a_pending_response_keeps_its_request_for_the_report(ledger):
    """The other side of a collision can be named after its call has returned."""
    request, body = {"PATH_INFO": "/x"}, chunks()
    ticket = enter(ledger, request)
    follow(ledger, ticket, body)
    found, place = ledger.place_of(ticket)
    assert found is request
    assert "waiting to be asked for its next chunk" in place.context and "chunks" in place.stack[0]
    assert isinstance(ledger.inside[ticket], PendingResponse)


@pytest.mark.parametrize("threads", [2, 4])
def test_of_many_that_enter_together_all_but_one_see_another(ledger, threads):
    """No two can both believe that they are alone, however the threads are switched."""
    rounds, barrier = 200, threading.Barrier(threads, timeout=60)
    alone = [[] for _ in range(rounds)]

    def work():
        for number in range(rounds):
            barrier.wait()
            request = {}
            ticket = enter(ledger, request)
            if len(ledger.inside) == 1 or ledger.classify(ticket, request).collision is None:
                alone[number].append(ticket)
            barrier.wait()
            ledger.leave(ticket)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
    finally:
        sys.setswitchinterval(interval)
    assert [len(tickets) for tickets in alone] == [1] * rounds


def test_no_ticket_is_drawn_twice_where_there_is_no_gil(monkeypatch):
    """Free-threaded Python before 3.14 would hand some out twice (`itertools.count`); reading them draws none."""
    monkeypatch.setattr(sysconfig, "get_config_var", lambda name: 1)
    monkeypatch.setattr(sys, "version_info", (3, 13))
    tickets, drawn = Ledger().tickets, []
    assert not isinstance(tickets, itertools.count)
    threads = [threading.Thread(target=lambda: drawn.extend([next(tickets) for _ in range(1000)])) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (sorted(drawn), repr(tickets)) == (list(range(4000)), "count(4000)")


class Request(dict):
    """What a request consists of."""


@counts_references
@pytest.mark.parametrize("looks", [lambda ledger: ledger.counts()[0], lambda ledger: ledger.collect(1) and 0])
def test_a_call_that_ended_without_telling_is_inside_no_more(ledger, looks):
    """Its request is known to the ledger alone; one that is held by whoever serves it stays."""
    mine = Request()
    ledger.inside[0], ledger.inside[1] = Request(), mine
    looks(ledger)
    assert list(ledger.inside) == [1]
    del mine
    assert looks(ledger) == 0
    assert not ledger.inside
