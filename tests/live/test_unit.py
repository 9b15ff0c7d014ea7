"""What NGINX Unit makes of a guard that refuses while the application is loaded, and of one that refuses a request."""

import http.client

import pytest
from needs import child_of
from rig import get
from rows import BY_ID, ROWS
from rows.unit import configuration
from unitd import put

from threadguard.check import check_file

OWN_WORD = '{"server_threads": 4}'
"""Options with which the guard is threaded already when it is built: Unit itself tells nothing before a request."""
REFUSED = "threadguard.ThreadedDeploymentError: TG103 the server, as the operator says, lets 4 requests at once"


def test_a_refusal_while_the_application_is_loaded_keeps_the_listener_closed():
    """Unit stays up and starts nothing: the traceback is in unit.log, and nobody is answered."""
    with child_of(BY_ID["Unit default"], TRUTH_OPTIONS=OWN_WORD) as child:
        assert "failed to apply previous configuration" in child.output()
        assert REFUSED in child.output()
        with pytest.raises((OSError, http.client.HTTPException)):
            get(child.port, "/first")
        child.watch()
        assert 0 == child.entered()


def test_a_configuration_that_is_refused_leaves_the_one_before_it_in_force():
    """The control socket answers with an error, and the application of before goes on serving."""
    with child_of(BY_ID["Unit default"]) as child:
        assert 200 == child.first(lambda port: get(port, "/first"))[0]
        refused = configuration({"environment": {"TRUTH_OPTIONS": OWN_WORD}})
        (child.directory / "second.json").write_text(child.fill(refused))
        answer = put(str(child.directory / "control.sock"), str(child.directory / "second.json"))
        assert "500 Internal Server Error" in answer.splitlines()[0]
        assert "Failed to apply new configuration." in answer
        assert REFUSED in child.output()
        assert 200 == get(child.port, "/first")[0]


def test_a_refused_request_is_answered_503_and_the_log_names_the_option():
    """With four threads the first request tells; its text goes to unit.log."""
    with child_of(BY_ID["Unit threads=4"], TRUTH_OPTIONS="{}") as child:
        status, _, body = child.first(lambda port: get(port, "/first"))
        assert (503, b"threadguard TG201)\n") == (status, body.partition(b"(")[2])
        assert 0 == child.entered()
        assert '  remedy:  "threads": 1, and "processes": N for more throughput' in child.output()


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if row.id.startswith("Unit ")])
def test_the_check_of_the_json_that_unit_serves_by_tells_the_truth(row, tmp_path):
    """As Unit keeps it, once it has taken it."""
    with child_of(row) as child:
        assert 200 == child.first(lambda port: get(port, "/first"))[0]
        file = tmp_path / "unit.json"
        file.write_text((child.directory / "state/conf.json").read_text())
        found = [finding.code for finding in check_file(str(file)).findings if "'site'" in finding.evidence]
    assert ["TG101" if row.threaded else "TG100"] == found
