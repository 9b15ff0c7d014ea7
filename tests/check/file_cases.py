"""The files of servers, and of what starts servers."""

from check.cases import SINGLE, THREADED, UNKNOWN, UNREADABLE, Case, file

CONF = "gunicorn.conf.py"
EXPRESSION = "import os\nthreads = int(os.environ.get('THREADS', 6))\n"
OF_GUNICORN = (
    file("gunicorn.conf.py with threads", CONF, THREADED, "workers = 2\nthreads = 4\n"),
    file("gunicorn.conf.py without", CONF, SINGLE, "workers = 2\n"),
    file("gunicorn.conf.py that takes a thread back", CONF, UNKNOWN, "threads = 4\nworkers = 2\nthreads = 1\n"),
    file("gunicorn.conf.py with an expression, executed", CONF, UNKNOWN, EXPRESSION),
    file("gunicorn.conf.py with an expression, not executed", CONF, UNKNOWN, EXPRESSION, arguments="--no-exec " + CONF),
    file("gunicorn.conf.py with a condition, not executed", CONF, UNKNOWN, "if True:\n    threads = 4\n",
         arguments="--no-exec " + CONF),
    file("gunicorn.conf.py that imports everything, not executed", CONF, UNKNOWN, "from base import *\nthreads = 1\n",
         arguments="--no-exec " + CONF),
    file("another name", "settings.py", UNREADABLE, "bind = ':80'\nthreads = 1\n"),
    file("a module that is not gunicorn's", "wsgi.py", UNREADABLE, "raise SystemExit('executed')\n"),
    file("gunicorn.conf.py with functions, not executed", CONF, THREADED,
         "import os\ndef on_exit(server):\n    pass\nthreads = 2\n", arguments="--no-exec " + CONF),
)
XML = "<uwsgi>\n  <master/>\n  <threads>%s</threads>\n</uwsgi>\n"
OF_UWSGI = (
    file("uwsgi.ini with processes", "uwsgi.ini", SINGLE, "[uwsgi]\nprocesses = 4\nneed-app = true\n"),
    file("uwsgi.ini with threads", "uwsgi.ini", THREADED, "[uwsgi]\nprocesses = 4\nthreads=4\n"),
    file("uwsgi.ini with enable-threads", "uwsgi.ini", SINGLE, "[uwsgi]\nenable-threads = true\nthreads = 1\n"),
    file("uwsgi.ini with gevent", "uwsgi.ini", THREADED, "[uwsgi]\n# greenlets\ngevent = 50\n"),
    file("uwsgi.ini where the last one counts", "uwsgi.ini", SINGLE, "[uwsgi]\nthreads = 4\nmaster\nthreads = 1\n"),
    file("uwsgi.ini with a comment out", "uwsgi.ini", SINGLE,
         "[uwsgi]\n;threads = 4\n  # async = 4\n[other]\nthreads = 9\n"),
    file("uwsgi.ini with a placeholder", "uwsgi.ini", THREADED, "[uwsgi]\nn = 3\nthreads = %(n)\n"),
    file("uwsgi.ini with a placeholder by set-ph", "uwsgi.ini", THREADED, "[uwsgi]\nset-ph = n=3\nthreads = %(n)\n"),
    file("uwsgi.ini with the number of CPUs", "uwsgi.ini", UNKNOWN, "[uwsgi]\nthreads = %k\n"),
    file("uwsgi.ini with a variable", "uwsgi.ini", UNKNOWN, "[uwsgi]\nthreads = $(THREADS)\n"),
    file("uwsgi.ini with a condition", "uwsgi.ini", UNKNOWN, "[uwsgi]\nif-env = MANY\nthreads = 4\nendif =\n"),
    file("uwsgi.ini with a condition that is not closed", "uwsgi.ini", UNKNOWN, "[uwsgi]\nthreads = 1\nif-env = A\n"),
    Case("uwsgi's command line after a condition that is not closed", "-- uwsgi --ini uwsgi.ini --threads 2", UNKNOWN,
         files={"uwsgi.ini": "[uwsgi]\nthreads = 1\nif-env = A\n"}),
    file("uwsgi.ini that includes another", "etc/uwsgi.ini", THREADED,
         files={"etc/uwsgi.ini": "[uwsgi]\nini = %d/base.ini\n", "etc/base.ini": "[uwsgi]\nthreads = 2\n"}),
    file("uwsgi.ini that inherits, which comes last", "uwsgi.ini", THREADED,
         files={"uwsgi.ini": "[uwsgi]\ninherit = base.ini\nthreads = 1\n", "base.ini": "[uwsgi]\nthreads = 2\n"}),
    file("uwsgi.ini that includes itself", "uwsgi.ini", UNREADABLE, "[uwsgi]\nini = uwsgi.ini\n"),
    file("an emperor", "emperor.ini", UNKNOWN, "[uwsgi]\nemperor = /etc/vassals\n"),
    file("uwsgi.json", "uwsgi.json", THREADED, '{"uwsgi": {\n  "master": true,\n  "threads": 4\n}}\n'),
    file("uwsgi.xml", "uwsgi.xml", THREADED, XML % 4),
    file("uwsgi.xml with one", "uwsgi.xml", SINGLE, XML % 1),
    file("uwsgi.yaml", "uwsgi.yaml", THREADED, "uwsgi:\n  master: true\n  threads: 4\n", needs=("yaml",)),
)
MPM = "LoadModule mpm_%s_module modules/mod_mpm.so\nLoadModule wsgi_module modules/mod_wsgi.so\n"
ALIAS = "WSGIScriptAlias / /srv/app.wsgi\n"
GROUP = "WSGIProcessGroup site\n"


