"""The health endpoint: what is known of this process, for a machine or for a person.

It is answered outside the counted section and never touches the application. It makes the first request's reading, so
that a check that comes before any user tells the truth. Without the token it tells the status and nothing else.

A program sends the token as a Bearer token. A browser cannot: it sends it as the password of Basic (RFC 7617), with any
user name, and is asked for it (401) at the page's link ``?details``, so that a load balancer never meets a 401. The
probe takes Bearer alone: a foreign page that a browser shows must not hold this process with the browser's password.
"""

import base64
import hmac
import json
import socket
import sys
from dataclasses import asdict
from typing import Any, Callable, Dict, Iterable, Optional

from threadguard import options
from threadguard.guard import group as groups
from threadguard.guard.group import Group
from threadguard.model import THREADED, UNKNOWN, PolicyName, Verdict
from threadguard.process.webob import Request, Response
from threadguard.report import health_page

JSON = "application/health+json"
"""The media type of draft-inadarei-api-health-check."""
HTML = "text/html"
PROBE = "/probe"
_BEARER = 'Bearer realm="threadguard"'
_BASIC = 'Basic realm="threadguard: any name, and the health_token as the password", charset="UTF-8"'


def status_of(verdict: Verdict, policy: str) -> str:
    """``pass``, ``warn`` (unknown, declared only, serialised, the operator's number contradicted) or ``fail``."""
    if verdict.status == THREADED:
        return "warn" if policy == "serialize" else "fail"
    is_contradicted = any(finding.code == "TG107" for finding in verdict.findings)
    is_sure = verdict.status != UNKNOWN and not verdict.declared_only and not is_contradicted
    return "pass" if is_sure else "warn"


class Health:
    """The WSGI application that answers at *path* and, with a *token*, at *path* + ``/probe``."""

    def __init__(self, group: Group, policy: PolicyName, log_findings: Callable[[], object], path: str,
                 token: Optional[str]) -> None:
        self._group = group
        self._log_findings = log_findings
        self._policy = policy
        self._token = None if token is None else _stripped(options.token_bytes(token))
        path = path.encode("utf-8").decode("latin-1")  # as PATH_INFO has it (PEP 3333, "Unicode Issues")
        self._answers: Dict[str, Callable[[Request], Response]] = {path: self._tell}
        if token is not None:
            self._answers[path + PROBE] = self._probe

    def serves(self, environ: Dict[str, Any]) -> bool:
        """Whether the request of *environ* is for this application."""
        return environ.get("PATH_INFO") in tuple(self._answers)  # what is no text need not have a hash

    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        request = Request({"REQUEST_METHOD": "GET", **environ})
        if request.method not in ("GET", "HEAD"):
            response = _response("405 Method Not Allowed\n", "text/plain", 405, Allow="GET, HEAD")
        else:
            if self._group.read_now(environ):
                self._log_findings()
            response = self._answers[environ["PATH_INFO"]](request)
        body: Iterable[bytes] = response(request.environ, start_response)
        return body

    def _is_trusted(self, request: Request, *schemes: str) -> bool:
        """Whether *request* shows the token, in one of these *schemes*."""
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if self._token is None or scheme.lower() not in schemes:
            return False
        try:
            sent = _stripped(given.encode("latin-1"))  # the header's bytes (PEP 3333, "Unicode Issues")
            if scheme.lower() == "basic":
                sent = _stripped(base64.b64decode(sent, validate=True).partition(b":")[2])
        except ValueError:  # no base64, or no string of a server that keeps to PEP 3333
            return False
        return hmac.compare_digest(sent, self._token)

    def _tell(self, request: Request) -> Response:
        verdict = self._group.verdict
        status = status_of(verdict, self._policy)
        is_trusted = self._is_trusted(request, "bearer", "basic")
        facts = self._facts(request.environ, verdict) if is_trusted else None
        has_more = self._token is not None and not is_trusted
        code, headers = 503 if status == "fail" else 200, {}
        if has_more and request.query_string == "details":
            code, headers = 401, {"WWW-Authenticate": _BASIC}
        offers = request.accept.acceptable_offers([JSON, HTML, "application/json"])
        content_type = offers[0][0] if offers else JSON
        if content_type == HTML:
            text = health_page.page(status, facts, has_more)
        else:
            text = json.dumps(health_page.document(status, facts), indent=1) + "\n"
        return _response(text, content_type, code, **headers)

    def _facts(self, environ: Dict[str, Any], verdict: Verdict) -> Dict[str, Any]:
        from threadguard import __version__

        return {
            "verdict": verdict,
            "stats": asdict(self._group.stats()),
            "overlaps": self._group.reports,
            # Of other processes, where they share their metrics: a worker that was replaced is among them.
            "recorded": [record for kept in groups.overlap_records for record in kept.of_others(self._group.name)],
            "process": {"host": socket.gethostname(), "pid": self._group.stats().pid, "group": self._group.name,
                        "policy": self._policy, "server": str(environ.get("SERVER_SOFTWARE", "not named"))},
            "versions": {"threadguard": __version__, "python": sys.version.split()[0]},
        }

    def _probe(self, request: Request) -> Response:
        """Hold this request until a second one comes to the same process; two that meet prove it threaded."""
        if not self._is_trusted(request, "bearer"):
            return _response("401 Unauthorized\n", "text/plain", 401, **{"WWW-Authenticate": _BEARER})
        try:
            seconds = float(request.GET.get("hold", "0.5"))
        except ValueError:
            seconds = 0.5
        probe = self._group.rendezvous.hold(request.environ, max(0.0, seconds))
        if probe.met:
            self._group.observe_meeting()
        return _response(json.dumps({
            "host": socket.gethostname(), "pid": self._group.stats().pid, "group": self._group.name, "met": probe.met,
            "held": round(probe.held, 3), "can_hold": probe.waiter is not None, "verdict": self._group.verdict.status,
            "remedy": self._group.remedy}) + "\n", "application/json", 200)


def _stripped(token: bytes) -> bytes:
    """*token* as any server hands it on: wsgiref.simple_server (`get_environ`) takes a byte A0 from its end as well."""
    return token.decode("latin-1").strip().encode("latin-1")


def _response(text: str, content_type: str, status: int, **headers: str) -> Response:
    response = Response(text.encode("utf-8", "backslashreplace"), status=status, content_type=content_type,
                        charset="UTF-8")
    response.headers.update({"Cache-Control": "no-store", "Vary": "Accept, Authorization", **headers})
    if content_type == HTML:
        response.headers.update({
            "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
                                       " form-action 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"})
    return response
