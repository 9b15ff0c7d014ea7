"""A systemd unit that lies where systemd has it: this is the machine that it runs on."""

import pytest

from threadguard.preflight import check_file
from threadguard.preflight.formats import systemd

UNIT = "[Service]\nEnvironmentFile=-%s/env\nExecStart=/usr/bin/uwsgi -w app\n"


@pytest.fixture
def places(tmp_path, monkeypatch):
    """The administrator's directory, and that of packages."""
    found = tmp_path / "etc", tmp_path / "lib"
    for place in found:
        place.mkdir()
    monkeypatch.setattr(systemd, "PLACES", tuple(map(str, found)))
    (found[1] / "site.service").write_text(UNIT % tmp_path)
    return found


def drop_in(place, name, threads, unit="site.service"):
    """Write one that sets the number of threads."""
    folder = place / (unit + ".d")
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("[Service]\nEnvironment=UWSGI_THREADS=%d\n" % threads)


def capacity(place, name="site.service"):
    """What the unit lets in, as the first finding says it."""
    return check_file(str(place / name)).findings[0].sentence


def test_a_file_of_variables_that_may_be_missing_sets_nothing_there(places):
    """With a minus before its name systemd starts without it; the same unit elsewhere could find it at its place."""
    assert capacity(places[1]) == "uWSGI lets one request at a time into each process"
    (places[1].parent / "site.service").write_text((places[1] / "site.service").read_text())
    assert capacity(places[1].parent).startswith("cannot tell ")


def test_a_drop_in_of_the_administrator_counts_for_a_unit_of_a_package(places):
    """systemd reads those of all its directories, whichever the unit lies in."""
    drop_in(places[0], "threads.conf", 4)
    assert capacity(places[1]) == "uWSGI lets 4 requests at once into each process"


def test_of_two_drop_ins_of_one_name_the_administrators_counts(places):
    """It hides that of the package."""
    drop_in(places[0], "threads.conf", 2)
    drop_in(places[1], "threads.conf", 4)
    assert capacity(places[1]) == "uWSGI lets 2 requests at once into each process"


def test_drop_ins_come_in_the_order_of_their_names(places):
    """Not in that of their directories."""
    drop_in(places[0], "10-threads.conf", 2)
    drop_in(places[1], "20-threads.conf", 3)
    assert capacity(places[1]) == "uWSGI lets 3 requests at once into each process"


def test_an_instance_has_the_drop_ins_of_its_template(places):
    """Those of its own name count before them."""
    (places[0] / "site@one.service").write_text(UNIT % places[0])
    drop_in(places[0], "threads.conf", 5, "site@.service")
    assert capacity(places[0], "site@one.service") == "uWSGI lets 5 requests at once into each process"
    drop_in(places[0], "threads.conf", 6, "site@one.service")
    assert capacity(places[0], "site@one.service") == "uWSGI lets 6 requests at once into each process"
