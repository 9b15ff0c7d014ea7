"""A guarded application without code or ini: point the server at ``threadguard.wsgi:application``.

The environment variable ``THREADGUARD_APP`` names what to guard: ``package.module:app``, with a call at the end for a
factory (``package.module:create_app()``), or ``config:production.ini`` (``config:production.ini#name``) for
PasteDeploy. Every option of `ThreadGuard` is a variable: ``THREADGUARD_SERIALIZE_TIMEOUT`` is serialize_timeout.
"""

import importlib
import os
from typing import Any, Mapping

from threadguard.middleware import ThreadGuard
from threadguard.options import from_environment
from threadguard.policy import WSGIApp

_APP = "THREADGUARD_APP"


class LoadError(RuntimeError):
    """What ``THREADGUARD_APP`` names cannot be loaded."""


def load(name: str) -> WSGIApp:
    """The application called *name*. Raises `LoadError` where there is none of that name.

    An exception that the application's own code raises while it is loaded passes as it is.
    """
    if name.startswith(("config:", "egg:")):
        return _load_paste(name)
    module_name, colon, path = name.partition(":")
    if not colon or not module_name or not path:
        raise LoadError("TG901 threadguard: %s = %r is not allowed: it takes package.module:app or config:file.ini" % (
            _APP, name))
    thing = _attribute(_module(module_name, name), path.replace("()", ""), name)
    app = thing() if path.endswith("()") else thing
    if not callable(app):
        raise LoadError("TG901 threadguard: %s = %r names %r, which is no WSGI application" % (_APP, name, app))
    wsgi_app: WSGIApp = app
    return wsgi_app


def _load_paste(name: str) -> WSGIApp:
    try:
        from paste.deploy import loadapp
    except ImportError:
        raise LoadError("TG901 threadguard: %s = %r needs PasteDeploy: pip install threadguard[paste]" % (
            _APP, name)) from None
    app: WSGIApp = loadapp(name, relative_to=os.getcwd())
    return app


def _module(module_name: str, name: str) -> Any:
    try:
        return importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise  # the module is there, and misses one of its own
        raise LoadError("TG901 threadguard: %s = %r: there is no module %s" % (_APP, name, error.name)) from None


def _attribute(thing: Any, path: str, name: str) -> Any:
    for part in path.split("."):
        try:
            thing = getattr(thing, part)
        except AttributeError:
            raise LoadError("TG901 threadguard: %s = %r: %r has no %s" % (_APP, name, thing, part)) from None
    return thing


def make(variables: Mapping[str, str]) -> ThreadGuard:
    """The guarded application that *variables* (the environment's) describe. Raises `LoadError`, or
    `threadguard.OptionError` for a variable THREADGUARD_… that is no option."""
    name = variables.get(_APP, "").strip()
    if not name:
        raise LoadError("TG901 threadguard: %s is not set: it names the application to guard, as package.module:app or"
                        " config:file.ini" % _APP)
    options = from_environment(variables, other=(_APP,))
    return ThreadGuard(load(name), **options)


def __getattr__(name: str) -> Any:
    """Load ``application`` when a server asks for it, not when this module is imported to be looked at."""
    if name != "application":
        raise AttributeError("module %r has no attribute %r" % (__name__, name))
    application = globals()["application"] = make(os.environ)
    return application
