"""The tests of the notebook: in one thread, with two requests at once, and behind a real server."""

import io
import socket
import threading

import notebook
import pytest
from werkzeug.test import Client, EnvironBuilder

DEADLINE = 10


@pytest.fixture(autouse=True)
def no_notes():
    """An empty notebook."""
    notebook.notes.clear()


class SlowUpload(io.BytesIO):
    """A note that comes in slowly: each of two waits until the other one is asked for as well."""

    barrier = threading.Barrier(2)

    def read(self, size=-1):
        """The note."""
        self.barrier.wait(DEADLINE)
        return super().read(size)


def post(user, text, upload=io.BytesIO):
    """A request that posts *text* in the name of *user*."""
    return EnvironBuilder("/", method="POST", headers={"X-User": user}, content_length=len(text),
                          input_stream=upload(text.encode()))


def test_a_note_is_kept_under_its_user(threadguard):
    """In one thread the notebook is right."""
    client = Client(threadguard(notebook.application))
    client.open(post("alice", "milk"))
    assert client.get("/").text == "alice: milk\n"


def test_the_notebook_cannot_stand_two_requests_at_once(threadguard):
    """Two that are inside together are kept under one name: this is why the rule is needed."""
    app = threadguard(notebook.application)
    with threadguard.expect_overlap(match="POST /"):
        threadguard.together(app, [post("alice", "milk", SlowUpload), post("bob", "bread", SlowUpload)])
    users = {note.partition(":")[0] for note in notebook.notes}
    assert len(notebook.notes) == 2 and len(users) == 1


def test_one_at_a_time_keeps_them_apart(threadguard):
    """Behind a guard that serialises the same application is right, however many requests come."""
    app = threadguard(notebook.application, policy="serialize")
    threadguard.together(app, [post("user%d" % number, "note%d" % number) for number in range(8)])
    assert sorted(notebook.notes) == ["user%d: note%d" % (number, number) for number in range(8)]


def test_a_threaded_server_is_refused(threadguard, threadguard_server):
    """The guard that production has: no request enters behind a server with threads."""
    server = threadguard_server(threadguard(notebook.application, policy="refuse"), threaded=True)
    with connect(server) as connection:
        send(connection, "alice", "milk")
        assert status(connection) == 503
    assert notebook.notes == []


def test_a_single_threaded_server_keeps_them_apart(threadguard, threadguard_server):
    """The second request comes while the first is being read, and waits outside until that is answered."""
    server = threadguard_server(threadguard(notebook.application, policy="refuse"))
    with connect(server) as first, connect(server) as second:
        send(first, "alice", "mi", length=4)
        send(second, "bob", "bread")
        first.sendall(b"lk")
        assert (status(first), status(second)) == (200, 200)
    assert sorted(notebook.notes) == ["alice: milk", "bob: bread"]


def connect(server):
    """A connection to *server*."""
    return socket.create_connection(("127.0.0.1", server.port), timeout=DEADLINE)


def send(connection, user, text, length=None):
    """Post *text*, which may be the beginning only of a note of *length*."""
    connection.sendall(("POST / HTTP/1.0\r\nX-User: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        user, length or len(text), text)).encode())


def status(connection):
    """The status of the response on *connection*."""
    with connection.makefile("rb") as response:
        return int(response.read().split()[1])
