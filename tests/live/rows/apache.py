"""Apache with mod_wsgi: Debian's 4.9 and PyPI's 6.1, embedded and in daemons, and mod_wsgi-express; Passenger.

Python 3.8 has no 6.1: there PyPI's is 5.0.
"""

from rows.model import MANY, ONE, Row

MODULES = "/usr/lib/apache2/modules"
BASE = """ServerRoot "{dir}"
ServerName localhost
PidFile "{dir}/httpd.pid"
DefaultRuntimeDir "{dir}"
Mutex file:{dir} default
Listen 127.0.0.1:{port}
Timeout 60
KeepAliveTimeout 60
LoadModule mpm_%s_module """ + MODULES + """/mod_mpm_%s.so
LoadModule authz_core_module """ + MODULES + """/mod_authz_core.so
%s
User {user}
Group {user}
ErrorLog "{dir}/error.log"
<Directory "{dir}">
    Require all granted
</Directory>
%s
"""
SCRIPT = "from guarded import application\n"
H2 = "LoadModule http2_module " + MODULES + "/mod_http2.so\nProtocols h2c http/1.1"
DEBIANS = "LoadModule wsgi_module " + MODULES + "/mod_wsgi.so"
PATH = "python-path={dir}:{site}"
GROUP = "WSGIProcessGroup x\n"
PREFORK = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 2\nMaxRequestWorkers 4\nWSGIPythonPath {dir}:{site}\n"
POOL = "StartServers 1\nServerLimit 2\nMaxRequestWorkers 50\nWSGIPythonPath {dir}:{site}\n"
LONE = "StartServers 1\nThreadsPerChild 1\nThreadLimit 1\nServerLimit 4\nMaxRequestWorkers 4\nMinSpareThreads 1\n" \
       "MaxSpareThreads 4\nWSGIPythonPath {dir}:{site}\n"
ALIAS = 'WSGIScriptAlias / "{dir}/app.wsgi"'
PRELOADED = ALIAS + " process-group=x application-group=%{GLOBAL}"
RUN = "/usr/sbin/apache2 -f {dir}/httpd.conf -DFOREGROUND"
NEEDS = ("/usr/sbin/apache2", "apache:mod_wsgi.so")


def conf(mpm, lines, alias=ALIAS, wsgi=DEBIANS, more=""):
    """The whole configuration."""
    return BASE % (mpm, mpm, "\n".join((wsgi, more)), lines + alias)


def row(name, mpm, lines, threaded, capacity=None, alias=ALIAS, more="", **kind):
    """A row of Debian's mod_wsgi."""
    return Row("mod_wsgi 4.9 " + name, RUN, threaded, capacity, staged=True, needs=NEEDS,
               files={"httpd.conf": conf(mpm, lines, alias, more=more), "app.wsgi": SCRIPT}, **kind)


def pypi(name, mpm, lines, threaded, capacity=None, alias=ALIAS, more="", **kind):
    """A row of PyPI's mod_wsgi, loaded where ``mod_wsgi-express module-location`` says; *name* begins with its version.

    The Python that it was compiled with may be a copy, and lie elsewhere than it believes: see .ci/setup-servers.
    """
    text = conf(mpm, lines, alias, wsgi="LoadModule wsgi_module {mod_wsgi}\nWSGIPythonHome {home}", more=more)
    needs = ("/usr/sbin/apache2",) + kind.pop("needs", ("mod_wsgi",))
    return Row("mod_wsgi " + name, RUN, threaded, capacity, staged=True, needs=needs,
               files={"httpd.conf": text, "app.wsgi": SCRIPT}, **kind)


def express(name, args, threaded, capacity=None, **more):
    """A row of mod_wsgi-express."""
    command = "{bin}/mod_wsgi-express start-server app.wsgi --host 127.0.0.1 --port {port} --user {user}" \
              " --group {user} --server-root {dir}/express --python-path {dir} --python-path {site} " + args
    return Row("mod_wsgi-express " + name, command, threaded, capacity, staged=True, files={"app.wsgi": SCRIPT},
               needs=("/usr/sbin/apache2", "mod_wsgi"), **more)


def daemon(options):
    """A WSGIDaemonProcess line."""
    return "WSGIDaemonProcess x %s %s\n" % (PATH, options)


