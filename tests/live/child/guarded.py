"""The application behind a guard, as a module that a server's command line can name.

TRUTH_APP names another application than the truth: ``module:name``.
"""

import importlib
import os

import truth


def chosen():
    """The application that TRUTH_APP names."""
    module, _, name = os.environ.get("TRUTH_APP", "truth:application").partition(":")
    return getattr(importlib.import_module(module), name)


application = truth.guarded(chosen())


def make():
    """The same for servers that call a factory."""
    return application
