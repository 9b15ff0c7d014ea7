"""Django's ``runserver``: a thread for each request, or with ``--nothreading`` one thread.

`Command.inner_run` holds ``options["use_threading"]`` while it loads the application and for as long as it serves
(django/core/management/commands/runserver.py, 2.2 to 5.2). Under the autoreloader it runs in the thread
``django-main-thread``, which is then the thread of the stack. ``wsgi.multithread`` is True in both cases, because the
handler keeps the default of `wsgiref.handlers.BaseHandler` (django/core/servers/basehttp.py `handle_one_request`).
"""

from typing import Optional

from threadguard.model import Reading, Source
from threadguard.process.facts import Process

NAME = "Django's runserver"
REMEDY = "manage.py runserver --nothreading; while you develop, THREADGUARD_POLICY=serialize keeps the threads"
RUNS_ON = "the main thread, with --nothreading and --noreload; else one for each connection, or the reloader's"
ON_MAIN = {NAME: "runserver --nothreading --noreload"}
"""django/utils/autoreload.py `start_django` lets a thread of its own serve."""
READS = (("use_threading, of the runserver that loads the application", "startup"),)
CALLS = ()


def read_settings(use_threading: bool = True, where: str = "runserver") -> Reading:
    """The capacity of ``runserver``, or with *use_threading* False of ``runserver --nothreading``."""
    return Reading(Source.SETTING, NAME, None if use_threading else 1,
                   "%s has use_threading=%r" % (where, use_threading), REMEDY, unbounded=use_threading)


def at_startup(process: Process) -> Optional[Reading]:
    """The setting of the ``runserver`` whose frame is on the stack."""
    options = process.look_up("options", "django.core.management.commands.runserver", "inner_run")
    use_threading = options.get("use_threading") if isinstance(options, dict) else None
    return None if use_threading is None else read_settings(bool(use_threading), "runserver")


def serves(process: Process) -> bool:
    """Whether Django's own request handler runs the request."""
    return process.frame("django.core.servers.basehttp", "handle_one_request") is not None
