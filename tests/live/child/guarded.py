"""The truth behind a guard, as a module that a server's command line can name."""

import truth

application = truth.guarded()


def make():
    """The same for servers that call a factory."""
    return application
