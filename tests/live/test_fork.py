"""Counting in preforked workers: each process counts its own requests from nothing."""

import collections
import time

import pytest
from needs import child_of
from rig import START, at_once, get
from rows import ROWS
from test_matrix import told

FORKED = (
    "uWSGI processes=3", "uWSGI lazy-apps, processes=2", "Debian's uWSGI processes=2",
    "gunicorn sync with three workers", "gunicorn --preload with two workers",
    "mod_wsgi 4.9 daemon preloaded, processes=2 threads=1",
    "home-made: two processes by multiprocessing, one loop each", "tornado WSGIContainer in three processes",
)
CHOSEN = {row.id: row for row in ROWS if row.id in FORKED}


def test_every_server_of_the_list_is_in_the_matrix():
    """A renamed row must not drop out of this test unseen."""
    assert sorted(FORKED) == sorted(CHOSEN)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in CHOSEN.values()])
def test_a_preforked_worker_counts_its_own_requests_from_nothing(row):
    """The pid is the worker's, its first request is number one, and in the end only the asking request is inside."""
    with child_of(row) as child:
        child.first(lambda port: get(port, "/first"))
        seen = collections.defaultdict(list)
        end = time.monotonic() + START  # one process may be up long before the others
        while len(seen) < row.processes and time.monotonic() < end:
            for answer in [told(one) for one in at_once(4, lambda: get(child.port, "/hold"))]:
                assert answer["pid"] == answer["stats"]["pid"]
                seen[answer["pid"]].append(answer["stats"]["requests"])
        assert len(seen) > 1, "only one process ever answered"
        assert all(sorted(numbers)[0] <= 2 for numbers in seen.values()), dict(seen)
        assert all(len(set(numbers)) == len(numbers) for numbers in seen.values()), dict(seen)
        last = told(get(child.port, "/first"))["stats"]
        assert (1, 1, 0, 0) == (last["in_flight"], last["peak"], last["refused"], last["overlaps"])
