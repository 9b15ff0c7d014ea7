"""The fleet of examples/fleet: one command, from all is well to a refused start and back."""

import pytest

fleet = pytest.importorskip("fleet")


def test_a_misconfigured_instance_is_refused_and_no_request_is_lost(tmp_path_factory, monkeypatch):
    """Each act tells what it saw; the proxy, the alerts and the clients agree."""
    lacking = fleet.missing()
    if lacking:
        pytest.skip(lacking)
    monkeypatch.delenv("THREADGUARD_POLICY", raising=False)
    told = []
    load = fleet.run(tmp_path_factory.mktemp("f"), told.append)
    assert len(told) == len(fleet.ACTS) and load.answered > 100 and load.lost == []
