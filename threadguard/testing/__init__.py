"""What tests import: `together` sends requests at the same moment, `race` proves what they do to each other.

Each name is loaded when it is asked for. The functions' modules have other names: an import of a module ``together``
would put the module in the function's place.
"""

from typing import TYPE_CHECKING, Any

__all__ = ["RaceReport", "assert_no_race", "race", "together"]

if TYPE_CHECKING:
    from threadguard.testing.racing import RaceReport, assert_no_race, race
    from threadguard.testing.sending import together
else:
    _HOMES = {"RaceReport": "racing", "assert_no_race": "racing", "race": "racing", "together": "sending"}

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError("module 'threadguard.testing' has no attribute %r" % name)
        import importlib
        return getattr(importlib.import_module("threadguard.testing." + _HOMES[name]), name)