def apache(name, text, status, **more):
    """A case of one file of Apache's."""
    files = {"site.conf": text, **more.pop("files", {})}
    return file("Apache: " + name, "site.conf", status, files=files, **more)


OF_APACHE = (
    apache("embedded, prefork", MPM % "prefork" + ALIAS, SINGLE),
    apache("embedded, event", MPM % "event" + ALIAS, THREADED),
    apache("embedded, worker with ThreadsPerChild", MPM % "worker" + "ThreadsPerChild 8\n" + ALIAS, THREADED),
    apache("embedded, event with one thread", MPM % "event" + "ThreadsPerChild 1\n" + ALIAS, SINGLE),
    apache("embedded, prefork, behind HTTP/2",
           MPM % "prefork" + "LoadModule http2_module m.so\nProtocols h2 http/1.1\n" + ALIAS, THREADED),
    apache("embedded under an MPM that the file does not name", "<VirtualHost *>\n" + ALIAS + "</VirtualHost>\n",
           UNKNOWN),
    apache("a bare daemon", "WSGIDaemonProcess site\n" + GROUP + ALIAS, THREADED),
    apache("a daemon with processes alone", "WSGIDaemonProcess site processes=4\n" + GROUP + ALIAS, THREADED),
    apache("a daemon with one thread", "WSGIDaemonProcess site processes=4 threads=1\n" + GROUP + ALIAS, SINGLE),
    apache("a daemon of one thread without WSGIProcessGroup",
           MPM % "event" + "WSGIDaemonProcess site threads=1\n" + ALIAS, THREADED),
    apache("a daemon chosen by WSGIScriptAlias",
           "WSGIDaemonProcess site threads=1\nWSGIScriptAlias / /a.wsgi process-group=site\n", SINGLE),
    apache("a daemon chosen in <Directory>",
           "WSGIDaemonProcess site threads=2 \\\n  processes=4\n" + ALIAS + "<Directory /srv>\n" + GROUP
           + "</Directory>\n", THREADED),
    apache("a daemon chosen for another <Location>",
           MPM % "prefork" + "WSGIDaemonProcess site threads=2\nWSGIScriptAlias /a /a.wsgi\n<Location /b>\n" + GROUP
           + "</Location>\n", SINGLE),
    apache("the main process chosen over a daemon",
           MPM % "event" + "WSGIDaemonProcess site threads=1\n" + GROUP
           + "WSGIScriptAlias / /a.wsgi process-group=%{GLOBAL}\n", THREADED),
    apache("the virtual host's daemon before the server's",
           "WSGIDaemonProcess site threads=1\nWSGIDaemonProcess wide threads=5\n" + "<VirtualHost *>\n" + GROUP + ALIAS
           + "</VirtualHost>\nWSGIProcessGroup wide\n", SINGLE),
    apache("the directory's daemon before the virtual host's",
           "WSGIDaemonProcess site threads=1\nWSGIDaemonProcess wide threads=5\n<VirtualHost *>\n" + ALIAS
           + "<Directory /srv>\n" + GROUP + "</Directory>\nWSGIProcessGroup wide\n</VirtualHost>\n", SINGLE),
    apache("the location's daemon before the directory's",
           "WSGIDaemonProcess site threads=1\nWSGIDaemonProcess wide threads=5\n" + ALIAS
           + "<Location />\nWSGIProcessGroup wide\n</Location>\n<Directory /srv>\n" + GROUP + "</Directory>\n" + GROUP,
           THREADED),
    apache("a daemon where a module is not loaded",
           MPM % "event" + "<IfModule !mpm_prefork_module>\n"
           "WSGIDaemonProcess site threads=1\n</IfModule>\n<IfModule !mpm_event_module>\n"
           "WSGIDaemonProcess site threads=9\n</IfModule>\n" + GROUP + ALIAS, SINGLE),
    apache("two virtual hosts",
           "WSGIDaemonProcess one threads=1\nWSGIDaemonProcess two threads=2\n<VirtualHost *:80>\n"
           "WSGIProcessGroup one\n" + ALIAS + "</VirtualHost>\n<VirtualHost *:81>\nWSGIProcessGroup two\n" + ALIAS
           + "</VirtualHost>\n", THREADED),
    apache("a daemon that is in no file", GROUP + ALIAS, UNKNOWN),
    apache("a process group of the request", "WSGIProcessGroup %{ENV:GROUP}\n" + ALIAS, UNKNOWN),
    apache("a variable by Define", "Define N 1\nWSGIDaemonProcess site threads=${N}\n" + GROUP + ALIAS, SINGLE),
    apache("a variable of the environment", "WSGIDaemonProcess site threads=${N}\n" + GROUP + ALIAS, UNKNOWN),
    apache("a daemon in <IfDefine>",
           "<IfDefine !DEBUG>\nWSGIDaemonProcess site threads=1\n</IfDefine>\n" + GROUP + ALIAS, UNKNOWN),
    apache("a site that stands in <IfModule> as a whole",
           "<IfModule mod_ssl.c>\n<VirtualHost *:443>\nWSGIDaemonProcess site threads=1\n" + GROUP + ALIAS
           + "</VirtualHost>\n</IfModule>\n<IfDefine MORE>\nThreadsPerChild 8\n</IfDefine>\n", SINGLE),
    apache("a site in <IfModule>, its group in another",
           "WSGIDaemonProcess site threads=1\n<IfModule mod_ssl.c>\n" + ALIAS + "</IfModule>\n<IfModule mod_ssl.c>\n"
           + GROUP + "</IfModule>\n", UNKNOWN),
    apache("a daemon of a virtual host of the same name",
           "<VirtualHost *:80>\nServerName a.example\n"
           "WSGIDaemonProcess site threads=2\n</VirtualHost>\n<VirtualHost *:443>\nServerName a.example\n" + GROUP
           + ALIAS + "</VirtualHost>\n", THREADED),
    apache("a daemon of a virtual host of another name",
           "<VirtualHost *:80>\nServerName a.example\n"
           "WSGIDaemonProcess site threads=2\n</VirtualHost>\n<VirtualHost *:443>\nServerName b.example\n" + GROUP
           + ALIAS + "</VirtualHost>\n", UNKNOWN),
    apache("a macro with its own number",
           "<Macro Site $name $n>\nWSGIDaemonProcess $name threads=$n\n"
           "WSGIScriptAlias / /srv/$name.wsgi process-group=$name\n</Macro>\nUse Site one 4\n", UNKNOWN),
    apache("MPMs in <IfModule>",
           MPM % "event" + "<IfModule mpm_event_module>\nThreadsPerChild 4\n</IfModule>\n"
           "<IfModule mpm_worker_module>\nThreadsPerChild 64\n</IfModule>\n" + ALIAS, THREADED),
    apache("files that are included", "Include mods/*.load\nIncludeOptional sites/*.conf\n", THREADED,
           files={"mods/event.load": MPM % "event", "sites/a.conf": "<VirtualHost *>\n" + ALIAS + "</VirtualHost>\n"}),
    apache("an Include that finds nothing", "Include none.conf\n" + ALIAS, UNKNOWN),
    apache("files that include each other", "Include other.conf\n", UNREADABLE,
           files={"other.conf": "Include site.conf\n"}),
    apache("a section that is not closed", "<VirtualHost *>\n" + ALIAS, UNREADABLE),
    Case("Apache's own command", "-- apache2 -f httpd.conf -D ONE -DFOREGROUND", SINGLE,
         files={"httpd.conf": "<IfDefine ONE>\nWSGIDaemonProcess site threads=1\n</IfDefine>\n" + GROUP + ALIAS}),
    Case("Apache's own command without a file", "-- apachectl start", UNKNOWN),
)
UNIT = '{"listeners": {"*:80": {"pass": "applications/site"}}, "applications": {\n' \
    '"site": {\n"type": "%s",\n%s"module": "app"}}}'
