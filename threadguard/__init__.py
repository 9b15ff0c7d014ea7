"""threadguard keeps WSGI applications that are not thread-safe in single-threaded processes."""

__version__ = "0.1.0"