PASSENGER = {
    "public/none": "", "passenger_wsgi.py":
    "import os, sys\nsys.path[:0] = ['{dir}', '{site}']\nos.environ['TRUTH_TOKEN'] = '{token}'\n"
    "from guarded import application\n",
}
EVENT = "StartServers 1\nServerLimit 2\nMaxRequestWorkers 50\n"
ROWS = (
    row("embedded, prefork", "prefork", PREFORK, ONE, 1, processes=4),
    row("embedded, event", "event", POOL, MANY, 25, processes=2),
    row("embedded, worker", "worker", POOL, MANY, 25, processes=2),
    row("embedded, event with one thread per child", "event", LONE, ONE, 1, processes=4),
    row("embedded, prefork, behind cleartext HTTP/2", "prefork", PREFORK, MANY, more=H2, h2=True, processes=4),
    row("embedded, prefork with HTTP/2 loaded, asked in HTTP/1.1", "prefork", PREFORK, ONE, more=H2, processes=4),
    row("embedded, one thread per child, behind cleartext HTTP/2", "event", LONE, MANY, more=H2, h2=True, processes=4),
    row("WSGIDaemonProcess bare", "event", EVENT + daemon("") + GROUP, MANY, 15),
    row("WSGIDaemonProcess processes=4 alone", "event", EVENT + daemon("processes=4") + GROUP, MANY, 15, processes=4),
    row("WSGIDaemonProcess threads=4", "event", EVENT + daemon("threads=4") + GROUP, MANY, 4),
    row("WSGIDaemonProcess threads=1", "event", EVENT + daemon("threads=1") + GROUP, ONE, 1),
    row("WSGIDaemonProcess processes=4 threads=1 with WSGIProcessGroup", "event",
        EVENT + daemon("processes=4 threads=1") + GROUP, ONE, 1, processes=4),
    row("WSGIDaemonProcess processes=4 threads=1 without WSGIProcessGroup, event", "event",
        POOL + daemon("processes=4 threads=1"), MANY, 25, processes=2),
    row("WSGIDaemonProcess processes=4 threads=1 without WSGIProcessGroup, prefork", "prefork",
        PREFORK + daemon("processes=4 threads=1"), ONE, 1, processes=4),
    row("daemon of one thread, chosen by WSGIScriptAlias process-group=", "event", EVENT + daemon("threads=1"), ONE, 1,
        alias=ALIAS + " process-group=x"),
    row("daemon of one thread behind cleartext HTTP/2", "event", EVENT + daemon("processes=2 threads=1") + GROUP,
        ONE, 1, more=H2, h2=True, processes=2),
    row("daemon preloaded, processes=2 threads=1", "event", EVENT + daemon("processes=2 threads=1"), ONE, 1,
        alias=PRELOADED, processes=2),
    row("daemon preloaded, bare", "event", EVENT + daemon(""), MANY, 15, alias=PRELOADED),
    pypi("6.1 embedded, prefork", "prefork", PREFORK, ONE, 1, processes=4),
    pypi("6.1 embedded, event", "event", POOL, MANY, 25, processes=2),
    pypi("6.1 embedded, prefork, behind cleartext HTTP/2", "prefork", PREFORK, MANY, more=H2, h2=True, processes=4),
    pypi("6.1 WSGIDaemonProcess bare", "event", EVENT + daemon("") + GROUP, MANY, 15),
    pypi("6.1 WSGIDaemonProcess processes=2 threads=1", "event", EVENT + daemon("processes=2 threads=1") + GROUP, ONE,
         1, processes=2),
    express("default", "", MANY, 5),
    express("--processes 4 alone", "--processes 4", MANY, 5, processes=4),
    express("--processes 2 --threads 1", "--processes 2 --threads 1", ONE, 1, processes=2),
    express("--threads 1", "--threads 1", ONE, 1),
    Row("Passenger in Apache", RUN, ONE, 1, staged=True, processes=6,
        needs=("/usr/sbin/apache2", "apache:mod_passenger.so"), files={
            **PASSENGER,
            "httpd.conf": BASE % ("event", "event", "LoadModule passenger_module " + MODULES + "/mod_passenger.so",
                                  'PassengerRoot /usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini\n'
                                  'PassengerPython /usr/bin/python3\nPassengerInstanceRegistryDir {dir}\n'
                                  'PassengerLogFile "{dir}/passenger.log"\nPassengerDefaultUser {user}\n'
                                  'PassengerDisableSecurityUpdateCheck on\nDocumentRoot "{dir}/public"\n'
                                  'PassengerStartTimeout 60\n'),
        }),
    # Debian's passenger has no nginx engine and would compile one from sources that it downloads; its own needs none.
    Row("Passenger standalone, its built-in engine", "/usr/bin/passenger start --engine builtin --address 127.0.0.1"
        " --port {port} --no-install-runtime --disable-security-update-check --python /usr/bin/python3"
        " --pid-file {dir}/passenger.pid --log-file {dir}/passenger.log", ONE, 1, staged=True, processes=6,
        needs=("/usr/bin/passenger",), files=PASSENGER),
)
