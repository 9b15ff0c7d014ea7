"""Fuzzing of configuration files: whatever becomes of one, the check ends soon, with a status of its own and a reason.

``EXAMPLES=10000`` in the environment tries that many, other ones than usual.
"""

import os
import random
import re
import shlex
import shutil
import signal
import time

import pytest
from check import command_cases, file_cases, ini_cases

from threadguard import cli

EXAMPLES = int(os.environ.get("EXAMPLES", "300"))
FIRST = 0 if EXAMPLES <= 300 else int(time.time())
SECONDS = 2
"""Of the processor's time: how long that takes on a busy machine says nothing."""
DEADLINE = 120
CASES = [case for case in command_cases.CASES + ini_cases.CASES + file_cases.CASES if case.files]
HEADLINE = re.compile(r"(\S.*: |)TG\d{3} \S", re.DOTALL)
BITS = (
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\n\n ", b"\t", b"=", b"[", b"]", b"{", b"}", b"%(", b"%(x)s",
    b"$(", b"${x}", b"\\", b"\\\n", b"'", b'"', b'"""', b"#", b"&a ", b"*a", b"<<: ", b"<!ENTITY ", b"&x;", b"<", b"</",
    b"@(", b"1e999", b"9" * 5000, b"-1", b"\xed\xa0\x80", b"\xc2\x85", "\u2028١".encode(), b"if ", b"(" * 300,
    b"[" * 300, b"include = ", b"-- ", b"|| ", b"; ")
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "utf-8-sig", "cp037", "utf-7")


class TooLong(BaseException):
    """Nothing in between takes it for an error of its own."""


def cut(text, chance):
    return text[:chance.randrange(len(text) + 1)]


def flip(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << chance.randrange(8)]) + text[at + 1:]


def insert(text, chance):
    at = chance.randrange(len(text) + 1)
    return text[:at] + chance.choice(BITS) + text[at:]


def drop(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + text[at + chance.randrange(1, 20):]


def double(text, chance):
    lines = text.splitlines(True)
    at = chance.randrange(len(lines))
    return b"".join(lines[:at + 1] + [lines[at]] * chance.choice((1, 1, 2, 3000)) + lines[at + 1:])


def shuffle(text, chance):
    lines = text.splitlines(True)
    chance.shuffle(lines)
    return b"".join(lines)


def lengthen(text, chance):
    at = chance.randrange(len(text))
    return text[:at] + text[at:at + 1] * chance.choice((100, 1000, 100000)) + text[at:]


def encode(text, chance):
    return text.decode("utf-8", "replace").encode(chance.choice(ENCODINGS), "replace")


def cross(text, chance):
    other = chance.choice(list(chance.choice(CASES).files.values())).encode()
    at = chance.randrange(len(text) + 1)
    return text[:at] + other[chance.randrange(len(other) + 1):]


MUTATIONS = (cut, flip, flip, insert, insert, insert, drop, drop, double, shuffle, lengthen, encode, cross)


def mutated(text, chance):
    """*text* after one to five mutations."""
    found = text.encode()
    for _ in range(chance.randrange(1, 6)):
        if found:
            found = chance.choice(MUTATIONS)(found, chance)
    return found


def lay_out(case, place, chance):
    """Its files, one of them mutated."""
    victim = chance.choice(sorted(case.files))
    for name, text in case.files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutated(text, chance) if name == victim else text.encode())


def too_long(signum, frame):
    raise TooLong


def status_of(words):
    """The exit status of ``threadguard check``, which takes no longer than it may."""
    signal.signal(signal.SIGALRM, too_long)
    signal.signal(signal.SIGPROF, too_long)
    signal.alarm(DEADLINE)  # for what only waits
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        return cli.main(["check"] + words)
    except SystemExit as end:
        return end.code
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)


@pytest.mark.parametrize("part", range(6))
def test_a_broken_configuration_is_judged_or_called_unreadable(part, tmp_path, monkeypatch, capsys):
    """Exit status 0 to 3, no traceback, at least one finding in its one form, nothing that lasts."""
    for seed in range(FIRST + part, FIRST + EXAMPLES, 6):
        chance = random.Random(seed)
        case = chance.choice(CASES)
        place = tmp_path / str(seed)
        place.mkdir()
        monkeypatch.chdir(place)
        with monkeypatch.context() as variables:
            for name, value in case.env.items():
                variables.setenv(name, value)
            lay_out(case, place, chance)
            try:
                status = status_of(shlex.split(case.arguments))
            except BaseException as error:
                raise AssertionError("seed %d, %s: %r" % (seed, case.id, error)) from error
        said, complained = capsys.readouterr()
        assert status in (0, 1, 2, 3), (seed, case.id)
        assert "Traceback" not in complained and "it failed" not in complained, (seed, case.id, complained)
        assert HEADLINE.match(said) or status == 2 and complained, (seed, case.id, said, complained)
        monkeypatch.chdir(tmp_path)
        shutil.rmtree(str(place))
