"""What each instance serves: a guarded site with its health endpoint, and /metrics beside it."""

import os

from prometheus_client import CollectorRegistry, make_wsgi_app

from threadguard import ThreadGuard, metrics


def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Instance", os.environ["INSTANCE"])])
    return [b"hello\n"]


registry = CollectorRegistry()
metrics.register(registry)
guarded = ThreadGuard(site, health_path="/-/threadguard", health_token=os.environ["TOKEN"])
scraped = make_wsgi_app(registry)


def application(environ, start_response):
    chosen = scraped if environ["PATH_INFO"] == "/metrics" else guarded
    return chosen(environ, start_response)
