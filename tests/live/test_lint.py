"""Linters inside and outside the guard stay silent, over real servers."""

import pytest
from needs import child_of, need
from rig import get
from rows import ROWS

SERVERS = ("gunicorn sync, the default", "waitress.serve(app, threads=1)", "wsgiref make_server")
CHOSEN = {row.id: row for row in ROWS if row.id in SERVERS}
LINTERS = {"wsgiref": "wsgiref", "paste": "paste.lint", "werkzeug": "werkzeug"}
ROUTES = ("/list", "/generator", "/empty", "/write", "/closing", "/sized", "/large-generator", "/not-found", "/304")


@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
@pytest.mark.parametrize("linter", sorted(LINTERS))
@pytest.mark.parametrize("row", [pytest.param(row, id=row.id) for row in CHOSEN.values()])
def test_linters_on_both_sides_of_the_guard_stay_silent(row, linter, policy):
    """Each request is answered, and neither a warning nor an assertion is in the server's log."""
    need((LINTERS[linter],))
    with child_of(row, LINT=linter, TRUTH_APP="lint:application", TRUTH_OPTIONS="off", PYTHONWARNINGS="always",
                  LINT_OPTIONS='{"policy": "%s"}' % policy) as child:
        child.first(lambda port: get(port, "/list"))
        statuses = {path: get(child.port, path)[0] for path in ROUTES}
        assert {path: STATUS.get(path, 200) for path in ROUTES} == statuses, child.output()[-4000:]
        noise = [line for line in child.output().splitlines() if "WSGIWarning" in line or "HTTPWarning" in line
                 or "AssertionError" in line]
        assert [] == noise


STATUS = {"/not-found": 404, "/304": 304}
