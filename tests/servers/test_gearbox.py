import logging

import pytest
import real_command
from threadguard.servers.pastedeploy import gearbox


@pytest.mark.parametrize("arguments, line, capacity", [
    pytest.param([], 4, 4, id="main by default"),
    pytest.param(["--server-name", "two"], 9, 1, id="the server's name"),
])
def test_the_real_command_shows_its_section(tmp_path, monkeypatch, arguments, line, capacity):
    """gearbox serve has loaded the server of its section when it loads the application."""
    main = pytest.importorskip("gearbox.main", reason="gearbox is not installed")
    monkeypatch.setattr(logging, "root", logging.getLogger("aside"))  # which gearbox gives a handler and a level
    file, found = real_command.write(tmp_path, monkeypatch, gearbox)
    assert main.GearBox().run(["serve", "-c", file] + arguments) != 0
    assert [("waitress", capacity, file, line)] == [(one.server, one.capacity, one.file, one.line) for one in found]
