"""Recipes around what accept loops call besides: what holds them up, and what only sounds like it."""

import os
import sys
import threading

from tests.rules_recipes.serving import announce, answer, environ_of, flag, guard, listen, start
from tests.rules_recipes.threads import run_on

LOCATIONS = {"/": "root"}


def talkative_threaded():
    """A thread for each request; the loop looks things up, and puts texts and paths together."""
    sock = listen()
    while True:
        conn, address = sock.accept()
        environ = environ_of(conn)
        environ["wsgi.multithread"] = flag
        environ["REMOTE_USER"] = os.environ.get("NOBODY", "") + ",".join(map(str, address))
        environ["SCRIPT_FILENAME"] = os.path.join("/", LOCATIONS.get(environ["PATH_INFO"], "x"), f"{flag}".join("ab"))
        start(run_on, conn, environ)


def method_in_a_variable_single():
    """A thread for each connection, and a semaphore of one, whose acquire is kept in a variable."""
    sock, turn = listen(), threading.Semaphore(1)
    enter = turn.acquire

    def serve(conn):
        try:
            answer(conn, guard)
        finally:
            turn.release()

    while True:
        enter()
        conn, _ = sock.accept()
        start(serve, conn)


class Throttle:
    """Lets a number of requests in."""

    def __init__(self, number):
        self.turn = threading.BoundedSemaphore(number)

    def enter(self):
        self.turn.acquire()

    def leave(self):
        self.turn.release()

    def serve(self, conn):
        try:
            answer(conn, guard)
        finally:
            self.leave()


def throttled(number):
    sock, throttle = listen(), Throttle(number)
    while True:
        throttle.enter()
        conn, _ = sock.accept()
        start(throttle.serve, conn)


def throttle_before_it_waits_single():
    """The same, and a new thread runs on before the loop comes to wait."""
    sys.setswitchinterval(5)
    sock, throttle = listen(), Throttle(1)

    def serve(conn, environ):
        try:
            run_on(conn, environ)
        finally:
            throttle.leave()

    while True:
        throttle.enter()
        conn, _ = sock.accept()
        environ = environ_of(conn)
        environ["wsgi.multithread"] = flag
        start(serve, conn, environ)


def throttle_single():
    """A thread for each connection, and an object that lets one in before the next is accepted."""
    throttled(1)


def throttle_threaded():
    """The same, and it lets four in."""
    throttled(4)


def accept_once(sock, app):
    conn, _ = sock.accept()
    start(accept_once, sock, app)
    answer(conn, app)


def successors_threaded():
    """Each thread accepts one connection, starts the next thread, and serves."""
    start(accept_once, listen(), guard)
    threading.Event().wait()


def accept_once_in_turn(sock, app):
    conn, _ = sock.accept()
    answer(conn, app)
    start(accept_once_in_turn, sock, app)


def successors_single():
    """Each thread accepts one connection, serves, and starts the next thread then."""
    start(accept_once_in_turn, listen(), guard)
    threading.Event().wait()


def accept_with_a_turn(sock, turn):
    turn.acquire()
    conn, _ = sock.accept()
    start(accept_with_a_turn, sock, turn)
    answer(conn, guard)
    turn.release()


def successors_with_a_turn_single():
    """Each thread starts the next one before it serves, and that waits for its turn before it accepts."""
    start(accept_with_a_turn, listen(), threading.Lock())
    threading.Event().wait()


class Acceptance(threading.Thread):
    """Accepts once."""

    def __init__(self, site):
        super().__init__(daemon=True)
        self.site = site

    def run(self):
        conn, _ = self.site.sock.accept()
        Acceptance(self.site).start()
        answer(conn, guard)


class Ground:
    """What the threads have in common."""

    def __init__(self):
        self.sock = listen(announced=False)


def successor_objects_threaded():
    """The same with an object for each thread."""
    ground = Ground()
    Acceptance(ground).start()
    announce(ground.sock.getsockname()[1])
    threading.Event().wait()
