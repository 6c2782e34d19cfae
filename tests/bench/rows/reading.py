"""Reading back: one stream, and a page of the whole log."""

from collections.abc import Awaitable, Callable
from functools import partial
from uuid import UUID

from tests.bench.copying import fill
from tests.bench.fill import notes
from tests.bench.measure import Case, awaitable, one_by_one
from tests.bench.ours import Ours, ours
from tests.bench.peers import stock
from tests.bench.row import Bench, Line, Target, grouped, row

_STREAM_EVENTS_MAX = 1_000
_STREAMS = 5
_TARGET = Target(most=0.5)


class _Reader:
    def __init__(self, own: Ours, stream: UUID, page: int) -> None:
        self._own = own
        self._stream = stream
        self._page = page

    async def load(self) -> None:
        await self._own.load(self._stream)

    async def page(self) -> None:
        await self._own.log.read(0, self._page)

    async def page_decoded(self) -> None:
        for recorded in await self._own.log.read(0, self._page):
            recorded.payload  # noqa: B018  decoded on first use


@row(
    "reading",
    "Reading",
    """The median time of one read after the other: an aggregate of 1 000 events loaded and folded as a command does
    whose aggregate is not in the cache, and a page of 5 000 events of the whole log, as they are stored and decoded;
    against the same by the `eventsourcing` library.""",
)
async def read(bench: Bench) -> list[Line]:
    calls = max(2, bench.scale.calls // 20)
    stream = min(_STREAM_EVENTS_MAX, bench.scale.events // _STREAMS)
    page = _STREAMS * stream
    async with bench.database("reading") as conninfo, ours(conninfo) as runtime:
        streams, placed = notes(_STREAMS, stream)
        await fill(conninfo, placed)
        own = _Reader(runtime, streams[0], page)
        with stock.stock(conninfo) as library:
            names = library.fill(_STREAMS, stream) if library is not None else []
            works: list[tuple[str, Callable[[], Awaitable[None]], Callable[[], object] | None]] = [
                (
                    f"load an aggregate of {grouped(stream)} events",
                    own.load,
                    partial(library.load, names[0]) if library else None,
                ),
                (
                    f"a page of {grouped(page)} events",
                    own.page,
                    partial(library.read_page, 1, page) if library else None,
                ),
                (
                    f"a page of {grouped(page)} events, decoded",
                    own.page_decoded,
                    partial(library.read_page_decoded, 1, page) if library else None,
                ),
            ]
            return [
                await bench.against(
                    work,
                    Case("ours", "ms", partial(one_by_one, calls, ours)),
                    Case(stock.NAME, "ms", partial(one_by_one, calls, awaitable(theirs))) if theirs else None,
                    stock.NAME,
                    _TARGET,
                    stock.MISSING,
                )
                for work, ours, theirs in works
            ]
