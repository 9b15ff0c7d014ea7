"""The catalogue of codes. A code is never reused for another meaning.

1xx configured, 2xx seen or declared on a request, 3xx overlap, 4xx not known, 9xx wrong use.
"""

from dataclasses import dataclass
from typing import Dict


@dataclass(frozen=True)
class Code:
    """One entry: its title, and what it means and why it matters."""

    code: str
    title: str
    meaning: str


_ENTRIES = (
    Code("TG100", "configured single-threaded",
         "The server's settings let one request at a time into each process. This is how it should be."),
    Code("TG101", "configured with more than one thread, greenlet or coroutine",
         "The server's settings let several requests into one process at the same time. An application that is not"
         " thread-safe mixes up the data of such requests, silently."),
    Code("TG102", "configured without a bound",
         "The server starts a thread, a greenlet or a coroutine for each request: any number of requests can be"
         " inside one process at the same time."),
    Code("TG103", "the operator says so",
         "Option server_threads states how many requests the server lets into one process. It overrules whatever"
         " threadguard reads of the server; only requests that were seen together are stronger."),
    Code("TG104", "the application is not guarded",
         "No filter of the ini file that leads to threadguard stands before this application, so nothing refuses it"
         " where the deployment is threaded. What the application's own code wraps cannot be seen from the file."),
    Code("TG105", "the server never runs requests on the wanted thread",
         "Option thread = main wants the main thread for the application, and this server runs requests on threads of"
         " its own, whatever it is set to."),
    Code("TG107", "the operator's number is contradicted",
         "Option server_threads gives a number, and the server shows another one, or requests were seen together. The"
         " number counts until requests are seen together. Correct it, or leave it out."),
    Code("TG200", "seen single-threaded",
         "On a request, the pool that runs it was found to hold one worker, or the server's own object said that it"
         " runs one request at a time."),
    Code("TG201", "the pool that runs the request has more than one worker",
         "On a request, the pool of threads or greenlets that runs it was found to let several requests in at once."),
    Code("TG202", "the server's structure is threaded",
         "On a request, threads or greenlets of the same server were found beside the one that runs it, or the server"
         " was found to start one for each request."),
    Code("TG203", "declared threaded",
         "The server says wsgi.multithread = True and shows nothing else. Several servers say so of a single thread;"
         " if this one is such, server_threads = 1 states it."),
    Code("TG204", "declared single-threaded",
         "The server says wsgi.multithread = False and shows nothing else. It is believed, and collisions are watched"
         " for all the same."),
    Code("TG205", "wsgi.multithread contradicts the server",
         "The flag says one thing and the server's own setting another. The setting decides; the flag is only noted."),
    Code("TG206", "no two probes met",
         "Requests of threadguard probe were held in a process one after the other, while others were under way, and no"
         " two of them were there at the same time: the server lets one in at a time."),
    Code("TG207", "a request came on another thread than the wanted one",
         "Option thread keeps the application on one thread: the main one, or that of the first request. Under the"
         " policy refuse a request that comes on another one is answered 503."),
    Code("TG301", "two requests were inside the application at once",
         "A request entered while one of another thread or greenlet was still inside: the process is threaded, proved"
         " until it ends, whatever its settings say."),
    Code("TG302", "a second request came while one was inside",
         "Under the policy refuse the second request was answered 503 and the application was not entered. The process"
         " is threaded, proved until it ends."),
    Code("TG303", "two response bodies were interleaved",
         "One thread asked an earlier response for another chunk while a later request was inside. The application's"
         " code ran for two requests in turn, which module-level state does not survive."),
    Code("TG304", "a serialised request never finished",
         "Under the policy serialize a request kept its place for longer than serialize_timeout, and those who waited"
         " were answered 503. Or a section (`threadguard.inside`) did, under refuse as well."),
    Code("TG305", "requests are serialised",
         "The deployment is threaded and the policy serialize lets its requests in one at a time. It is correct, and"
         " slow: more threads add nothing but waiting."),
    Code("TG306", "two probes met in one process",
         "Two requests of threadguard probe were held in the same process at the same time, outside the application:"
         " the server lets more than one in. The process is threaded, proved until it ends."),
    Code("TG307", "a section and a request were inside at once",
         "Work that takes the turn (`threadguard.inside`) and a request, or another such work, ran at the same time,"
         " under the policy log. It says nothing of the server, but the application's code ran in two contexts at"
         " once."),
    Code("TG308", "a race was proved",
         "threadguard race paused a request before one of its lines, let another one run there, and one of the two was"
         " answered as it never is when they run one after the other. Behind a server with threads the same happens by"
         " chance."),
    Code("TG401", "the server does not say",
         "The environ has no wsgi.multithread, or a value that is neither true nor false, and nothing else could be"
         " read."),
    Code("TG402", "a reader failed",
         "The code that reads this server's settings raised an exception. It counts as not known; the application is"
         " not affected."),
    Code("TG403", "cannot tell before the start",
         "What sets the capacity is code, a variable, or in another file than those that were read. It is not guessed:"
         " the guard judges the deployment when it starts, or on its first request."),
    Code("TG404", "too few probes to tell",
         "No two probes met, but so few were held in a process, or so many failed, that chance alone may have kept them"
         " apart; or fewer processes answered than there are. More requests, or more of them at once, tell."),
    Code("TG405", "no server of the application",
         "What these processes, services or programs start is plainly no server of the application: a database, a"
         " queue's worker, a migration. They are named so that nothing in the file is passed over."),
    Code("TG901", "wrong use",
         "An option of threadguard has a name or a value that is not allowed."),
    Code("TG902", "unreadable",
         "A file is not there, is no text, or is not what its server would accept, so that nothing was checked."),
)

DOCUMENTATION = "https://threadguard.readthedocs.io/en/latest/"


def page_of(code: str) -> str:
    """The address of the page about *code*."""
    return "%scodes/%s.html" % (DOCUMENTATION, code)


CODES: Dict[str, Code] = {entry.code: entry for entry in _ENTRIES}
