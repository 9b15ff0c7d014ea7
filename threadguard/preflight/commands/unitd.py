"""``unitd --statedir DIR``: the configuration that Unit kept there, which it takes up again when it starts.

It is conf.json in that directory (src/nxt_runtime.c `nxt_runtime_conf_init`, read by src/nxt_controller.c
`nxt_controller_prefork`). What is put through the control socket afterwards replaces it, here and there.
"""

import os
from typing import Iterator

from threadguard.preflight import arguments, source
from threadguard.preflight.formats import unit_json
from threadguard.preflight.model import CannotTell, Command, Item

NAME = "Unit"
PROGRAMS = ("unitd",)
_VALUES = "--control --control-mode --control-user --control-group --pid --log --user --group --state,--statedir" \
          " --modules,--modulesdir --tmp,--tmpdir"
_CHECK = "check the file that is put through its control socket: threadguard check FILE"


def read_command(command: Command) -> Iterator[Item]:
    """What conf.json of ``--statedir`` says. Without that option a path that was compiled in decides."""
    given = arguments.parse(command.words[1:], _VALUES, "--no-daemon --version --help -h")
    directory = given.last("--statedir")
    if directory is None:
        raise CannotTell("without --statedir it reads the directory that was compiled in", _CHECK)
    file = source.join(arguments.path(command.directory, directory, "--statedir"), "conf.json")
    if not os.path.exists(file):
        raise CannotTell("%s is not there: Unit starts without an application" % file, _CHECK)
    yield from unit_json.read(source.read(file), command.options)
