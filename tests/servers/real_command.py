"""An ini file whose application looks around while a real command loads it, and then stops the command."""

import sys
from types import ModuleType

from fake_stacks import at_startup

INI = """\
[app:main]
paste.app_factory = lookout:app_factory

[server:main]
paste.server_runner = waitress:serve_paste

[server:two]
paste.server_runner = waitress:serve_paste
threads = 1
"""


class Stop(Exception):
    """Ends the command before it serves."""


def write(tmp_path, monkeypatch, reader):
    """The ini file, and the list of what *reader* will have found below the command."""
    found = []

    def app_factory(global_conf):
        found.append(at_startup(reader))
        raise Stop

    def serve_paste(app, global_conf, **kw):
        raise AssertionError("the server was started")

    serve_paste.__module__, serve_paste.__qualname__ = "waitress", "serve_paste"
    for name, function in (("lookout", app_factory), ("waitress", serve_paste)):
        module = ModuleType(name)
        setattr(module, function.__name__, function)
        monkeypatch.setitem(sys.modules, name, module)
    path = tmp_path / "production.ini"
    path.write_text(INI)
    return str(path), found
