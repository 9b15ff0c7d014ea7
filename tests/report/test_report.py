"""The one form of a finding, and what never reaches a log raw."""

import pytest

from threadguard.report import text as report
from threadguard.process.contexts import Place
from threadguard.model import Finding


def test_a_finding_has_one_form():
    """File and line, code and sentence, because, remedy."""
    finding = Finding("TG101", "waitress lets 4 requests at once into each process",
                      "[server:main] sets no threads, and waitress' default is 4", "threads = 1 in [server:main]",
                      "production.ini", 41)
    assert report.text_of(finding) == (
        "production.ini:41: TG101 waitress lets 4 requests at once into each process\n"
        "  because: [server:main] sets no threads, and waitress' default is 4\n"
        "  remedy:  threads = 1 in [server:main]")


@pytest.mark.parametrize("finding, text", [
    (Finding("TG100", "fine"), "TG100 fine"),
    (Finding("TG100", "fine", "read", file="a.ini"), "a.ini: TG100 fine\n  because: read"),
])
def test_what_a_finding_lacks_is_left_out(finding, text):
    """No empty lines for evidence, remedy or line."""
    assert report.text_of(finding) == text


@pytest.mark.parametrize("raw, shown", [
    ("/a\nERROR fake", "/a\\nERROR fake"),
    ("/\x1b[31mred", "/\\x1b[31mred"),
    ("/\x00\x7f\x85", "/\\x00\\x7f\\x85"),
    ("/caf\xc3\xa9", "/caf\xe9"),
    ("/\xff\xfe", "/\\xff\\xfe"),
    ("/\u202egnp.exe", "/\\u202egnp.exe"),
    ("/" + "x" * 300, "/" + "x" * 199 + "\u2026 (101 more)"),
])
def test_control_characters_are_escaped_and_long_texts_cut(raw, shown):
    """Nothing that a client sends can forge a line or move a cursor."""
    assert report.escaped(raw) == shown


def test_a_request_is_its_method_and_path_and_no_more():
    """No query string, no header."""
    assert report.request_line({"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/app", "PATH_INFO": "/x",
                                "QUERY_STRING": "secret", "HTTP_COOKIE": "secret"}) == "GET /app/x"


def test_a_request_that_has_left_is_said_to_have_left():
    """The other side may be gone when the report is made."""
    assert report.request_line(None) == "a request that has just left"


def test_a_side_shows_its_stack_indented():
    """Request, context, stack."""
    place = Place("thread w", ["  a\n", "    b\n"])
    assert report.side("inside", {"REQUEST_METHOD": "GET", "PATH_INFO": "/x"}, place) == (
        "inside: GET /x, in thread w\n      a\n        b")


def test_a_thread_s_name_is_escaped_as_well():
    """An application may name its threads after what they serve."""
    shown = report.side("inside", {}, Place("thread x\nERROR all is well\x1b[2J" + "y" * 300, ["  a\n"]))
    first, rest = shown.split("\n", 1)
    assert first.startswith("inside: ? /, in thread x\\nERROR all is well\\x1b[2J") and len(first) < 300
    assert rest == "      a"
