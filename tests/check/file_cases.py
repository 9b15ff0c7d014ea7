"""The files of servers, and of what starts servers."""

from check.cases import SINGLE, THREADED, UNKNOWN, UNREADABLE, Case, file, lets, unknown

SYNC, GTHREAD = "gunicorn's sync worker", "gunicorn's gthread worker"
CONF = "gunicorn.conf.py"
EXPRESSION = "import os\nthreads = int(os.environ.get('THREADS', 6))\n"
OF_GUNICORN = (
    file("gunicorn.conf.py with threads", CONF, THREADED, CONF + ":2: " + lets(GTHREAD, 4),
         files={CONF: "workers = 2\nthreads = 4\n"}),
    file("gunicorn.conf.py without", CONF, SINGLE, CONF + ": " + lets(SYNC), files={CONF: "workers = 2\n"}),
    file("gunicorn.conf.py that takes a thread back", CONF, UNKNOWN, "gunicorn.conf.py:3: " + unknown("gunicorn"),
         files={CONF: "threads = 4\nworkers = 2\nthreads = 1\n"}),
    file("gunicorn.conf.py with an expression, executed", CONF, UNKNOWN, "gunicorn.conf.py:2: " + unknown("gunicorn"),
         files={CONF: EXPRESSION}),
    file("gunicorn.conf.py with an expression, not executed", CONF, UNKNOWN, CONF + ":2: " + unknown("gunicorn"),
         arguments="--no-exec " + CONF, files={CONF: EXPRESSION}),
    file("gunicorn.conf.py with a condition, not executed", CONF, UNKNOWN, CONF + ":2: " + unknown("gunicorn"),
         arguments="--no-exec " + CONF, files={CONF: "if True:\n    threads = 4\n"}),
    file("gunicorn.conf.py that imports everything, not executed", CONF, UNKNOWN, CONF + ":1: " + unknown("gunicorn"),
         arguments="--no-exec " + CONF, files={CONF: "from base import *\nthreads = 1\n"}),
    file("another name", "settings.py", UNREADABLE, 'settings.py: TG902 settings.py cannot be read',
         files={"settings.py": "bind = ':80'\nthreads = 1\n"}),
    file("a module that is not gunicorn's", "wsgi.py", UNREADABLE, "wsgi.py: TG902 wsgi.py cannot be read",
         files={"wsgi.py": "raise SystemExit('executed')\n"}),
    file("gunicorn.conf.py with functions, not executed", CONF, THREADED, CONF + ":4: " + lets(GTHREAD, 2),
         arguments="--no-exec " + CONF, files={CONF: "import os\ndef on_exit(server):\n    pass\nthreads = 2\n"}),
)
XML = "<uwsgi>\n  <master/>\n  <threads>%s</threads>\n</uwsgi>\n"
OF_UWSGI = (
    file("uwsgi.ini with processes", "uwsgi.ini", SINGLE, "uwsgi.ini: " + lets("uWSGI"),
         files={"uwsgi.ini": "[uwsgi]\nprocesses = 4\nneed-app = true\n"}),
    file("uwsgi.ini with threads", "uwsgi.ini", THREADED, "uwsgi.ini:3: " + lets("uWSGI", 4),
         files={"uwsgi.ini": "[uwsgi]\nprocesses = 4\nthreads=4\n"}),
    file("uwsgi.ini with enable-threads", "uwsgi.ini", SINGLE, "uwsgi.ini:3: " + lets("uWSGI"),
         files={"uwsgi.ini": "[uwsgi]\nenable-threads = true\nthreads = 1\n"}),
    file("uwsgi.ini with gevent", "uwsgi.ini", THREADED, "uwsgi.ini:3: " + lets("uWSGI's gevent loop", 50),
         files={"uwsgi.ini": "[uwsgi]\n# greenlets\ngevent = 50\n"}),
    file("uwsgi.ini where the last one counts", "uwsgi.ini", SINGLE, "uwsgi.ini:4: " + lets("uWSGI"),
         files={"uwsgi.ini": "[uwsgi]\nthreads = 4\nmaster\nthreads = 1\n"}),
    file("uwsgi.ini with a comment out", "uwsgi.ini", SINGLE, "uwsgi.ini: " + lets("uWSGI"),
         files={"uwsgi.ini": "[uwsgi]\n;threads = 4\n  # async = 4\n[other]\nthreads = 9\n"}),
    file("uwsgi.ini with a placeholder", "uwsgi.ini", THREADED, "uwsgi.ini:3: " + lets("uWSGI", 3),
         files={"uwsgi.ini": "[uwsgi]\nn = 3\nthreads = %(n)\n"}),
    file("uwsgi.ini with a placeholder by set-ph", "uwsgi.ini", THREADED, "uwsgi.ini:3: " + lets("uWSGI", 3),
         files={"uwsgi.ini": "[uwsgi]\nset-ph = n=3\nthreads = %(n)\n"}),
    file("uwsgi.ini with the number of CPUs", "uwsgi.ini", UNKNOWN,
         "uwsgi.ini:2: " + unknown("the server of uwsgi.ini"), files={"uwsgi.ini": "[uwsgi]\nthreads = %k\n"}),
    file("uwsgi.ini with a variable", "uwsgi.ini", UNKNOWN, "uwsgi.ini:2: " + unknown("the server of uwsgi.ini"),
         files={"uwsgi.ini": "[uwsgi]\nthreads = $(THREADS)\n"}),
    file("uwsgi.ini with a condition", "uwsgi.ini", UNKNOWN, "uwsgi.ini:3: " + unknown("the server of uwsgi.ini"),
         files={"uwsgi.ini": "[uwsgi]\nif-env = MANY\nthreads = 4\nendif =\n"}),
    file("uwsgi.ini with a condition that is not closed", "uwsgi.ini", UNKNOWN,
         "uwsgi.ini: " + unknown("the server of uwsgi.ini"), files={"uwsgi.ini": "[uwsgi]\nthreads = 1\nif-env = A\n"}),
    Case("uwsgi's command line after a condition that is not closed", "-- uwsgi --ini uwsgi.ini --threads 2", UNKNOWN,
         ("uwsgi.ini: " + unknown("uWSGI"),), files={"uwsgi.ini": "[uwsgi]\nthreads = 1\nif-env = A\n"}),
    file("uwsgi.ini that includes another", "etc/uwsgi.ini", THREADED, "etc/base.ini:2: " + lets("uWSGI", 2),
         files={"etc/uwsgi.ini": "[uwsgi]\nini = %d/base.ini\n", "etc/base.ini": "[uwsgi]\nthreads = 2\n"}),
    file("uwsgi.ini that inherits, which comes last", "uwsgi.ini", THREADED, "base.ini:2: " + lets("uWSGI", 2),
         files={"uwsgi.ini": "[uwsgi]\ninherit = base.ini\nthreads = 1\n", "base.ini": "[uwsgi]\nthreads = 2\n"}),
    file("uwsgi.ini that includes itself", "uwsgi.ini", UNREADABLE, "uwsgi.ini: TG902 uwsgi.ini cannot be read",
         files={"uwsgi.ini": "[uwsgi]\nini = uwsgi.ini\n"}),
    file("an emperor", "emperor.ini", UNKNOWN, "emperor.ini:2: " + unknown("the server of emperor.ini"),
         files={"emperor.ini": "[uwsgi]\nemperor = /etc/vassals\n"}),
    file("uwsgi.json", "uwsgi.json", THREADED, "uwsgi.json:3: " + lets("uWSGI", 4),
         files={"uwsgi.json": '{"uwsgi": {\n  "master": true,\n  "threads": 4\n}}\n'}),
    file("uwsgi.xml", "uwsgi.xml", THREADED, "uwsgi.xml:3: " + lets("uWSGI", 4), files={"uwsgi.xml": XML % 4}),
    file("uwsgi.xml with one", "uwsgi.xml", SINGLE, "uwsgi.xml:3: " + lets("uWSGI"), files={"uwsgi.xml": XML % 1}),
    file("uwsgi.yaml", "uwsgi.yaml", THREADED, "uwsgi.yaml:3: " + lets("uWSGI", 4), needs=("yaml",),
         files={"uwsgi.yaml": "uwsgi:\n  master: true\n  threads: 4\n"}),
)
EMBEDDED = "mod_wsgi embedded in Apache"
DAEMON = "mod_wsgi's daemon"
MPM = "LoadModule mpm_%s_module modules/mod_mpm.so\nLoadModule wsgi_module modules/mod_wsgi.so\n"
ALIAS = "WSGIScriptAlias / /srv/app.wsgi\n"
GROUP = "WSGIProcessGroup site\n"


