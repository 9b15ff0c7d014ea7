"""The ledger and the guard against a simple model, over random histories of several contexts (hypothesis, stateful).

Each actor is a context: a greenlet or an OS thread that does what it is told, one order at a time. Inside the
application, and inside a body that makes a chunk, it waits for further orders: so it can nest, fork, or stay there.
``EXAMPLES=5000`` in the environment tries that many histories of each policy.
"""

import gc
import itertools
import os
import queue
import threading
from contextlib import suppress
from wsgiref.util import FileWrapper

import pytest
from conftest import DEADLINE, Chunks, new_environ, start_response

hypothesis = pytest.importorskip("hypothesis", reason="needs the package hypothesis")
greenlet = pytest.importorskip("greenlet", reason="needs the package greenlet")

from hypothesis import settings, strategies  # noqa: E402
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test  # noqa: E402,E501

from threadguard import ThreadGuard  # noqa: E402
from threadguard.guard import groups  # noqa: E402
from threadguard.guard import pending  # noqa: E402
from threadguard.guard.ledger import FAST_PATH, SAME_PROCESS  # noqa: E402

INSIDE = object()
"""What an actor replies that has come into the application, or into a chunk, and waits there for orders."""


class GoOn:
    """The order to go on from where the actor waits: *act* is called there."""

    def __init__(self, act):
        self.act = act


class Actor:
    """A context that does as it is told."""

    def live(self):
        """The whole life of the context."""
        box = []
        while True:
            order = self.exchange(box)
            if order is None:
                return
            box = [self.obey(order)]
            del order

    def wait_inside(self):
        """Obey orders until one is to go on."""
        box = [INSIDE]
        while True:
            order = self.exchange(box)
            if isinstance(order, GoOn):
                return order.act()
            box = [self.obey(order)]
            del order

    @staticmethod
    def obey(order):
        try:
            return order()
        except BaseException as error:
            return error.with_traceback(None)  # its frames would keep bodies alive


class GreenletActor(Actor):
    """A greenlet; its hub is whoever tells it what to do."""

    def __init__(self):
        self.replies = []
        self.greenlet = greenlet.greenlet(self.live)
        self.greenlet.switch()
        self.context = (threading.get_ident(), id(self.greenlet))

    def exchange(self, box):
        self.replies += box
        box.clear()
        return self.greenlet.parent.switch()

    def tell(self, order):
        self.greenlet.switch(order)
        return self.replies.pop()

    def end(self):
        self.greenlet.switch(None)


class ThreadActor(Actor):
    """An OS thread."""

    def __init__(self):
        self.orders, self.replies = queue.Queue(), queue.Queue()
        self.thread = threading.Thread(target=self.live, daemon=True)
        self.thread.start()
        self.replies.get(timeout=DEADLINE)
        self.context = self.tell(lambda: (threading.get_ident(), id(greenlet.getcurrent())))

    def exchange(self, box):
        self.replies.put(box)  # whoever takes the reply out of it is the last to hold it: this thread may be slow
        return self.orders.get(timeout=DEADLINE)

    def tell(self, order):
        self.orders.put(order)
        del order
        return self.replies.get(timeout=DEADLINE).pop()

    def end(self):
        self.orders.put(None)
        self.thread.join(DEADLINE)
        assert not self.thread.is_alive()


class Entry:
    """The model of a request that is inside: its call runs, or its body is *out* and sometimes makes a chunk."""

    def __init__(self, actor, number):
        self.actor, self.context, self.number, self.told = actor, actor.context, number, number
        self.out = self.running = self.ended = False
        self.kind = None
        self.watched = False


