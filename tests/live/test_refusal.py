"""The policy refuse on every configuration: a threaded one never enters the application, a single one always serves.

Where the settings can be read at startup the server does not start, or serves errors, before anybody asked.
"""

import http.client
import json
import threading
import time

import pytest
from needs import child_of
from rig import START, at_once, get
from rows import ROWS
from streams import get_h2

NEVER_ANSWER = {"uvicorn --interface wsgi --workers 2", "Django runserver default"}
"""Nothing is served, and nothing ends: a master that starts its worker again and again, a reloader that waits for the
source to be mended."""
ENDS = {
    "gunicorn": {("exit", 3), ("exit", 1)},  # 1 where the master loads the application: --preload, PasteDeploy
    "uWSGI": {("answer", 500), ("exit", 22)},  # 22 with need-app, and with ini-paste
    "Debian's uWSGI": {("answer", 500)},
    "mod_wsgi": {("answer", 500)},
    "waitress": {("exit", 1)},
    "pserve, waitress": {("exit", 1)},
    "gearbox serve, waitress": {("exit", 4)},
}
"""How a start ends that is refused because of the settings, for the servers of Kallithea's documentation."""
PATIENCE = 8.0
"""Seconds after which a server that has said why, and neither answers nor ends, counts as one that never serves."""


def refusing(row):
    """The row's child with the policy refuse."""
    files = {name: text.replace("policy = log", "policy = refuse") for name, text in row.files.items()}
    return child_of(row, files, TRUTH_OPTIONS="{}")


def settle(child, ask):
    """How the start ends: ``("exit", status)``, ``("answer", status)`` or ``("nothing", None)``."""
    deadline, pause, said = time.monotonic() + START, threading.Event(), False
    while time.monotonic() < deadline:
        if child.never_answers and not said and "TG" in child.output():
            deadline, said = time.monotonic() + PATIENCE, True
        try:
            return "answer", ask(child.port, "/first")[0]
        except (OSError, http.client.HTTPException):
            if child.process.poll() is not None:
                return "exit", child.process.returncode
        pause.wait(0.03)
    return "nothing", None


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if row.threaded and not row.at_collision])
def test_a_threaded_deployment_never_enters_the_application(row, record_property):
    """The server ends with an error, or answers each request with one; the log has the finding."""
    with refusing(row) as child:
        child.never_answers = row.id in NEVER_ANSWER
        ask = get_h2 if row.h2 else get
        end, status = settle(child, ask)
        record_property("refusal", {"id": row.id, "end": end, "status": status})
        if end == "answer":
            statuses = {status} | {answer[0] for answer in at_once(8, lambda: ask(child.port, "/first"))}
            assert statuses <= {500, 503}, child.output()[-4000:]
        assert status != 0 or "hypercorn" in row.command, "hypercorn ends with 0 whatever happened"
        assert child.entered() == 0
        assert "TG" in child.output(), child.output()[-4000:]
        assert end != "nothing" or child.never_answers, child.output()[-4000:]
        assert (end, status) in expected(row, (end, status))


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if row.at_collision])
def test_what_shows_at_the_first_collision_never_lets_two_inside(row):
    """The second request is refused while the first one is inside, and from then on every request is."""
    with refusing(row) as child:
        assert child.first(lambda port: get(port, "/first"))[0] in (200, 503)
        answers = at_once(8, lambda: get(child.port, row.hold))
        assert {answer[0] for answer in answers} <= {200, 503}
        assert [json.loads(body)["peak"] for status, _, body in answers if status == 200] in ([], [1])
        assert get(child.port, "/first")[0] == 503, child.output()[-4000:]
        assert "TG302" in child.output() or "TG202" in child.output()


def expected(row, otherwise):
    """The ends that the row may have. Behind HTTP/2 mod_wsgi's settings say one thread: the first request tells."""
    if row.h2:
        return {("answer", 503)}
    return next((ends for server, ends in ENDS.items() if row.id.startswith(server)), {otherwise})


@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in ROWS if not row.threaded])
def test_a_single_threaded_deployment_serves_every_request(row):
    """Nothing is refused, also beside a section of the application's own (`truth.run_a_job`), and nothing is said in
    the log that would alarm anybody."""
    with refusing(row) as child:
        ask = get_h2 if row.h2 else get
        try:
            statuses = [child.first(lambda port: ask(port, "/first"))[0]]
            statuses += [answer[0] for answer in at_once(8, lambda: ask(child.port, "/first"))]
        except BaseException:
            print(child.output()[-4000:])
            raise
        assert [200] * 9 == statuses, child.output()[-4000:]
        assert child.entered() >= 9
        assert not {"ThreadedDeploymentError", "TG302", "TG304", "TG307"} & set(child.output().split())
