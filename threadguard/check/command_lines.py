"""From a command line to what its server lets in: through its wrappers, to one of the tuple of `COMMANDS`.

One table names the wrappers of regular shape, another what is plainly no server. What is in neither is a program that
nothing is known of: it may start the server with other options, or another server.
"""

import os
import re
from dataclasses import replace
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from threadguard.check import apache, gunicorn, paste, simple, unit, uwsgi
from threadguard.check.model import Command, Item, Part, Server, at_most, explain, settle
from threadguard.check.source import CannotTell, Unreadable
from threadguard.check.words import ASSUMED, NAME_THE_COMMAND, Environment, expand, is_known, parse, plain
from threadguard.check.words import program_of, shorten, shown, split
from threadguard.model import Finding

COMMANDS: Tuple[Server, ...] = (
    gunicorn.COMMAND, uwsgi.COMMAND, *simple.COMMANDS, apache.COMMAND, paste.COMMAND, unit.COMMAND,
)


def find(program: str) -> Optional[Server]:
    """The server that *program* is a command of, or None."""
    return next((server for server in COMMANDS if program in server.programs), None)


def read(command: Command) -> List[Item]:
    """What *command* starts; empty if that is plainly no server. Raises `CannotTell` for what is not known."""
    inner = replace(unwrap(command), assumed=list(command.assumed), doubts=list(command.doubts))
    if inner.words and is_no_server(inner):
        return []
    first = inner.words[0] if inner.words else ""
    path = inner.tree.join(inner.directory, first) if "/" in first and inner.directory is not None else ""
    if path and os.path.isfile(path) and inner.tree.holds(path):  # a script of the tree may have a server's name
        with open(path, "rb") as stream:
            if stream.readline(200).rstrip().endswith(b"sh"):
                raise CannotTell("%s is a script for a shell, which may do anything" % path, NAME_THE_COMMAND)
    server, items = find(program_of(first)), []  # type: Optional[Server], List[Item]
    try:
        for item in server.read(inner) if server else ():
            items.append(settle(item, inner, server.pin if server else ""))
    except (CannotTell, Unreadable) as error:
        items = [settle(explain(error, server.name if server else first), inner)]
    if not items:
        raise CannotTell("%s is no server or wrapper that threadguard knows" % (
            shown(" ".join(inner.words[:2] if server else inner.words[:1])) or "an empty command"), NAME_THE_COMMAND)
    return items


def read_parts(parts: Sequence[Part], what: str, file: str) -> List[Item]:
    """What the processes, services or programs of *file* start, every one of them named.

    Those that nothing is known of share a finding, and those that are plainly no server another.
    """
    found: List[Item] = []
    unknown: List[Tuple[Part, CannotTell]] = []
    others: List[str] = []
    for part in at_most(parts, what):
        try:
            items = read(part.start())
            found += items
            others += [] if items else [part.name]
        except CannotTell as error:
            unknown.append((part, error))
        except Unreadable as error:
            error.file, error.line = error.file or file, error.line or part.line
            found.append(explain(error, part.name))
    if unknown:
        part, first = unknown[0]
        evidence = "; ".join(dict.fromkeys(error.evidence for _, error in unknown))
        found.append(explain(CannotTell(evidence, first.remedy, first.file or file, first.line or part.line),
                             ", ".join(part.name for part, _ in unknown)))
    if not found:
        evidence = "none of its %s (%s) starts a server that threadguard knows" % (what, ", ".join(others)) if parts \
            else "it names no " + what
        found.append(explain(CannotTell(evidence, "", file, parts[0].line if parts else None), "the server of " + file))
    elif others:
        found.append(Finding("TG405", "%s: no server of the application" % ", ".join(others), file=file))
    return found


class _Wrapper(NamedTuple):
    values: str = ""
    """Its options that take a value in the next word."""
    words: int = 0
    """Words of its own before the command."""
    subcommand: str = ""
    """The one that runs a command."""
    directory: str = ""
    """The option whose value is where the command is started."""
    variables: str = ""
    """The option that names a file, or a directory, of variables; ``*`` if it always sets some."""


