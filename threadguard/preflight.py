"""The name that `threadguard.check` had: an import that worked keeps working."""

import sys

from threadguard import check

sys.modules[__name__] = check
