"""Run the recipe that is named."""

import importlib
import sys

module, _, name = sys.argv[1].partition(".")
getattr(importlib.import_module("tests.rules_recipes." + module), name)()
