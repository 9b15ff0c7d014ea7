"""The first versions that are promised, in an environment of their own: each once threaded and once not."""

from rows import apache, gunicorn, uwsgi
from rows.model import MANY, ONE, Row
from rows.pools import api

WAITRESS = "{bin}/waitress-serve --listen 127.0.0.1:{port} %s guarded:application"
CHEROOT = "{bin}/cheroot --bind 127.0.0.1:{port} %s guarded:application"


def of(need):
    """What every row of the server *need* has: a module, or a command with a slash, of that environment."""
    return {"python": "first", "needs": ("first:" + need,)}


ROWS = (
    gunicorn.row("20.0.0 sync", "", ONE, 1, **of("gunicorn")),
    gunicorn.row("20.0.0 gthread with one thread", "-k gthread --threads 1", ONE, 1, **of("gunicorn")),
    gunicorn.row("20.0.0 --threads 4", "--threads 4", MANY, 4, **of("gunicorn")),
    gunicorn.row("20.0.0 threads = 4 in a file given with -c", "-c settings.py", MANY, 4,
                 files={"settings.py": "threads = 4\n"}, **of("gunicorn")),
    api("waitress 1.4.0 threads=1", "waitress", ONE, 1, 1, **of("waitress")),
    api("waitress 1.4.0 threads=4", "waitress", MANY, 4, 4, **of("waitress")),
    Row("waitress-serve 1.4.0 default", WAITRESS % "", MANY, 4, **of("waitress")),
    Row("waitress-serve 1.4.0 --threads=1", WAITRESS % "--threads=1", ONE, 1, **of("waitress")),
    api("cheroot 6.5.0 of one thread", "cheroot", ONE, 1, 1, **of("cheroot")),
    api("cheroot 6.5.0 of four threads", "cheroot", MANY, 4, 4, **of("cheroot")),
    Row("cheroot 6.5.0 command line, default", CHEROOT % "", MANY, 10, **of("cheroot")),
    Row("cheroot 6.5.0 command line, --threads 1 --max-threads 1", CHEROOT % "--threads 1 --max-threads 1", ONE, 1,
        **of("cheroot")),
    api("Werkzeug 1.0.0 run_simple default", "werkzeug", ONE, **of("werkzeug")),
    api("Werkzeug 1.0.0 run_simple threaded=True", "werkzeug_threaded", MANY, **of("werkzeug")),
    api("Paste 3.0.0 httpserver pool of one", "paste", ONE, 1, 1, **of("paste")),
    api("Paste 3.0.0 httpserver pool of four", "paste", MANY, 4, 4, **of("paste")),
    uwsgi.row("2.0.18 default", "", ONE, 1, **of("/uwsgi")),
    uwsgi.row("2.0.18 master, processes=2", "--master --processes 2", ONE, 1, processes=2, **of("/uwsgi")),
    uwsgi.row("2.0.18 threads=4", "--threads 4", MANY, 4, **of("/uwsgi")),
    uwsgi.row("2.0.18 async=10, bodies streamed", "--async 10", MANY, 10, hold="/stream", **of("/uwsgi")),
    apache.pypi("4.6 embedded, prefork", "prefork", apache.PREFORK, ONE, 1, processes=4, **of("mod_wsgi")),
    apache.pypi("4.6 embedded, prefork, behind cleartext HTTP/2", "prefork", apache.PREFORK, MANY, more=apache.H2,
                h2=True, processes=4, **of("mod_wsgi")),
    apache.pypi("4.6 WSGIDaemonProcess bare", "event", apache.EVENT + apache.daemon("") + apache.GROUP, MANY, 15,
                **of("mod_wsgi")),
    apache.pypi("4.6 WSGIDaemonProcess processes=2 threads=1", "event",
                apache.EVENT + apache.daemon("processes=2 threads=1") + apache.GROUP, ONE, 1, processes=2,
                **of("mod_wsgi")),
)