_PLAIN, _ONE, _SETS = _Wrapper(), _Wrapper("", 1), _Wrapper("", 1, variables="*")
_CONDA = _Wrapper("-n,--name -p,--prefix --cwd", 0, "run", "--cwd")
_WRAPPERS: Dict[str, _Wrapper] = {
    **dict.fromkeys("command nohup setsid numactl catatonit pid1 my_init ddtrace-run unbuffer prlimit".split(), _PLAIN),
    **dict.fromkeys("gosu su-exec setuser s6-setuidgid setuidgid taskset setarch".split(), _ONE),
    **dict.fromkeys("envdir s6-envdir chamber".split(), _SETS), "with-contenv": _Wrapper(variables="*"),
    **dict.fromkeys("tini tini-static docker-init".split(), _Wrapper("-p -e")), "dumb-init": _Wrapper("-r,--rewrite"),
    **dict.fromkeys("conda mamba micromamba".split(), _CONDA), "exec": _Wrapper("-a"), "time": _Wrapper("-f -o"),
    "nice": _Wrapper("-n,--adjustment"), "ionice": _Wrapper("-c,--class -n,--classdata"), "chrt": _Wrapper("", 1),
    "timeout": _Wrapper("-k,--kill-after -s,--signal", 1), "stdbuf": _Wrapper("-i,--input -o,--output -e,--error"),
    "sudo": _Wrapper("-u,--user -g,--group -p -C -h -r -t -T -U -D,--chdir", directory="--chdir"),
    "doas": _Wrapper("-u -C"), "runuser": _Wrapper("-u,--user -g,--group -G"), "authbind": _Wrapper("--depth"),
    "setpriv": _Wrapper("--reuid --regid --groups --pdeathsig --inh-caps --bounding-set"),
    "strace": _Wrapper("-e -o -s"),
    "chpst": _Wrapper("-u -U -b -e -/ -n -l -L -m -d -o -p -f -c -r -t -C", directory="-C", variables="-e"),
    "softlimit": _Wrapper("-m -d -o -p -f -c -r -t -a -s -l"), "s6-softlimit": _Wrapper("-m -d -o -p -f -c -r -t"),
    "dockerize": _Wrapper("-wait -timeout -wait-retry-interval -stdout -stderr -template", variables="-template"),
    "doppler": _Wrapper("-p -c -t", 0, "run", variables="*"), "op": _Wrapper("--env-file", 0, "run", variables="*"),
    "dotenv": _Wrapper("-f,--file", 0, "run", variables="*"),
    "poetry": _Wrapper("-C,--directory -P,--project", 0, "run", "--directory"), "rye": _Wrapper("", 0, "run"),
    "pipenv": _Wrapper("--python", 0, "run"), "pdm": _Wrapper("-p,--project --env-file", 0, "run", "", "--env-file"),
    "hatch": _Wrapper("-e,--env", 0, "run"), "pipx": _Wrapper("--spec", 0, "run"),
    "uv": _Wrapper("--with --extra --group --only-group --no-group -p,--python --project --directory --env-file"
                   " --package --with-requirements --with-editable --index --index-url --cache-dir", 0, "run",
                   "--directory", "--env-file"),
    "newrelic-admin": _Wrapper("", 0, "run-program"), "elasticapm-run": _Wrapper("--config"),
    "opentelemetry-instrument": _Wrapper("--traces_exporter --metrics_exporter --logs_exporter --service_name"
                                         " --exporter_otlp_endpoint --propagators --id_generator"),
}
_SHELL = re.compile(r"(ba|da|a|z|k)?sh$")
_PYTHON = re.compile(r"(python|pypy)(\d(\.\d+)*t?)?$")
_MODULE = re.compile(r"-[bBdEhiIOPqRsSuvx]*m(.*)", re.DOTALL)
"""``-m``, its value in the same word or in the next."""
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_NO_SERVER = frozenset("""
    celery rq rqworker rqscheduler huey_consumer huey_consumer.py dramatiq arq procrastinate alembic cron crond
    supercronic redis-server valkey-server postgres mysqld mariadbd mongod memcached rabbitmq-server nginx haproxy
    traefik node
    pip pip3 pytest tox true false echo sleep mkdir rm rmdir chown chmod install touch test ln cp mv cat
    kill tail sed psql pg_dump certbot flower mailpit mailhog minio logrotate
""".split())
_MANAGE = frozenset("""
    migrate collectstatic compilemessages shell createsuperuser check qcluster rqworker rqscheduler process_tasks test
    clearsessions celery crontab makemigrations loaddata createcachetable db_worker run_huey compress send_queued_mail
""".split())


def is_no_server(command: Command) -> bool:
    """Whether *command* plainly starts no server of the application: a queue's worker, a database, a migration."""
    program, first = program_of(command.words[0]), "".join(command.words[1:2])
    if program in ("manage.py", "django-admin"):
        return first in _MANAGE
    return program in _NO_SERVER or program == "flask" and first in ("db", "shell", "routes")


