"""The truth in an application that has threads of its own, none of which serves a request."""

import logging.handlers
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

EXECUTOR, POOL = ThreadPoolExecutor(4), ThreadPool(3)
list(EXECUTOR.map(time.sleep, [0.01] * 8))
POOL.map(time.sleep, [0.01] * 6)
LISTENER = logging.handlers.QueueListener(queue.Queue())
LISTENER.start()
TIMER = threading.Timer(3600, print)
TIMER.daemon = True
TIMER.start()
WAITING = threading.Event()
for _ in range(3):
    threading.Thread(target=WAITING.wait, daemon=True).start()

from guarded import application  # noqa: E402, F401
