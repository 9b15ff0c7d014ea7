"""A guarded application, and beside it /metrics: not guarded, so that a scrape is not counted as a request."""

from prometheus_client import CollectorRegistry, make_wsgi_app

from threadguard import ThreadGuard, metrics


def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\n"]


registry = CollectorRegistry()
metrics.register(registry)
guarded = ThreadGuard(site, health_path="/-/threadguard")
scraped = make_wsgi_app(registry)


def application(environ, start_response):
    chosen = scraped if environ["PATH_INFO"] == "/metrics" else guarded
    return chosen(environ, start_response)
