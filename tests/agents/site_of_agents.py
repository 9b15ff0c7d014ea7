"""One process: python site_of_agents.py SERVER AGENT FOLDER. It prints its port, and answers /POSITION/POLICY/KIND.

POSITION says where the guard is: ``none``, ``around`` the agent, ``within`` it. KIND is what the application returns,
or where it raises. ``/none/none/report`` tells how often `close` was called, and what the agent saw of an exception.
"""

import json
import sys
import traceback
from pathlib import Path

SERVER, AGENT, FOLDER = sys.argv[1:] if __name__ == "__main__" else ("", "", "")
if AGENT.startswith("ddtrace"):
    import ddtrace.auto  # noqa: F401  it patches what is imported later

CHUNKS = [b"first ", b"second ", b"third"]
closed, seen = [], []


class Body:
    """What all bodies of the application have in common: `close` is counted."""

    def close(self):
        closed.append(type(self).__name__)


class Stream(Body):
    """An iterator."""

    def __init__(self, *chunks):
        self.chunks = iter(chunks or CHUNKS)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.chunks)


class Pages(Body):
    """An iterable that is no iterator."""

    def __iter__(self):
        return iter(CHUNKS)


class Sized(Body):
    """One with a length."""

    def __iter__(self):
        return iter([b"all of it"])

    def __len__(self):
        return 1


class Proxy(Stream):
    """One whose class has a length and whose instance denies it, as werkzeug's LocalProxy and ddtrace's do."""

    def __len__(self):
        raise TypeError("object of type 'Proxy' has no len()")


class File(Body):
    """A file that is none: its `read` is the application's code."""

    def __init__(self):
        self.chunks = list(CHUNKS)

    def read(self, size=-1):
        return self.chunks.pop(0) if self.chunks else b""


class Failing(Stream):
    """An iterator that fails."""

    def __init__(self, after):
        self.left = after

    def __next__(self):
        if self.left == 0:
            fail_in_a_chunk()
        self.left -= 1
        return CHUNKS[self.left]


def fail_in_a_chunk():
    raise ValueError("a chunk")


def fail_in_the_call():
    raise ValueError("the call")


def generated(start_response=None):
    try:
        if start_response is not None:
            start_response("201 Created", [("Content-Type", "text/plain"), ("X-Site", "late")])
        yield from CHUNKS
    finally:
        closed.append("generated")


def failing_generator():
    yield b"first"
    fail_in_a_chunk()


def written(start):
    write = start("200 OK", [("Content-Type", "text/plain")])
    write(b"written ")
    return [b"and returned"]


def plain(*more):
    """The headers: a new list, to which a server may add its own."""
    return [("Content-Type", "text/plain"), ("X-Site", "one"), ("X-Site", "two"), *more]


KINDS = {
    "list": lambda environ, start: start("200 OK", plain()) and None or [b"all", b" of it"],
    "length": lambda environ, start: start("200 OK", plain(("Content-Length", "9"))) and None or [b"all of it"],
    "empty": lambda environ, start: start("200 OK", plain()) and None or [],
    "written": lambda environ, start: written(start),
    "generator": lambda environ, start: start("200 OK", plain()) and None or generated(),
    "late": lambda environ, start: generated(start),
    "stream": lambda environ, start: start("200 OK", plain()) and None or Stream(),
    "pages": lambda environ, start: start("404 Not Found", plain()) and None or Pages(),
    "sized": lambda environ, start: start("200 OK", plain()) and None or Sized(),
    "proxy": lambda environ, start: start("200 OK", plain()) and None or Proxy(),
    "nothing": lambda environ, start: start("304 Not Modified", []) and None or Stream(b""),
    "file": lambda environ, start: start("200 OK", plain()) and None or environ.get(
        "wsgi.file_wrapper", lambda file: iter(lambda: file.read(), b""))(File()),
    "fails": lambda environ, start: fail_in_the_call(),
    "fails first": lambda environ, start: start("200 OK", plain()) and None or Failing(0),
    "fails later": lambda environ, start: start("200 OK", plain()) and None or Failing(2),
    "generator fails": lambda environ, start: start("200 OK", plain()) and None or failing_generator(),
}


def site(environ, start_response):
    """The application: the last part of the path says what it does."""
    kind = environ["PATH_INFO"].rpartition("/")[2].replace("_", " ")
    return KINDS[kind](environ, start_response)


def report(environ, start_response):
    """What was counted since the last report."""
    text = json.dumps({"closed": closed[:], "seen": seen[:]})
    del closed[:], seen[:]
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text.encode()]


# -- the agents: each makes a function that wraps an application


def saw(names):
    """The agent saw an exception whose traceback has functions of these *names*: kept without the agent's own."""
    seen.append([name for name in names if name in OWN])


OWN = {"site", "<lambda>", "fail_in_the_call", "fail_in_a_chunk", "failing_generator"}


def functions_in(text):
    """The functions of this file that a formatted traceback names."""
    lines = text.replace("&lt;", "<").replace("&gt;", ">").splitlines()
    return [line.rpartition(" in ")[2] for line in lines if Path(__file__).name in line and " in " in line]


def nothing():
    return lambda app: app


def werkzeug_debugger():
    from werkzeug.debug import DebuggedApplication
    return lambda app: DebuggedApplication(app, evalex=False)


def werkzeug_lint():
    from werkzeug.middleware.lint import LintMiddleware
    return LintMiddleware