class Model:
    """What is inside, as DESIGN tells it: a list in the order of entering, and counts."""

    def __init__(self, policy):
        self.policy = policy
        self.numbers = itertools.count()
        self.forget()

    def forget(self):
        self.inside, self.abandoned = [], []
        self.requests = self.refused = self.overlaps = self.peak = 0
        self.proved = self.leaves_bodies = self.interleaves = False
        self.told = -1

    def enter(self, actor, stack, alive):
        """Whether a request of *actor* gets in, and its entry; *stack*: entries of its own code, *alive*: actors."""
        if any(entry in self.inside for entry in stack):
            self.requests += 1
            return True, None
        collides = self.collides(actor.context, alive)
        if self.policy == "refuse" and (collides or self.proved) or self.policy == "serialize" and collides:
            self.refused += 1
            self.proved = True
            return False, None
        self.overlaps += collides
        self.requests += 1
        self.inside.append(Entry(actor, next(self.numbers)))
        self.peak = max(self.peak, len(self.inside))
        return True, self.inside[-1]

    def collides(self, context, alive):
        """Whether an earlier request is inside; bodies that were abandoned before it are forgotten on the way."""
        for entry in list(self.inside):
            if not entry.out or entry.running:
                return True
            if entry.actor in alive:
                goes_on = entry.kind in FILES or self.policy == "serialize" and self.interleaves
                if entry.context != context or goes_on and not entry.ended:
                    return True
                if not entry.ended:
                    self.abandon(entry)
            self.leave(entry)
        return False

    def abandon(self, entry):
        self.leaves_bodies = True
        if self.policy == "serialize":
            self.abandoned.append(entry)
            entry.watched = entry.watched or entry.kind != "generator"

    def hand_out(self, entry, kind):
        """The call of *entry* has returned a body."""
        entry.out, entry.kind = True, kind
        entry.watched = self.policy == "serialize" and self.leaves_bodies and kind not in FILES
        if kind in ("list", "tuple"):
            self.leave(entry)

    def ask(self, response, stack):
        """Bodies interleave if one of them is asked for a chunk while another is in work, unless that one calls it."""
        entry = response.entry
        if entry is None or response.over or not entry.watched:
            return
        is_inside = entry in self.inside
        later = [other for other in self.inside if other.number > max(entry.told, self.told) and other not in stack
                 and (other.out or not is_inside)]
        if later:
            self.overlaps += 1
            self.interleaves = True
            entry.told = self.told = max(other.number for other in later)
            self.inside += [each for each in self.abandoned if each not in self.inside]

    def leave(self, entry, is_over=False):
        if entry in self.inside:
            self.inside.remove(entry)
        if is_over and entry in self.abandoned:
            self.abandoned.remove(entry)


class Listing(Chunks):
    """An iterable with a length."""

    def __len__(self):
        return 7


class FileLike:
    """What a server's file wrapper wraps, but no real file: it makes its chunks itself."""

    def __init__(self, chunks):
        self.chunks = chunks

    def read(self, size=-1):
        return next(self.chunks, b"")


class ClosingFile(FileLike):
    """One that wants to be closed."""

    def close(self):
        """Nothing is left to do."""


MAKE = {
    "list": lambda chunks: [b"x"],
    "tuple": lambda chunks: (b"x",),
    "generator": lambda chunks: chunks,
    "iterable": lambda chunks: Chunks(chunks, chunks.close),
    "sized iterable": lambda chunks: Listing(chunks, chunks.close),
    "map": lambda chunks: map(bytes, chunks),
    "file": lambda chunks: FileWrapper(FileLike(chunks)),
    "closing file": lambda chunks: FileWrapper(ClosingFile(chunks)),
}
FILES = ("file", "closing file")
CLOSING = ("iterable", "sized iterable", "closing file")
"""They are over when they were closed, the others at their end."""
ERRORS = [ValueError, SystemExit, KeyboardInterrupt, GeneratorExit, greenlet.GreenletExit]


class Response:
    """What an actor got from the guard: a body, and the entry of the model that it belongs to, if it is counted."""

    def __init__(self, kind, body, entry):
        self.kind, self.body, self.entry = kind, body, entry
        self.running = self.over = False


