"""NGINX Unit: a JSON configuration, in the directory of its state or put through its control socket."""

import json

from rows.model import MANY, ONE, Row, ini

RUN = "{unitd} --no-daemon --control unix:{dir}/control.sock --pid {dir}/unit.pid --log {dir}/unit.log" \
      " --statedir {dir}/state --tmpdir {dir} --modulesdir {unit_modules} --user {user} --group {user}"
PUT = "{py} put_config.py {dir}/control.sock {dir}/site.json " + RUN
NEEDS = ("unit:python",)
PASTE = "from paste.deploy import loadapp\n\napplication = loadapp('config:{dir}/site.ini')\n"
BESIDE = {"type": "python", "path": ["{dir}", "{site}"], "module": "truth", "threads": 4}


def configuration(settings, beside=None):
    """Unit's JSON, with one listener and the application *settings*."""
    module = {} if "targets" in settings else {"module": "guarded"}
    site = {"type": "python", "path": ["{dir}", "{site}"], **module, **settings}
    applications = {"beside": beside, "site": site} if beside else {"site": site}
    to = "applications/site/main" if "targets" in settings else "applications/site"
    listeners = {"127.0.0.1:{port}": {"pass": to}}
    return json.dumps({"listeners": listeners, "applications": applications}, indent=4)


def row(name, settings, threaded, capacity=None, files=(), beside=None, **more):
    """A row whose configuration Unit finds when it starts, as after a restart."""
    laid = {"state/conf.json": configuration(settings, beside), **dict(files)}
    return Row("Unit " + name, RUN, threaded, capacity, files=laid, staged=True, **{"needs": NEEDS, **more})


def put(name, settings, threaded, capacity=None):
    """A row whose configuration is put through the control socket, as by curl."""
    return Row("Unit " + name, PUT, threaded, capacity, staged=True, needs=NEEDS,
               files={"state/none": "", "site.json": configuration(settings)})


def paste(name, settings, threaded, capacity=None):
    """A row of a PasteDeploy file that a module loads, in the virtual environment of these tests."""
    given = {"path": "{dir}", "home": "{bin}/..", "module": "site_paste", **settings}
    return row("with a PasteDeploy file loaded by a module" + name, given, threaded, capacity,
               {"site_paste.py": PASTE, "site.ini": ini("use = egg:waitress\nthreads = 4")},
               needs=("unit:home", "paste.deploy"))


TARGETS = {"main": {"module": "guarded"}, "other": {"module": "truth", "callable": "application"}}
ROWS = (
    row("default", {}, ONE, 1),
    row("threads=1", {"threads": 1}, ONE, 1),
    row("threads=4", {"threads": 4}, MANY, 4),
    row("processes=2, threads=1", {"processes": 2, "threads": 1}, ONE, 1, processes=2),
    row("processes=2, threads=4", {"processes": 2, "threads": 4}, MANY, 4, processes=2),
    row("processes started as they are needed", {"processes": {"max": 2, "spare": 0}}, ONE, 1, processes=2),
    row("with a callable of another name", {"module": "site_named", "callable": "site"}, ONE, 1,
        {"site_named.py": "from guarded import application as site\n"}),
    row("with a factory", {"callable": "make", "factory": True}, ONE, 1),
    row("with a factory, threads=4", {"callable": "make", "factory": True, "threads": 4}, MANY, 4),
    row("with two targets in one process", {"targets": TARGETS}, ONE, 1),
    row("with two targets in one process, threads=4", {"targets": TARGETS, "threads": 4}, MANY, 4),
    row("default, bodies streamed", {}, ONE, 1, hold="/stream"),
    row("of one thread beside another application of four", {"threads": 1}, ONE, 1, beside=BESIDE),
    put("default, put through the control socket", {}, ONE, 1),
    put("threads=4, put through the control socket", {"threads": 4}, MANY, 4),
    paste("", {}, ONE, 1),
    paste(", threads=4", {"threads": 4}, MANY, 4),
)