def werkzeug_others():
    from werkzeug.middleware.dispatcher import DispatcherMiddleware
    from werkzeug.middleware.profiler import ProfilerMiddleware
    from werkzeug.middleware.proxy_fix import ProxyFix
    from werkzeug.middleware.shared_data import SharedDataMiddleware
    return lambda app: ProxyFix(SharedDataMiddleware(
        DispatcherMiddleware(ProfilerMiddleware(app, stream=None)), {"/static": FOLDER}))


def paste_errors():
    from paste.exceptions.errormiddleware import ErrorMiddleware
    return lambda app: ErrorMiddleware(app, debug=True)


def paste_others():
    import logging

    from paste.gzipper import middleware as gzip
    from paste.recursive import RecursiveMiddleware
    from paste.translogger import TransLogger
    logging.getLogger("wsgi").addHandler(logging.NullHandler())
    return lambda app: TransLogger(gzip(RecursiveMiddleware(app)), setup_console_handler=False)


def paste_lint():
    from paste.lint import middleware
    return middleware


def whitenoise():
    from whitenoise import WhiteNoise
    return lambda app: WhiteNoise(app, root=FOLDER, prefix="static")


def sentry():
    import sentry_sdk
    from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

    class Captured(sentry_sdk.transport.Transport):
        def capture_envelope(self, envelope):
            for item in envelope.items:
                for value in (item.payload.json or {}).get("exception", {}).get("values", ()):
                    frames = value["stacktrace"]["frames"]
                    assert not [frame for frame in frames if frame["module"].startswith("threadguard.")], frames
                    saw(frame["function"] for frame in frames)

    sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Captured, traces_sample_rate=1.0)
    return SentryWsgiMiddleware


def opentelemetry():
    from opentelemetry import trace
    from opentelemetry.instrumentation.wsgi import OpenTelemetryMiddleware
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    class Kept(SpanProcessor):
        def on_end(self, span):
            for event in span.events:
                saw(functions_in(event.attributes["exception.stacktrace"]))

    provider = TracerProvider()
    provider.add_span_processor(Kept())
    trace.set_tracer_provider(provider)
    return OpenTelemetryMiddleware


def newrelic():
    import newrelic.agent
    settings = newrelic.agent.global_settings()
    settings.developer_mode = True
    settings.license_key = "0" * 40
    newrelic.agent.initialize()
    newrelic.agent.register_application(timeout=10)
    return newrelic.agent.WSGIApplicationWrapper


def ddtrace_wsgi():
    from ddtrace.contrib.wsgi import DDWSGIMiddleware
    return DDWSGIMiddleware


def ddtrace_flask():
    """Flask, which ddtrace has patched, with the application mounted in it; the guard is around `wsgi_app`."""
    from flask import Flask, Response

    def agent(app):
        flask = Flask(__name__)

        def view(path):
            from flask import request
            started = []
            body = app(request.environ, lambda *args: started.append(args) or (lambda data: None))
            if not started:
                started.append(("201 Created", [("Content-Type", "text/plain")]))
            return Response(body, status=started[0][0], headers=started[0][1])

        flask.add_url_rule("/<path:path>", "view", view)
        return flask
    return agent


# -- the servers: each serves one request at a time, or says that it does not


def wsgiref_server(app):
    from wsgiref.simple_server import WSGIRequestHandler, make_server

    class Quiet(WSGIRequestHandler):
        def log_message(self, *args):
            pass

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    print(server.server_port, flush=True)
    server.serve_forever()


def waitress_server(app):
    import waitress
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=1)
    print(server.effective_port, flush=True)
    server.run()


def gunicorn_server(app):
    from gunicorn.app.base import BaseApplication

    class Application(BaseApplication):
        def load_config(self):
            self.cfg.set("bind", "127.0.0.1:0")
            self.cfg.set("worker_class", "sync")
            self.cfg.set("control_socket_disable", True)
            self.cfg.set("when_ready", lambda arbiter: print(arbiter.LISTENERS[0].getsockname()[1], flush=True))

        def load(self):
            return app

    sys.argv[1:] = []
    Application().run()


def cheroot_server(app):
    from cheroot.wsgi import Server
    server = Server(("127.0.0.1", 0), app, numthreads=1, max=1)
    server.prepare()
    print(server.bind_addr[1], flush=True)
    server.serve()


def gevent_server(app):
    from gevent.pywsgi import WSGIServer
    server = WSGIServer(("127.0.0.1", 0), app, log=None)
    server.start()
    print(server.server_port, flush=True)
    server.serve_forever()


def made(agent):
    """Every application that a path can name, by position and policy."""
    from threadguard import ThreadGuard

    applications = {"none/none": agent(site)}
    for policy in ("refuse", "serialize", "log"):
        def guard(app):
            name = "%s %d" % (policy, len(applications))
            return ThreadGuard(app, policy=policy, group=name, watch_pool_start=False)

        applications["around/" + policy] = guard(agent(site))
        if AGENT == "ddtrace_flask":
            flask = agent(site)
            flask.wsgi_app = guard(flask.wsgi_app)
            applications["within/" + policy] = flask
        else:
            applications["within/" + policy] = agent(guard(site))
    return applications


def main():
    applications = made(globals()[AGENT]())

    def dispatch(environ, start_response):
        path = environ["PATH_INFO"].strip("/")
        if path.endswith("report"):
            return report(environ, start_response)
        app = applications[path.rpartition("/")[0]]
        try:
            return app(environ, start_response)
        except Exception:
            saw(functions_in(traceback.format_exc()))
            raise

    globals()[SERVER + "_server"](dispatch)


if __name__ == "__main__":
    main()
