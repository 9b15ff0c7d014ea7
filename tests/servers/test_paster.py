import pytest
import real_command
from threadguard.servers.pastedeploy import paster


@pytest.mark.parametrize("arguments, line, capacity", [
    pytest.param([], 4, 4, id="main by default"),
    pytest.param(["--server-name=two"], 9, 1, id="the server's name"),
])
def test_the_real_command_shows_its_section(tmp_path, monkeypatch, arguments, line, capacity):
    """paster serve has loaded the server of its section when it loads the application."""
    module = pytest.importorskip("paste.script.serve", reason="PasteScript is not installed")
    file, found = real_command.write(tmp_path, monkeypatch, paster)
    with pytest.raises(real_command.Stop):
        module.ServeCommand("serve").run([file] + arguments)
    assert [("waitress", capacity, file, line)] == [(one.server, one.capacity, one.file, one.line) for one in found]
