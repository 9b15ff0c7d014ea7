"""A request to be sent and its response, in the words of whoever made the request: WebOb, Werkzeug, a plain environ."""

import importlib
import sys
import warnings
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Type
from wsgiref.util import setup_testing_defaults

from threadguard.report import text as report

Environ = Dict[str, Any]


class Exchange:
    """A plain environ, and the response to it: a `webob.Response`."""

    def __init__(self, request: Any) -> None:
        self.request = request
        self.environ = self.new_environ()
        self._status = ""
        self._headers: List[Tuple[str, str]] = []
        self._chunks: List[bytes] = []
        self._raised: Optional[BaseException] = None

    def __str__(self) -> str:
        return report.request_line(self.environ)

    def new_environ(self) -> Environ:
        """An environ of its own, complete as PEP 3333 asks: the same request may be sent twice at once."""
        environ = {"QUERY_STRING": "", **self.request}
        environ.setdefault("SCRIPT_NAME", "")
        setup_testing_defaults(environ)
        return environ

    def run(self, app: Callable[..., Iterable[bytes]]) -> None:
        """Send the request and read the response to its end. Nothing is raised before `response` is asked for."""
        try:
            self._read(app(self.environ, self._start_response))
        except BaseException as error:  # noqa: B902  raised where the response is asked for
            self._raised = error

    def _read(self, body: Iterable[bytes]) -> None:
        try:
            for chunk in body:
                self._chunks.append(chunk)
        finally:
            close = getattr(body, "close", None)
            if close is not None:
                close()

    def _start_response(self, status: str, headers: List[Tuple[str, str]],
                        exc_info: Any = None) -> Callable[[bytes], object]:
        if exc_info and self._chunks:
            raise exc_info[1].with_traceback(exc_info[2])
        self._status, self._headers = status, list(headers)
        return self._chunks.append

    def response(self) -> Any:
        """The response. Raises what the application raised, and `RuntimeError` where it never began one."""
        if self._raised is not None:
            raise self._raised
        if not self._status:
            raise RuntimeError("the application answered %s without a call of start_response" % self)
        return self.new_response(self._status, self._headers, b"".join(self._chunks))

    def new_response(self, status: str, headers: List[Tuple[str, str]], body: bytes) -> Any:
        """The response as an object of the kind that goes with the request."""
        return _webob().Response(status=status, headerlist=headers, app_iter=[body])


class PathExchange(Exchange):
    """A path, with or without a query: a GET of it."""

    def new_environ(self) -> Environ:
        """See `Exchange`."""
        environ: Environ = _webob().Request.blank(self.request).environ
        return environ


class WebObExchange(Exchange):
    """A WebOb request; the response is of its `ResponseClass`."""

    def new_environ(self) -> Environ:
        """See `Exchange`. `copy` lets the body be read from each of two copies."""
        environ: Environ = self.request.copy().environ
        return environ

    def new_response(self, status: str, headers: List[Tuple[str, str]], body: bytes) -> Any:
        """See `Exchange`."""
        return self.request.ResponseClass(status=status, headerlist=headers, app_iter=[body])


class BuilderExchange(Exchange):
    """A Werkzeug `EnvironBuilder`, Flask's included; the response is the one that Werkzeug's test client gives."""

    def new_environ(self) -> Environ:
        """See `Exchange`."""
        environ: Environ = self.request.get_environ()
        return environ

    def new_response(self, status: str, headers: List[Tuple[str, str]], body: bytes) -> Any:
        """See `Exchange`."""
        test: Any = sys.modules["werkzeug.test"]  # where the builder comes from
        request = self.request.request_class(self.environ)
        return test.TestResponse([body], status, test.Headers(headers), request)


def _webob() -> Any:
    """WebOb 1.8 imports cgi, which Python 3.11 and 3.12 call deprecated: not a matter of the test that sends."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module("webob")


def exchange(request: Any) -> Exchange:
    """*request* as an `Exchange`. Raises `TypeError` where it is of no kind that is known."""
    return _kind_of(request)(request)


def _kind_of(request: Any) -> Type[Exchange]:
    if isinstance(request, dict):
        return Exchange
    if isinstance(request, str):
        return PathExchange
    if hasattr(request, "get_environ"):
        return BuilderExchange
    if hasattr(request, "environ") and hasattr(request, "ResponseClass"):
        return WebObExchange
    raise TypeError("together sends WebOb requests, Werkzeug EnvironBuilders, environs and paths; %r is none of these"
                    % (request,))
