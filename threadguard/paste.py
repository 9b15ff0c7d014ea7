"""PasteDeploy: ``use = egg:threadguard`` as a filter, every option as an ini string."""

from typing import Any, Callable, Dict

from threadguard.guard.middleware import ThreadGuard
from threadguard.options import from_strings
from threadguard.guard.policies import WSGIApp

__all__ = ["filter_factory"]


def filter_factory(global_conf: Dict[str, Any], **local_conf: str) -> Callable[[WSGIApp], ThreadGuard]:
    """A filter for ``filter-with``, ``[filter-app:…]`` and ``[pipeline:…]`` (the `paste.filter_factory` protocol).

    *local_conf* are the options of the section; those of ``[DEFAULT]`` come in *global_conf* and are not ours.
    Raises `threadguard.options.OptionError` for an option or a value that is not allowed.
    """
    source = global_conf.get("__file__", "the configuration file")
    options = from_strings(local_conf, "a threadguard section of %s" % source)

    def guard(app: WSGIApp) -> ThreadGuard:
        return ThreadGuard(app, **options)

    return guard
