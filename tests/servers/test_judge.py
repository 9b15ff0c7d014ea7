"""What decides, strongest first."""

import itertools

import pytest

from threadguard.servers.judge import decide, judge
from threadguard.model import Finding, Reading, Source, Verdict


def reading(source, capacity, **more):
    return Reading(source, more.pop("server", "a server"), capacity, "read somewhere", "change it", **more)


def test_nothing_at_all_is_unknown():
    """No reading, no verdict."""
    assert judge([]) == Verdict("unknown")


@pytest.mark.parametrize("strong, weak", list(itertools.combinations(Source, 2)))
def test_the_stronger_source_decides(strong, weak):
    """In both directions, whatever the weaker says."""
    assert judge([reading(weak, 4), reading(strong, 1)]).status == "single-threaded"
    assert judge([reading(weak, 1), reading(strong, 4)]).status == "threaded"


def test_a_number_that_is_not_known_is_threaded():
    """Siblings show that there is more than one, not how many."""
    assert judge([reading(Source.STRUCTURE, None)]).status == "threaded"


def test_no_bound_is_threaded_and_says_so():
    """A thread for each request."""
    verdict = judge([reading(Source.SETTING, None, unbounded=True)])
    assert (verdict.status, verdict.capacity, verdict.unbounded) == ("threaded", None, True)
    assert verdict.findings == (Finding("TG102", "a server lets any number of requests at once into each process",
                                        "read somewhere", "change it"),)


@pytest.mark.parametrize("source", [Source.SETTING, Source.POOL])
def test_of_two_readings_of_one_source_the_greater_wins(source):
    """Nobody can tell which one serves: the safe one counts."""
    assert decide([reading(source, 1), reading(source, 8)]).capacity == 8


def test_a_flag_that_contradicts_is_a_note_and_no_accusation():
    """waitress with one thread says wsgi.multithread True."""
    verdict = judge([reading(Source.DECLARED, None), reading(Source.POOL, 1)])
    assert verdict.status == "single-threaded"
    assert [finding.code for finding in verdict.findings] == ["TG200", "TG205"]
    assert verdict.findings[1].remedy == ""


def test_a_single_threaded_finding_names_no_remedy():
    """There is nothing to mend."""
    [finding] = judge([reading(Source.SETTING, 1)]).findings
    assert finding == Finding("TG100", "a server lets one request at a time into each process", "read somewhere")


def test_what_was_observed_proves_it_whatever_anyone_declares():
    """Capacity 1 was wrong, and the number is not known any more."""
    seen = Finding("TG301", "seen")
    verdict = judge([reading(Source.POOL, 1)], observed=[seen])
    assert (verdict.status, verdict.capacity) == ("threaded", None)
    assert verdict.findings[0] is seen


def test_the_order_of_the_readings_does_not_matter():
    """A pure function of what was read."""
    readings = [reading(Source.POOL, 2, server="a"), reading(Source.POOL, 3, server="b"), reading(Source.SETTING, 9)]
    decisions = {decide(list(order)) for order in itertools.permutations(readings)}
    assert decisions == {readings[1]}


def test_declared_only_is_marked():
    """The flag is believed where there is nothing else, and said to be the flag."""
    assert judge([reading(Source.DECLARED, 1)]).declared_only
    assert not judge([reading(Source.DECLARED, 1), reading(Source.SETTING, 1)]).declared_only
