"""``apache2 -f FILE``, ``httpd``, ``apachectl``: the configuration that they name, with their ``-D`` and ``-d``."""

import os
from typing import Iterator

from threadguard.preflight import apache_conf, apache_dump, arguments, source
from threadguard.preflight.formats import apache
from threadguard.preflight.model import CannotTell, Command, Item

NAME = "Apache"
PROGRAMS = ("apache2", "httpd", "apachectl", "apache2ctl")


def read_command(command: Command) -> Iterator[Item]:
    """What the file of ``-f`` says. Without ``-f`` a path that was compiled in decides."""
    given = arguments.parse(command.words[1:], "-f -d -D -c -C -k -e -E", "-X -t -S -v -V -l -M")
    file = given.last("-f")
    if file is None:
        raise CannotTell("without -f it reads the file that was compiled in", "check that file: threadguard check FILE")
    if "-c" in given.options or "-C" in given.options:
        raise CannotTell("-c and -C are directives of their own", "write them into the file")
    root = source.join(command.directory, given.last("-d") or "") if given.last("-d") else ""
    defines = {name: "" for name in given.options.get("-D", [])}
    text = source.read(arguments.path(root or command.directory, file, "-f"))
    conf = apache_conf.load(text, root, defines)
    if command.options.execute and not command.is_elsewhere:
        words = [word for name in defines for word in ("-D", name)] + ["-d", os.path.abspath(root)] * bool(root)
        conf = apache_dump.of(text, conf, words, command.options.say)
    yield from apache.judge(conf)
