"""Servers that threadguard has no reader for, and launch recipes made at home."""

from rows.model import MANY, ONE, Row
from rows.pools import api


def home(name, function, threaded, capacity=None, number="", **more):
    """A recipe of ``child/homemade.py``."""
    return api("home-made: " + name, function, threaded, capacity, number, module="homemade", **more)


def looped(name, function, threaded, capacity=None, number="", **more):
    """A recipe of ``child/homeloops.py``."""
    return api("home-made: " + name, function, threaded, capacity, number, module="homeloops", **more)


SERVERS = (
    api("Rocket of one thread", "rocket", ONE, 1, 1, needs=("rocket3",)),
    api("Rocket of four threads", "rocket", MANY, 4, 4, needs=("rocket3",)),
    api("wsgiserver of one thread", "wsgiserver", ONE, 1, 1, needs=("wsgiserver",)),
    api("wsgiserver of four threads", "wsgiserver", MANY, 4, 4, needs=("wsgiserver",)),
    api("FastWSGI", "fastwsgi", ONE, 1, needs=("fastwsgi",)),
    api("bjoern", "bjoern", ONE, 1, needs=("bjoern",)),
    api("pyruvate of one worker", "pyruvate", ONE, 1, 1, needs=("pyruvate",)),
    api("pyruvate of four workers", "pyruvate", MANY, 4, 4, needs=("pyruvate",)),
    api("aiohttp_wsgi default", "aiohttp", MANY, 4, module="apiloops", needs=("aiohttp_wsgi",)),
    api("aiohttp_wsgi of one thread", "aiohttp", ONE, 1, 1, module="apiloops", needs=("aiohttp_wsgi",)),
    api("zope.server of four threads", "zope", MANY, 4, 4, needs=("zope.server", "asyncore")),
    api("WebTest's server of four threads", "webtest", MANY, 4, needs=("webtest",)),
    api("WebTest's server of one thread", "webtest", ONE, 1, 1, needs=("webtest",)),
    api("Flask-SocketIO's run", "flask_socketio", MANY, needs=("flask_socketio",)),
    api("waitress of one thread behind python-socketio", "socketio", ONE, 1, 1, needs=("socketio", "waitress")),
    api("Daphne and a2wsgi of four threads", "daphne", MANY, 4, 4, module="apiloops", needs=("daphne", "a2wsgi")),
    api("Daphne and a2wsgi of one thread", "daphne", ONE, 1, 1, module="apiloops", needs=("daphne", "a2wsgi")),
    api("gevent with a pool of four real threads", "gevent_threadpool", MANY, 4, 4, module="apiloops",
        needs=("gevent",)),
    api("eventlet with its tpool of four", "eventlet_tpool", MANY, 4, 4, module="apiloops", needs=("eventlet",)),
    api("eventlet with its tpool of one", "eventlet_tpool", ONE, 1, 1, module="apiloops", needs=("eventlet",)),
    api("gevent with a pool of one real thread", "gevent_threadpool", ONE, 1, 1, module="apiloops", needs=("gevent",)),
)
HOME = (
    home("socketserver with ThreadingMixIn", "socketserver_mixin", MANY),
    home("socketserver, one at a time", "socketserver_plain", ONE, 1),
    home("accept loop feeding a ThreadPoolExecutor of one", "executor", ONE, 1, 1),
    home("accept loop feeding a ThreadPoolExecutor of four", "executor", MANY, 4, 4),
    home("multiprocessing ThreadPool of one", "thread_pool", ONE, 1, 1),
    home("multiprocessing ThreadPool of four", "thread_pool", MANY, 4, 4),
    home("queue and one worker thread", "queue", ONE, 1, 1),
    home("queue and four worker threads", "queue", MANY, 4, 4),
    home("queue and one worker thread, beside executors of the application's own", "queue_beside_executors", ONE, 1, 1),
    home("a pool that grows from one thread to four", "growing", MANY, 4, 4),
    home("a pool that grows to one thread", "growing", ONE, 1, 1),
    home("four threads that accept from one socket", "accepting_threads", MANY, 4, 4),
    home("two wsgiref loops in two threads, the same application", "two_wsgirefs", MANY, 2, 2,
         at_collision=True),
    home("two wsgiref loops, one application guarded, the other a stranger", "two_wsgirefs_apart", ONE, 1, 2),
    home("a bare thread for each connection", "thread_each", MANY),
    home("a bare thread for each connection, declared single-threaded", "thread_each_says_false", MANY,
         at_collision=True),
    home("a bare thread for each connection, joined before the next", "thread_each_joined", ONE, 1),
    looped("gevent StreamServer", "stream_server", MANY, hold="/hold?with=gevent:sleep", needs=("gevent",)),
    looped("gevent StreamServer spawn=1", "stream_server", ONE, 1, 1, hold="/hold?with=gevent:sleep",
           needs=("gevent",)),
    looped("raw greenlets and a select loop", "raw_greenlets", MANY, hold="/hold?with=homeloops:pause",
           needs=("greenlet",)),
    looped("asyncio and an executor of one", "asyncio_executor", ONE, 1, 1),
    looped("asyncio and an executor of four", "asyncio_executor", MANY, 4, 4),
    looped("asyncio and its default executor", "asyncio_executor", MANY),
    looped("asyncio calling the application on the loop", "asyncio_loop", ONE),
    home("two processes by multiprocessing, one loop each", "multiprocess", ONE, 1, 2, processes=2),
    home("two processes by os.fork, each with four threads", "forked_threads", MANY, 4, 4, processes=2),
)
BUSY = (
    Row("gunicorn gthread of one thread, the application with pools",
        "{bin}/gunicorn --bind 127.0.0.1:{port} -k gthread --threads 1 busy:application", ONE, 1, needs=("gunicorn",)),
    Row("gunicorn sync, the application with pools", "{bin}/gunicorn --bind 127.0.0.1:{port} busy:application", ONE, 1,
        needs=("gunicorn",)),
    Row("waitress of one thread, the application with pools",
        "{bin}/waitress-serve --listen 127.0.0.1:{port} --threads 1 busy:application", ONE, 1, needs=("waitress",)),
    Row("cheroot of one thread, the application with pools",
        "{bin}/cheroot --bind 127.0.0.1:{port} --threads 1 --max-threads 1 busy:application", ONE, 1,
        needs=("cheroot",)),
    Row("granian of one thread, the application with pools",
        "{bin}/granian --interface wsgi --host 127.0.0.1 --port {port} --blocking-threads 1 busy:application", ONE, 1,
        needs=("granian",)),
    Row("uWSGI with enable-threads, the application with pools",
        "{bin}/uwsgi --virtualenv {bin}/.. --http-socket 127.0.0.1:{port} --die-on-term --module busy --enable-threads",
        ONE, 1, needs=("/uwsgi",)),
)
ROWS = SERVERS + HOME + BUSY
