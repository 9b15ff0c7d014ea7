"""``threadguard explain TG101``: what a finding means, why it matters, and how to mend it, server by server."""

import argparse
import sys
import textwrap

from threadguard.codes import CODES, Code
from threadguard.servers import SERVERS
from threadguard.subcommands.servers import paragraph, rows_of

NAME = "explain"
HELP = "say what a finding means, why it matters and how to mend it"

_MATTERS = {
    "1": "An application that must be single-threaded keeps state of one request in its process: module globals,"
         " os.environ, the locale. A second request inside the same process changes it under the first. Nothing fails:"
         " pages come out wrong, changes are booked under another user's name.",
    "2": "What the server shows on a request is stronger than what was configured: it is what happens.",
    "3": "This is no risk any more but an event: the data of the requests that it names may be mixed up.",
    "4": "What is not known is not judged: requests pass, and threadguard watches for collisions all the same.",
    "9": "Nothing was judged.",
}
_BOUND = ("What is bound to a thread fails on another one, if it says so at all: sqlite3 and signal raise an error,"
          " Playwright's sync API too; GUI toolkits may hang, or end the process.")
_THREADED = ("TG101", "TG102", "TG201", "TG202", "TG203", "TG301", "TG302", "TG303", "TG305", "TG306")
_MEND = {
    "TG104": "In the ini file: filter-with = threadguard in the application's section, and a section"
             " [filter:threadguard] with use = egg:threadguard. In code: app = ThreadGuard(app).",
    "TG105": "Use a server that runs requests on the main thread, such as gunicorn's sync worker; threadguard servers"
             " says for each where requests run. For code that only has to stay on one thread, thread = same.",
    "TG107": "Find out which number is right: the finding says what the server shows. Then correct server_threads, or"
             " leave it out.",
    "TG207": "Do what the finding says, or use a server that runs requests on that thread: threadguard servers says for"
             " each where requests run.",
    "TG304": "Find out what the request that the report names waits for; it keeps its place until it is finished.",
    "TG307": "Choose the policy refuse or serialize: with each of them such work waits for its turn.",
    "TG308": "Let one request at a time into each process: app = ThreadGuard(app) makes sure of it. Or keep what the"
             " window of lines shares in the request, in a threading.local, or behind a lock that is held from its"
             " first line to its last.",
    "TG401": "If the server has one thread, option server_threads = 1 states it.",
    "TG402": "Please report it, with the text of the finding; server_threads states the capacity until then.",
    "TG403": "Pin it: give the option that decides over everything else on the server's command line, as the finding"
             " says. Or name the command that a script or wrapper ends in: threadguard check -- COMMAND. Or start it"
             " once: the guard in the application judges it in any case, at the latest on the first request.",
    "TG404": "Ask with more --requests, and with a --concurrency of at least twice the number of processes.",
    "TG901": "Write the option as the finding says; threadguard has no others.",
    "TG902": "Mend the file, or name the one that the server really reads.",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The codes."""
    parser.add_argument("names", metavar="CODE", nargs="*",
                        help="such as TG101 or 101, or a server's name; without any, all codes are listed")


def run(arguments: argparse.Namespace) -> int:
    """Explain each code and each server, or list all codes."""
    if not arguments.names:
        for entry in CODES.values():
            print("%s  %s" % (entry.code, entry.title))
        return 0
    texts = [(name, _text_for(name)) for name in arguments.names]
    print("\n\n".join(text for _, text in texts if text))
    for name, text in texts:
        if not text:
            print("threadguard explain: there is no code and no server %s; without one all codes are listed"
                  % ascii(name), file=sys.stderr)
    return 0 if all(text for _, text in texts) else 2


def _text_for(name: str) -> str:
    """The text for the code or the server *name*; empty if there is neither."""
    number = name.upper()[2:] if name.upper().startswith("TG") else name
    code = CODES.get("TG" + number)
    return explain(code) if code is not None else "\n\n".join(map(paragraph, rows_of([name])))


def explain(code: Code) -> str:
    """The text for *code*."""
    matters = "Why it matters: " + (_BOUND if code.code in ("TG105", "TG207") else _MATTERS[code.code[2]])
    parts = ["%s %s" % (code.code, code.title), _wrapped(code.meaning), _wrapped(matters)]
    if code.code in _MEND:
        parts.append(_wrapped("How to mend it: " + _MEND[code.code]))
    elif code.code in _THREADED:
        parts.append("How to mend it:\n" + "\n".join(
            textwrap.fill("%s: %s" % (server.NAME, server.REMEDY), 100, initial_indent="  ", subsequent_indent="      ")
            for server in SERVERS))
    return "\n\n".join(parts)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100)
