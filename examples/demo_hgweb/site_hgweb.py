"""The application: Mercurial's own hgweb over the repositories that the file in ``DEMO_HGWEB_CONFIG`` lists.

hgweb assigns its module's ``encoding.encoding`` at the start of every request, from the ``[web] encoding`` of the
repository that is asked for (mercurial/hgweb/hgweb_mod.py, `requestcontext` and `hgweb._runwsgi`). One process, one
such variable: with two requests inside, the later one's encoding is used for the rest of the earlier one's page.
"""

import os
from typing import Any, Callable, Dict, Iterable

from mercurial.hgweb import hgweb

_hgweb = hgweb(os.fsencode(os.environ["DEMO_HGWEB_CONFIG"]))


def application(environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """hgweb, and a header that tells what this application was told in ``wsgi.multithread``."""
    told = str(environ.get("wsgi.multithread"))

    def start(status: str, headers: Any, *exc_info: Any) -> Any:
        return start_response(status, list(headers) + [("X-Told-Multithread", told)], *exc_info)

    body: Iterable[bytes] = _hgweb(environ, start)
    return body
