"""A client for cleartext HTTP/2 in one thread: httpx loses streams when several threads share a connection."""

import socket
import time

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset
from rig import ANSWER


def get_h2(port, path):
    """One request on a connection of its own: (status, headers, body), as `rig.get`."""
    return get_at_once(port, path, 1)[0]


def get_at_once(port, path, number):
    """What `get_h2` returns, for *number* requests at once on one connection, in the order in which they end."""
    with socket.create_connection(("127.0.0.1", port), timeout=ANSWER) as wire:
        connection = H2Connection(H2Configuration(header_encoding="latin-1"))
        connection.initiate_connection()
        headers = [(":method", "GET"), (":path", path), (":scheme", "http"), (":authority", "127.0.0.1:%d" % port)]
        for stream in range(1, 2 * number, 2):
            connection.send_headers(stream, headers, end_stream=True)
        return answers(wire, connection, number)


def answers(wire, connection, number):
    """What the server sends until *number* streams have ended."""
    heads, bodies, ended, end = {}, {}, [], time.monotonic() + ANSWER
    while len(ended) < number:
        assert time.monotonic() < end, "%d of %d streams were not answered" % (number - len(ended), number)
        wire.sendall(connection.data_to_send())
        data = wire.recv(65536)
        if not data:
            raise ConnectionResetError("closed after %d of %d streams" % (len(ended), number))
        for event in connection.receive_data(data):
            if isinstance(event, ResponseReceived):
                heads[event.stream_id] = list(event.headers)
            elif isinstance(event, DataReceived):
                bodies[event.stream_id] = bodies.get(event.stream_id, b"") + event.data
                connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamEnded):
                ended.append(event.stream_id)
            elif isinstance(event, StreamReset):
                raise ConnectionResetError("stream %d was reset: %s" % (event.stream_id, event.error_code))
    return [(int(dict(heads[stream])[":status"]), heads[stream], bodies.get(stream, b"")) for stream in ended]
