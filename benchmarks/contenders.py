"""What a user could put in front of an application instead, beside the guard."""

import warnings
from typing import Any, Callable, Dict, Iterable, Tuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from threadguard import ThreadGuard

ENVIRON: Dict[str, Any] = {"REMOTE_ADDR": "127.0.0.1", "QUERY_STRING": ""}
setup_testing_defaults(ENVIRON)
ENVIRON["wsgi.multithread"] = False


def start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    """A server's, that forgets everything."""
    return len


def hello(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """An application with a list for a body."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


class Empty:
    """A middleware that does nothing."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Any:
        return self.app(environ, start_response)


def gauge(app: Any) -> Any:
    """prometheus_client's in-progress gauge around the call."""
    from prometheus_client import CollectorRegistry, Gauge

    inside = Gauge("inside", "Requests inside", registry=CollectorRegistry())

    def middleware(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Any:
        with inside.track_inprogress():
            return app(environ, start_response)

    return middleware


def opentelemetry(app: Any) -> Any:
    """opentelemetry-instrumentation-wsgi with the SDK's tracer and no exporter."""
    from opentelemetry import trace
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import TracerProvider

    trace.set_tracer_provider(TracerProvider())
    return OpenTelemetryMiddleware(app)


def sentry(app: Any) -> Any:
    """Sentry's middleware, initialised, sending nothing and tracing nothing."""
    import sentry_sdk
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    sentry_sdk.init(default_integrations=False)
    return SentryWsgiMiddleware(app)


def lint(app: Any) -> Any:
    """Werkzeug's LintMiddleware."""
    from werkzeug.middleware.lint import LintMiddleware

    warnings.simplefilter("ignore")
    return LintMiddleware(app)


def proxy_fix(app: Any) -> Any:
    """Werkzeug's ProxyFix."""
    from werkzeug.middleware.proxy_fix import ProxyFix

    return ProxyFix(app)


def guard(app: Any, policy: str = "refuse") -> ThreadGuard:
    """The guard, in a group of its own."""
    return ThreadGuard(app, policy=policy, group="benchmark %d" % id(app) + policy)


CONTENDERS: Dict[str, Callable[[Any], Any]] = {
    "nothing": lambda app: app,
    "an empty middleware": Empty,
    "threadguard, refuse": guard,
    "threadguard, log": lambda app: guard(app, "log"),
    "threadguard, serialize": lambda app: guard(app, "serialize"),
    "prometheus_client's in-progress gauge": gauge,
    "Werkzeug's ProxyFix": proxy_fix,
    "wsgiref.validate": validator,
    "Werkzeug's LintMiddleware": lint,
    "Sentry's middleware": sentry,
    "opentelemetry-instrumentation-wsgi": opentelemetry,
}
"""The first is the application alone."""


def made(app: Any) -> Tuple[Dict[str, Any], Dict[str, str]]:
    """*app* in each of `CONTENDERS`; and by name what is not installed, as not everything is for every Python."""
    found, missing = {}, {}
    for name, make in CONTENDERS.items():
        try:
            found[name] = make(app)
        except ImportError as error:
            missing[name] = str(error.name).partition(".")[0]
    return found, missing


def serve(app: Any) -> None:
    """What a server does with one request."""
    body = app(dict(ENVIRON), start_response)
    try:
        for _ in body:
            pass
    finally:
        if hasattr(body, "close"):
            body.close()