OF_UNIT = (
    file("Unit by default", "unit.json", SINGLE, UNIT % ("python", "")),
    file("Unit with threads", "unit.json", THREADED, UNIT % ("python 3.11", '"threads": 4,\n')),
    file("Unit as its control socket tells it", "unit.json", THREADED,
         '{"certificates": {}, "config": %s}' % (UNIT % ("python", '"threads": 4,\n'))),
    file("Unit with comments", "unit.json", THREADED,
         "// http://unit\n" + UNIT % ("python", '"threads": /* "threads": 1,\n*/ 4, // "x": {\n')),
    file("Unit with two applications", "unit.json", THREADED,
         '{"applications": {"a": {"type": "python", "module": "a"},\n"b": {"type": "python", "threads": 4}}}'),
    file("Unit with targets in one process", "unit.json", THREADED,
         UNIT.replace('"module": "app"', '"targets": {"a": {"module": "a"}}') % ("python", '"threads": 4,\n')),
    file("Unit with a factory", "unit.json", SINGLE, UNIT % ("python", '"callable": "make",\n"factory": true,\n')),
    file("Unit with PHP only", "unit.json", UNKNOWN, UNIT % ("php", "")),
    file("Unit with threads that are none", "unit.json", UNREADABLE, UNIT % ("python", '"threads": "4",\n')),
)
UNIT_FILE = "[Unit]\nDescription=site\n[Service]\n%s\n[Install]\nWantedBy=multi-user.target\n"


