"""The option ``thread`` on real servers: what is bound to a thread runs on it or not at all, and no more is refused."""

import json

import needs
import pytest
from rig import at_once, get
from rows import BY_ID
from test_matrix import told
from test_refusal import settle

ON_MAIN = [
    "gunicorn sync, the default", "gunicorn sync with three workers", "uWSGI default", "uWSGI processes=3",
    "Debian's uWSGI processes=2", "mod_wsgi 4.9 embedded, prefork", "mod_wsgi 6.1 embedded, prefork",
    "Werkzeug run_simple default", "wsgiref make_server", "flask run --without-threads",
]
"""Servers that run every request on the main thread."""
NEVER = {
    "gunicorn gthread with one thread": "--worker-class sync --threads 1",
    "waitress-serve --threads=1": "gunicorn --worker-class sync --threads 1",
    "waitress.serve(app, threads=1)": "gunicorn --worker-class sync --threads 1",
    "cheroot of one thread": "gunicorn --worker-class sync --threads 1",
    "Paste httpserver pool of one": "gunicorn --worker-class sync --threads 1",
    "a2wsgi workers=1 under uvicorn": "gunicorn --worker-class sync --threads 1",
    "granian --blocking-threads 1": "gunicorn --worker-class sync --threads 1",
    "pserve, waitress threads = 1": "use = egg:gunicorn#main",
    "mod_wsgi 4.9 WSGIDaemonProcess threads=1": "mpm_prefork",
    "mod_wsgi 6.1 WSGIDaemonProcess processes=2 threads=1": "mpm_prefork",
}
"""Servers of one thread that never is the main one, known before the first request, and a word of the remedy."""
ELSEWHERE = {
    "Werkzeug run_simple with reloader": "run_simple without use_reloader",
    "flask --debug run --without-threads": "flask run --without-threads",
    "Django runserver --nothreading": "runserver --nothreading --noreload",
    "wsgiref in a thread of its own": "serve_forever, called on the main thread",
    "mod_wsgi 4.9 embedded, event with one thread per child": "mpm_prefork",
    "asgiref WsgiToAsgi under uvicorn": "gunicorn --worker-class sync --threads 1",
    "Twisted own pool of one": "gunicorn --worker-class sync --threads 1",
}
"""Servers whose first request shows that it is not on the main thread."""
ON_ONE = [
    *ON_MAIN, *NEVER, "asgiref WsgiToAsgi under uvicorn", "Twisted own pool of one",
    "gunicorn gthread of one thread, the application with pools", "waitress of one thread, the application with pools",
    "home-made: queue and one worker thread, beside executors of the application's own",
    "home-made: accept loop feeding a ThreadPoolExecutor of one", "Rocket of one thread",
]
"""Servers that run every request on one thread."""
ON_SEVERAL = [
    "gunicorn gthread with four threads", "waitress.serve(app, threads=4)", "cheroot of four threads",
    "uWSGI threads=4", "mod_wsgi 4.9 WSGIDaemonProcess threads=4", "gunicorn gevent",
    "Werkzeug run_simple threaded=True",
]


def child_of(name, options, files=None, **env):
    """The child of the row *name* with *options* of the guard."""
    row = BY_ID[name]
    lines = "\n".join("%s = %s" % option for option in options.items())
    own = {path: text.replace("policy = log", lines) for path, text in row.files.items()}
    return needs.child_of(row, {**own, **(files or {})}, TRUTH_OPTIONS=json.dumps(options), **env)


def statuses(child, path="/first"):
    """What twelve requests get, one after the other and at once."""
    found = [child.first(lambda port: get(port, path))[0]] + [get(child.port, path)[0] for _ in range(5)]
    return found + [answer[0] for answer in at_once(6, lambda: get(child.port, path))]


@pytest.mark.parametrize("name", ON_MAIN)
def test_what_runs_on_the_main_thread_is_served_there(name):
    """Every request, in every process, and nothing is said that would alarm anybody."""
    with child_of(name, {"thread": "main", "policy": "refuse"}) as child:
        assert statuses(child) == [200] * 12, child.output()[-4000:]
        assert "TG105" not in child.output() and "TG207" not in child.output()


