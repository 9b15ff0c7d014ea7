"""Timing side by side: in each round every contender runs once, in a new order, and is compared with the first."""

import gc
import random
import statistics
import time
from typing import Callable, Dict, List


class Series:
    """What one contender took in each round, in seconds for one call."""

    def __init__(self, times: List[float]) -> None:
        self.times = times

    def added(self, base: "Series") -> Dict[str, float]:
        """Nanoseconds that it adds to *base* of the same round: median, quartiles, and between the two minima."""
        each = [(mine - other) * 1e9 for mine, other in zip(self.times, base.times)]
        low, median, high = statistics.quantiles(each, n=4)
        return {"median": median, "low": low, "high": high, "min": (min(self.times) - min(base.times)) * 1e9}


def run(contenders: Dict[str, Callable[[], object]], rounds: int, number: int) -> Dict[str, Series]:
    """*number* calls of each contender, without the collector, *rounds* times over."""
    times: Dict[str, List[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for call in contenders.values():
        repeat(call, number)
    gc.disable()
    try:
        for _ in range(rounds):
            random.shuffle(order)
            for name in order:
                times[name].append(repeat(contenders[name], number))
            gc.collect()
    finally:
        gc.enable()
    return {name: Series(each) for name, each in times.items()}


def repeat(call: Callable[[], object], number: int) -> float:
    """Seconds for one of *number* calls of *call*."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number
