import pytest
import real_command
from threadguard.servers.pastedeploy import pserve


@pytest.mark.parametrize("arguments, line, capacity", [
    pytest.param([], 4, 4, id="main by default"),
    pytest.param(["--server-name", "two"], 9, 1, id="the server's name"),
])
def test_the_real_command_shows_its_section(tmp_path, monkeypatch, arguments, line, capacity):
    """pserve has loaded the server of its section when it loads the application."""
    module = pytest.importorskip("pyramid.scripts.pserve", reason="pyramid is not installed")
    file, found = real_command.write(tmp_path, monkeypatch, pserve)
    with pytest.raises(real_command.Stop):
        module.main(["pserve", file] + arguments, quiet=True)
    assert [("waitress", capacity, file, line)] == [(one.server, one.capacity, one.file, one.line) for one in found]
