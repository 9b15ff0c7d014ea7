"""The requests of the wire test, as bytes: each route of ``child/wire.py``, and some of them by HEAD and POST."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "child"))
from wire import ROUTES  # noqa: E402


def request(method, path, protocol="HTTP/1.1", body=b""):
    """A whole request."""
    lines = ["%s %s %s" % (method, path, protocol), "Host: localhost", "Connection: close"]
    lines += ["Content-Length: %d" % len(body)] if body else []
    return "\r\n".join([*lines, "", ""]).encode() + body


REQUESTS = {path: request("GET", path) for path in ROUTES}
HEADS = ("/list", "/length", "/generator", "/sized", "/file")
REQUESTS.update({"HEAD " + path: request("HEAD", path) for path in HEADS})
REQUESTS.update({"HTTP/1.0 " + path: request("GET", path, "HTTP/1.0") for path in ("/list", "/generator", "/write")})
REQUESTS["POST"] = request("POST", "/echo?a=b", body=b"posted")
