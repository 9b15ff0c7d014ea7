"""What goes over the wire is the same, byte by byte, with and without the guard."""

import contextlib
import re
import socket

import pytest
from needs import child_of
from rig import ANSWER
from rows import ROWS
from wire_requests import REQUESTS

SERVERS = (
    "gunicorn sync, the default", "gunicorn gthread with one thread", "gunicorn gthread with four threads",
    "gunicorn gevent", "uWSGI default", "uWSGI threads=4", "uWSGI gevent=10 with monkey patching",
    "mod_wsgi 4.9 embedded, prefork", "mod_wsgi 4.9 WSGIDaemonProcess threads=1",
    "mod_wsgi 6.1 WSGIDaemonProcess processes=2 threads=1", "waitress.serve(app, threads=1)",
    "waitress.serve(app, threads=4)", "waitress 1.4.4 threads=1", "wsgiref make_server", "Werkzeug run_simple default",
    "cheroot of one thread", "Paste httpserver pool of one", "gevent.pywsgi, patched", "Twisted own pool of four",
    "tornado WSGIContainer", "uvicorn --interface wsgi", "hypercorn wsgi:", "granian --blocking-threads 1",
    "Unit default", "Unit threads=4", "Passenger in Apache",
)
CHOSEN = {row.id: row for row in ROWS if row.id in SERVERS}
POLICIES = ('{"policy": "log"}', '{"policy": "serialize"}')


def exchange(port, request):
    """Send the bytes of *request* and return all that comes back, less the date and what names the moment."""
    with contextlib.closing(socket.create_connection(("127.0.0.1", port), timeout=ANSWER)) as connection:
        connection.sendall(request)
        data = b""
        with contextlib.suppress(ConnectionResetError):
            while True:
                chunk = connection.recv(65536)
                if not chunk:
                    break
                data += chunk
    return joined(re.sub(rb"(?mi)^date: .*\r\n", b"", data))


def joined(data):
    """A chunked body in one piece: Apache cuts what it reads from a daemon anew each time."""
    head, _, body = data.partition(b"\r\n\r\n")
    if b"transfer-encoding: chunked" not in head.lower():
        return data
    whole, size = b"", 1
    while size:
        line, _, body = body.partition(b"\r\n")
        size = int(line or b"0", 16)
        whole, body = whole + body[:size], body[size + 2:]
    return head + b"\r\n\r\n" + whole


def answers(row, options):
    """The answer to each request, by its name, from one run of the server."""
    with child_of(row, TRUTH_APP="wire:application", TRUTH_OPTIONS=options) as child:
        child.first(lambda port: exchange(port, REQUESTS["/one"]))
        try:
            return {name: exchange(child.port, request) for name, request in REQUESTS.items()}
        except BaseException:
            print(child.output()[-8000:])
            raise


def test_every_server_of_the_list_is_in_the_matrix():
    """A renamed row must not drop out of this test unseen."""
    assert sorted(SERVERS) == sorted(CHOSEN)


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in CHOSEN.values()])
def test_the_wire_does_not_change(row):
    """Status, headers and bytes are those of the unguarded application, under every policy that lets requests pass."""
    bare = answers(row, "off")
    policies = POLICIES if row.threaded else POLICIES + ('{"policy": "refuse"}',)
    for options in policies:
        guarded = answers(row, options)
        different = {name: (bare[name], guarded[name]) for name in bare if bare[name] != guarded[name]}
        assert {} == different, options