@pytest.mark.parametrize("name", ON_ONE)
def test_what_runs_on_one_thread_is_served(name):
    """Whichever thread that is, and whatever pools the application has beside it."""
    with child_of(name, {"thread": "same", "policy": "refuse"}) as child:
        assert statuses(child) == [200] * 12, child.output()[-4000:]
        assert "TG207" not in child.output()


WARMED = {"guarded.py": """
import io, os, threading, time, wsgiref.util
from concurrent.futures import ThreadPoolExecutor
import truth

application = truth.guarded(truth.application)

def call():
    environ = {"PATH_INFO": "/first"}
    wsgiref.util.setup_testing_defaults(environ)
    b"".join(application(environ, lambda *response: None))

def stay(called):
    call()
    called.set()
    threading.Event().wait()

if os.environ["WARMER"] == "client":
    call()
elif os.environ["WARMER"] == "executor":
    with ThreadPoolExecutor(1) as pool:
        pool.submit(call).result()
else:
    called = threading.Event()
    threading.Thread(target=stay, args=(called,), daemon=True).start()
    called.wait()
"""}


@pytest.mark.parametrize("warmer", ["client", "executor", "a thread that stays"])
@pytest.mark.parametrize("name", ["gunicorn sync, the default", "gunicorn gthread with one thread", "uWSGI default",
                                  "waitress-serve --threads=1", "waitress.serve(app, threads=1)",
                                  "mod_wsgi 4.9 WSGIDaemonProcess threads=1", "granian --blocking-threads 1"])
def test_what_warms_the_application_up_does_not_keep_the_server_out(name, warmer):
    """Whatever thread it runs on, while the application is imported and before the server serves."""
    with child_of(name, {"thread": "same"}, WARMED, WARMER=warmer) as child:
        assert statuses(child) == [200] * 12, child.output()[-4000:]
        assert "TG207" not in child.output()


@pytest.mark.parametrize("name", NEVER)
def test_a_server_without_requests_on_the_main_thread_is_refused_at_startup(name):
    """It ends as a threaded one does, with a remedy in its own words, and the application is never entered."""
    with child_of(name, {"thread": "main", "policy": "refuse"}) as child:
        assert settle(child, get) in {("exit", 1), ("exit", 3), ("answer", 500)}
        assert child.entered() == 0
        said = child.output()
        assert "never runs requests on the main thread, and thread = main is set" in said, said[-4000:]
        assert NEVER[name] in said.partition("TG105")[2].partition("remedy:")[2].partition("\n")[0]


@pytest.mark.parametrize("name", ELSEWHERE)
def test_otherwise_the_first_request_is_refused(name):
    """With 503, and so is every later one; it is logged once in each process, with the remedy."""
    with child_of(name, {"thread": "main", "policy": "refuse"}) as child:
        assert statuses(child) == [503] * 12, child.output()[-4000:]
        assert child.entered() == 0
        said = child.output()
        assert ELSEWHERE[name] in said.partition("TG207")[2].partition("remedy:")[2].partition("\n")[0], said[-4000:]


@pytest.mark.parametrize("name", ["waitress-serve --threads=1", "gunicorn gthread with one thread",
                                  "mod_wsgi 4.9 WSGIDaemonProcess threads=1", "wsgiref in a thread of its own"])
def test_under_log_every_request_is_served_and_it_is_reported(name):
    """Before the first request where it is known by then, and on the first one; each once."""
    with child_of(name, {"thread": "main", "policy": "log"}) as child:
        assert statuses(child) == [200] * 12, child.output()[-4000:]
        log = told(get(child.port, "/first"))["log"]
        assert [line.count("TG105") for line in log["startup"] if "TG105" in line] == [1] * (name in NEVER)
        assert [line.count("TG207") for line in log["request"] if "TG207" in line] == [1]


