"""The servers of frameworks and of the standard library: Werkzeug, Flask, Django, wsgiref, gearbox' own."""

from rows.model import MANY, ONE, Row
from rows.pools import GEARBOX, PSERVE, api, served

DJANGO = {
    "manage.py": "import os, sys\nos.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\n"
                 "from django.core.management import execute_from_command_line\nexecute_from_command_line(sys.argv)\n",
    "settings.py": "DEBUG = True\nSECRET_KEY = 'x'\nROOT_URLCONF = 'urls'\nALLOWED_HOSTS = ['*']\nUSE_TZ = True\n"
                   "WSGI_APPLICATION = 'guarded.application'\nINSTALLED_APPS = []\nDATABASES = {}\n",
    "urls.py": "urlpatterns = []\n",
}
FLASK = "from flask import Flask\nimport guarded\napp = Flask(__name__)\napp.wsgi_app = guarded.application\n"


def werkzeug(name, function, threaded, number="", **more):
    """A row of Werkzeug."""
    return api("Werkzeug " + name, function, threaded, None if threaded else 1, number, needs=("werkzeug",), **more)


def flask(args, threaded):
    """A row of ``flask run``."""
    return Row("flask " + args, "{bin}/python -m flask --app flasksite.py " + args.replace("run", "run --port {port}"),
               threaded, None if threaded else 1, files={"flasksite.py": FLASK}, needs=("flask",))


def django(args, threaded):
    """A row of Django's runserver."""
    return Row("Django runserver " + (args or "default"), "{py} manage.py runserver 127.0.0.1:{port} " + args, threaded,
               None if threaded else 1, files=DJANGO, needs=("django",))


ROWS = (
    werkzeug("run_simple default", "werkzeug", ONE),
    werkzeug("run_simple threaded=True", "werkzeug_threaded", MANY),
    werkzeug("run_simple processes=4", "werkzeug_processes", ONE, 4, processes=8),
    werkzeug("run_simple with reloader", "werkzeug_reloader", ONE),
    werkzeug("run_simple with reloader, threaded=True", "werkzeug_reloader_threaded", MANY),
    werkzeug("make_server", "werkzeug_make_server", ONE, 1),
    werkzeug("make_server threaded=True", "werkzeug_make_server", MANY, 4),
    flask("run", MANY),
    flask("run --without-threads", ONE),
    flask("--debug run", MANY),
    flask("--debug run --without-threads", ONE),
    api("Flask app.run()", "flask", MANY, needs=("flask",)),
    api("Flask app.run(threaded=False)", "flask", ONE, 1, 1, needs=("flask",)),
    api("Bottle run()", "bottle", ONE, 1, needs=("bottle",)),
    django("", MANY),
    django("--noreload", MANY),
    django("--nothreading", ONE),
    django("--nothreading --noreload", ONE),
    api("wsgiref make_server", "wsgiref", ONE, 1),
    api("wsgiref in a thread of its own", "wsgiref_in_a_thread", ONE, 1),
    api("wsgiref with ThreadingMixIn", "wsgiref_mixin", MANY),
    api("wsgiref with ForkingMixIn", "wsgiref_forking", ONE, 1, processes=9),
    api("wsgiref beside prometheus_client.start_http_server", "wsgiref_and_metrics", ONE, 1,
        needs=("prometheus_client",)),
    api("wsgiref beside a threaded server that tells the guard's counts", "wsgiref_and_stats", ONE, 1),
    served("gearbox serve, wsgiref", GEARBOX, "use = egg:gearbox#wsgiref", ONE, 1, ("gearbox",)),
    served("gearbox serve, wsgiref.threaded = true", GEARBOX, "use = egg:gearbox#wsgiref\nwsgiref.threaded = true",
           MANY, None, ("gearbox",)),
    served("gearbox serve, gevent", GEARBOX, "use = egg:gearbox#gevent", MANY, None, ("gearbox", "gevent")),
    served("pserve, pyramid#wsgiref", PSERVE, "use = egg:pyramid#wsgiref", ONE, 1, ("pyramid",)),
)