def apache(name, text, status, *says, **more):
    """A case of one file of Apache's."""
    files = {"site.conf": text, **more.pop("files", {})}
    return file("Apache: " + name, "site.conf", status, *says, files=files, **more)


OF_APACHE = (
    apache("embedded, prefork", MPM % "prefork" + ALIAS, SINGLE, "site.conf:3: " + lets(EMBEDDED)),
    apache("embedded, event", MPM % "event" + ALIAS, THREADED, "site.conf:3: " + lets(EMBEDDED, 25)),
    apache("embedded, worker with ThreadsPerChild", MPM % "worker" + "ThreadsPerChild 8\n" + ALIAS, THREADED,
           "site.conf:4: " + lets(EMBEDDED, 8)),
    apache("embedded, event with one thread", MPM % "event" + "ThreadsPerChild 1\n" + ALIAS, SINGLE,
           "site.conf:4: " + lets(EMBEDDED)),
    apache("embedded, prefork, behind HTTP/2",
           MPM % "prefork" + "LoadModule http2_module m.so\nProtocols h2 http/1.1\n" + ALIAS, THREADED,
           "site.conf:5: " + lets("mod_wsgi embedded behind HTTP/2", "more")),
    apache("embedded under an MPM that the file does not name", "<VirtualHost *>\n" + ALIAS + "</VirtualHost>\n",
           UNKNOWN, "site.conf:2: " + unknown("the server of site.conf")),
    apache("a bare daemon", "WSGIDaemonProcess site\n" + GROUP + ALIAS, THREADED, "site.conf:1: " + lets(DAEMON, 15)),
    apache("a daemon with processes alone", "WSGIDaemonProcess site processes=4\n" + GROUP + ALIAS, THREADED,
           "site.conf:1: " + lets(DAEMON, 15)),
    apache("a daemon with one thread", "WSGIDaemonProcess site processes=4 threads=1\n" + GROUP + ALIAS, SINGLE,
           "site.conf:1: " + lets(DAEMON)),
    apache("a daemon of one thread without WSGIProcessGroup",
           MPM % "event" + "WSGIDaemonProcess site threads=1\n" + ALIAS, THREADED,
           "site.conf:4: " + lets(EMBEDDED, 25)),
    apache("a daemon chosen by WSGIScriptAlias",
           "WSGIDaemonProcess site threads=1\nWSGIScriptAlias / /a.wsgi process-group=site\n", SINGLE,
           "site.conf:1: " + lets(DAEMON)),
    apache("a daemon chosen in <Directory>",
           "WSGIDaemonProcess site threads=2 \\\n  processes=4\n" + ALIAS + "<Directory /srv>\n" + GROUP
           + "</Directory>\n", THREADED, "site.conf:1: " + lets(DAEMON, 2)),
    apache("a daemon chosen for another <Location>",
           MPM % "prefork" + "WSGIDaemonProcess site threads=2\nWSGIScriptAlias /a /a.wsgi\n<Location /b>\n" + GROUP
           + "</Location>\n", SINGLE, "site.conf:4: " + lets(EMBEDDED)),
    apache("the main process chosen over a daemon", MPM % "event" + "WSGIDaemonProcess site threads=1\n" + GROUP
           + "WSGIScriptAlias / /a.wsgi process-group=%{GLOBAL}\n", THREADED, "site.conf:5: " + lets(EMBEDDED, 25)),
    apache("the virtual host's daemon before the server's", "WSGIDaemonProcess site threads=1\n"
           "WSGIDaemonProcess wide threads=5\n" + "<VirtualHost *>\n" + GROUP + ALIAS + "</VirtualHost>\n"
           "WSGIProcessGroup wide\n", SINGLE, "site.conf:1: " + lets(DAEMON)),
    apache("the directory's daemon before the virtual host's", "WSGIDaemonProcess site threads=1\n"
           "WSGIDaemonProcess wide threads=5\n<VirtualHost *>\n" + ALIAS + "<Directory /srv>\n" + GROUP
           + "</Directory>\nWSGIProcessGroup wide\n</VirtualHost>\n", SINGLE, "site.conf:1: " + lets(DAEMON)),
    apache("the location's daemon before the directory's", "WSGIDaemonProcess site threads=1\n"
           "WSGIDaemonProcess wide threads=5\n" + ALIAS + "<Location />\nWSGIProcessGroup wide\n</Location>\n"
           "<Directory /srv>\n" + GROUP + "</Directory>\n" + GROUP, THREADED, "site.conf:2: " + lets(DAEMON, 5)),
    apache("a daemon where a module is not loaded", MPM % "event" + "<IfModule !mpm_prefork_module>\n"
           "WSGIDaemonProcess site threads=1\n</IfModule>\n<IfModule !mpm_event_module>\n"
           "WSGIDaemonProcess site threads=9\n</IfModule>\n" + GROUP + ALIAS, SINGLE, "site.conf:4: " + lets(DAEMON)),
    apache("two virtual hosts", "WSGIDaemonProcess one threads=1\nWSGIDaemonProcess two threads=2\n<VirtualHost *:80>\n"
           "WSGIProcessGroup one\n" + ALIAS + "</VirtualHost>\n<VirtualHost *:81>\nWSGIProcessGroup two\n" + ALIAS
           + "</VirtualHost>\n", THREADED, "site.conf:1: " + lets(DAEMON), "site.conf:2: " + lets(DAEMON, 2)),
    apache("a daemon that is in no file", GROUP + ALIAS, UNKNOWN,
           "site.conf:2: " + unknown("the server of site.conf")),
    apache("a process group of the request", "WSGIProcessGroup %{ENV:GROUP}\n" + ALIAS, UNKNOWN,
           "site.conf:2: " + unknown("the server of site.conf")),
    apache("a variable by Define", "Define N 1\nWSGIDaemonProcess site threads=${N}\n" + GROUP + ALIAS, SINGLE,
           "site.conf:2: " + lets(DAEMON)),
    apache("a variable of the environment", "WSGIDaemonProcess site threads=${N}\n" + GROUP + ALIAS, UNKNOWN,
           "site.conf:1: " + unknown("the server of site.conf")),
    apache("a daemon in <IfDefine>",
           "<IfDefine !DEBUG>\nWSGIDaemonProcess site threads=1\n</IfDefine>\n" + GROUP + ALIAS, UNKNOWN,
           "site.conf:2: " + unknown("the server of site.conf")),
    apache("a site that stands in <IfModule> as a whole", "<IfModule mod_ssl.c>\n<VirtualHost *:443>\n"
           "WSGIDaemonProcess site threads=1\n" + GROUP + ALIAS + "</VirtualHost>\n</IfModule>\n"
           "<IfDefine MORE>\nThreadsPerChild 8\n</IfDefine>\n", SINGLE, "site.conf:3: " + lets(DAEMON)),
    apache("a site in <IfModule>, its group in another", "WSGIDaemonProcess site threads=1\n<IfModule mod_ssl.c>\n"
           + ALIAS + "</IfModule>\n<IfModule mod_ssl.c>\n" + GROUP + "</IfModule>\n", UNKNOWN,
           "site.conf:6: " + unknown("the server of site.conf")),
    apache("a daemon of a virtual host of the same name", "<VirtualHost *:80>\nServerName a.example\n"
           "WSGIDaemonProcess site threads=2\n</VirtualHost>\n<VirtualHost *:443>\nServerName a.example\n" + GROUP
           + ALIAS + "</VirtualHost>\n", THREADED, "site.conf:3: " + lets(DAEMON, 2)),
    apache("a daemon of a virtual host of another name", "<VirtualHost *:80>\nServerName a.example\n"
           "WSGIDaemonProcess site threads=2\n</VirtualHost>\n<VirtualHost *:443>\nServerName b.example\n" + GROUP
           + ALIAS + "</VirtualHost>\n", UNKNOWN, "site.conf:8: " + unknown("the server of site.conf")),
    apache("a macro with its own number", "<Macro Site $name $n>\nWSGIDaemonProcess $name threads=$n\n"
           "WSGIScriptAlias / /srv/$name.wsgi process-group=$name\n</Macro>\nUse Site one 4\n", UNKNOWN,
           "site.conf:2: " + unknown("the server of site.conf")),
    apache("MPMs in <IfModule>", MPM % "event" + "<IfModule mpm_event_module>\nThreadsPerChild 4\n</IfModule>\n"
           "<IfModule mpm_worker_module>\nThreadsPerChild 64\n</IfModule>\n" + ALIAS, THREADED,
           "site.conf:9: " + lets(EMBEDDED, 4)),
    apache("files that are included", "Include mods/*.load\nIncludeOptional sites/*.conf\n", THREADED,
           "sites/a.conf:2: " + lets(EMBEDDED, 25),
           files={"mods/event.load": MPM % "event", "sites/a.conf": "<VirtualHost *>\n" + ALIAS + "</VirtualHost>\n"}),
    apache("an Include that finds nothing", "Include none.conf\n" + ALIAS, UNKNOWN,
           "site.conf:2: " + unknown("the server of site.conf")),
    apache("files that include each other", "Include other.conf\n", UNREADABLE,
           "site.conf: TG902 site.conf cannot be read", files={"other.conf": "Include site.conf\n"}),
    apache("a section that is not closed", "<VirtualHost *>\n" + ALIAS, UNREADABLE,
           "site.conf: TG902 site.conf cannot be read"),
    Case("Apache's own command", "-- apache2 -f httpd.conf -D ONE -DFOREGROUND", SINGLE,
         ("httpd.conf:2: " + lets(DAEMON),),
         files={"httpd.conf": "<IfDefine ONE>\nWSGIDaemonProcess site threads=1\n</IfDefine>\n" + GROUP + ALIAS}),
    Case("Apache's own command without a file", "-- apachectl start", UNKNOWN, (unknown("Apache"),)),
)
UNIT = '{"listeners": {"*:80": {"pass": "applications/site"}}, "applications": {\n' \
    '"site": {\n"type": "%s",\n%s"module": "app"}}}'
