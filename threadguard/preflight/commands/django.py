"""``manage.py runserver``, and mod_wsgi-express as ``manage.py runmodwsgi``."""

from dataclasses import replace
from typing import Iterable, Iterator

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.commands import mod_wsgi_express
from threadguard.preflight.model import Command, Item
from threadguard.servers import django

NAME = django.NAME
PROGRAMS = ("manage.py", "django-admin", "django-admin.py", "django")

_VALUES = "--settings --pythonpath -v,--verbosity"  # django/core/management/base.py BaseCommand.create_parser
_FLAGS = "--nothreading --noreload -6,--ipv6 --nostatic --insecure --traceback --no-color --force-color --skip-checks" \
    " --version"


def read_command(command: Command) -> Iterable[Item]:
    """The flag ``--nothreading`` of ``runserver``."""
    words = command.words[1:]
    if words[:1] == ("runserver",):
        return _read_runserver(command)
    if words[:1] == ("runmodwsgi",):
        return mod_wsgi_express.read_command(replace(command, words=("mod_wsgi-express", "start-server") + words[1:]))
    return ()


def _read_runserver(command: Command) -> Iterator[Reading]:
    given = arguments.parse(command.words[2:], _VALUES, _FLAGS)
    yield django.read_settings("--nothreading" not in given.options, "the command line")
