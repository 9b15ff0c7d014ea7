"""How each server is run with one request at a time in each process: what the pages of the servers show to be copied.

Each is started by a test, as it stands here. Where the server is not on the machine of the tests, `tried_by` names the
configuration of the live tests that is the same.
"""

from typing import Dict, NamedTuple, Tuple

from real_runs_rows import APACHE, FACTORY, RUNS, Run


class Deployment(NamedTuple):
    """One way to run a server."""

    title: str
    run: Run
    note: str = ""
    """A sentence that is shown below it."""
    tried_by: str = ""
    """The row of tests/live/rows that tries it, where this machine's tests cannot."""


GUNICORN = "gunicorn --bind 127.0.0.1:{port} --worker-class sync --threads 1 --workers 4 mysite"
_INI = """[app:main]
paste.app_factory = site_ini:make
filter-with = threadguard

[filter:threadguard]
use = egg:threadguard

[server:main]
use = egg:%s
host = 127.0.0.1
port = {port}
%s"""
_WAITRESS = _INI % ("waitress#main", "threads = 1\n")
_FROM = "from mysite import application\n\n"


def _command(line: str, note: str = "", title: str = "On the command line", tried_by: str = "", server: str = "") \
        -> Deployment:
    """A command line; it needs the files of the run of *server*."""
    return Deployment(title, Run(line, RUNS[server].files if server else {}), note, tried_by)


def _program(text: str, note: str = "", command: str = "python serve.py", name: str = "serve.py") -> Deployment:
    return Deployment("In code", Run(command, {name: text}, name), note)


def _ini(program: str, text: str = _WAITRESS, note: str = "") -> Deployment:
    return Deployment("In the ini file", Run(program, {"production.ini": text, "site_ini.py": FACTORY},
                                             "production.ini"), note)


_SEVERAL = "For more throughput start several, each with a port of its own, behind a proxy."
_DEVELOPMENT = ("The threads stay, and let requests in one at a time. With a single thread a connection that a browser"
                " opens and leaves idle keeps all others waiting.")
_INSTEAD = Deployment("Another server", Run(GUNICORN), "")
_A2WSGI = {"site_asgi.py": "from a2wsgi import WSGIMiddleware\nfrom mysite import application as guarded\n\n"
                           "application = WSGIMiddleware(guarded, workers=1)\n"}