def systemd(name, lines, status, **more):
    """A case of a systemd unit with these lines, of which the first is the fourth of the file."""
    files = {"site.service": UNIT_FILE % lines, **more.pop("files", {})}
    return file("systemd: " + name, "site.service", status, files=files, **more)


OF_SYSTEMD = (
    systemd("ExecStart", "ExecStart=/srv/bin/waitress-serve --threads=1 app:app", SINGLE),
    systemd("ExecStart over two lines", "ExecStart=-/srv/bin/waitress-serve \\\n  --threads=3 app:app", THREADED),
    systemd("Environment", 'Environment="A=b c" UWSGI_THREADS=4\nExecStart=/usr/bin/uwsgi -w app', THREADED),
    systemd("EnvironmentFile", "EnvironmentFile=site.env\nExecStart=/usr/bin/waitress-serve $OPTIONS app:app", THREADED,
            files={"site.env": "# options\nOPTIONS=\"--threads 6\"\n"}),
    systemd("EnvironmentFile that is missing", "EnvironmentFile=/nowhere/env\nExecStart=/usr/bin/uwsgi -w app",
            UNKNOWN),
    systemd("EnvironmentFile that may be missing", "EnvironmentFile=-/nowhere/env\nExecStart=/usr/bin/uwsgi -w app",
            UNKNOWN),
    systemd("EnvironmentFile by a pattern", "EnvironmentFile=env/*\nExecStart=/usr/bin/uwsgi -w app", THREADED,
            files={"env/a": "UWSGI_THREADS=3\n", "env/b": "UWSGI_THREADS=2\n"}),
    systemd("several commands",
            "Type=oneshot\nExecStart=/usr/bin/mkdir -p /run/site\n" "ExecStart=/usr/bin/uwsgi --threads 4 -w app",
            THREADED),
    systemd("no server at all", "ExecStart=/usr/bin/mkdir -p /run/site\nExecStart=/usr/bin/true", UNKNOWN),
    systemd("a template", "ExecStart=/usr/bin/gearbox serve -c /etc/site/%i.ini", UNKNOWN),
    systemd("a template with a file of variables",
            "EnvironmentFile=-/etc/default/site-%i\nExecStart=/usr/bin/uwsgi -w a", UNKNOWN),
    systemd("a drop-in", "ExecStart=/usr/bin/uwsgi --threads 4 -w app", SINGLE,
            files={"site.service.d/one.conf": "[Service]\nExecStart=\nExecStart=/usr/bin/uwsgi --threads 1 -w app\n"}),
    systemd("an instance's name", "ExecStart=/usr/bin/waitress-serve --threads=%i --url-prefix=100%% app:app", UNKNOWN),
    systemd("a working directory that is not here",
            "WorkingDirectory=/nowhere/site\nExecStart=/srv/bin/gunicorn --threads 4 app:app", UNKNOWN),
    systemd("a working directory that is not here, and does not matter",
            "WorkingDirectory=/nowhere/site\nExecStart=/srv/bin/gunicorn -k sync --threads 4 app:app", THREADED),
    systemd("a file that a variable names", "ExecStart=/usr/bin/uwsgi --ini $INI", UNKNOWN),
    systemd("another program", "ExecStart=/usr/bin/redis-server", UNKNOWN),
    systemd("nothing to start", "Type=simple", UNREADABLE),
)
OF_PROCFILE = (
    file("Procfile", "Procfile", THREADED,
         "release: ./migrate\nweb: waitress-serve --port=$PORT app:app\nworker: celery worker\n"),
    file("Procfile with one thread", "Procfile", SINGLE, "web: waitress-serve --port=$PORT --threads=1 app:app\n"),
    file("Procfile with a variable", "Procfile", UNKNOWN, "web: waitress-serve --threads=${THREADS:-1} app:app\n"),
    file("Procfile without a server", "Procfile", UNKNOWN, "worker: celery worker\n"),
)


