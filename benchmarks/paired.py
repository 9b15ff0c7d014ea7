"""Timing side by side: in each round every contender runs once, in a new order, and is compared with the first.

Rounds are short and many: what disturbs one of a pair mostly disturbs the other as well, and the median
leaves out the rest.
"""

import gc
import random
import statistics
import time
from typing import Any, Callable, Dict, List


class Series:
    """What one contender took in each round, in seconds for one call."""

    def __init__(self, times: List[float]) -> None:
        self.times = times

    def added(self, base: "Series") -> Dict[str, float]:
        """Nanoseconds that it adds to *base* of the same round: median, quartiles, and between the two minima."""
        each = [(mine - other) * 1e9 for mine, other in zip(self.times, base.times)]
        low, median, high = statistics.quantiles(each, n=4)
        return {"median": median, "low": low, "high": high, "min": (min(self.times) - min(base.times)) * 1e9}

    def beside(self, other: "Series", base: "Series") -> Dict[str, Any]:
        """How many times what *other* adds to *base* this one adds: of all rounds, and the quartiles of ten parts."""
        def ratio(rounds: slice) -> float:
            mine, theirs = ([each - bare for each, bare in zip(series.times[rounds], base.times[rounds])]
                            for series in (self, other))
            return statistics.median(mine) / statistics.median(theirs)

        part = max(len(self.times) // 10, 1)
        parts = [ratio(slice(start, start + part)) for start in range(0, len(self.times) - part + 1, part)]
        return {"ratio": ratio(slice(None)), "quartiles": statistics.quantiles(parts, n=4)[::2]}


def middle(values: List[float]) -> List[float]:
    """Where the true median of *values* lies, nine times out of ten: by their order, whatever their distribution is."""
    ordered, count = sorted(values), len(values)
    half = 1.645 * count ** 0.5 / 2
    return [ordered[max(int(count / 2 - half), 0)], ordered[min(int(count / 2 + half), count - 1)]]


def by_lot(values: List[float], draws: int = 5000) -> List[float]:
    """Where the median of *values* lies nine times out of ten, if as many are drawn from them again and again."""
    lots = random.Random(1)
    medians = sorted(statistics.median(lots.choices(values, k=len(values))) for _ in range(draws))
    return [medians[draws // 20], medians[-draws // 20]]


def run(contenders: Dict[str, Callable[[], object]], rounds: int, number: int) -> Dict[str, Series]:
    """*number* calls of each contender, *rounds* times over; the collector runs between rounds, four times a second."""
    times: Dict[str, List[float]] = {name: [] for name in contenders}
    order = list(contenders)
    for call in contenders.values():
        repeat(call, number)
    gc.disable()
    collected = time.perf_counter()
    try:
        for _ in range(rounds):
            if time.perf_counter() - collected > 0.25:
                gc.collect()
                collected = time.perf_counter()
            random.shuffle(order)
            for name in order:
                times[name].append(repeat(contenders[name], number))
    finally:
        gc.enable()
    return {name: Series(each) for name, each in times.items()}


def repeat(call: Callable[[], object], number: int) -> float:
    """Seconds for one of *number* calls of *call*."""
    start = time.perf_counter()
    for _ in range(number):
        call()
    return (time.perf_counter() - start) / number
