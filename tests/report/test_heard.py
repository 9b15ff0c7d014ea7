"""A finding is heard whatever configures the logging, and the operator is obeyed: each in an interpreter of its own."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

PROGRAM = """
import io, json, logging, logging.config, logging.handlers, os, queue, sys
%(before)s
from threadguard import ThreadGuard, ThreadedDeploymentError

def app(environ, start_response):
    start_response("200 OK", [])
    return [b"x"]

def ask(guard):
    guard({"REQUEST_METHOD": "GET", "PATH_INFO": "/", "wsgi.multithread": True}, lambda *args: None)

%(between)s
guard = ThreadGuard(app, policy="%(policy)s", watch_pool_start=False)
%(after)s
ask(guard)
%(end)s
"""
INI = """
[loggers]
keys=root
[handlers]
keys=h
[formatters]
keys=
[logger_root]
level=WARNING
handlers=h
[handler_h]
class=StreamHandler
args=(sys.stderr,)
"""
FILE_CONFIG = "logging.config.fileConfig(io.StringIO(%r))" % INI
STREAM = {"version": 1, "handlers": {"h": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["h"]}}
DICT_CONFIG = "logging.config.dictConfig(%r)" % STREAM
QUEUE = """
records = queue.Queue()
logging.config.dictConfig({"version": 1, "handlers": {"h": {
    "()": lambda: logging.handlers.QueueHandler(records)}},
    "root": {"handlers": ["h"]}})
listener = logging.handlers.QueueListener(records, logging.StreamHandler())
listener.start()
"""
ALEMBIC = """
import alembic.command, alembic.config
os.makedirs("migrations/versions")
open("alembic.ini", "w").write("[alembic]\\nscript_location = migrations\\n" + %r)
open("migrations/env.py", "w").write('''
from logging.config import fileConfig
from alembic import context
from sqlalchemy import create_engine
fileConfig(context.config.config_file_name)
with create_engine("sqlite://").connect() as connection:
    context.configure(connection=connection, target_metadata=None)
    with context.begin_transaction():
        context.run_migrations()
''')
alembic.command.upgrade(alembic.config.Config("alembic.ini"), "head")
""" % INI
DJANGO = """
import django
from django.conf import settings
settings.configure(LOGGING=%r)
django.setup()
""" % STREAM
UVICORN = """
import uvicorn
uvicorn.Config(app, log_config=%r)
""" % STREAM
GUNICORN = """
from gunicorn.config import Config
from gunicorn.glogging import Logger
config = Config()
config.set("logconfig_dict", {"root": {"handlers": ["error_console"]}, "disable_existing_loggers": True})
Logger(config)
"""
STRUCTLOG = """
import structlog
logging.config.dictConfig({"version": 1, "formatters": {"f": {
    "()": structlog.stdlib.ProcessorFormatter, "processor": structlog.processors.JSONRenderer(),
    "foreign_pre_chain": [structlog.stdlib.ExtraAdder()]}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}}, "root": {"handlers": ["h"]}})
"""
JSON = """
logging.config.dictConfig({"version": 1, "formatters": {"f": {"()": "pythonjsonlogger.json.JsonFormatter"}},
    "handlers": {"h": {"class": "logging.StreamHandler", "formatter": "f"}}, "root": {"handlers": ["h"]}})
