"""Odd requests, on real servers of one thread: whatever the server makes of them, the count is right."""

import socket

import pytest
from fire import TABLE, assert_unharmed, hang_up, line, settled, started, stats

GET = b"GET %s HTTP/1.1\r\nHost: x\r\n"
CHUNKED = b"POST /read HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n%s\r\n14\r\n" + b"x" * 20 + b"\r\n"
POST = b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
WEBSOCKET = (b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
ODD = {
    "pipelined": (GET % b"/generator/2" + b"\r\n") + (GET % b"/stream/2" + b"\r\n") + line(b"/good"),
    "kept alive after a failure": (GET % b"/late" + b"\r\n") + line(b"/good"),
    "a hundred on one connection": (GET % b"/good" + b"\r\n") * 99 + line(b"/good"),
    "HTTP/1.0": b"GET /generator/2 HTTP/1.0\r\n\r\n",
    "HTTP/1.0, kept alive": b"GET /stream/2 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/0.9": b"GET /good\r\n\r\n",
    "chunked": CHUNKED % b"Connection: close\r\n" + b"0\r\n\r\n",
    "chunked, never ended": CHUNKED % b"",
    "chunked and with a length": CHUNKED % b"Content-Length: 3\r\n" + b"0\r\n\r\n",
    "a bad chunk": CHUNKED % b"Connection: close\r\n" + b"zz\r\n",
    "Expect": POST % b"/read" + b"Connection: close\r\nExpect: 100-continue\r\n\r\nbody",
    "Expect, and no body": POST % b"/read" + b"Expect: 100-continue\r\n\r\n",
    "a body that nobody reads": POST % b"/stream/2" + b"Connection: close\r\n\r\nbody",
    "a websocket": GET % b"/generator/2" + WEBSOCKET + b"\x81\x85abcd\x09\x07\x0f\x08\x0e",
    "HTTP/2 over cleartext": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
    "huge headers": GET % b"/good" + b"X-Big: " + b"x" * 500000 + b"\r\n\r\n",
    "many headers": GET % b"/good" + b"".join(b"X-%d: x\r\n" % number for number in range(2000)) + b"\r\n",
    "headers that never end": GET % b"/good" + b"X-Slow: ",
    "HEAD of a stream": line(b"/generator/2").replace(b"GET", b"HEAD"),
    "a range of a file": line(b"/file").replace(b"\r\n\r\n", b"\r\nRange: bytes=1-2\r\n\r\n"),
    "a file": line(b"/file"),
    "CONNECT": b"CONNECT x:1 HTTP/1.1\r\nHost: x:1\r\n\r\n",
    "noise": bytes(range(256)) * 4 + b"\r\n\r\n",
}


def converse(port, request):
    """Send it, and read for as long as the server says something."""
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(request)
        client.settimeout(0.3)
        while client.recv(65536):
            continue


@pytest.mark.parametrize("server", TABLE)
def test_odd_requests_are_counted_out(server):
    """Each is answered, or not; its client waits a while, or is gone at once."""
    with started(server) as child:
        child.first(stats)
        for name, request in ODD.items():
            try:
                converse(child.port, request)
                hang_up(child.port, request)
            except OSError:
                pass  # the server had enough of it
            found = settled(child.port)
            assert found["in_flight"] == 0, name
        assert found["requests"] > len(ODD)
        assert_unharmed(child.port)
