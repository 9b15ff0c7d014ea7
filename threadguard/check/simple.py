"""The servers that only a command line configures, each by the few options that decide.

What is installed beside threadguard has no say: it need not be what is installed where the command runs.
"""

from dataclasses import replace
from typing import Callable, Dict, Iterator, Optional

from threadguard.check.model import Command, Server, number, quote
from threadguard.check.source import CannotTell, Unreadable
from threadguard.check.words import Word, is_known, shown
from threadguard.model import Reading, Source
from threadguard.servers import cheroot, django, flask, granian, hypercorn, mod_wsgi, twisted, uvicorn, waitress

_MORE = "; for more throughput start more processes"
_ASGI = "an application of ASGI runs a WSGI one in its own way"


def _pool(word: Optional[Word], option: str, default: int, read: Callable[[int], Optional[Reading]], name: str,
          remedy: str = "") -> Reading:
    """What a pool has whose size *option* gives as *word*, else its *default*."""
    remedy = (remedy or option + "=1") + _MORE
    if word is None:
        return quote(read(default), "no %s is given, and the default of %s is %d" % (option, name, default), remedy)
    return quote(read(number(word, option)), word.written, remedy)


# waitress/adjustments.py Adjustments._params: these are switches, each with a --no- of its own; others take a value.
_SWITCHES = " ".join("--%s --no-%s" % (name, name) for name in (
    "help", "call", "ipv4", "ipv6", "expose-tracebacks", "asyncore-use-poll", "clear-untrusted-proxy-headers",
    "log-untrusted-proxy-headers", "log-socket-errors"))


def _waitress(command: Command) -> Iterator[Reading]:
    given = command.parse("--threads --listen --host --port --app", _SWITCHES, stops=True)
    if len(given.words) > 1:  # waitress/adjustments.py parse_args: getopt stops at the first word that is no option
        raise Unreadable("%s stands after the application, where waitress-serve takes nothing" % shown(given.words[1]))
    yield _pool(given.last("--threads"), "--threads", waitress.DEFAULT, waitress.read_settings, "waitress")


def _cheroot(command: Command) -> Iterator[Reading]:
    values = "--bind --chdir --server-name --threads --max-threads --timeout --shutdown-timeout --request-queue-size" \
        " --accepted-queue-size --accepted-queue-timeout"  # cheroot/cli.py _arg_spec
    word = command.parse(values).last("--threads")
    yield _pool(word, "--threads", cheroot.DEFAULT, cheroot.read_settings, "cheroot")


def _flask(command: Command) -> Iterator[Reading]:
    # flask/cli.py FlaskGroup and run_command; the words of the variable are those of click's BoolParamType
    given = command.parse("-A,--app -e,--env-file -h,--host -p,--port --cert --key --extra-files --exclude-patterns",
                          "--debug --no-debug --version --help --reload --no-reload --debugger --no-debugger"
                          " --with-threads --without-threads --eager-loading --lazy-loading")
    if given.words[:1] != ["run"]:
        return
    flags = [str(word) for word in command.words if word in ("--with-threads", "--without-threads")]
    word = None if flags else command.variable("FLASK_RUN_WITH_THREADS")
    value = (word or "").strip().lower()
    if value not in ("", "true", "1", "yes", "on", "t", "y", "false", "0", "no", "off", "f", "n"):
        raise CannotTell("the value of FLASK_RUN_WITH_THREADS is not known here")
    threads = flags[-1] == "--with-threads" if flags else value not in ("false", "0", "no", "off", "f", "n")
    evidence = flags[-1] if flags else "the variable FLASK_RUN_WITH_THREADS says so" if value else \
        "no --without-threads is given, and threads are flask run's default"
    yield quote(flask.read_settings(threads), evidence, "--without-threads" + _MORE)


