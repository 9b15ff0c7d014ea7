"""What strangers send to real servers: nothing reaches a log raw, no secret does at all, and no worker is tied up."""

import time
from contextlib import ExitStack
from urllib.parse import quote

import pytest
from fire import TABLE, assert_unharmed, hanging, line, quick, started, stats
from rig import at_once, get

HEALTH = "/health"
HOSTILE = "/meet/\r\nERROR forged \x1b[2J\x1b]0;owned\x07\x9b31m \u2028\u202egpj.exe<script>%s{0}" + "a" * 1000
SECRETS = b"Cookie: session=secret-cookie\r\nAuthorization: Basic secret-authorization\r\nX-Api-Key: secret-key\r\n"
REFUSED = [], [("Authorization", "Bearer x")], [("Authorization", "Basic token")]
"""Headers of those who are not trusted."""
HOLD = 2.0
"""Seconds for which a probe is held that has the token, if it asks for as much."""


@pytest.mark.parametrize("server", TABLE)
def test_a_report_and_its_page_show_nothing_raw_and_no_secret(server):
    """Two requests of a hostile path are found inside together, on four threads."""
    path = quote(HOSTILE, safe="/").encode() + b"%ff%fe"
    request = line(path + b"?password=secret-query").replace(b"\r\n\r\n", b"\r\n" + SECRETS + b"\r\n")
    with started(server, threads=4, FAULTY_POLICY="log", FAULTY_HEALTH=HEALTH) as child:
        child.first(stats)
        for answer in at_once(2, lambda: quick(child.port, request)):
            assert answer.split(b" ")[1] == b"200"
        pages = [get(child.port, HEALTH, headers=[("Authorization", "Bearer token"), ("Accept", accept)])[2].decode()
                 for accept in ("application/json", "text/html")]
        for text in pages + [child.output()]:
            assert "TG301" in text and "/meet/" in text, "it is the report"
            assert "secret" not in text and "Bearer" not in text
            assert not any(line.startswith("ERROR forged") for line in text.splitlines())
            assert not set(text) & set("\x1b\x07\x9b\u2028\u202e")
        assert "<script" not in pages[1]


@pytest.mark.parametrize("server", TABLE)
def test_strangers_tie_up_no_worker(server):
    """On one thread: who has no token is not held, who has it not for long, and who reads no answer holds up nobody."""
    with started(server, FAULTY_HEALTH=HEALTH) as child:
        child.first(stats)
        seconds = []
        with ExitStack() as silent:
            for path in HEALTH, HEALTH + "/probe?hold=1000000":
                silent.enter_context(hanging(child.port, line(path.encode())))
            for _ in range(10):
                for headers in REFUSED:
                    begin = time.monotonic()
                    assert get(child.port, HEALTH + "/probe?hold=1000000", headers=headers)[0] == 401
                    seconds.append(time.monotonic() - begin)
                    assert get(child.port, HEALTH, headers=headers)[::2] == (200, b'{\n "status": "pass"\n}\n')
                assert get(child.port, HEALTH + "/probe", "POST")[0] == 405
            assert min(seconds) < HOLD, "each was held"
        assert get(child.port, HEALTH + "/probe?hold=1000000", headers=[("Authorization", "Bearer token")])[0] == 200
        assert_unharmed(child.port)