"""
QUEUE_AT_THE_END = "listener.stop()"
CONFIGURE = {
    "nothing": ("", ()), "fileConfig": (FILE_CONFIG, ()), "dictConfig": (DICT_CONFIG, ()), "a queue": (QUEUE, ()),
    "Alembic": (ALEMBIC, ("alembic", "sqlalchemy")), "Django": (DJANGO, ("django",)),
    "uvicorn": (UVICORN, ("uvicorn",)), "gunicorn": (GUNICORN, ("gunicorn",)),
    "structlog": (STRUCTLOG, ("structlog",)), "python-json-logger": (JSON, ("pythonjsonlogger",))}


LOGGER = "logging.getLogger('threadguard')"
SILENCE = {
    "disabled": LOGGER + ".disabled = True",
    "a level": LOGGER + ".setLevel('CRITICAL')",
    "logging.disable": "logging.disable(logging.CRITICAL)",
    "its own handler": LOGGER + ".addHandler(logging.NullHandler()); " + LOGGER + ".propagate = False",
    "a filter": LOGGER + ".addFilter(lambda record: False)",
    "a level in a dictConfig": "logging.config.dictConfig(%r)" % {**STREAM, "loggers": {
        "threadguard": {"level": "CRITICAL"}}},
}


def need(*modules):
    for module in modules:
        if importlib.util.find_spec(module) is None:
            pytest.skip("needs the package %s" % module)


def run(path, policy="log", **parts):
    """What the program writes to its standard error, and prints."""
    program = PROGRAM % {"before": "", "between": "", "after": "", "end": "", "policy": policy, **parts}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", program], cwd=str(path), timeout=120,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, universal_newlines=True,
                          env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))})
    assert done.returncode == 0, done.stderr
    return done


def heard(done):
    """How many records the log has."""
    return done.stderr.count("TG203 ") + done.stderr.count("TG305 ")


@pytest.mark.parametrize("policy", ["log", "refuse", "serialize"])
@pytest.mark.parametrize("how", CONFIGURE)
def test_a_configuration_that_comes_later_silences_no_finding(how, policy, tmp_path):
    """They disable every logger that they do not name; and a finding is one record."""
    code, modules = CONFIGURE[how]
    need(*modules)
    assert heard(run(tmp_path, policy, after=code, end=QUEUE_AT_THE_END if how == "a queue" else "")) == 1


SECOND = "ask(ThreadGuard(app, policy='log', group='second', watch_pool_start=False))"
FORK = "child = os.fork()\nif child: assert os.waitpid(child, 0)[1] == 0"


@pytest.mark.parametrize("parts, number", [
    *(pytest.param({when: CONFIGURE[how][0]}, 1, id="%s %s a guard is built" % (how, when))
      for how in ("fileConfig", "dictConfig") for when in ("before", "between")),
    pytest.param({"after": "\n".join([DICT_CONFIG, SECOND])}, 2, id="between two guards, each of a group of its own"),
    pytest.param({"after": "\n".join([DICT_CONFIG, FORK])}, 2, id="before a fork: each process says it for itself"),
    pytest.param({"after": "\n".join([SILENCE["disabled"], SECOND])}, 1,
                 id="the operator disables it before a second guard, which is silent"),
])
def test_each_guard_is_heard_that_nobody_disabled(parts, number, tmp_path):
    """Whenever the configuration comes, before the package is imported, or before or after a guard is built."""
    if FORK in parts.get("after", "") and not hasattr(os, "fork"):
        pytest.skip("needs os.fork")
    assert heard(run(tmp_path, **parts)) == number


def test_what_overrides_a_policy_is_heard_as_well(tmp_path):
    """Of the second guard too."""
    done = run(tmp_path, before="os.environ['THREADGUARD_POLICY'] = 'log'", policy="refuse", after=(
        DICT_CONFIG + "\nThreadGuard(app, policy='serialize', watch_pool_start=False)"))
    assert done.stderr.count("THREADGUARD_POLICY overrides the policy: ") == 2


@pytest.mark.parametrize("later", ["nothing", "dictConfig", "fileConfig"])
@pytest.mark.parametrize("how", SILENCE)
def test_what_the_operator_set_is_obeyed(how, later, tmp_path):
    """Before the guard was built, whatever is configured afterwards."""
    assert heard(run(tmp_path, before=SILENCE[how], after=CONFIGURE[later][0])) == 0


@pytest.mark.parametrize("how", sorted(set(SILENCE) - {"disabled"}))
def test_what_the_operator_sets_later_is_obeyed(how, tmp_path):
    """All but ``disabled``, which cannot be told from a configuration's."""
    assert heard(run(tmp_path, after=DICT_CONFIG + "\n" + SILENCE[how])) == 0


def test_the_logger_is_left_as_it_is(tmp_path):
    """A finding goes through it, and changes nothing of it."""
    state = "print(%s.disabled, %s.level, %s.handlers, %s.propagate)" % ((LOGGER,) * 4)
    assert run(tmp_path, after=DICT_CONFIG, end=state).stdout == "True 0 [] True\n"


@pytest.mark.parametrize("how", ["python-json-logger", "structlog"])
def test_a_log_in_json_has_the_fields(how, tmp_path):
    """One object for a finding."""
    code, modules = CONFIGURE[how]
    need(*modules)
    [line] = run(tmp_path, after=code, end="print(os.getpid())").stderr.splitlines()
    record = json.loads(line)
    assert (record["code"], record["verdict"], record["group"]) == ("TG203", "threaded", "default")
    assert (record["server"], record["capacity"], record["repeats"]) == (None, None, 0)
    assert "server_threads = 1" in record["remedy"] and isinstance(record["pid"], int)


SENTRY = """
import sentry_sdk
events = []
class Captured(sentry_sdk.transport.Transport):
    def capture_envelope(self, envelope):
        events.extend(item.payload.json for item in envelope.items if item.type == "event")
sentry_sdk.init("http://key@127.0.0.1:9/1", transport=Captured, default_integrations=True)
"""


def test_sentry_groups_by_code_and_has_the_fields(tmp_path):
    """One event for one finding; two of one code have the same message and differ in their parameters."""
    need("sentry_sdk")
    done = run(tmp_path, before=SENTRY, after=DICT_CONFIG, end="""
for number in (2, 3):
    ThreadGuard(app, policy="log", group="of %d" % number, server_threads=number, watch_pool_start=False)
print(json.dumps(events))
""")
    declared, two, three = json.loads(done.stdout)
    assert [event["extra"]["code"] for event in (declared, two, three)] == ["TG203", "TG103", "TG103"]
    assert two["logentry"]["message"] == three["logentry"]["message"] != declared["logentry"]["message"]
    assert two["logentry"]["params"] != three["logentry"]["params"]
    assert [event["extra"]["capacity"] for event in (two, three)] == [2, 3]
    assert {event["logger"] for event in (declared, two, three)} == {"threadguard"}
    assert {event["level"] for event in (declared, two, three)} == {"error"}