def _django(command: Command) -> Iterator[Reading]:
    if command.words[1:2] == ("runmodwsgi",):
        yield from _express(replace(command, words=("mod_wsgi-express", "start-server") + command.words[2:]))
    if command.words[1:2] != ("runserver",):
        return
    given = command.parse(  # django/core/management/base.py BaseCommand.create_parser
        "--settings --pythonpath -v,--verbosity", "--nothreading --noreload -6,--ipv6 --nostatic --insecure --traceback"
        " --no-color --force-color --skip-checks --version", first=2)
    threads = "--nothreading" not in given.options
    yield quote(django.read_settings(threads), "no --nothreading is given, and runserver starts a thread for each"
                " request" if threads else "--nothreading", "manage.py runserver --nothreading")


_DEBUG = "--debug-mode --enable-debugger --enable-coverage --enable-profiler --enable-recorder --enable-gdb"
"""These run one process of one thread (mod_wsgi/express/server.py `_cmd_setup_server`)."""


def _express(command: Command) -> Iterator[Reading]:
    if command.words[1:2] not in (("start-server",), ("setup-server",)):
        return
    given = command.parse(
        "--threads --processes --port --host --user --group --include-file", _DEBUG + " --embedded-mode --http2"
        " --reload-on-changes --https-only --allow-localhost --startup-log --log-to-terminal --access-log"
        " --compress-responses --setup-only --rotate-logs --hsts-policy", first=2)
    remedy = "--processes N --threads 1, without --embedded-mode and --include-file"
    for option in ("--include-file", "--embedded-mode"):
        if option in given.options:
            raise CannotTell("with %s the rest of Apache's configuration decides" % option, remedy)
    debug = next((Word.of("1", option) for option in _DEBUG.split() if option in given.options), None)
    reading = _pool(debug or given.last("--threads"), "--threads", mod_wsgi.EXPRESS_THREADS,
                    lambda threads: mod_wsgi.read_settings(threads, "express", True), "mod_wsgi-express", remedy)
    yield replace(reading, server="mod_wsgi-express")


def _uvicorn(command: Command) -> Iterator[Reading]:
    given = command.parse("--interface --host --port --uds --fd --workers --env-file --log-config --log-level --loop"
                          " --http --ws --root-path --app-dir", "--reload --factory --proxy-headers")
    word = given.last("--interface")
    chosen = word or command.environment.variables.get("UVICORN_INTERFACE") or "auto"
    if chosen != "wsgi":
        raise CannotTell("the interface is %s, and %s" % (shown(chosen), _ASGI))
    yield quote(uvicorn.read_settings("wsgi"), "%s, which makes %d threads" % (
        word.written if word else "the variable UVICORN_INTERFACE", uvicorn.DEFAULT), uvicorn.REMEDY)


def _hypercorn(command: Command) -> Iterator[Reading]:
    given = command.parse("-b,--bind -c,--config -g,--group -k,--worker-class -p,--pid -m,--umask -u,--user"
                          " -w,--workers", "-D,--daemon --debug --reload --access-log")
    path = (given.words[:1] or [word for word in given.skipped if word.startswith("wsgi:")] or [""])[0]
    reading = hypercorn.read_settings(path) if is_known(path) else None
    if reading is None:
        raise CannotTell("without the prefix wsgi: hypercorn looks at the application itself, and %s" % _ASGI)
    yield quote(reading, "%s, which runs in the event loop's default executor" % path, hypercorn.REMEDY)


