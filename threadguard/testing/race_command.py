"""``threadguard race mysite:app /a /b``: is the application thread-safe? Every race that is found has its line."""

import argparse
import contextlib
import json
import os
import re
import shlex
import sys
import traceback
from typing import Any, List

HELP = "prove that an application is not thread-safe: pause a request at each of its lines and run another one there"

_WRONG_USE = 2
_REQUEST = re.compile("(?:([A-Z]+):)?(/[ -~]*)")
_HEADER = re.compile(r"\s*([^:\s]+)\s*:(.*)")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The application, the requests, and what is stepped and compared."""
    parser.description = HELP + ". Exit status: 0 nothing found, 1 found, 2 wrong use, 3 answers cannot be compared."
    parser.add_argument("target", metavar="APPLICATION",
                        help="package.module:app, module:create_app() or config:file.ini")
    parser.add_argument("requests", metavar="REQUEST", nargs="+",
                        help="a path, or METHOD:PATH. Every two of them are tried; a single one meets itself")
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="for all requests")
    parser.add_argument("--body", metavar="FILE", help="sent with every request that is no GET or HEAD")
    parser.add_argument("--within", action="append", default=[], metavar="PACKAGE",
                        help="count the lines of this package; default: all but the standard library and servers")
    parser.add_argument("--points", type=int, default=200, metavar="N",
                        help="places to pause at, evenly spread; default: 200")
    parser.add_argument("--all", action="store_true", help="pause at every line")
    parser.add_argument("--at", type=int, metavar="N", help="pause the first request at its line N alone")
    parser.add_argument("--ignore-header", action="append", default=[], metavar="NAME", help="is not compared")
    parser.add_argument("--normalize", metavar="MODULE:FUNCTION",
                        help="bytes to bytes: makes of a body what is compared, without a token or a time")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Try it, print the report, and give the exit status."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as servers do
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the application prints is no part of the report
            report = _race(arguments)
    except (TypeError, ValueError) as error:  # what `race` raises for wrong use, and what is raised here
        print("threadguard race: %s" % error, file=sys.stderr)
        return _WRONG_USE
    from threadguard.report.text import visible
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else visible(str(report)))
    return int(report.status)


def _race(arguments: argparse.Namespace) -> Any:
    from threadguard.testing.racing import race

    requests = _requests(arguments)
    app = _load("APPLICATION", arguments.target)
    normalize = _load("--normalize", arguments.normalize, "function") if arguments.normalize else None
    pairs, points = 2 * max(len(requests) - 1, 1), 1 if arguments.at else arguments.points
    print("Each request is sent up to %s times to %s, in this process: what it writes is written." % (
        "%d + %d for each line" % (60 * pairs, 2 * pairs) if arguments.all else pairs * (60 + 2 * points),
        arguments.target), file=sys.stderr)
    report = race(app, *requests, within=arguments.within, points=None if arguments.all else arguments.points,
                  at=arguments.at, ignore_headers=arguments.ignore_header, normalize=normalize, progress=_progress)
    for pair, one in ((pair, one) for pair in report.pairs for one in pair.wrong):
        words = [arguments.target, *(arguments.requests[number] for number in pair.indexes)]
        for option in ("header", "body", "within", "ignore_header", "normalize"):
            given = getattr(arguments, option) or []
            for value in [given] if isinstance(given, str) else given:
                words += ["--" + option.replace("_", "-"), value]
        one.again = " ".join(["threadguard race", *map(shlex.quote, words), "--at %d" % one.at[0]])
    return report


def _progress(done: int, total: int) -> None:
    if sys.stderr.isatty():
        print("\r[%-30s] %d of %d places" % ("#" * (30 * done // total), done, total),
              end="" if done < total else "\r\033[K", file=sys.stderr, flush=True)


def _requests(arguments: argparse.Namespace) -> List[Any]:
    from threadguard.testing.sending import _webob

    headers, body, requests = {}, b"", []
    for text in arguments.header:
        header = _HEADER.fullmatch(text)
        if header is None or not text.isprintable():
            raise ValueError("%r is no header: it takes 'NAME: VALUE'" % text)
        headers[header.group(1)] = header.group(2).strip()
    if arguments.body is not None:
        try:
            with open(arguments.body, "rb") as file:
                body = file.read()
        except OSError as error:
            raise ValueError("--body %s cannot be read: %s" % (arguments.body, error.strerror)) from None
    for text in arguments.requests:
        request = _REQUEST.fullmatch(text)
        if request is None:
            raise ValueError("%r is no request: it takes a path in ASCII, such as /a, or METHOD:PATH, such as POST:/a"
                             % text)
        method = request.group(1) or "GET"
        sent = {} if method in ("GET", "HEAD") else {"body": body}
        requests.append(_webob().Request.blank(request.group(2), method=method, headers=headers, **sent))
    return requests


def _load(name: str, target: str, kind: str = "WSGI application") -> Any:
    """What *target* names."""
    named = os.environ.pop("THREADGUARD_APP", None)  # threadguard.wsgi makes a guard of it when it is imported
    from threadguard import wsgi
    if named is not None:
        os.environ["THREADGUARD_APP"] = named
    try:
        return wsgi.load(target)
    except wsgi.LoadError as error:
        text = str(error).replace("TG901 threadguard: THREADGUARD_APP =", name).replace("WSGI application", kind)
        raise ValueError(text) from None
    except (Exception, SystemExit) as error:  # noqa: B902  the application's own, while it is imported
        traceback.print_exc()
        raise ValueError("%s %r cannot be loaded: %s: %s" % (name, target, type(error).__name__, error)) from None
