"""A guard between two linters: LINT names which, LINT_OPTIONS holds the guard's options."""

import os

import truth
from wire import ROUTES

LINTERS = {
    "wsgiref": "wsgiref.validate:validator", "paste": "paste.lint:middleware",
    "werkzeug": "werkzeug.middleware.lint:LintMiddleware",
}


def linter():
    """The chosen linter."""
    module, _, name = LINTERS[os.environ["LINT"]].partition(":")
    return getattr(__import__(module, fromlist=[name]), name)


def site(environ, start_response):
    return ROUTES[environ["PATH_INFO"]](environ, start_response)


lint = linter()
application = lint(truth.guarded(lint(site), os.environ["LINT_OPTIONS"]))
