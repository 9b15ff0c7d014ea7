"""The rules that need no server's name: what a first request, alone, tells of a server that nobody wrote a reader for.

A rule looks at this request's own stack, at other threads and at the objects they hold, and gives a `Reading` or
nothing. Each proves what it says: membership and identity of objects, positions in the same loop, a socket that
listens on the port of the connection in hand. A rule may raise; whoever asks it turns that into a finding.

=====================  ==============================================================================================
`executor`             an executor owns my thread: its ``_max_workers``, 1 included
`threading_mixin`      ``process_request_thread`` is below me: a thread for each request
`thread_per_request`   my thread was started with this request in hand, and another one waits for the next
`successor`            another thread is behind me in my function, which accepts once: it takes the next request
`pool`                 a pool object holds my thread, or its method is my worker loop: its bound, 1 included
`growing`              what hands me my work starts threads for it as long as there are fewer than a number
`one_of_several`       my thread, queue or executor of one is among several that get connections in turn
`twin_executors`       an executor of one runs me, and its owner has a twin that calls the application with another
`multiprocessing_pool` a `multiprocessing.pool.ThreadPool` runs me: its number of processes
`gevent_threadpool`    gevent's pool of real threads runs me: its ``maxsize``
`eventlet_tpool`       eventlet's pool of real threads runs me: their number
`twisted_threadpool`   Twisted's pool runs me: its ``max``
`limiter`              a worker thread of anyio or trio runs me: the tokens of its limiter
`starting`             the loop that has started my thread is at it still, and starts more: how many
`siblings`             another thread is in the same worker loop of the same pool as mine
`greenlets`            I run in a greenlet of a server: the size of its pool, 1 included
`several_loops`        two loops that accept connections lead to the guarded application, each with a context of its own
`in_turn`              a socketserver serves me in the thread that accepts, and no other loop does: one at a time
`frameless`            thread states of a C or Rust pool idle beside mine
=====================  ==============================================================================================

If the thread that runs me accepts the connections itself, it serves them in turn: then only `several_loops` and
`in_turn` speak, and `siblings` and `starting` for threads that accept side by side.
"""

from typing import Callable, List, Optional, Tuple

from threadguard.model import Reading
from threadguard.process.facts import Process
from threadguard.rules.accepting import several_loops
from threadguard.rules.executor import (eventlet_tpool, executor, gevent_threadpool, limiter, multiprocessing_pool,
                                        twisted_threadpool)
from threadguard.rules.frameless import frameless
from threadguard.rules.greenlets import greenlets
from threadguard.rules.growing import growing
from threadguard.rules.in_turn import in_turn
from threadguard.rules.per_request import thread_per_request, threading_mixin
from threadguard.rules.pool import pool
from threadguard.rules.reach import IsGuard
from threadguard.rules.several import one_of_several
from threadguard.rules.siblings import siblings
from threadguard.rules.starting import starting
from threadguard.rules.successor import successor
from threadguard.rules.twins import twin_executors

Rule = Callable[[Process, IsGuard], Optional[Reading]]

RULES: Tuple[Rule, ...] = (
    executor, threading_mixin, thread_per_request, successor, pool, growing, one_of_several, twin_executors,
    multiprocessing_pool, gevent_threadpool, eventlet_tpool, twisted_threadpool, limiter, starting, siblings,
    greenlets, several_loops, in_turn, frameless)


def on_request(process: Process, is_guard: IsGuard) -> List[Reading]:
    """What all the rules say of the request that *process* looks at; *is_guard* knows the guards of the group."""
    readings = (rule(process, is_guard) for rule in RULES)
    return [reading for reading in readings if reading is not None]
