"""`ThreadGuard`: the way of a request, and nothing else.

On its way in a request is compared and counted (`guard.ledger` tells how). It is inspected only if it is not alone, or
if the ledger's fast path is closed: a reading of the server is due, as on the first request, or the process was forked.
Then the policy decides what becomes of it.
"""

import os
from functools import partial
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Optional, Tuple

from threadguard import options
from threadguard.process import contexts
from threadguard.guard.bodies import is_finished_on_return, track_body
from threadguard.guard.ledger import ALONE, FAST_PATH

if TYPE_CHECKING:
    from threadguard.guard.group import Group
    from threadguard.observe.health import Health
    from threadguard.model import PolicyName, Stats, ThreadName, Verdict
    from threadguard.guard.policies import WSGIApp

_CLOSED = (False,)


class ThreadGuard:
    """WSGI middleware that keeps *app* from being entered by two requests of one process at the same time.

    :param app: the WSGI application.
    :param policy: what is done where the server is threaded. ``"refuse"``: raise `ThreadedDeploymentError` here if it
        shows now, and answer every request with 503 from the moment it shows later. ``"serialize"``: let requests in
        one at a time. ``"log"``: let them pass, and log each finding once at ERROR.
    :param serialize_timeout: seconds that a request waits under ``serialize`` before it gets 503 with Retry-After.
    :param server_threads: how many requests the server lets into one process at once. It overrules whatever threadguard
        reads of the server; only requests that were seen together are stronger. A reading that contradicts it stays in
        the report (TG107).
    :param thread: on which thread the application must run, if something in it is bound to one. ``"any"``; ``"same"``:
        that of the first request from the server; ``"main"``: the main one. A request on another one is refused, or
        logged (TG207).
    :param group: guards of the same group share counts and verdict. By default all guards of the process do.
    :param health_path: where to answer health checks, such as ``/-/threadguard``; not at all by default.
    :param health_token: the secret that opens the details of the health check: a Bearer token, in a browser a password.
    :param watch_pool_start: whether to look, until the first request, at servers, and pools of theirs, that start after
        the guard was built.
    :raises ThreadedDeploymentError: under ``refuse``, if the server is threaded as far as can be told now.
    :raises OptionError: (a `ValueError`) for a value that is not allowed, and for *thread* with ``serialize``, which
        lets each request run on its own thread.
    :raises TypeError: if *app* is not callable.

    The environment variable ``THREADGUARD_POLICY`` overrides *policy*, and is logged when it does.
    """

    # In slots: on Python 3.11 and 3.12 other attributes get slower once `__dict__` is looked at, as a reading does.
    __slots__ = ("app", "policy", "thread", "_application", "_nested", "_bound", "_timeout", "_watches_servers",
                 "_health_options", "_group", "_ledger", "_policy", "_serializes", "_path", "_given", "__dict__",
                 "__weakref__")

    def __init__(self, app: "WSGIApp", *, policy: "PolicyName" = "refuse", serialize_timeout: float = 30.0,
                 server_threads: Optional[int] = None, group: Optional[str] = None, health_path: Optional[str] = None,
                 health_token: Optional[str] = None, watch_pool_start: bool = True,
                 thread: "ThreadName" = "any") -> None:
        if not callable(app):
            raise TypeError("threadguard guards a WSGI application, which is callable; %s is not" % options.shown(app))
        given = options.converted(
            policy=policy, serialize_timeout=serialize_timeout, server_threads=server_threads, group=group,
            health_path=health_path, health_token=health_token, watch_pool_start=watch_pool_start, thread=thread)
        options.check_together(given)
        self.app = app
        self._given = given
        self.thread: "ThreadName" = given["thread"]
        self.policy: "PolicyName" = _policy_in_force(given["policy"])
        self._timeout: float = given["serialize_timeout"]
        self._watches_servers: bool = given["watch_pool_start"]
        self._health_options = given["health_path"], given["health_token"]
        from threadguard.guard.groups import group_named  # loaded here, with the policies: they are most of the package
        self.join(group_named(given["group"]), given["server_threads"])

    def join(self, group: "Group", server_threads: Optional[int] = None) -> None:
        """Become a guard of *group*, and leave the one that it was in.

        Raises `ThreadedDeploymentError` under ``refuse``, if the server is threaded as far as can be told now, and
        `OptionError` if the group has other *server_threads*.
        """
        from threadguard.guard.policies import POLICIES
        self._bind(group)
        decides = POLICIES[self.policy](self._application, group, self._timeout)
        evidence = group.preview(server_threads)
        decides.at_startup(evidence.verdict)
        if self._bound is not None:
            self._bound.check_server(evidence, may_raise=True)
        group.commit(evidence, refuses=self.policy == "refuse")
        group.guards.add(self)
        group.serialize_timeout = self._timeout
        self._group, self._ledger, self._policy = group, group.ledger, decides
        self._serializes = decides.handles_every_request
        # What a request needs, in one attribute: to read each of six takes a fifth of the guard's time.
        self._path = (self._new_health(decides.log_findings), group.ledger, group.ledger.tickets,
                      _CLOSED if self._serializes else group.ledger.marks, group.ledger.line, self._application)
        decides.log_findings()
        if self._watches_servers:
            group.watch_servers(self)

    def _bind(self, group: "Group") -> None:
        """Call the application on one thread, if the option ``thread`` wants that."""
        self._application = self._nested = self.app
        self._bound: Any = None
        if self.thread != "any":
            from threadguard.guard.binding import ThreadBound
            self._bound = self._application = ThreadBound(self.app, group, self.thread, self.policy == "refuse")
            self._nested = partial(self._bound, decides=False)

    def _new_health(self, log_findings: Callable[[], object]) -> "Optional[Health]":
        path, token = self._health_options
        if path is None:
            return None
        from threadguard.observe.health import Health  # few ask for it
        return Health(self._group, self.policy, log_findings, path, token)

    @contexts.calls_the_application
    def __call__(self, environ: Dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Serve one request."""
        __traceback_hide__ = True  # noqa: F841
        health, ledger, tickets, marks, line, application = self._path
        if health is not None and health.serves(environ):
            return health(environ, start_response)
        inside = ledger.inside
        ticket = next(tickets)
        try:
            inside[ticket] = environ
            if not marks[FAST_PATH] or len(inside) > 1:  # in this order: see `Ledger.reset_after_fork`
                replacement = self._inspect(ticket, environ)
                if replacement is not None:
                    return replacement(environ, start_response)
                inside = ledger.inside
            body = application(environ, start_response)
            if type(body) is list or is_finished_on_return(body, environ):
                try:
                    del inside[ticket]  # takes half the time of `pop`
                except KeyError:  # it was cleared away already
                    pass
                if line:
                    ledger.wake_next()
                return body
            return track_body(ledger, ticket, environ, body, self._group.before_chunk, self._serializes)
        except BaseException:
            ledger.leave(ticket)
            raise

    def _inspect(self, ticket: int, environ: Dict[str, Any]) -> "Optional[WSGIApp]":
        """What takes the place of the application for this request; None if it enters as it is."""
        group, ledger, policy = self._group, self._ledger, self._policy
        if self._serializes and ledger.marks[FAST_PATH] and len(ledger.inside) == 1:
            return policy.answer(ticket, environ, ALONE)
        if ledger.was_forked() or ticket not in ledger.inside:
            group.reset_after_fork()
            ledger.move(ticket, environ)
        entry = ledger.classify(ticket, environ, policy.patience)
        if entry.same:
            ledger.cancel(ticket)
            return self._nested
        if entry.nested:
            ledger.leave(ticket)
            return self._nested
        is_news = ticket >= ledger.inspect_from and group.read(ticket, environ)
        if entry.other is not None and not (group.is_proved or self._serializes):
            if ledger.collect(entry.other):
                entry = ledger.classify(ticket, environ, policy.patience)
        replacement = policy.answer(ticket, environ, entry)
        if is_news:  # not before: a handler of the log may call the application, nested in this request if it is inside
            policy.log_findings()
        return replacement

    def server_starts(self, may_raise: bool = True) -> None:
        """A server starts before the first request. Under ``refuse`` this raises if it may, which ends that server."""
        if may_raise:
            self._policy.at_startup(self.verdict)
        if self._bound is not None:
            self._bound.check_server(self._group.evidence, may_raise)
        self._policy.log_findings()

    def __reduce__(self) -> "Tuple[Callable[..., ThreadGuard], Tuple[WSGIApp]]":
        """Copied or unpickled, as for a spawned process, it is a new guard of *app* with the same options."""
        return partial(ThreadGuard, **self._given), (self.app,)

    def inside(self, name: Any, *, timeout: Optional[float] = None) -> "Any":
        """Take the turn for work that is no request: see `threadguard.inside`, here for the group of this guard.

        *timeout* is `serialize_timeout` by default.
        """
        from threadguard.guard.sections import section
        return section(self._group, name, self._timeout if timeout is None else timeout)

    @property
    def verdict(self) -> "Verdict":
        """What is known now about this process."""
        self._group.notice_fork()
        return self._group.verdict

    def stats(self) -> "Stats":
        """The counts of this process and group: in flight, peak, requests that entered, refused, overlaps, pid."""
        return self._group.stats()


class _FlaskName:
    """A name of a Flask application that a guard around it does not have, with what to write instead.

    As descriptors they cost a request nothing. With a `__getattr__` every attribute of the guard is read more slowly on
    Python 3.8 to 3.11: the guard's own work for a request took a quarter longer.
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, guard: Optional[ThreadGuard], owner: Optional[type] = None) -> Any:
        raise AttributeError(
            "'ThreadGuard' object has no attribute %r; a Flask application keeps its own if the guard goes inside:"
            " app.wsgi_app = ThreadGuard(app.wsgi_app)" % self._name)


for _name in ("add_url_rule", "after_request", "app_context", "before_request", "cli", "config", "debug",
              "errorhandler", "extensions", "get", "import_name", "jinja_env", "logger", "post", "register_blueprint",
              "route", "run", "secret_key", "teardown_request", "test_cli_runner", "test_client",
              "test_request_context", "url_map", "view_functions"):
    setattr(ThreadGuard, _name, _FlaskName(_name))


def _policy_in_force(policy: "PolicyName") -> "PolicyName":
    variable = os.environ.get("THREADGUARD_POLICY", "").strip()
    if not variable:
        return policy
    override: "PolicyName" = options.convert("policy", variable, "the environment variable THREADGUARD_POLICY")
    if override != policy:
        from threadguard.report.log import log_override
        log_override(policy, override)
    return override
