"""WebOb, with which the package answers for itself: loaded when a guard is built, and not when there is to answer.

WebOb 1.8 imports `cgi`, of which Python 3.11 and 3.12 warn (Lib/cgi.py): under ``-W error`` that is an exception, and
the first to meet it would be a request that is refused, or a health check. The filter that prevents it goes in and out
by itself: `warnings.catch_warnings` would take back what another thread sets meanwhile.
"""

import re
import warnings
from typing import Any

_quiet = ("ignore", re.compile("'cgi' is deprecated"), DeprecationWarning, None, 0)
_filters: Any = warnings.filters
_filters.insert(0, _quiet)
try:
    from webob import Request as Request, Response as Response  # noqa: F401
finally:
    if _quiet in _filters:
        _filters.remove(_quiet)
