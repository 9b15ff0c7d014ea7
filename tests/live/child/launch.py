"""Start a server from Python: ``python launch.py MODULE NAME PORT [NUMBER]``.

The application is built first and handed to the server afterwards, as people's own start scripts do.
"""

import importlib
import sys


def patch(hub):
    """Let gevent or eventlet take the place of threads and sockets."""
    if hub == "gevent":
        from gevent import monkey

        monkey.patch_all()
    else:
        import eventlet

        eventlet.monkey_patch()


def main(module, name, port, number="0"):
    """Build the application, then let the recipe serve it."""
    if name.endswith("_patched"):
        patch(name.split("_")[0])
    recipes = vars(importlib.import_module(module))
    from guarded import application

    (recipes.get(name + "_") or recipes[name])(application, int(port), int(number))


if __name__ == "__main__":
    main(*sys.argv[1:])