@pytest.mark.parametrize("name", ON_SEVERAL)
def test_several_threads_are_reported_where_one_is_wanted(name):
    """The report has the wanted thread, and the stack of the request on another one."""
    with child_of(name, {"thread": "same", "policy": "log"}) as child:
        child.first(lambda port: get(port, "/first"))
        assert {answer[0] for answer in at_once(8, lambda: get(child.port, BY_ID[name].hold))} == {200}
        log = told(get(child.port, "/first"))["log"]["request"]
        found = [line for line in log if "TG207" in line]
        assert len(found) == 1, child.output()[-4000:]
        assert "wanted: thread " in found[0] and "entering: GET /" in found[0]


def test_a_pool_that_changes_its_thread_is_told_with_its_own_setting():
    """Paste's pool of one puts a new thread in the place of each that has served a hundred requests."""
    with child_of("Paste httpserver pool of one", {"thread": "same"}) as child:
        found = [child.first(lambda port: get(port, "/first"))[0]] + [get(child.port, "/first")[0] for _ in range(109)]
        assert found[:100] == [200] * 100 and found[-1] == 503
        assert "remedy:  threadpool_max_requests = 0" in child.output()


@pytest.mark.parametrize("name", ["waitress.serve(app, threads=4)", "gunicorn gthread with four threads",
                                  "uWSGI threads=4"])
def test_serialize_in_an_emergency_serves_and_reports(name):
    """THREADGUARD_POLICY=serialize lets requests in one at a time, on the threads of the server."""
    with child_of(name, {"thread": "same"}, THREADGUARD_POLICY="serialize") as child:
        child.first(lambda port: get(port, "/first"))
        answers = [told(answer) for answer in at_once(8, lambda: get(child.port, "/hold"))]
        assert {answer["peak"] for answer in answers} == {1}
        assert sum("TG207" in line for line in told(get(child.port, "/first"))["log"]["request"]) == 1


def test_serialize_for_good_does_not_start():
    """It could not keep what the option promises, and says so."""
    with child_of("gunicorn sync, the default", {"thread": "main", "policy": "serialize"}) as child:
        assert settle(child, get) == ("exit", 3)
        assert "option thread = main cannot be kept under policy = serialize" in child.output()


# -- applications that are bound to a thread

BOUND = {"bound.py": """
import signal, sqlite3, threading

connections = []

def database(environ, start_response):
    \"\"\"One connection for the process, as many small applications have it: sqlite3 keeps it to its thread.\"\"\"
    if not connections:
        connections.append(sqlite3.connect(":memory:"))
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(connections[0].execute("select 6 * 7").fetchone()[0]).encode()]

def window(environ, start_response):
    \"\"\"What GUI toolkits and matplotlib's windows do when they are set up.\"\"\"
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"shown"]
"""}


def answers_of(name, app, options):
    """The statuses of an application that is bound to a thread, and what the server wrote."""
    with child_of(name, options, BOUND, TRUTH_APP="bound:" + app) as child:
        path = "/"
        return set(statuses(child, path)), child.output()


@pytest.mark.parametrize("name", ["gunicorn sync, the default", "gunicorn gthread with one thread",
                                  "waitress-serve --threads=1", "uWSGI default",
                                  "mod_wsgi 4.9 WSGIDaemonProcess threads=1"])
def test_a_connection_of_sqlite_works_where_one_thread_serves(name):
    """Every answer comes from it."""
    found, said = answers_of(name, "database", {"thread": "same"})
    assert found == {200} and "TG207" not in said


def test_a_connection_of_sqlite_fails_where_several_serve_and_the_report_names_the_cause():
    """Under log; under refuse the server does not start."""
    found, said = answers_of("gunicorn gthread with four threads", "database", {"thread": "same", "policy": "log"})
    assert 500 in found and "SQLite objects created in a thread can only be used in that same thread" in said
    assert "TG207 a request came on another thread than the wanted one" in said


def test_what_needs_the_main_thread_works_on_it_and_is_told_elsewhere():
    """Elsewhere Python itself refuses it, on each request: so the guard does, before the first."""
    assert answers_of("gunicorn sync, the default", "window", {"thread": "main"})[0] == {200}
    found, said = answers_of("waitress-serve --threads=1", "window", {"thread": "main", "policy": "log"})
    assert found == {500} and "signal only works in main thread" in said and "TG105 waitress never" in said