class Histories(RuleBasedStateMachine):
    """Orders to actors, and after each the guard's counts beside the model's."""

    policy = ""

    def __init__(self):
        super().__init__()
        self.name = "properties of %s" % self.policy
        self.guard = ThreadGuard(self.app, policy=self.policy, group=self.name, watch_pool_start=False)
        self.guard._group.reports_kept = 1
        self.model = Model(self.policy)
        self.actors = [GreenletActor(), GreenletActor()]
        if self.policy != "serialize":  # a thread would wait for its turn
            self.actors += [ThreadActor(), ThreadActor()]
        self.stacks = {actor: [] for actor in self.actors}
        self.responses = []
        self.active = None
        self.pauses = self.forked = False

    @initialize(often=strategies.booleans())
    def begin(self, often):
        """Looking at the counts clears away who is finished: some histories do without, up to their end."""
        self.often = often

    # -- what runs in the actors

    def app(self, environ, start_response):
        return self.active.wait_inside()

    def chunks(self, number, error):
        for _ in range(number):
            self.wait_in_chunk()
            yield b"x"
        if error is not None:
            raise error()

    def wait_in_chunk(self):
        if self.pauses:
            self.pauses = False
            self.active.wait_inside()

    def tell(self, actor, order):
        self.active = actor
        return actor.tell(order)

    # -- the rules

    def top(self, actor):
        return self.stacks[actor][-1][0] if self.stacks[actor] else None

    @rule(number=strategies.integers(0, 3))
    def enter(self, number):
        actor = self.actors[number % len(self.actors)]
        stack = [entry for _, entry, _ in self.stacks[actor]]
        enters, entry = self.model.enter(actor, stack, self.actors)
        environ = new_environ()
        environ["wsgi.file_wrapper"] = FileWrapper
        reply = self.tell(actor, lambda: self.guard(environ, start_response))
        assert (reply is INSIDE) == enters, "a collision was missed, or nobody was there to collide with"
        if enters:
            self.stacks[actor].append(("call", entry, None))
        self.look()

    @precondition(lambda self: any(self.top(actor) == "call" for actor in self.actors))
    @rule(data=strategies.data(), kind=strategies.sampled_from(sorted(MAKE)), number=strategies.integers(0, 2),
          error=strategies.sampled_from([None, None] + ERRORS))
    def return_a_body(self, data, kind, number, error):
        actor = data.draw(strategies.sampled_from([actor for actor in self.actors if self.top(actor) == "call"]))
        _, entry, _ = self.stacks[actor].pop()
        self.responses.append(Response(kind, self.tell(actor, GoOn(lambda: MAKE[kind](self.chunks(number, error)))),
                                       entry))
        if entry is not None:
            self.model.hand_out(entry, kind)
        self.look()

    @precondition(lambda self: any(self.top(actor) == "call" for actor in self.actors))
    @rule(data=strategies.data(), error=strategies.sampled_from(ERRORS))
    def raise_in_the_call(self, data, error):
        actor = data.draw(strategies.sampled_from([actor for actor in self.actors if self.top(actor) == "call"]))
        _, entry, _ = self.stacks[actor].pop()
        assert type(self.tell(actor, GoOn(lambda: fail(error)))) is error
        self.model.leave(entry)
        self.look()

    def waiting(self):
        return [response for response in self.responses if not response.running]

    @precondition(lambda self: self.waiting())
    @rule(data=strategies.data(), number=strategies.integers(0, 3), pauses=strategies.booleans())
    def ask_for_a_chunk(self, data, number, pauses):
        response = data.draw(strategies.sampled_from(self.waiting()))
        actor = self.actors[number % len(self.actors)]
        self.pauses = pauses
        if self.policy == "serialize":
            self.model.ask(response, [entry for kind, entry, _ in self.stacks[actor] if kind == "call"])
        iterator = iter(response.body)
        reply = self.tell(actor, lambda: next(iterator))
        self.pauses = False
        if reply is INSIDE:
            self.stacks[actor].append(("chunk", response.entry, response))
            response.running = True
            if response.entry is not None:
                response.entry.running = True
        else:
            self.got(response, reply)
        self.look()

    def got(self, response, reply):
        """The chunk *reply*, or the exception that ended the body."""
        if not isinstance(reply, BaseException) or response.over:
            return
        if response.kind not in CLOSING and (response.kind != "file" or isinstance(reply, StopIteration)):
            self.end(response)
        elif response.entry is not None and (isinstance(reply, StopIteration) or response.kind not in FILES):
            response.entry.ended = True

    def end(self, response):
        response.over = True
        self.model.leave(response.entry, is_over=True)

    @precondition(lambda self: any(self.top(actor) == "chunk" for actor in self.actors))
    @rule(data=strategies.data(), error=strategies.sampled_from([None, None] + ERRORS))
    def finish_a_chunk(self, data, error):
        actor = data.draw(strategies.sampled_from([actor for actor in self.actors if self.top(actor) == "chunk"]))
        _, entry, response = self.stacks[actor].pop()
        reply = self.tell(actor, GoOn(lambda: error is not None and fail(error)))
        response.running = False
        if entry is not None:
            entry.running = False
        self.got(response, reply)
        self.look()

    @precondition(lambda self: self.waiting())
    @rule(data=strategies.data(), number=strategies.integers(0, 3), twice=strategies.booleans())
    def close(self, data, number, twice):
        response = data.draw(strategies.sampled_from(self.waiting()))
        if hasattr(response.body, "close"):
            for _ in range(1 + twice):
                assert self.tell(self.actors[number % len(self.actors)], response.body.close) is None
            self.end(response)
        self.look()

    @precondition(lambda self: self.waiting())
    @rule(data=strategies.data())
    def drop(self, data):
        index = data.draw(strategies.sampled_from(range(len(self.waiting()))))
        response = self.waiting()[index]
        self.responses.remove(response)
        self.model.leave(response.entry, is_over=True)
        del response.body
        self.look()

    @precondition(lambda self: any(not self.stacks[actor] for actor in self.actors))
    @rule(data=strategies.data())
    def end_a_context(self, data):
        """It leaves its bodies behind; another takes its place, perhaps with its identifier."""
        idle = [actor for actor in self.actors if not self.stacks[actor]]
        actor = data.draw(strategies.sampled_from(idle))
        actor.end()
        del self.stacks[actor]
        self.actors[self.actors.index(actor)] = successor = type(actor)()
        self.stacks[successor] = []

    @precondition(lambda self: hasattr(os, "fork") and self.model.requests > 1 and not self.forked)
    @rule(number=strategies.integers(0, 3))
    def fork(self, number):
        self.forked = True
        assert self.tell(self.actors[number % len(self.actors)], self.fork_and_look) == 0

    def fork_and_look(self):
        pid = os.fork()
        if pid == 0:
            status = 1
            with suppress(BaseException):
                stats = self.guard.stats()
                status = stats != type(stats)(0, 0, 0, 0, 0, os.getpid())
            os._exit(status)
        return os.waitpid(pid, 0)[1]

    @precondition(lambda self: self.responses and not any(self.stacks.values()))
    @rule()
    def fork_without_hooks(self):
        """In uWSGI's workers only the mark tells; the bodies of the parent are nobody's here."""
        marks = self.guard._ledger.marks
        marks[FAST_PATH] = marks[SAME_PROCESS] = 0
        self.model.forget()
        self.look()

    # -- what must be so

    def look(self):
        if self.often:
            self.compare()

    def compare(self):
        stats, model = self.guard.stats(), self.model
        assert (stats.in_flight, stats.requests, stats.refused, stats.overlaps, stats.peak) == (
            len(model.inside), model.requests, model.refused, model.overlaps, model.peak)

    def teardown(self):
        try:
            for actor in self.actors:
                while self.stacks[actor]:
                    kind, entry, response = self.stacks[actor].pop()
                    self.tell(actor, GoOn(lambda: fail(ValueError)))
                    self.model.leave(entry)
            for response in self.responses:
                self.model.leave(response.entry)
                del response.body
            self.compare()
            ledger = self.guard._ledger
            assert (ledger.inside, ledger._pending, ledger._abandoned, list(ledger.line)) == ({}, {}, {}, [])
        finally:
            for actor in self.actors:
                actor.end()
            groups._groups.pop(self.name, None)


def fail(error):
    raise error()


@pytest.fixture
def quick(monkeypatch):
    """The collector looks only at what the test has made."""
    monkeypatch.setattr(pending, "GRACE", DEADLINE)
    hypothesis.find(strategies.just(None), lambda value: True)  # it asks the collector who holds its random numbers
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
@pytest.mark.parametrize("policy", ["refuse", "serialize", "log"])
def test_after_every_history_the_counts_equal_the_model_s(policy, quick):
    """Whatever contexts do in whatever order: who gets in, and all counts, are as the model says, and end at zero."""
    machine = type("%sHistories" % policy.title(), (Histories,), {"policy": policy})
    examples = int(os.environ.get("EXAMPLES", "60"))
    run_state_machine_as_test(machine, settings=settings(
        max_examples=examples, stateful_step_count=25, deadline=None, database=None, derandomize=examples <= 60,
        suppress_health_check=list(hypothesis.HealthCheck)))