OF_UNIT = (
    file("Unit by default", "unit.json", SINGLE, "unit.json:2: " + lets("Unit"),
         files={"unit.json": UNIT % ("python", "")}),
    file("Unit with threads", "unit.json", THREADED, "unit.json:4: " + lets("Unit", 4),
         files={"unit.json": UNIT % ("python 3.11", '"threads": 4,\n')}),
    file("Unit as its control socket tells it", "unit.json", THREADED, "unit.json:4: " + lets("Unit", 4),
         files={"unit.json": '{"certificates": {}, "config": %s}' % (UNIT % ("python", '"threads": 4,\n'))}),
    file("Unit with comments", "unit.json", THREADED, "unit.json:5: " + lets("Unit", 4),
         files={"unit.json": "// http://unit\n" + UNIT % ("python", '"threads": /* "threads": 1,\n*/ 4, // "x": {\n')}),
    file("Unit with two applications", "unit.json", THREADED, "unit.json:1: " + lets("Unit"),
         "unit.json:2: " + lets("Unit", 4), files={"unit.json":
         '{"applications": {"a": {"type": "python", "module": "a"},\n"b": {"type": "python", "threads": 4}}}'}),
    file("Unit with targets in one process", "unit.json", THREADED, "unit.json:4: " + lets("Unit", 4), files={
        "unit.json": UNIT.replace('"module": "app"', '"targets": {"a": {"module": "a"}}')
        % ("python", '"threads": 4,\n')}),
    file("Unit with a factory", "unit.json", SINGLE, "unit.json:2: " + lets("Unit"),
         files={"unit.json": UNIT % ("python", '"callable": "make",\n"factory": true,\n')}),
    file("Unit with PHP only", "unit.json", UNKNOWN, "unit.json: " + unknown("the server of unit.json"),
         files={"unit.json": UNIT % ("php", "")}),
    file("Unit with threads that are none", "unit.json", UNREADABLE, "unit.json:4: TG902 unit.json cannot be read",
         files={"unit.json": UNIT % ("python", '"threads": "4",\n')}),
)
UNIT_FILE = "[Unit]\nDescription=site\n[Service]\n%s\n[Install]\nWantedBy=multi-user.target\n"


