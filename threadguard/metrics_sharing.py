"""The name that `threadguard.observe.metrics_sharing` had: an import that worked keeps working."""

import sys

from threadguard.observe import metrics_sharing

sys.modules[__name__] = metrics_sharing