def unwrap(command: Command) -> Command:
    """The command that *command* starts in the end. Raises `CannotTell` and `Unreadable`."""
    for _ in range(20):
        words, given = list(command.words), {}  # type: List[str], Dict[str, Optional[str]]
        while words and _ASSIGNMENT.match(words[0]):
            name, _, given[name] = words.pop(0).partition("=")
        command = replace(command, words=tuple(words), environment=command.environment.having(given))
        inner = _step(command, program_of(words[0])) if words else None
        if inner is None:
            return command
        command = inner
    raise CannotTell("the command has more than 20 wrappers around it", NAME_THE_COMMAND)


def of_text(text: str, command: Command) -> Command:
    """*command* with the words of *text*, which a shell is given: one plain command."""
    return replace(command, words=tuple(plain(text, command.environment)))


def _step(command: Command, program: str) -> Optional[Command]:
    """The command within *command*, or None if that is no wrapper, or one in a form that is not known."""
    if _SHELL.match(program):
        words = list(command.words[1:])
        while words:
            word = words.pop(0)
            if not word.startswith(("-", "+")):
                raise CannotTell("%s is a script for a shell, which may do anything" % shorten(word), NAME_THE_COMMAND)
            if word.endswith("o") and not word.startswith("--"):  # -o pipefail, -eo pipefail
                del words[:1]
            elif not word.startswith("--") and "c" in word and words:
                return of_text(words[0], command)
        raise CannotTell("%s reads its commands from elsewhere" % program, NAME_THE_COMMAND)
    if program == "env":  # coreutils, src/env.c; assignments in front of the command are still among its words
        given = command.parse("-u,--unset -C,--chdir -S,--split-string -a,--argv0", "-i,--ignore-environment -v",
                              stops=True)
        if "--ignore-environment" in given.options or given.words[:1] == ["-"]:
            command = replace(command, environment=Environment())
        command = replace(command, environment=command.environment.having(
            {str(name): None for name in given.options.get("--unset", [])}))
        words = [word for text in given.options.get("--split-string", []) for word in split(text)]
        words = [expand(word, command.environment) for word in words] + given.words[given.words[:1] == ["-"]:]
        return _enter(replace(command, words=tuple(words)), given.last("--chdir"))
    if _PYTHON.match(program):
        words = list(command.words[1:])
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option in ("-W", "-X", "--check-hash-based-pycs"):
                del words[:1]
            elif _MODULE.match(option):
                words = [word for word in _MODULE.findall(option) if word] + words
                break
            elif option.endswith("c") and not option.startswith("--"):  # a program in a string
                return None
        return replace(command, words=tuple(words)) if words else None
    return _wrapped(command, program, _WRAPPERS[program]) if program in _WRAPPERS else None


def _wrapped(command: Command, program: str, wrapper: _Wrapper) -> Optional[Command]:
    given = command.parse(wrapper.values, stops=True, others_take=False)
    if wrapper.subcommand:
        if given.words[:1] != [wrapper.subcommand]:
            return None
        more = parse(given.words[1:], wrapper.values, "-m,--module", True, False)
        given = more._replace(options={**given.options, **more.options}, words=["python", "-m"] * (
            "--module" in more.options) + more.words)  # uv run -m gunicorn
    if program == "pipenv" and command.directory and os.path.exists(command.tree.join(command.directory, ".env")):
        raise CannotTell("pipenv run reads .env, which may set any variable")
    if wrapper.variables == "*" or wrapper.variables in given.options:
        raise CannotTell("%s may set any variable" % (
            program if wrapper.variables == "*" else given.options[wrapper.variables][-1].written))
    if program == "sudo" and not {"-E", "--preserve-env"} & set(command.words):
        command = replace(command, environment=Environment({}, ASSUMED, "sudo"))
    return _enter(replace(command, words=tuple(given.words[wrapper.words:])), given.last(wrapper.directory))


def _enter(command: Command, directory: Optional[str]) -> Command:
    """*command* in another directory, as seen from its own."""
    if not directory:
        return command
    if not is_known(directory) or command.directory is None and not directory.startswith("/"):
        return replace(command, directory=None, elsewhere=command.elsewhere or "the directory " + shown(directory))
    return replace(command, directory=command.tree.join(command.directory or "/", directory))