def docker(name, text, status, **more):
    """A case of a Dockerfile."""
    return file("Dockerfile: " + name, "Dockerfile", status, files={"Dockerfile": text, **more.pop("files", {})},
                **more)


OF_DOCKER = (
    docker("exec form", 'FROM python:3\nCMD ["waitress-serve", "--threads=1", "app:app"]\n', SINGLE),
    docker("shell form with ENV",
           "FROM python:3\nENV THREADS=2 \\\n    A=b\nCMD exec waitress-serve --threads=$THREADS a:a\n", THREADED),
    docker("ENTRYPOINT and CMD", 'FROM python:3\nENTRYPOINT ["waitress-serve"]\nCMD ["--threads=5", "app:app"]\n',
           THREADED),
    docker("an entrypoint that is a script", 'FROM python:3\nENTRYPOINT ["/entrypoint.sh"]\nCMD ["uwsgi", "-w", "a"]\n',
           UNKNOWN),
    docker("stages",
           'FROM python:3 AS base\nCMD ["uwsgi", "--threads", "4"]\nFROM node AS ui\nCMD ["npm"]\nFROM base\n',
           THREADED),
    docker("CMD before ENTRYPOINT", 'FROM python:3\nCMD ["--threads=5", "a:a"]\nENTRYPOINT ["waitress-serve"]\n',
           THREADED),
    docker("ENTRYPOINT over a stage's CMD",
           'FROM python:3 AS base\nCMD ["--threads", "4"]\nFROM base\nENTRYPOINT ["uwsgi", "-w", "app"]\n', SINGLE),
    docker("a file that COPY brings",
           'FROM python:3\nWORKDIR /srv\nCOPY conf/uwsgi.ini /etc/uwsgi.ini\n'
           'CMD ["uwsgi", "--ini", "/etc/uwsgi.ini"]\n', UNKNOWN, files={"conf/uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    docker("a file in WORKDIR", 'FROM python:3\nWORKDIR /srv\nCOPY . .\nCMD ["uwsgi", "--ini", "/srv/uwsgi.ini"]\n',
           UNKNOWN, files={"uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    docker("a file of the image", 'FROM python:3\nCMD ["uwsgi", "--ini", "/etc/hosts"]\n', UNKNOWN),
    docker("gunicorn.conf.py, which COPY brings into the working directory",
           'FROM python:3 AS build\nFROM python:3\nWORKDIR /srv\nCOPY src/ ./\nCMD ["gunicorn", "app:app"]\n', UNKNOWN,
           files={"src/gunicorn.conf.py": "threads = 4\n"}),
    docker("gunicorn in the shell form, with a file of the image",
           "FROM python:3\nWORKDIR /srv\nCOPY . .\nCMD cd app && exec gunicorn -c /srv/conf/g.py app:app\n", UNKNOWN,
           files={"conf/g.py": "threads = 4\n", "app/gunicorn.conf.py": "threads = 1\n"}),
    docker("gunicorn where another image fills the working directory",
           "FROM python:3\nWORKDIR /srv\n" 'COPY --from=registry/site /srv .\nCMD ["gunicorn", "app:app"]\n', UNKNOWN),
    docker("gunicorn where the file's directory is not the build context",
           "FROM python:3\nWORKDIR /srv\n" 'COPY site/requirements.txt .\nCMD ["gunicorn", "app:app"]\n', UNKNOWN),
    docker("gunicorn's variable by an argument of the build",
           "FROM python:3\nARG ARGS\nENV GUNICORN_CMD_ARGS=$ARGS\n" 'CMD ["gunicorn", "app:app"]\n', UNKNOWN),
    docker("no command", "FROM python:3\nRUN pip install waitress\n", UNKNOWN),
)
COMPOSE = "services:\n  db:\n    image: postgres\n  web:\n    image: site\n    command: %s\n"
ENTRYPOINT = COMPOSE.replace("command", "entrypoint")


def compose(name, text, status, **more):
    """A case of a compose file."""
    return file("compose: " + name, "compose.yaml", status, needs=("yaml",),
                files={"compose.yaml": text, **more.pop("files", {})}, **more)


REMOTE = "https://git.example.org/site.git#main"
WAITRESS = "services:\n  web:\n    command: waitress-serve --threads=%d app:app\n"
OF_COMPOSE = (
    compose("an override beside it, which nobody names", WAITRESS % 1, THREADED,
            files={"compose.override.yml": WAITRESS % 4}),
    file("compose: an override that it does not read", "site-compose.yml", THREADED, needs=("yaml",),
         files={"site-compose.yml": WAITRESS % 3, "compose.override.yml": WAITRESS % 4}),
    compose("an override of the environment", "services:\n  web:\n    command: uwsgi -w app\n", THREADED,
            files={"docker-compose.override.yaml": "services:\n  web:\n    environment: {UWSGI_THREADS: 3}\n"}),
    compose("another file that it includes", "include: [web/compose.yaml]\nservices: {db: {image: postgres}}\n",
            THREADED, files={"web/compose.yaml": WAITRESS % 2}),
    compose("files that it includes by path", "include:\n  - path: [a.yaml, b.yaml]\n", THREADED,
            files={"a.yaml": WAITRESS % 3, "b.yaml": WAITRESS % 5}),
    compose("a file that includes itself", "include: [compose.yaml]\n" + WAITRESS % 3, THREADED),
    compose("a file elsewhere that it includes", "include:\n  - oci://registry.example.org/site\n" + WAITRESS % 4,
            THREADED),
    compose("an image that is built from elsewhere", "services:\n  web:\n    build: %s\n" % REMOTE, UNKNOWN),
    compose("an image that is built from elsewhere, with a command",
            WAITRESS % 2 + "    build: {context: '%s'}\n" % REMOTE, THREADED),
    compose("a Dockerfile within",
            "services:\n  web:\n    build:\n      dockerfile_inline: |\n        FROM python\n"
            "        CMD waitress-serve app:app\n", THREADED),
    compose("a string", COMPOSE % "waitress-serve --threads=1 app:app", UNKNOWN),
    compose("a list", COMPOSE % '["waitress-serve", "app:app"]', THREADED),
    compose("a variable of the host", COMPOSE % "waitress-serve --threads=${N} app:app", UNKNOWN),
    compose("a variable that the host hands on", COMPOSE % "uwsgi -w app" + "    environment: [UWSGI_THREADS]\n",
            UNKNOWN),
    compose("a variable that the host hands on, as a mapping",
            COMPOSE % "uwsgi -w app" + "    environment:\n      UWSGI_THREADS:\n", UNKNOWN),
    compose("gunicorn's variable of the host",
            ENTRYPOINT % "gunicorn --threads 1 -k sync app:app"
            + "    environment:\n      GUNICORN_CMD_ARGS: ${ARGS}\n", SINGLE),
    compose("gunicorn's variable with an address of the host",
            ENTRYPOINT % "gunicorn --threads 1 -k sync app:app"
            + "    environment:\n      GUNICORN_CMD_ARGS: -b :${PORT}\n", SINGLE),
    compose("environment", COMPOSE % "uwsgi -w app" + "    environment:\n      UWSGI_THREADS: 4\n", THREADED),
    compose("the Dockerfile's command", "services:\n  web:\n    build: .\n    environment: [UWSGI_THREADS=2]\n",
            THREADED, files={"Dockerfile": 'FROM python:3\nCMD ["uwsgi", "-w", "app"]\n'}),
    compose("a command over the Dockerfile's",
            "services:\n  web:\n    build: .\n    command: uwsgi --threads 1 -w app\n", SINGLE,
            files={"Dockerfile": 'FROM python:3\nCMD ["uwsgi", "--threads", "2"]\n'}),
    compose("an entrypoint over the Dockerfile's command",
            "services:\n  web:\n    build:\n      context: app\n      dockerfile: Web\n"
            "    entrypoint: [uwsgi, -w, app]\n", SINGLE,
            files={"app/Web": 'FROM python:3\nCMD ["uwsgi", "--threads", "2"]\n'}),
    compose("a stage of the Dockerfile", "services:\n  web:\n    build:\n      context: .\n      target: Dev\n",
            THREADED,
            files={"Dockerfile": "FROM a AS dev\nCMD uwsgi --threads 2 -w app\nFROM a AS prod\nCMD uwsgi -w app\n"}),
    compose("a stage that is not there", "services:\n  web:\n    build:\n      context: .\n      target: dev\n",
            UNREADABLE, files={"Dockerfile": "FROM a AS prod\nCMD uwsgi -w app\n"}),
    compose("a Dockerfile in a directory below its context",
            "services:\n  web:\n    build:\n      context: .\n      dockerfile: docker/Web\n", UNKNOWN,
            files={"docker/Web": "FROM a\nWORKDIR /srv\nCOPY . .\nCMD uwsgi uwsgi.ini\n", "uwsgi.ini":
                   "[uwsgi]\nthreads = 3\n"}),
    compose("a service that extends another",
            "services:\n  base:\n    image: site\n    environment:\n"
            "      UWSGI_THREADS: 4\n  web:\n    extends:\n      service: base\n    command: uwsgi -w app\n", THREADED),
    compose("a service that extends one of another file",
            "services:\n  web:\n    extends:\n      file: base/base.yaml\n      service: base\n", THREADED,
            files={"base/base.yaml": "services:\n  base:\n    command: uwsgi --threads 4 -w app\n"}),
    compose("services that extend each other", "services:\n  a:\n    extends: b\n  b:\n    extends: a\n", UNREADABLE),
    compose("a directory that is mounted",
            "services:\n  web:\n    image: python\n    working_dir: /srv\n"
            "    volumes: [./site:/srv]\n    command: uwsgi uwsgi.ini\n", UNKNOWN,
            files={"site/uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    compose("gunicorn in an image that is not built here", COMPOSE % "gunicorn app:app", UNKNOWN),
    compose("gunicorn with threads in an image that is not built here",
            COMPOSE % "gunicorn --threads 4 app:app" + "    environment: [GUNICORN_CMD_ARGS=-k gthread]\n", THREADED),
    compose("gunicorn without threads in an image that is not built here",
            ENTRYPOINT % "gunicorn --threads 1 -k sync app:app", SINGLE),
    compose("a file of variables that may be missing",
            COMPOSE % "uwsgi -w app" + "    env_file:\n      - path: none.env\n        required: false\n", UNKNOWN),
    compose("nothing but a database", "services:\n  db:\n    image: postgres\n", UNKNOWN),
)
CASES = (OF_GUNICORN + OF_UWSGI + OF_APACHE + OF_UNIT + OF_SYSTEMD + OF_PROCFILE + OF_DOCKER + OF_COMPOSE)
