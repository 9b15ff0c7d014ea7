"""A pytest plugin for the suites of other projects: what their test clients call stands behind a guard that refuses.

Their clients call in one thread, so nothing may change. The plugin replaces Werkzeug's ``run_wsgi_app`` (its `Client`
and Flask's call it) and WebOb's ``BaseRequest.call_application`` (``get_response`` and WebTest's `TestApp` call it). It
leaves the servers alone that a suite starts: waitress with four threads is refused with good reason.
"""

from threadguard import ThreadGuard

GUARDS = {}
"""The guard of each application, by identity; the application is held, so that no other has its identity."""


def guarded(app):
    """The one guard of *app*; what is no application, or has a guard, as it is."""
    if isinstance(app, ThreadGuard) or not callable(app):
        return app
    if id(app) not in GUARDS:
        GUARDS[id(app)] = app, ThreadGuard(app, policy="refuse")
    return GUARDS[id(app)][1]


def pytest_configure():
    """Change the clients that are installed."""
    import webob.request

    call = webob.request.BaseRequest.call_application
    webob.request.BaseRequest.call_application = lambda request, application, *args, **named: call(
        request, guarded(application), *args, **named)
    try:
        import werkzeug.test
    except ImportError:
        return
    run = werkzeug.test.run_wsgi_app
    werkzeug.test.run_wsgi_app = lambda app, *args, **named: run(guarded(app), *args, **named)


def pytest_terminal_summary(terminalreporter):
    """One line: how many requests went through the guards, and whether anything was found."""
    for guard in [guard for _, guard in GUARDS.values()][:1]:  # all are of the process's one group
        stats = guard.stats()
        terminalreporter.write_line("guarded: %d requests, %d refused, %d overlaps, %s" % (
            stats.requests, stats.refused, stats.overlaps, guard.verdict.status))
