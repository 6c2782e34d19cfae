"""Samples, taken in turn (A B A B …) so that the machine's noise hits every case alike, and their medians."""

import asyncio
import gc
import statistics
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

from msgspec import Struct


class Sample(Struct, frozen=True):
    """One repeat of one case: a value in the case's unit, and the calls' latencies where there were calls."""

    value: float
    p50_ms: float | None = None
    p99_ms: float | None = None


class Case(Struct, frozen=True):
    """A way to do some work. `sample` does it once and measures it; `unit` is `/s`, `ms`, `µs` or `missed`."""

    name: str
    unit: str
    sample: Callable[[], Awaitable[Sample]]


class Figure(Struct, frozen=True):
    """The median of a case's samples, and the lowest and highest of them."""

    value: float
    unit: str
    low: float
    high: float
    p50_ms: float | None = None
    p99_ms: float | None = None


async def interleave(
    cases: Sequence[Case],
    repeats: int,
    before: Callable[[str, int], Awaitable[None]],
) -> dict[str, Figure]:
    """Sample every case in turn, `repeats` times. `before` is called with the case's name and the repeat."""
    taken: dict[str, list[Sample]] = {case.name: [] for case in cases}
    for repeat in range(1, repeats + 1):
        for case in cases:
            await before(case.name, repeat)
            gc.collect()
            taken[case.name].append(await case.sample())
    return {case.name: figure(case.unit, taken[case.name]) for case in cases}


def figure(unit: str, samples: Sequence[Sample]) -> Figure:
    values = [sample.value for sample in samples]
    return Figure(
        statistics.median(values),
        unit,
        min(values),
        max(values),
        _median(sample.p50_ms for sample in samples),
        _median(sample.p99_ms for sample in samples),
    )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def percentile(ordered: Sequence[float], share: float) -> float:
    """Nearest rank, of values in order."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class Window:
    """Counts the calls that end between the warm-up and the end, and keeps their latencies.

    Where not a single one does, the first to end afterwards is counted, and the window is as long as it took.
    """

    def __init__(self, warm_seconds: float, seconds: float) -> None:
        self._opens = time.perf_counter() + warm_seconds
        self._closes = self._opens + seconds
        self._latencies: list[float] = []

    def ended(self, began: float) -> bool:
        """Note a call that began then and ends now. True when it is time to stop."""
        now = time.perf_counter()
        if now >= self._opens and (now < self._closes or not self._latencies):
            self._latencies.append(now - began)
            self._closes = max(self._closes, now)
        return now >= self._closes

    def sample(self) -> Sample:
        ordered = sorted(self._latencies)
        rate = len(ordered) / (self._closes - self._opens)
        return Sample(rate, 1_000 * percentile(ordered, 0.5), 1_000 * percentile(ordered, 0.99))


async def callers(count: int, warm_seconds: float, seconds: float, call: Callable[[int], Awaitable[object]]) -> Sample:
    """A closed loop: `count` tasks that each call again as soon as they have their answer."""
    window = Window(warm_seconds, seconds)

    async def one(number: int) -> None:
        while True:
            began = time.perf_counter()
            await call(number)
            if window.ended(began):
                return

    async with asyncio.TaskGroup() as group:
        for number in range(count):
            group.create_task(one(number))
    return window.sample()


async def threads(count: int, warm_seconds: float, seconds: float, call: Callable[[int], object]) -> Sample:
    """The same closed loop with threads, for what blocks."""
    window = Window(warm_seconds, seconds)
    failures: list[BaseException] = []

    def one(number: int) -> None:
        try:
            while True:
                began = time.perf_counter()
                call(number)
                if window.ended(began):
                    return
        except BaseException as error:
            failures.append(error)

    running = [threading.Thread(target=one, args=[number]) for number in range(count)]
    for thread in running:
        thread.start()
    for thread in running:
        await asyncio.to_thread(thread.join)
    if failures:
        raise failures[0]
    return window.sample()


async def one_by_one(calls: int, call: Callable[[], Awaitable[object]]) -> Sample:
    """The median latency of sequential calls, in ms."""
    latencies = []
    for _ in range(calls):
        began = time.perf_counter()
        await call()
        latencies.append(time.perf_counter() - began)
    ordered = sorted(latencies)
    return Sample(1_000 * percentile(ordered, 0.5), 1_000 * percentile(ordered, 0.5), 1_000 * percentile(ordered, 0.99))


def awaitable(call: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """For what blocks, where nothing else runs meanwhile."""

    async def called() -> object:
        return call()

    return called
