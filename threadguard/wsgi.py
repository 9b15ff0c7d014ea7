"""A guarded application without code or ini: point the server at ``threadguard.wsgi:application``.

The environment variable ``THREADGUARD_APP`` names what to guard: ``package.module:app``, with a call at the end for a
factory (``package.module:create_app()``), or ``config:production.ini`` (``config:production.ini#name``) for
PasteDeploy. Every option of `ThreadGuard` is a variable: ``THREADGUARD_SERIALIZE_TIMEOUT`` is serialize_timeout.
"""

import importlib
import inspect
import os
import sys
from typing import Any, Mapping
from urllib.parse import unquote

from threadguard.errors import LoadError as LoadError
from threadguard.guard.middleware import ThreadGuard
from threadguard.options import from_environment
from threadguard.guard.policies import WSGIApp

__all__ = ["load", "make"]

_APP = "THREADGUARD_APP"


def load(name: str) -> WSGIApp:
    """The application called *name*. Raises `LoadError` where there is none of that name.

    An exception that the application's own code raises while it is loaded passes as it is.
    """
    if name.startswith(("config:", "egg:")):
        return _load_paste(name)
    module_name, _, path = name.partition(":")
    called = path.endswith("()")
    path = path[:-2] if called else path
    if not all(module_name.split(".")) or not all(part.isidentifier() for part in path.split(".")):
        raise _error(name, " is not allowed: it takes package.module:app or config:file.ini")
    if module_name == "threadguard.wsgi":
        raise _error(name, " names the guard itself, not what it guards")
    thing = _attribute(_module(module_name, name), path, name)
    app = _made_by(thing, name) if called else thing
    if not callable(app):
        raise _error(name, " names %r, which is no WSGI application" % (app,))
    wsgi_app: WSGIApp = app
    return wsgi_app


def _error(name: str, problem: str) -> LoadError:
    return LoadError("TG901 threadguard: %s = %r%s" % (_APP, name, problem))


def _made_by(factory: Any, name: str) -> Any:
    if not callable(factory):
        raise _error(name, " calls %r, which is no factory" % (factory,))
    try:
        inspect.signature(factory).bind()
    except TypeError as error:
        raise _error(name, " calls %r without arguments: %s" % (factory, error)) from None
    except ValueError:  # written in C, without a signature
        pass
    return factory()


def _load_paste(name: str) -> WSGIApp:
    try:
        from paste.deploy import loadapp
    except ImportError:
        raise _error(name, " needs PasteDeploy: pip install threadguard[paste]") from None
    scheme, _, rest = name.partition(":")
    path = unquote(rest.partition("#")[0])  # as paste/deploy/loadwsgi.py `_loadconfig` does
    if scheme == "config" and not os.path.isfile(path):
        raise _error(name, ": there is no file %r in %s" % (path, os.getcwd()))
    app: WSGIApp = loadapp(name, relative_to=os.getcwd())
    return app


def _module(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module is there, and misses one of its own
        raise _error(name, ": there is no module %s" % error.name) from None


def _attribute(thing: Any, path: str, name: str) -> Any:
    for part in path.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            raise _error(name, ": %r has no %s" % (thing, part)) from None
    return thing


def make(variables: Mapping[str, str]) -> ThreadGuard:
    """The guarded application that *variables* (the environment's) describe.

    Raises `LoadError`, or `threadguard.OptionError` for a variable that begins as an option's and is none.
    """
    name = variables.get(_APP, "").strip()
    if not name:
        raise LoadError("TG901 threadguard: %s is not set: it names the application to guard, as package.module:app or"
                        " config:file.ini" % _APP)
    options = from_environment(variables, other=(_APP,))
    if options.get("policy") == "serialize" and options.get("thread", "any") != "any":
        del options["policy"]  # THREADGUARD_POLICY is also what overrides, which the guard looks at itself
    return ThreadGuard(load(name), **options)


application: ThreadGuard


def __getattr__(name: str) -> Any:
    """Where nothing is named, say so to the server that asks, and not to who imports this module to look at it."""
    if name != "application":
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    globals()["application"] = make(os.environ)
    return application


# uWSGI (plugins/python/pyloader.c), mod_wsgi (mod_wsgi.c) and Unit (nxt_python.c) look into the module's dictionary and
# know of no `__getattr__`. Of these only uWSGI can be told here.
if os.environ.get(_APP) or "uwsgi" in sys.modules:
    application = make(os.environ)
