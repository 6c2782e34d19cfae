"""What an append and a page cost as the log grows."""

import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from tests.bench.measure import Case, callers, one_by_one
from tests.bench.notes import SEED
from tests.bench.ours import Ours, existing, ours
from tests.bench.row import Bench, Line, Target, grouped, row

_FLAT = 1.3
_PAGES_A_SAMPLE = 20
_PAGE_EVENTS = 5_000


class _Log:
    """A log of one size, at work."""

    def __init__(self, bench: Bench, own: Ours, size: int) -> None:
        self._scale, self._own, self.size = bench.scale, own, size
        self._rng = random.Random(SEED)
        self._page = min(_PAGE_EVENTS, bench.scale.sizes[0] // 2)

    async def page(self) -> None:
        for recorded in await self._own.log.read(self._rng.randrange(self.size - self._page), self._page):
            recorded.payload  # noqa: B018  decoded on first use

    def appending(self, call: Callable[[int], Awaitable[object]]) -> Case:
        scale = self._scale
        sample = partial(callers, scale.growth_callers, scale.growth_seconds / 4, scale.growth_seconds, call)
        return Case(grouped(self.size), "/s", sample)

    def paging(self) -> Case:
        return Case(grouped(self.size), "ms", partial(one_by_one, _PAGES_A_SAMPLE, self.page))


@row(
    "growth",
    "Cost as the log grows",
    f"""The same work on logs of several sizes, in turn, each against the smallest of them; one half of the events are
    transcript chunks, the other half notes in streams of two. Appended to are new streams, and streams that were there,
    drawn from the whole log, that are not in the cache of aggregates. Pages have {grouped(_PAGE_EVENTS)} events from
    anywhere in the log, decoded. Each sample comes just after a checkpoint of Postgres, so that every page of an index
    that is changed for the first time goes into its journal whole.""",
)
async def growth(bench: Bench) -> list[Line]:
    async with AsyncExitStack() as stack:
        new, old, pages = [], [], []
        for size in bench.scale.sizes:
            conninfo = await bench.grown(size)
            own = await stack.enter_async_context(ours(conninfo))
            log = _Log(bench, own, size)
            new.append(log.appending(own.to_new_stream))
            old.append(log.appending(own.to(await existing(conninfo, size, bench.scale.streams))))
            pages.append(log.paging())
        callers = f"{bench.scale.growth_callers} callers"
        return [
            *await _lines(bench, "a page", pages, Target(most=_FLAT)),
            *await _lines(bench, f"{callers}, new streams", new, Target(least=1 / _FLAT)),
            *await _lines(bench, f"{callers}, existing streams of any age", old, Target(least=1 / _FLAT)),
        ]


async def _lines(bench: Bench, work: str, cases: list[Case], target: Target) -> list[Line]:
    figures = await bench.compare(work, *cases)
    first, *others = [case.name for case in cases]
    return [Line(f"{work}, {name} events", figures[name], f"at {first}", figures[first], target) for name in others]
