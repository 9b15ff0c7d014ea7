"""The health endpoint: what is known of this process, for a machine or for a person.

It is answered outside the counted section and never touches the application. It makes the first request's reading, so
that a check that comes before any user tells the truth. Without the token it tells the status and nothing else.
"""

import hmac
import json
import socket
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Optional

from threadguard.report import health_page as report_health
from threadguard.guard.group import Group
from threadguard.model import THREADED, Verdict

if TYPE_CHECKING:
    from webob import Request, Response

JSON = "application/health+json"
"""The media type of draft-inadarei-api-health-check."""
HTML = "text/html"
PROBE = "/probe"


def status_of(verdict: Verdict, policy: str) -> str:
    """``pass``, ``warn`` (unknown, declared only, serialised) or ``fail``."""
    if verdict.status == THREADED:
        return "warn" if policy == "serialize" else "fail"
    return "pass" if verdict.status != "unknown" and not verdict.declared_only else "warn"


class Health:
    """The WSGI application that answers at *path* and, with a *token*, at *path* + ``/probe``."""

    def __init__(self, group: Group, policy: str, tell: Callable[[], object], path: str, token: Optional[str]) -> None:
        self._group = group
        self._log_verdict = tell
        self._policy = policy
        self._token = token
        path = path.encode("utf-8").decode("latin-1")  # as PATH_INFO has it (PEP 3333, "Unicode Issues")
        self._answers: Dict[str, Callable[["Request"], "Response"]] = {path: self._tell}
        if token is not None:
            self._answers[path + PROBE] = self._probe

    def serves(self, environ: Dict[str, Any]) -> bool:
        """Whether the request of *environ* is for this application."""
        return environ.get("PATH_INFO") in tuple(self._answers)  # what is no text need not have a hash

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        from webob import Request, Response

        request = Request({"REQUEST_METHOD": "GET", **environ})
        if request.method not in ("GET", "HEAD"):
            response = Response("405 Method Not Allowed\n", status=405, content_type="text/plain", charset="UTF-8")
            response.headers["Allow"] = "GET, HEAD"
        else:
            if self._group.read_now(environ):
                self._log_verdict()
            response = self._answers[environ["PATH_INFO"]](request)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Accept, Authorization"
        body: Iterable[bytes] = response(request.environ, start_response)
        return body

    def _is_trusted(self, request: "Request") -> bool:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if self._token is None or scheme.lower() != "bearer":
            return False
        # A header is bytes, which WSGI gives as Latin-1 (PEP 3333, "Unicode Issues").
        return hmac.compare_digest(given.strip().encode("latin-1", "replace"), self._token.encode("utf-8", "replace"))

    def _tell(self, request: "Request") -> "Response":
        verdict = self._group.verdict
        status = status_of(verdict, self._policy)
        facts = self._facts(request.environ, verdict) if self._is_trusted(request) else None
        offers = request.accept.acceptable_offers([JSON, HTML, "application/json"])
        if offers and offers[0][0] == HTML:
            return _response(report_health.page(status, facts), HTML, status)
        content: Dict[str, Any] = {"status": status}
        if facts is not None:
            content.update(report_health.document(status, facts))
        return _response(json.dumps(content, indent=1) + "\n", offers[0][0] if offers else JSON, status)

    def _facts(self, environ: Dict[str, Any], verdict: Verdict) -> Dict[str, Any]:
        from threadguard import __version__

        return {
            "verdict": verdict,
            "policy": self._policy,
            "group": self._group.name,
            "stats": asdict(self._group.stats()),
            "overlaps": self._group.reports,
            "host": socket.gethostname(),
            "server": str(environ.get("SERVER_SOFTWARE", "not named")),
            "versions": {"threadguard": __version__, "python": sys.version.split()[0]},
        }

    def _probe(self, request: "Request") -> "Response":
        """Hold this request until a second one comes to the same process; two that meet prove it threaded."""
        if not self._is_trusted(request):
            response = _response("401 Unauthorized\n", "text/plain", "pass")
            response.status = 401
            response.headers["WWW-Authenticate"] = 'Bearer realm="threadguard"'
            return response
        try:
            seconds = float(request.GET.get("hold", "0.5"))
        except ValueError:
            seconds = 0.5
        probe = self._group.meeting.hold(request.environ, max(0.0, seconds))
        if probe.met:
            self._group.observe_meeting()
        return _response(json.dumps({
            "host": socket.gethostname(), "pid": self._group.stats().pid, "group": self._group.name, "met": probe.met,
            "held": round(probe.held, 3), "can_hold": probe.waiter is not None,
            "verdict": self._group.verdict.status}) + "\n", "application/json", "pass")


def _response(text: str, content_type: str, status: str) -> "Response":
    from webob import Response

    response = Response(text.encode("utf-8", "backslashreplace"), status=503 if status == "fail" else 200,
                        content_type=content_type, charset="UTF-8")
    if content_type == HTML:
        response.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        response.headers["X-Content-Type-Options"] = "nosniff"
    return response