def _granian(command: Command) -> Iterator[Reading]:
    """The defaults are those of granian/cli.py and `AbstractServer.__init__`. Since 2.0, without
    ``--blocking-threads``, WSGI has half as many of them as the backpressure, which is the backlog over the workers;
    1.4 to 1.6 had as many, and called the runtime's parameters ``threads`` and ``threading_mode``.
    """
    first = ("threads", "threading_mode")
    deciding = ("interface", "blocking_threads", "runtime_threads", "runtime_mode", *first)
    names = deciding + ("http", "backpressure", "backlog", "workers")
    options = {name: "--" + name.replace("_", "-") for name in names}
    parsed = command.parse(" ".join(options.values()))
    given: Dict[str, Word] = {}
    for name, option in options.items():
        word = parsed.last(option) or command.environment.variables.get("GRANIAN_" + name.upper())
        if word:
            given[name] = word if parsed.last(option) else Word.of(word, "GRANIAN_" + name.upper())
        elif name in deciding:
            command.variable("GRANIAN_" + name.upper())
    if str(given.get("interface", "rsgi")).lower() != "wsgi":
        raise CannotTell("the interface is %s, and not wsgi: the application runs a WSGI one in its own way" % shown(
            given.get("interface", "rsgi")))
    is_first = bool(set(first) & set(given))
    numbers = {name: number(word, options[name]) for name, word in given.items()
               if name not in ("interface", "runtime_mode", "threading_mode", "http")}
    pressure = numbers.get("backpressure") or numbers.get("backlog", 1024) // max(1, numbers.get("workers", 1))
    blocking = numbers.get("blocking_threads", max(1, pressure // (1 if is_first else 2)))
    runtime, mode = first if is_first else ("runtime_threads", "runtime_mode")
    reading = granian.read_settings({
        "blocking_threads": blocking, "runtime_threads": numbers.get(runtime, 1), "backpressure": pressure,
        "runtime_mode": str(given.get(mode, "workers" if is_first else "auto")),
        "http": str(given.get("http", "auto"))})
    if reading is None:
        raise CannotTell("the runtime mode %s is not known" % shown(given.get(mode, "")))
    evidence = " ".join(given[name].written for name in ("blocking_threads", mode, runtime) if name in given)
    if "blocking_threads" not in given:
        evidence = "no --blocking-threads is given, and the default is %d" % blocking
    yield quote(reading, evidence, granian.REMEDY)


def _twist(command: Command) -> Iterator[Reading]:
    words = command.words[1:]
    if "web" in words and any(word.partition("=")[0] == "--wsgi" for word in words[words.index("web"):]):
        most = 20  # twisted/python/threadpool.py ThreadPool.__init__, 13 to 26
        yield quote(twisted.read_settings(most), "web --wsgi, whose pool has up to %d threads" % most, twisted.REMEDY)


def _functions(command: Command) -> Iterator[Reading]:
    """functions_framework/_http/gunicorn.py: THREADS, else four for each core; with ``--debug`` Flask's own server."""
    given = command.parse("--target --source --signature-type --host --port --gateway", "--debug --asgi")
    debug, threads = command.variable("DEBUG"), command.variable("THREADS")
    remedy = "THREADS=1 in its environment, and no --debug" + _MORE
    if "--asgi" in given.options:
        raise CannotTell("with --asgi " + _ASGI)
    if "--debug" in given.options or debug and debug.lower() not in ("0", "false"):
        yield quote(flask.read_settings(True), "--debug, with which Flask's own server runs", remedy)
        return
    capacity = max(1, number(threads, "THREADS")) if threads else None
    yield quote(Reading(Source.SETTING, "functions-framework", capacity, ""), "the variable THREADS" if threads else
                "THREADS is not set, and the default is 4 threads for each core", remedy)


COMMANDS = (
    Server(waitress.NAME, ("waitress-serve", "waitress", "waitress.runner"), _waitress),
    Server(flask.NAME, ("flask", "flask.cli"), _flask),
    Server(django.NAME, ("manage.py", "django-admin", "django-admin.py", "django"), _django),
    Server(cheroot.NAME, ("cheroot", "cheroot.cli"), _cheroot),
    Server(uvicorn.NAME, ("uvicorn", "uvicorn.main"), _uvicorn),
    Server(hypercorn.NAME, ("hypercorn",), _hypercorn),
    Server(granian.NAME, ("granian", "granian.cli"), _granian),
    Server(twisted.NAME, ("twist", "twistd", "twisted"), _twist),
    Server("mod_wsgi-express", ("mod_wsgi-express", "mod_wsgi-express-3", "mod_wsgi.server", "mod_wsgi.express"),
           _express),
    Server("functions-framework", ("functions-framework", "functions-framework-python", "functions_framework"),
           _functions),
)