DEPLOYMENTS: Dict[str, Tuple[Deployment, ...]] = {
    "gunicorn": (
        _command(GUNICORN, "One thread and the worker class `sync` are gunicorn's defaults. `--threads 4` alone changes"
                           " the worker class to `gthread`, without a word."),
        Deployment("In the configuration file", Run("gunicorn mysite", {
            "gunicorn.conf.py": "bind = '127.0.0.1:{port}'\nworker_class = 'sync'\nthreads = 1\nworkers = 4\n"},
            "gunicorn.conf.py"))),
    "uWSGI": (
        _command("uwsgi --plugins python3 --http-socket 127.0.0.1:{port} --die-on-term --master --need-app"
                 " --processes 4 --threads 1 --module mysite",
                 "`--plugins python3` is for Debian's uWSGI, which has its Python in a plugin."),
        Deployment(
            "In the configuration file", Run("uwsgi site.ini", {
                "site.ini": "[uwsgi]\nplugins = python3\nhttp-socket = 127.0.0.1:{port}\ndie-on-term = true\n"
                            "master = true\nneed-app = true\nprocesses = 4\nthreads = 1\nmodule = mysite\n"},
                "site.ini"),
            "`need-app` ends uWSGI where the guard refuses; without it uWSGI stays up and answers 500.")),
    "mod_wsgi": (
        _command("mod_wsgi-express start-server mysite.py --port {port} --processes 4 --threads 1",
                 tried_by="mod_wsgi-express --processes 2 --threads 1"),
        Deployment("In Apache's configuration", Run("apache2 -f {dir}/httpd.conf -DFOREGROUND", {
            "httpd.conf": APACHE + "Include {dir}/site.conf\n",
            "site.conf": "WSGIDaemonProcess site python-path={dir} processes=4 threads=1\nWSGIProcessGroup site\n"
                         'WSGIScriptAlias / "{dir}/mysite.py" process-group=site application-group=%{GLOBAL}\n'},
            "site.conf"),
            "`processes=4` alone is not enough: without `threads=1` each process has 15 threads. `process-group` and"
            " `application-group` let Apache load the application at its start, so that a refusal is in the error log"
            " before the first request.")),
    "Unit": (
        Deployment("In the configuration", Run(
            "unitd --no-daemon --control unix:{dir}/control.sock --pid {dir}/unit.pid --log {dir}/unit.log"
            " --statedir {dir}/. --tmpdir {dir}/. --user {user} --group {user}", {
                "conf.json": '{\n    "listeners": {"127.0.0.1:{port}": {"pass": "applications/site"}},\n'
                             '    "applications": {\n        "site": {"type": "python", "path": "{dir}",'
                             ' "module": "mysite",\n                 "threads": 1, "processes": 4}\n    }\n}\n'},
            "conf.json"), tried_by="Unit processes=2, threads=1"),),
    "Passenger": (
        _command("passenger start --address 127.0.0.1 --port {port} --max-pool-size 4",
                 "It looks for `passenger_wsgi.py`, which imports the guarded `application`.",
                 tried_by="Passenger standalone, its built-in engine"),
        Deployment("In Apache's configuration", Run("", {
            "site.conf": "PassengerMaxPoolSize 4\nPassengerAppRoot {dir}\n"}, "site.conf"),
            tried_by="Passenger in Apache")),
    "waitress": (
        _command("waitress-serve --listen=127.0.0.1:{port} --threads=1 mysite:application", _SEVERAL),
        _ini("pserve production.ini"),
        _program("import waitress\n" + _FROM + "waitress.serve(application, listen='127.0.0.1:{port}', threads=1)\n")),
    "Paste's httpserver": (
        _ini("pserve production.ini", _INI % ("Paste#http", "use_threadpool = true\nthreadpool_workers = 1\n"
                                              "threadpool_spawn_if_under = 0\n"), _SEVERAL),
        _program("from paste.httpserver import serve\n" + _FROM +
                 "serve(application, host='127.0.0.1', port={port}, use_threadpool=True,\n"
                 "      threadpool_workers=1, threadpool_options={'spawn_if_under': 0})\n")),
    "gearbox": (_ini("gearbox serve -c production.ini", note=_SEVERAL),),
    "pserve": (_ini("pserve production.ini", note=_SEVERAL),),
    "paster": (_ini("paster serve production.ini", note=_SEVERAL),),
    # The page starts with production: these are development servers.
    "Flask": (
        _command(GUNICORN.replace("mysite", "site_flask:app"), "", "In production", server="Flask"),
        _command("THREADGUARD_POLICY=serialize flask --app site_flask run --port {port}", _DEVELOPMENT,
                 "While you develop", server="Flask"),
        _command("flask --app site_flask run --without-threads --port {port}", "", "With one thread", server="Flask")),
    "Django's runserver": (
        _command(GUNICORN, title="In production"),
        _command("THREADGUARD_POLICY=serialize python manage.py runserver 127.0.0.1:{port}", _DEVELOPMENT,
                 "While you develop", server="Django's runserver"),
        _command("python manage.py runserver --nothreading --noreload 127.0.0.1:{port}",
                 "Without `--noreload` the reloader stays alive after a refusal: the message is there, and the prompt"
                 " does not come back.", "With one thread", server="Django's runserver")),
    "Werkzeug": (
        _program("from werkzeug.serving import run_simple\n" + _FROM +
                 "run_simple('127.0.0.1', {port}, application, processes=4)\n"),
        Deployment(
            "While you develop", Run("THREADGUARD_POLICY=serialize python serve_threads.py", {
                "serve_threads.py": "from werkzeug.serving import run_simple\n" + _FROM +
                                    "run_simple('127.0.0.1', {port}, application, threaded=True)\n"},
                "serve_threads.py"),
            _DEVELOPMENT)),
    "wsgiref": (
        _program("from wsgiref.simple_server import make_server\n" + _FROM +
                 "make_server('127.0.0.1', {port}, application).serve_forever()\n",
                 "One process, one thread: it is made for trying things."),),
    "cheroot": (
        _command("cheroot --bind 127.0.0.1:{port} --threads 1 --max-threads 1 mysite:application", _SEVERAL),
        _program("from cheroot.wsgi import Server\n" + _FROM +
                 "Server(('127.0.0.1', {port}), application, numthreads=1, max=1).start()\n")),
    "gevent": (_INSTEAD,), "eventlet": (_INSTEAD,), "tornado": (_INSTEAD,),
    "Twisted": (
        _program("from twisted.internet import endpoints, reactor\nfrom twisted.python.threadpool import ThreadPool\n"
                 "from twisted.web.server import Site\nfrom twisted.web.wsgi import WSGIResource\n" + _FROM +
                 "pool = ThreadPool(minthreads=1, maxthreads=1)\npool.start()\n"
                 "reactor.addSystemEventTrigger('after', 'shutdown', pool.stop)\n"
                 "site = Site(WSGIResource(reactor, pool, application))\n"
                 "endpoints.TCP4ServerEndpoint(reactor, {port}, interface='127.0.0.1').listen(site)\nreactor.run()\n",
                 "`twist web --wsgi` has no option for it. " + _SEVERAL),),
    "granian": (_command("granian --interface wsgi --port {port} --blocking-threads 1 --runtime-mode mt --workers 4"
                         " mysite:application"),),
    "asgiref": (Deployment("In code", Run("uvicorn --port {port} --workers 4 site_asgi:application", {
        "site_asgi.py": "from asgiref.wsgi import WsgiToAsgi\nfrom mysite import application as guarded\n\n"
                        "application = WsgiToAsgi(guarded)\n"}, "site_asgi.py")),),
    "uvicorn": (Deployment("With a2wsgi", Run("uvicorn --port {port} --workers 4 site_asgi:application", _A2WSGI,
                                              "site_asgi.py"),
                           "`uvicorn --interface wsgi` has no option for its threads."),),
    "a2wsgi": (Deployment("In code", Run("uvicorn --port {port} --workers 4 site_asgi:application", _A2WSGI,
                                         "site_asgi.py")),),
    "hypercorn": (Deployment("With a2wsgi", Run("hypercorn --bind 127.0.0.1:{port} --workers 4 site_asgi:application",
                                                _A2WSGI, "site_asgi.py"),
                             "hypercorn's own WSGI has no setting for its threads."),),
}
"""For each server of `threadguard.servers`, the best way first."""
