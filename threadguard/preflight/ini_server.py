"""What a [server:] section of a PasteDeploy file starts, by the table that the readers of gearbox and pserve have."""

import os
import re
from typing import Iterator, Optional

from threadguard.model import Reading
from threadguard.preflight.model import CannotTell, Unreadable
from threadguard.preflight.pastedeploy import Ini, Section
from threadguard.servers import server_section

_FACTORIES = {egg.lower(): runner for egg, runner in server_section.EGGS.items()}
_GUNICORN = "gunicorn.app.pasterapp:serve"


def read(ini: Ini, name: str, directory: str) -> Iterator[Reading]:
    """The capacity of [server:*name*], served from *directory*. Raises `CannotTell` and `Unreadable`."""
    yield judge(ini.server(name), "server:" + name, ini.text.path, directory)


def judge(section: Section, title: str, file: Optional[str], directory: str) -> Reading:
    """The capacity of *section*, which is called *title*; without a *file* it stands for a name on the command line."""
    factory = re.sub(r"^egg:\s*([^#]*)", lambda match: "egg:" + match.group(1).strip().replace("_", "-"),
                     section.factory.strip())
    runner = _FACTORIES.get(factory.lower(), section.factory)
    lines = server_section.find_lines(file, title)
    line = lines.get("use")
    if runner not in server_section.RUNNERS:
        raise CannotTell("[%s] is served by %s, which threadguard does not know" % (title, section.factory), file=file,
                         line=line)
    if runner == _GUNICORN and ("config" in section.settings
                                or os.path.exists(os.path.join(directory, "gunicorn.conf.py"))):
        raise CannotTell("gunicorn reads a configuration file beneath [%s]" % title,
                         "check that file, or start gunicorn with --paste: threadguard check -- gunicorn --paste FILE",
                         file, line)
    try:
        reading = server_section.read_settings(runner, section.settings, title, file)
    except server_section.NotTaken as error:
        line = lines.get(error.option, line)
        raise Unreadable("[%s], %s: %s" % (title, section.factory, error), file, line) from None
    if reading is None:
        written = [option for option in server_section.RUNNERS[runner].options if option in section.settings]
        values = ", ".join("%s = %s" % (option, section.settings[option]) for option in written)
        raise CannotTell("[%s], %s: what %s gives is not known" % (title, section.factory, values), file=file,
                         line=lines.get(written[0], line) if written else line)
    return reading
