from socketserver import ThreadingMixIn
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import pytest
from fake_stacks import Application, at_startup, module, on_request, served, serves
from threadguard.servers import wsgiref


class Handler(WSGIRequestHandler):
    def log_message(self, *args):
        """Nothing, on a request."""


class ThreadedServer(ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.mark.parametrize("server_class", [WSGIServer, ThreadedServer])
def test_wsgiref_serves_where_its_request_handler_is_on_the_stack(server_class):
    """On a request of a real server serves() is true, and the rest is left to the signs without a name."""
    application = Application(lambda: (serves(wsgiref), on_request(wsgiref)))
    assert [(True, None)] == served(make_server("127.0.0.1", 0, application, server_class, Handler), application)


def test_a_copy_of_its_handler_is_not_wsgiref():
    """Django's copy of the handler is left to Django's remedy; nothing is known before a request."""
    copy = module("django.core.servers.basehttp", "def handle(): return look()", look=lambda: serves(wsgiref))
    assert (False, None) == (copy.handle(), at_startup(wsgiref))
