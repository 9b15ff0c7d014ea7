"""``twist web --wsgi`` and ``twistd web --wsgi``: a thread pool that has no option."""

from typing import Iterator

from threadguard.model import Reading
from threadguard.preflight import arguments
from threadguard.preflight.model import Command
from threadguard.process.facts import count, default_of
from threadguard.servers import twisted

NAME = twisted.NAME
PROGRAMS = ("twist", "twistd", "twisted")

_MOST = 20  # twisted/python/threadpool.py ThreadPool.__init__, 13 to 26


def read_command(command: Command) -> Iterator[Reading]:
    """The default size of the pool, where the command has ``web`` and ``--wsgi``."""
    words = command.words[1:]
    if "web" not in words or not any(word.partition("=")[0] == "--wsgi" for word in words[words.index("web"):]):
        return
    pool = getattr(arguments.optional("twisted.python.threadpool"), "ThreadPool", None)
    yield twisted.read_settings(count(default_of(pool, "maxthreads")) or _MOST, "the pool that web --wsgi makes")
