"""The name that `threadguard.observe.probe` had: an import that worked keeps working."""

import sys

from threadguard.observe import probe

sys.modules[__name__] = probe
