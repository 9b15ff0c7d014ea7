"""``threadguard race mysite:app /a /b``: is the application thread-safe? Every race that is found has its line."""

import argparse
import contextlib
import importlib
import json
import os
import shlex
import sys
import traceback
from typing import Any, Callable, List, Optional

NAME = "race"
HELP = "prove that an application is not thread-safe: pause a request at each of its lines and run another one there"

_WRONG_USE = 2


class _WrongUse(Exception):
    """Said in one sentence."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The application, the requests, and what is stepped and compared."""
    parser.description = HELP + ". Exit status: 0 nothing found, 1 found, 2 wrong use, 3 answers cannot be compared."
    parser.add_argument("target", metavar="APPLICATION",
                        help="package.module:app, module:create_app() or config:file.ini")
    parser.add_argument("requests", metavar="REQUEST", nargs="+",
                        help="a path, or METHOD:PATH. Every two of them are tried; a single one meets itself")
    parser.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="for all requests")
    parser.add_argument("--header-of", action="append", default=[], nargs=2, metavar=("N", "'NAME: VALUE'"),
                        help="for the N-th request alone, such as another user's cookie")
    parser.add_argument("--body", metavar="FILE", help="sent with every request that is no GET or HEAD")
    parser.add_argument("--within", action="append", default=[], metavar="PACKAGE",
                        help="count the lines of this package; default: all but the standard library and servers")
    parser.add_argument("--points", type=int, default=200, metavar="N",
                        help="places to pause at, evenly spread; default: 200")
    parser.add_argument("--all", action="store_true", help="pause at every line")
    parser.add_argument("--at", metavar="N[,M]", help="pause the first request at this line alone, and the second at M")
    parser.add_argument("--ignore-header", action="append", default=[], metavar="NAME", help="is not compared")
    parser.add_argument("--normalize", metavar="MODULE:FUNCTION",
                        help="bytes to bytes: makes of a body what is compared, without a token or a time")
    parser.add_argument("--timeout", type=float, default=60.0, metavar="SECONDS", help="for two requests; default: 60")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Try it, print the report, and give the exit status."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as servers do
    try:
        with contextlib.redirect_stdout(sys.stderr):  # what the application prints is no part of the report
            report = _race(arguments)
    except _WrongUse as error:
        print("threadguard race: %s" % error, file=sys.stderr)
        return _WRONG_USE
    from threadguard.report.formats import visible
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else visible(str(report)))
    status: int = report.status
    return status


def _race(arguments: argparse.Namespace) -> Any:
    from threadguard.testing.racing import race

    at = _place(arguments.at)
    requests = _requests(arguments)
    app, normalize = _application(arguments.target), _function(arguments.normalize)
    pairs = 2 * max(len(requests) - 1, 1)
    print("Each request is sent up to %s times to %s, in this process: what it writes is written." % (
        60 if at else "(%d for each of their lines)" % pairs if arguments.all else pairs * (2 * arguments.points + 60),
        arguments.target), file=sys.stderr)
    progress = {"progress": _progress} if sys.stderr.isatty() else {}
    try:
        report = race(app, *requests, within=arguments.within, points=None if arguments.all else arguments.points,
                      at=at, ignore_headers=arguments.ignore_header, normalize=normalize, timeout=arguments.timeout,
                      **progress)
    except (TypeError, ValueError) as error:
        raise _WrongUse(str(error)) from None
    report.again = _command(arguments)
    return report


def _progress(done: int, total: int) -> None:
    width = 30 * done // max(total, 1)
    print("\r[%-30s] %d of %d places" % ("#" * width, done, total), end="" if done < total else "\r\033[K",
          file=sys.stderr, flush=True)


def _place(text: Optional[str]) -> Any:
    if text is None:
        return None
    numbers = text.split(",")
    if len(numbers) > 2 or not all(number.isdigit() for number in numbers):
        raise _WrongUse("--at %r is not allowed: it takes a line number, or two as 12,7" % text)
    return int(numbers[0]) if len(numbers) == 1 else (int(numbers[0]), int(numbers[1]))


def _requests(arguments: argparse.Namespace) -> List[Any]:
    from threadguard.testing.sending import _webob

    body = b""
    if arguments.body is not None:
        try:
            with open(arguments.body, "rb") as file:
                body = file.read()
        except OSError as error:
            raise _WrongUse("--body %s cannot be read: %s" % (arguments.body, error.strerror)) from None
    requests = []
    for text in arguments.requests:
        method, _, path = ("GET", "", text) if text.startswith("/") else text.partition(":")
        if not path.startswith("/") or not (method.isalpha() and method.isascii() and method.isupper()):
            raise _WrongUse("%r is no request: it takes a path such as /a, or METHOD:PATH such as POST:/a" % text)
        request = _webob().Request.blank(path, method=method)
        if method not in ("GET", "HEAD"):
            request.body = body
        requests.append(request)
    for number, header in [*((str(one + 1), header) for one in range(len(requests)) for header in arguments.header),
                           *arguments.header_of]:
        name, colon, value = header.partition(":")
        if not colon or not name.strip():
            raise _WrongUse("%r is no header: it takes 'NAME: VALUE'" % header)
        if not number.isdigit() or not 1 <= int(number) <= len(requests):
            raise _WrongUse("--header-of %s: there %s" % (
                number, "is 1 request" if len(requests) == 1 else "are %d requests" % len(requests)))
        requests[int(number) - 1].headers[name.strip()] = value.strip()
    return requests


def _application(target: str) -> Any:
    from threadguard.errors import LoadError

    named = os.environ.pop("THREADGUARD_APP", None)  # threadguard.wsgi would make a guard of it when it is imported
    try:
        from threadguard.wsgi import load
        return load(target)
    except LoadError as error:
        raise _WrongUse(str(error).replace("threadguard: THREADGUARD_APP =", "APPLICATION")) from None
    except (Exception, SystemExit) as error:  # noqa: B902  the application's own, while it is imported
        traceback.print_exc()
        raise _WrongUse("%s cannot be loaded: %s: %s" % (target, type(error).__name__, error)) from None
    finally:
        if named is not None:
            os.environ["THREADGUARD_APP"] = named


def _function(name: Optional[str]) -> Optional[Callable[[bytes], bytes]]:
    if name is None:
        return None
    module, _, function = name.partition(":")
    try:
        found = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise _WrongUse("--normalize %s: %s" % (name, error)) from None
    if not callable(found):
        raise _WrongUse("--normalize %s is no function" % name)
    made: Callable[[bytes], bytes] = found
    return made


def _command(arguments: argparse.Namespace) -> Callable[[Any, Any], str]:
    """The command line that tries one pause of a pair again."""

    def again(pair: Any, at: Any) -> str:
        words = ["threadguard", "race", arguments.target, *(arguments.requests[index] for index in pair.indexes)]
        for place, index in enumerate(pair.indexes, 1):
            for number, header in arguments.header_of:
                words += ["--header-of", str(place), header] * (int(number) == index + 1)
        for option in ("header", "within", "ignore_header"):
            for value in getattr(arguments, option):
                words += ["--" + option.replace("_", "-"), value]
        for option in ("body", "normalize"):
            words += ["--" + option, getattr(arguments, option)] * (getattr(arguments, option) is not None)
        return " ".join(shlex.quote(word) for word in [*words, "--at", "%d,%d" % at if at[1] else str(at[0])])

    return again