def systemd(name, lines, status, *says, **more):
    """A case of a systemd unit with these lines, of which the first is the fourth of the file."""
    files = {"site.service": UNIT_FILE % lines, **more.pop("files", {})}
    return file("systemd: " + name, "site.service", status, *says, files=files, **more)


OF_SYSTEMD = (
    systemd("ExecStart", "ExecStart=/srv/bin/waitress-serve --threads=1 app:app", SINGLE,
            "site.service:4: " + lets("waitress")),
    systemd("ExecStart over two lines", "ExecStart=-/srv/bin/waitress-serve \\\n  --threads=3 app:app", THREADED,
            "site.service:4: " + lets("waitress", 3)),
    systemd("Environment", 'Environment="A=b c" UWSGI_THREADS=4\nExecStart=/usr/bin/uwsgi -w app', THREADED,
            "site.service:5: " + lets("uWSGI", 4)),
    systemd("EnvironmentFile", "EnvironmentFile=site.env\nExecStart=/usr/bin/waitress-serve $OPTIONS app:app",
            THREADED, "site.service:5: " + lets("waitress", "more"),
            files={"site.env": "# options\nOPTIONS=\"--threads 6\"\n"}),
    systemd("EnvironmentFile that is missing", "EnvironmentFile=/nowhere/env\nExecStart=/usr/bin/uwsgi -w app",
            UNKNOWN, "site.service:5: " + unknown("uWSGI")),
    systemd("EnvironmentFile that may be missing", "EnvironmentFile=-/nowhere/env\nExecStart=/usr/bin/uwsgi -w app",
            UNKNOWN, "site.service:5: " + unknown("uWSGI")),
    systemd("EnvironmentFile by a pattern", "EnvironmentFile=env/*\nExecStart=/usr/bin/uwsgi -w app", THREADED,
            "site.service:5: " + lets("uWSGI", "more"),
            files={"env/a": "UWSGI_THREADS=3\n", "env/b": "UWSGI_THREADS=2\n"}),
    systemd("several commands", "Type=oneshot\nExecStart=/usr/bin/mkdir -p /run/site\n"
            "ExecStart=/usr/bin/uwsgi --threads 4 -w app", THREADED, "site.service:6: " + lets("uWSGI", 4)),
    systemd("no server at all", "ExecStart=/usr/bin/mkdir -p /run/site\nExecStart=/usr/bin/true", UNKNOWN,
            "site.service:4: " + unknown("the server of site.service")),
    systemd("a template", "ExecStart=/usr/bin/gearbox serve -c /etc/site/%i.ini", UNKNOWN,
            "site.service:4: " + unknown("the [server:] section")),
    systemd("a template with a file of variables",
            "EnvironmentFile=-/etc/default/site-%i\nExecStart=/usr/bin/uwsgi -w a", UNKNOWN,
            "site.service:5: " + unknown("uWSGI")),
    systemd("a drop-in", "ExecStart=/usr/bin/uwsgi --threads 4 -w app", SINGLE,
            "site.service.d/one.conf:3: " + lets("uWSGI"),
            files={"site.service.d/one.conf": "[Service]\nExecStart=\nExecStart=/usr/bin/uwsgi --threads 1 -w app\n"}),
    systemd("an instance's name", "ExecStart=/usr/bin/waitress-serve --threads=%i --url-prefix=100%% app:app", UNKNOWN,
            "site.service:4: " + unknown("waitress")),
    systemd("a working directory that is not here",
            "WorkingDirectory=/nowhere/site\nExecStart=/srv/bin/gunicorn --threads 4 app:app", UNKNOWN,
            "site.service:5: " + unknown("gunicorn")),
    systemd("a working directory that is not here, and does not matter",
            "WorkingDirectory=/nowhere/site\nExecStart=/srv/bin/gunicorn -k sync --threads 4 app:app", THREADED,
            "site.service:5: " + lets(GTHREAD, 4)),
    systemd("a file that a variable names", "ExecStart=/usr/bin/uwsgi --ini $INI", UNKNOWN,
            "site.service:4: " + unknown("uWSGI")),
    systemd("another program", "ExecStart=/usr/bin/redis-server", UNKNOWN,
            "site.service:4: " + unknown("the server of site.service")),
    systemd("nothing to start", "Type=simple", UNREADABLE, "site.service: TG902 site.service cannot be read"),
)
OF_PROCFILE = (
    file("Procfile", "Procfile", THREADED, "Procfile:2: " + lets("waitress", 4),
         files={"Procfile": "release: ./migrate\nweb: waitress-serve --port=$PORT app:app\nworker: celery worker\n"}),
    file("Procfile with one thread", "Procfile", SINGLE, "Procfile:1: " + lets("waitress"),
         files={"Procfile": "web: waitress-serve --port=$PORT --threads=1 app:app\n"}),
    file("Procfile with a variable", "Procfile", UNKNOWN, "Procfile:1: " + unknown("waitress"),
         files={"Procfile": "web: waitress-serve --threads=${THREADS:-1} app:app\n"}),
    file("Procfile without a server", "Procfile", UNKNOWN, "Procfile:1: " + unknown("the server of Procfile"),
         files={"Procfile": "worker: celery worker\n"}),
)


