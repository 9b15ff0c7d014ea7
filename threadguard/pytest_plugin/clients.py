"""Where the test clients, and the servers that run inside a test suite, call an application: with the source of each.

==============================  =====================================================================================
werkzeug.test                   ``run_wsgi_app``: Werkzeug's `Client`, and with it Flask's and Quart's
webob.request                   ``BaseRequest.call_application``: WebOb's ``get_response``, and with it WebTest
django.test.client              ``ClientHandler.__call__``: Django's `Client`, and with it REST framework's
werkzeug.serving                ``BaseWSGIServer.__init__``: pytest-localserver, and whoever serves in a thread
wsgiref.simple_server           ``WSGIServer.set_app``: Django's ``LiveServerTestCase`` and pytest-django's live_server
waitress.server                 ``BaseWSGIServer.__init__``: WebTest's ``StopableWSGIServer``
cheroot.wsgi                    ``Server.__init__``
==============================  =====================================================================================
"""

from functools import wraps
from types import ModuleType
from typing import Any, Callable, Dict, List, Sequence

from threadguard.pytest_plugin.clientguard import Environ
from threadguard.pytest_plugin.doors import Doors, name_of
from threadguard.pytest_plugin.patches import Change

_Replace = Callable[[Any], Any]


def _with_argument(position: int, name: str, change: _Replace) -> _Replace:
    """A replacement for a function: the same, with its argument *name*, at *position* if not by name, changed."""
    def replace(function: Any) -> Any:
        @wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if name in kwargs:
                kwargs[name] = change(kwargs[name])
            elif len(args) > position:
                args = args[:position] + (change(args[position]),) + args[position + 1:]
            return function(*args, **kwargs)
        return call
    return replace


def _django_client(doors: Doors) -> _Replace:
    """For a handler that takes an environ and returns a response of Django's, which no one may wrap."""
    def replace(handle: Any) -> Any:
        @wraps(handle)
        def call(handler: Any, environ: Environ) -> Any:
            responses: List[Any] = []

            def app(environ: Environ, start_response: Any) -> Any:
                responses.append(handle(handler, environ))
                # The body is inside until it is read, which a generator shows as it is.
                return getattr(responses[0], "_iterator", []) if responses[0].streaming else []

            door = doors.for_client(app, name_of(handler))
            if door is app:
                return handle(handler, environ)
            door(environ, None)
            return responses[0]
        return call
    return replace


def changes(doors: Doors) -> Dict[str, Callable[[ModuleType], Sequence[Change]]]:
    """What to change in which module, for `Patches`."""
    client, server = doors.for_client, doors.for_server
    return {
        "werkzeug.test": lambda module: [(module, "run_wsgi_app", _with_argument(0, "app", client))],
        "webob.request": lambda module: [
            (module.BaseRequest, "call_application", _with_argument(1, "application", client))],
        "django.test.client": lambda module: [(module.ClientHandler, "__call__", _django_client(doors))],
        "werkzeug.serving": lambda module: [
            (module.BaseWSGIServer, "__init__", _with_argument(3, "app", server))],
        "wsgiref.simple_server": lambda module: [
            (module.WSGIServer, "set_app", _with_argument(1, "application", server))],
        "waitress.server": lambda module: [
            (module.BaseWSGIServer, "__init__", _with_argument(1, "application", server))],
        "cheroot.wsgi": lambda module: [(module.Server, "__init__", _with_argument(2, "wsgi_app", server))],
    }
