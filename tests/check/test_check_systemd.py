"""A systemd unit and its drop-ins: those beside it are read, those of systemd's other directories are doubts."""

import pytest

from threadguard.check import check_file, starters

UNIT = "[Service]\nExecStart=/usr/bin/uwsgi -w app\n"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The administrator's directory, and that of packages, which has a unit."""
    found = tmp_path / "etc", tmp_path / "lib"
    for place in found:
        place.mkdir()
    monkeypatch.setattr(starters, "_PLACES", tuple(map(str, found)))
    (found[1] / "site.service").write_text(UNIT)
    return found


def drop_in(place, name, threads, unit="site.service"):
    """Write one that sets the number of threads."""
    folder = place / (unit + ".d")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("[Service]\nEnvironment=UWSGI_THREADS=%d\n" % threads)


def capacity(place, name="site.service"):
    """What the unit lets in, as the first finding says it."""
    return check_file(str(place / name)).findings[0].sentence


def test_a_unit_alone_assumes_what_the_service_manager_gives(places):
    """It has no drop-in, and no file of variables."""
    assert capacity(places[1]) == ("uWSGI lets one request at a time into each process, assuming that the service"
                                   " manager sets no UWSGI_THREADS or the like")


def test_a_drop_in_of_the_administrator_for_a_unit_of_a_package_is_a_doubt(places):
    """It lies outside of the directory that is checked, and may set anything; the finding names it."""
    drop_in(places[0], "threads.conf", 1)
    finding, = check_file(str(places[1] / "site.service")).findings
    assert finding.code == "TG403"
    assert finding.evidence == "%s lies outside of the directory that is checked" % (places[0] / "site.service.d")
    assert finding.remedy == "check what systemctl cat prints"


def test_drop_ins_come_in_the_order_of_their_names(places):
    """Not in that of the units that they are for."""
    drop_in(places[1], "20-threads.conf", 3, "service")
    drop_in(places[1], "10-threads.conf", 2)
    assert capacity(places[1]) == "uWSGI lets 3 requests at once into each process"


def test_an_instance_has_the_drop_ins_of_its_template(places):
    """Those of its own name count before them."""
    (places[0] / "site@one.service").write_text(UNIT)
    drop_in(places[0], "threads.conf", 5, "site@.service")
    assert capacity(places[0], "site@one.service") == "uWSGI lets 5 requests at once into each process"
    drop_in(places[0], "threads.conf", 6, "site@one.service")
    assert capacity(places[0], "site@one.service") == "uWSGI lets 6 requests at once into each process"


def test_an_empty_assignment_clears_what_came_before(places):
    """Also of the unit itself."""
    folder = places[1] / "site.service.d"
    folder.mkdir()
    (folder / "a.conf").write_text("[Service]\nExecStart=\nExecStart=/usr/bin/uwsgi --threads 2 -w app\n")
    assert capacity(places[1]) == "uWSGI lets 2 requests at once into each process"