def docker(name, text, status, *says, **more):
    """A case of a Dockerfile."""
    return file("Dockerfile: " + name, "Dockerfile", status, *says, files={"Dockerfile": text, **more.pop("files", {})},
                **more)


OF_DOCKER = (
    docker("exec form", 'FROM python:3\nCMD ["waitress-serve", "--threads=1", "app:app"]\n', SINGLE,
           "Dockerfile:2: " + lets("waitress")),
    docker("shell form with ENV",
           "FROM python:3\nENV THREADS=2 \\\n    A=b\nCMD exec waitress-serve --threads=$THREADS a:a\n", THREADED,
           "Dockerfile:4: " + lets("waitress", 2)),
    docker("ENTRYPOINT and CMD",
           'FROM python:3\nENTRYPOINT ["waitress-serve"]\nCMD ["--threads=5", "app:app"]\n', THREADED,
           "Dockerfile:3: " + lets("waitress", 5)),
    docker("an entrypoint that is a script", 'FROM python:3\nENTRYPOINT ["/entrypoint.sh"]\nCMD ["uwsgi", "-w", "a"]\n',
           UNKNOWN, "Dockerfile:3: " + unknown("the image")),
    docker("stages",
           'FROM python:3 AS base\nCMD ["uwsgi", "--threads", "4"]\nFROM node AS ui\nCMD ["npm"]\nFROM base\n',
           THREADED,
           "Dockerfile:2: " + lets("uWSGI", 4)),
    docker("CMD before ENTRYPOINT", 'FROM python:3\nCMD ["--threads=5", "a:a"]\nENTRYPOINT ["waitress-serve"]\n',
           THREADED, "Dockerfile:2: " + lets("waitress", 5)),
    docker("ENTRYPOINT over a stage's CMD",
           'FROM python:3 AS base\nCMD ["--threads", "4"]\nFROM base\nENTRYPOINT ["uwsgi", "-w", "app"]\n', SINGLE,
           "Dockerfile:4: " + lets("uWSGI")),
    docker("a file that COPY brings", 'FROM python:3\nWORKDIR /srv\nCOPY conf/uwsgi.ini /etc/uwsgi.ini\n'
           'CMD ["uwsgi", "--ini", "/etc/uwsgi.ini"]\n', UNKNOWN, "Dockerfile:4: " + unknown("uWSGI"),
           files={"conf/uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    docker("a file in WORKDIR", 'FROM python:3\nWORKDIR /srv\nCOPY . .\nCMD ["uwsgi", "--ini", "/srv/uwsgi.ini"]\n',
           UNKNOWN, "Dockerfile:4: " + unknown("uWSGI"), files={"uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    docker("a file of the image", 'FROM python:3\nCMD ["uwsgi", "--ini", "/etc/hosts"]\n', UNKNOWN,
           "Dockerfile:2: " + unknown("uWSGI")),
    docker("gunicorn.conf.py, which COPY brings into the working directory",
           'FROM python:3 AS build\nFROM python:3\nWORKDIR /srv\nCOPY src/ ./\nCMD ["gunicorn", "app:app"]\n', UNKNOWN,
           "Dockerfile:5: " + unknown("gunicorn"), files={"src/gunicorn.conf.py": "threads = 4\n"}),
    docker("gunicorn in the shell form, with a file of the image", "FROM python:3\nWORKDIR /srv\nCOPY . .\n"
           "CMD cd app && exec gunicorn -c /srv/conf/g.py app:app\n", UNKNOWN, "Dockerfile:4: " + unknown("the image"),
           files={"conf/g.py": "threads = 4\n", "app/gunicorn.conf.py": "threads = 1\n"}),
    docker("gunicorn where another image fills the working directory", "FROM python:3\nWORKDIR /srv\n"
           'COPY --from=registry/site /srv .\nCMD ["gunicorn", "app:app"]\n', UNKNOWN,
           "Dockerfile:4: " + unknown("gunicorn")),
    docker("gunicorn where the file's directory is not the build context", "FROM python:3\nWORKDIR /srv\n"
           'COPY site/requirements.txt .\nCMD ["gunicorn", "app:app"]\n', UNKNOWN,
           "Dockerfile:4: " + unknown("gunicorn")),
    docker("gunicorn's variable by an argument of the build", "FROM python:3\nARG ARGS\nENV GUNICORN_CMD_ARGS=$ARGS\n"
           'CMD ["gunicorn", "app:app"]\n', UNKNOWN, "Dockerfile:4: " + unknown("gunicorn")),
    docker("no command", "FROM python:3\nRUN pip install waitress\n", UNKNOWN, "Dockerfile: " + unknown("the image")),
)
COMPOSE = "services:\n  db:\n    image: postgres\n  web:\n    image: site\n    command: %s\n"
ENTRYPOINT = COMPOSE.replace("command", "entrypoint")


def compose(name, text, status, *says, **more):
    """A case of a compose file."""
    return file("compose: " + name, "compose.yaml", status, *says, needs=("yaml",),
                files={"compose.yaml": text, **more.pop("files", {})}, **more)


REMOTE = "https://git.example.org/site.git#main"
WAITRESS = "services:\n  web:\n    command: waitress-serve --threads=%d app:app\n"
OF_COMPOSE = (
    compose("an override beside it, which nobody names", WAITRESS % 1, THREADED,
            "compose.override.yml:3: " + lets("waitress", 4), files={"compose.override.yml": WAITRESS % 4}),
    file("compose: an override that it does not read", "site-compose.yml", THREADED,
         "site-compose.yml:3: " + lets("waitress", 3), needs=("yaml",),
         files={"site-compose.yml": WAITRESS % 3, "compose.override.yml": WAITRESS % 4}),
    compose("an override of the environment", "services:\n  web:\n    command: uwsgi -w app\n", THREADED,
            "compose.yaml:3: " + lets("uWSGI", 3), files={
                "docker-compose.override.yaml": "services:\n  web:\n    environment: {UWSGI_THREADS: 3}\n"}),
    compose("another file that it includes", "include: [web/compose.yaml]\nservices: {db: {image: postgres}}\n",
            THREADED,
            "web/compose.yaml:3: " + lets("waitress", 2), files={"web/compose.yaml": WAITRESS % 2}),
    compose("files that it includes by path", "include:\n  - path: [a.yaml, b.yaml]\n", THREADED,
            "a.yaml:3: " + lets("waitress", 3), "b.yaml:3: " + lets("waitress", 5),
            files={"a.yaml": WAITRESS % 3, "b.yaml": WAITRESS % 5}),
    compose("a file that includes itself", "include: [compose.yaml]\n" + WAITRESS % 3, THREADED,
            "compose.yaml:4: " + lets("waitress", 3), "compose.yaml:1: TG902 compose.yaml cannot be read"),
    compose("a file elsewhere that it includes", "include:\n  - oci://registry.example.org/site\n" + WAITRESS % 4,
            THREADED, "compose.yaml:5: " + lets("waitress", 4),
            "compose.yaml:2: " + unknown("the file oci://registry.example.org/site")),
    compose("an image that is built from elsewhere", "services:\n  web:\n    build: %s\n" % REMOTE, UNKNOWN,
            "compose.yaml:3: " + unknown("the service web")),
    compose("an image that is built from elsewhere, with a command",
            WAITRESS % 2 + "    build: {context: '%s'}\n" % REMOTE, THREADED, "compose.yaml:3: " + lets("waitress", 2)),
    compose("a Dockerfile within", "services:\n  web:\n    build:\n      dockerfile_inline: |\n        FROM python\n"
            "        CMD waitress-serve app:app\n", THREADED, "compose.yaml:6: " + lets("waitress", 4)),
    compose("a string", COMPOSE % "waitress-serve --threads=1 app:app", UNKNOWN,
            "compose.yaml:6: " + unknown("waitress")),
    compose("a list", COMPOSE % '["waitress-serve", "app:app"]', THREADED, "compose.yaml:6: " + lets("waitress", 4)),
    compose("a variable of the host", COMPOSE % "waitress-serve --threads=${N} app:app", UNKNOWN,
            "compose.yaml:6: " + unknown("waitress")),
    compose("a variable that the host hands on", COMPOSE % "uwsgi -w app" + "    environment: [UWSGI_THREADS]\n",
            UNKNOWN, "compose.yaml:6: " + unknown("uWSGI")),
    compose("a variable that the host hands on, as a mapping",
            COMPOSE % "uwsgi -w app" + "    environment:\n      UWSGI_THREADS:\n", UNKNOWN,
            "compose.yaml:6: " + unknown("uWSGI")),
    compose("gunicorn's variable of the host", ENTRYPOINT % "gunicorn --threads 1 -k sync app:app"
            + "    environment:\n      GUNICORN_CMD_ARGS: ${ARGS}\n",
            SINGLE, "compose.yaml:6: " + lets("gunicorn's sync worker")),
    compose("gunicorn's variable with an address of the host", ENTRYPOINT % "gunicorn --threads 1 -k sync app:app"
            + "    environment:\n      GUNICORN_CMD_ARGS: -b :${PORT}\n", SINGLE, "compose.yaml:6: " + lets(SYNC)),
    compose("environment", COMPOSE % "uwsgi -w app" + "    environment:\n      UWSGI_THREADS: 4\n", THREADED,
            "compose.yaml:6: " + lets("uWSGI", 4)),
    compose("the Dockerfile's command",
            "services:\n  web:\n    build: .\n    environment: [UWSGI_THREADS=2]\n", THREADED,
            "Dockerfile:2: " + lets("uWSGI", 2), files={"Dockerfile": 'FROM python:3\nCMD ["uwsgi", "-w", "app"]\n'}),
    compose("a command over the Dockerfile's",
            "services:\n  web:\n    build: .\n    command: uwsgi --threads 1 -w app\n", SINGLE,
            "compose.yaml:4: " + lets("uWSGI"),
            files={"Dockerfile": 'FROM python:3\nCMD ["uwsgi", "--threads", "2"]\n'}),
    compose("an entrypoint over the Dockerfile's command",
            "services:\n  web:\n    build:\n      context: app\n      dockerfile: Web\n"
            "    entrypoint: [uwsgi, -w, app]\n", SINGLE, "compose.yaml:6: " + lets("uWSGI"),
            files={"app/Web": 'FROM python:3\nCMD ["uwsgi", "--threads", "2"]\n'}),
    compose("a stage of the Dockerfile",
            "services:\n  web:\n    build:\n      context: .\n      target: Dev\n", THREADED,
            "Dockerfile:2: " + lets("uWSGI", 2), files={"Dockerfile": "FROM a AS dev\nCMD uwsgi --threads 2 -w app\n"
                                                        "FROM a AS prod\nCMD uwsgi -w app\n"}),
    compose("a stage that is not there",
            "services:\n  web:\n    build:\n      context: .\n      target: dev\n", UNREADABLE,
            "Dockerfile:2: TG902 Dockerfile cannot be read",
            files={"Dockerfile": "FROM a AS prod\nCMD uwsgi -w app\n"}),
    compose("a Dockerfile in a directory below its context",
            "services:\n  web:\n    build:\n      context: .\n      dockerfile: docker/Web\n", UNKNOWN,
            "docker/Web:4: " + unknown("uWSGI"), files={
                "docker/Web": "FROM a\nWORKDIR /srv\nCOPY . .\nCMD uwsgi uwsgi.ini\n",
                "uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    compose("a service that extends another", "services:\n  base:\n    image: site\n    environment:\n"
            "      UWSGI_THREADS: 4\n  web:\n    extends:\n      service: base\n    command: uwsgi -w app\n",
            THREADED, "compose.yaml:9: " + lets("uWSGI", 4), "compose.yaml:2: " + unknown("the service base")),
    compose("a service that extends one of another file",
            "services:\n  web:\n    extends:\n      file: base/base.yaml\n      service: base\n", THREADED,
            "base/base.yaml:3: " + lets("uWSGI", 4),
            files={"base/base.yaml": "services:\n  base:\n    command: uwsgi --threads 4 -w app\n"}),
    compose("services that extend each other", "services:\n  a:\n    extends: b\n  b:\n    extends: a\n",
            UNREADABLE, "compose.yaml:2: TG902 compose.yaml cannot be read",
            "compose.yaml:4: TG902 compose.yaml cannot be read"),
    compose("a directory that is mounted",
            "services:\n  web:\n    image: python\n    working_dir: /srv\n"
            "    volumes: [./site:/srv]\n    command: uwsgi uwsgi.ini\n", UNKNOWN,
            "compose.yaml:6: " + unknown("uWSGI"), files={"site/uwsgi.ini": "[uwsgi]\nthreads = 3\n"}),
    compose("gunicorn in an image that is not built here", COMPOSE % "gunicorn app:app", UNKNOWN,
            "compose.yaml:6: " + unknown("gunicorn")),
    compose("gunicorn with threads in an image that is not built here",
            COMPOSE % "gunicorn --threads 4 app:app" + "    environment: [GUNICORN_CMD_ARGS=-k gthread]\n",
            THREADED, "compose.yaml:6: " + lets(GTHREAD, 4)),
    compose("gunicorn without threads in an image that is not built here",
            ENTRYPOINT % "gunicorn --threads 1 -k sync app:app", SINGLE, "compose.yaml:6: " + lets(SYNC)),
    compose("a file of variables that may be missing", COMPOSE % "uwsgi -w app" + "    env_file:\n"
            "      - path: none.env\n        required: false\n", UNKNOWN, "compose.yaml:6: " + unknown("uWSGI")),
    compose("nothing but a database", "services:\n  db:\n    image: postgres\n", UNKNOWN,
            "compose.yaml:2: " + unknown("the server of compose.yaml")),
)
CASES = (OF_GUNICORN + OF_UWSGI + OF_APACHE + OF_UNIT + OF_SYSTEMD + OF_PROCFILE + OF_DOCKER + OF_COMPOSE)
