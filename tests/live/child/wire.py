"""An application with every kind of response that WSGI allows, for comparing what goes over the wire."""

import os
import sys

HTML = ("Content-Type", "text/html; charset=utf-8")
LARGE = b"0123456789abcdef" * 8192


class Sized:
    """An iterable with a length, as some frameworks return."""

    def __init__(self, *chunks):
        self.chunks = chunks

    def __len__(self):
        return len(self.chunks)

    def __iter__(self):
        return iter(self.chunks)


class Chunks(list):
    """A list by another name: some servers know one by its class."""


class Closing(Sized):
    """One that wants to be closed."""

    def close(self):
        with open(os.environ.get("TRUTH_MARK", os.devnull), "a") as file:
            file.write("closed\n")


def plain(body, *headers, **options):
    """A handler that returns what *body* makes."""
    def handler(environ, start_response):
        start_response(options.get("status", "200 OK"), [HTML, *headers])
        return body()
    return handler


def write(environ, start_response):
    send = start_response("200 OK", [HTML])
    send(b"one ")
    send(b"two ")
    return [b"three"]


def exc_info(environ, start_response):
    start_response("200 OK", [HTML])
    try:
        raise ValueError("late")
    except ValueError:
        start_response("500 Late", [HTML, ("X-Late", "yes")], sys.exc_info())
    return [b"an error page"]


def lazy(environ, start_response):
    """A generator that calls ``start_response`` only when it is iterated."""
    start_response("200 OK", [HTML])
    yield b"late "
    yield b"start"


def file(environ, start_response, headers=()):
    """A real file through ``wsgi.file_wrapper``, where the server has one."""
    source = open(__file__, "rb")
    start_response("200 OK", [("Content-Type", "text/plain"), *headers])
    wrapper = environ.get("wsgi.file_wrapper")
    return wrapper(source, 4096) if wrapper else iter(lambda: source.read(4096), b"")


def sized_file(environ, start_response):
    return file(environ, start_response, [("Content-Length", str(os.path.getsize(__file__)))])


def not_modified(environ, start_response):
    start_response("304 Not Modified", [("ETag", '"x"')])
    return []


def no_content(environ, start_response):
    start_response("204 No Content", [])
    return []


def echo(environ, start_response):
    """What the application sees of the request."""
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [environ["REQUEST_METHOD"].encode(), b" ", environ.get("QUERY_STRING", "").encode(), b" ", body]


ROUTES = {
    "/list": plain(lambda: [b"one ", b"two"]),
    "/one": plain(lambda: [b"one"]),
    "/tuple": plain(lambda: (b"one ", b"two")),
    "/list-class": plain(lambda: Chunks([b"one ", b"two"])),
    "/length": plain(lambda: [b"12345"], ("Content-Length", "5")),
    "/empty": plain(lambda: []),
    "/empty-chunk": plain(lambda: [b""]),
    "/generator": plain(lambda: (chunk for chunk in (b"one ", b"", b"two"))),
    "/generator-length": plain(lambda: (chunk for chunk in (b"one ", b"two")), ("Content-Length", "7")),
    "/map": plain(lambda: map(bytes.upper, [b"one ", b"two"])),
    "/sized": plain(lambda: Sized(b"one")),
    "/sized-two": plain(lambda: Sized(b"one ", b"two")),
    "/closing": plain(lambda: Closing(b"one ", b"two")),
    "/large": plain(lambda: [LARGE]),
    "/large-generator": plain(lambda: (LARGE[at:at + 8192] for at in range(0, len(LARGE), 8192))),
    "/cookies": plain(lambda: [b"x"], ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"), ("X-Odd", "caf\xe9")),
    "/not-found": plain(lambda: [b"gone"], status="404 Gone fishing"),
    "/write": write, "/exc_info": exc_info, "/lazy": lazy, "/file": file, "/sized-file": sized_file,
    "/304": not_modified, "/204": no_content, "/echo": echo,
}


def application(environ, start_response):
    return ROUTES[environ["PATH_INFO"]](environ, start_response)
