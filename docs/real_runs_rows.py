"""What `real_runs.py` starts: for each server, how it is run with threads, and where the setting is."""

from typing import Dict, NamedTuple

SITE = """from threadguard import ThreadGuard

def site(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello\\n"]

application = ThreadGuard(site)
"""
BARE = SITE.partition("application =")[0]
_INI = """[app:main]
paste.app_factory = site_ini:make
filter-with = threadguard

[filter:threadguard]
use = egg:threadguard

[server:main]
use = egg:waitress#main
listen = 127.0.0.1:{port}
threads = 4
"""
FACTORY = "from site_bare import site\n\ndef make(global_conf):\n    return site\n"
APACHE = """ServerRoot "{dir}"
ServerName localhost
PidFile "{dir}/httpd.pid"
DefaultRuntimeDir "{dir}"
Mutex file:{dir} default
Listen 127.0.0.1:{port}
LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so
LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so
LoadModule wsgi_module /usr/lib/apache2/modules/mod_wsgi.so
StartServers 1
User {user}
Group {user}
ErrorLog "{dir}/error.log"
<Directory "{dir}">
    Require all granted
</Directory>
"""
_UNIT = """{
    "listeners": {"127.0.0.1:{port}": {"pass": "applications/site"}},
    "applications": {
        "site": {"type": "python", "path": "{dir}", "module": "mysite", "threads": 4}
    }
}
"""
_DAEMON = """WSGIDaemonProcess site python-path={dir} processes=4
WSGIProcessGroup site
WSGIScriptAlias / "{dir}/mysite.py"
"""


class Run(NamedTuple):
    """One server, started with threads."""

    command: str
    """As an operator types it; {port} and {dir} are filled in."""
    files: Dict[str, str] = {}
    """Files beside mysite.py and site_bare.py."""
    shown: str = ""
    """The file that holds the setting, to be shown as well."""
    program: str = ""
    """The program or package that it needs, where that is not the command's first word."""


def _script(text: str, **more: str) -> Run:
    return Run("python serve.py", {"serve.py": text, **more}, "serve.py")


_FROM = "from mysite import application\n\n"
RUNS: Dict[str, Run] = {
    "gunicorn": Run("gunicorn --bind 127.0.0.1:{port} --threads 4 mysite"),
    "uWSGI": Run("uwsgi-core --plugins python3 --http-socket 127.0.0.1:{port} --die-on-term --need-app --threads 4"
                 " --module mysite"),
    "mod_wsgi": Run("apache2 -f {dir}/httpd.conf -DFOREGROUND", {"httpd.conf": APACHE + _DAEMON}),
    "Unit": Run("unitd --no-daemon --control unix:{dir}/control.sock --pid {dir}/unit.pid --log {dir}/unit.log"
                " --statedir {dir}/. --tmpdir {dir}/. --user {user} --group {user}", {"conf.json": _UNIT}, "conf.json"),
    "waitress": Run("waitress-serve --listen=127.0.0.1:{port} --threads=4 mysite:application"),
    "Paste's httpserver": _script("from paste.httpserver import serve\n" + _FROM +
                                  "serve(application, host='127.0.0.1', port={port})\n"),
    "gearbox": Run("gearbox serve -c production.ini", {"production.ini": _INI, "site_ini.py": FACTORY},
                   "production.ini"),
    "pserve": Run("pserve production.ini", {"production.ini": _INI, "site_ini.py": FACTORY}, "production.ini"),
    "paster": Run("paster serve production.ini", {"production.ini": _INI, "site_ini.py": FACTORY}, "production.ini"),
    "Flask": Run("flask --app site_flask run --port {port}", {
        "site_flask.py": "from flask import Flask\nfrom threadguard import ThreadGuard\n\napp = Flask(__name__)\n"
                         "app.wsgi_app = ThreadGuard(app.wsgi_app)\n\n\n@app.route('/')\ndef index():\n"
                         "    return 'hello\\n'\n"}, "site_flask.py"),
    "Django's runserver": Run("python manage.py runserver --noreload 127.0.0.1:{port}", {
        "manage.py": "import os, sys\nfrom django.core.management import execute_from_command_line\n\n"
                     "os.environ['DJANGO_SETTINGS_MODULE'] = 'settings'\nexecute_from_command_line(sys.argv)\n",
        "settings.py": "DEBUG = True\nSECRET_KEY = 'x'\nALLOWED_HOSTS = ['*']\nROOT_URLCONF = 'settings'\n"
                       "urlpatterns = []\nWSGI_APPLICATION = 'mysite.application'\n"}),
    "Werkzeug": _script("from werkzeug.serving import run_simple\n" + _FROM +
                        "run_simple('127.0.0.1', {port}, application, threaded=True)\n"),
    "wsgiref": _script(
        "import socketserver\nfrom wsgiref.simple_server import WSGIServer, make_server\n" + _FROM +
        "class ThreadingServer(socketserver.ThreadingMixIn, WSGIServer):\n    daemon_threads = True\n\n"
        "make_server('127.0.0.1', {port}, application, ThreadingServer).serve_forever()\n"),
    "cheroot": Run("cheroot --bind 127.0.0.1:{port} --threads 4 mysite:application"),
    "gevent": _script("from gevent.pywsgi import WSGIServer\n" + _FROM +
                      "WSGIServer(('127.0.0.1', {port}), application).serve_forever()\n"),
    "eventlet": _script("import eventlet.wsgi\n" + _FROM +
                        "eventlet.wsgi.server(eventlet.listen(('127.0.0.1', {port})), application)\n"),
    "Twisted": Run("twist web --listen tcp:{port}:interface=127.0.0.1 --wsgi mysite.application"),
    "tornado": _script(
        "import asyncio\nfrom concurrent.futures import ThreadPoolExecutor\n"
        "from tornado.httpserver import HTTPServer\nfrom tornado.wsgi import WSGIContainer\n" + _FROM +
        "async def main():\n    container = WSGIContainer(application, ThreadPoolExecutor(4))\n"
        "    HTTPServer(container).listen({port}, '127.0.0.1')\n    await asyncio.Event().wait()\n\n"
        "asyncio.run(main())\n"),
    "granian": Run("granian --interface wsgi --port {port} --blocking-threads 4 mysite:application"),
    "uvicorn": Run("uvicorn --interface wsgi --port {port} mysite:application"),
    "a2wsgi": Run("uvicorn --port {port} site_asgi:application", {
        "site_asgi.py": "from a2wsgi import WSGIMiddleware\nfrom mysite import application as guarded\n\n"
                        "application = WSGIMiddleware(guarded)\n"}, "site_asgi.py"),
    "hypercorn": Run("hypercorn --bind 127.0.0.1:{port} wsgi:mysite:application"),
}

NOT_RUN: Dict[str, str] = {
    "Passenger": "The open-source Passenger runs one request at a time in each process: there is nothing to refuse.",
    "asgiref": "`WsgiToAsgi` calls the application in an executor of one thread: there is nothing to refuse, although"
               " `wsgi.multithread` is True.",
}
"""Why there is no run of a server."""
