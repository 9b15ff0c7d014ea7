"""The name that `threadguard.guard.group` had: an import that worked keeps working."""

import sys

from threadguard.guard import group

sys.modules[__name__] = group
