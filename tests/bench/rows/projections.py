"""Projections: built anew from the whole log, and kept up with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from domain.limits import PAGE_EVENTS_MAX
from projections.actions import ACTIONS
from projections.engine import Run
from projections.opened import Opened
from projections.ports import Generation
from projections.projection import AnyProjection, Entry
from projections.transcripts import TRANSCRIPTS
from tests.bench.copying import fill
from tests.bench.fill import actions, transcripts
from tests.bench.made import Made, made
from tests.bench.measure import Case, Sample
from tests.bench.ours import ours, reading
from tests.bench.peers import by_hand, stock, upsert
from tests.bench.row import Bench, Line, Target, grouped, row
from tests.keys import vault
from workers.build import Builder
from workers.folding import Folding

_AT_THE_HEAD = 100
"""Pages of a projector that keeps up: the next one is there when this one is written, and not before."""
_PAGES = (_AT_THE_HEAD, PAGE_EVENTS_MAX)
_SCANNED = 5_000
"""Events in a page of the scan."""
_SCAN_TARGET, _LIBRARY_TARGET = Target(least=0.5), Target(least=100.0)
_LIVE = Target(least=0.7, own_least=50_000.0)
_OURS, _SCAN, _UPSERT = "ours", "scan and decode only", "the same upserts, folded beforehand"


class _Recording(PostgresEntryStore):
    """Keeps what the engine saves, once it is asked to."""

    pages: list[upsert.Page] | None = None

    async def save(self, generation: Generation, changed: Sequence[Entry], *rest: Any, **more: Any) -> Generation:
        after = await super().save(generation, changed, *rest, **more)
        if self.pages is not None:
            self.pages.append((changed, after.position))
        return after


class _Side:
    """Folds a whole log on a generation of its own, and throws it away: as a build does, and as a projector does."""

    def __init__(self, conninfo: str, builder: Builder, opened: Opened, store: _Recording, head: int) -> None:
        self.store = store
        self._conninfo = conninfo
        self._builder, self._opened, self._head = builder, opened, head
        self._projection = builder.projection

    async def build(self) -> Sample:
        """As workers/build.py does it."""
        return await self._timed(self._build)

    async def follow(self, page: int) -> Sample:
        """As workers/projector.py does it."""
        return await self._timed(partial(self._follow, page), live=True)

    async def record(self, page: int) -> tuple[Sequence[upsert.Page], Made]:
        """What following the log writes, page by page, and what is there in the end."""
        async with self._aside(live=True) as generation:
            pages = self.store.pages = []
            await self._follow(page, generation)
            self.store.pages = None
            return pages, await made(self._conninfo, "stele", generation.id)

    async def _timed(self, work: Callable[[Generation], Awaitable[None]], *, live: bool = False) -> Sample:
        async with self._aside(live=live) as generation:
            began = time.perf_counter()
            await work(generation)
            return Sample(self._head / (time.perf_counter() - began))

    @asynccontextmanager
    async def _aside(self, *, live: bool) -> AsyncIterator[Generation]:
        generation = await self.store.create_aside(self._projection.topic, self._projection.version)
        if live:
            async with await connect(self._conninfo, "bench", "stele_projector") as connection:
                await connection.execute("SELECT stele.index_generation_v1(%s)", [generation.id])
        yield generation
        await self.store.drop(generation.id)  # after a failure the whole database goes

    async def _build(self, generation: Generation) -> None:
        await self._builder.begin(generation, self._head)
        await self._builder.fold(self._head)
        self._builder.close()

    async def _follow(self, page: int, generation: Generation) -> None:
        """With the indexes that readers need, and without the memory of which entries there are that a build has."""
        folding = Folding(self._projection.topic, self._opened)
        run = Run(folding, self.store, self._projection, generation, start=asyncio.create_task, lasting=False)
        while (before := run.generation).position < self._head:
            up_to = before.position + page if page == _AT_THE_HEAD else self._head
            await folding.page(before, run.advance(limit=page, up_to=min(up_to, self._head)))

    async def scan(self) -> Sample:
        """Read and decode every event, as a builder has to, and do nothing with it."""
        began, position = time.perf_counter(), 0
        while position < self._head:
            for recorded in await self._builder.log.read(position, _SCANNED):
                recorded.payload  # noqa: B018  decoded on first use
                position = recorded.position
        return Sample(self._head / (time.perf_counter() - began))


@asynccontextmanager
async def our_side(conninfo: str, projection: AnyProjection, head: int) -> AsyncIterator[_Side]:
    async with await connect(conninfo, "bench", "stele_projector") as connection, reading(conninfo) as connections:
        log, keys, store = PostgresLog(connections), vault(connections), _Recording(connection)
        builder = Builder(connection, log, keys, projection, None, lambda _: None)
        yield _Side(conninfo, builder, Opened(log, keys), store, head)


@row(
    "rebuild",
    "Rebuilding a projection",
    """Events a second while the topic `transcripts` is built anew, beside the live one, from a log of transcript
    chunks, each a stream and an entry of its own (the worst locality there is), against reading and decoding the
    same events and doing nothing with them, and against the `eventsourcing` library's projection runner, which
    writes one row and its position in one transaction an event (measured on fewer events). Sealed: chunks as the hub
    records them, whose words the build opens and the scan does not. What follows a build, the comparison with the live
    entries and the take-over, is not in it.""",
)
async def rebuild(bench: Bench) -> list[Line]:
    few = bench.scale.events_peer
    async with bench.database("rebuild") as conninfo:
        head = await fill(conninfo, transcripts(bench.scale.events))
        with stock.stock(conninfo) as library:
            if library is not None:
                library.fill(few, 1)
        async with our_side(conninfo, TRANSCRIPTS, head) as side:
            cases = [Case(_OURS, "/s", side.build), Case(_SCAN, "/s", side.scan)]
            if not stock.MISSING:
                cases.append(Case(stock.NAME, "/s", partial(_by_library, conninfo, few)))
            figures = await bench.compare("rebuild", *cases)
    work, name = f"rebuild over {grouped(head)} events", f"{stock.NAME}, {grouped(few)} events"
    return [
        Line(work, figures[_OURS], _SCAN, figures[_SCAN], _SCAN_TARGET),
        Line(work, figures[_OURS], name, figures.get(stock.NAME), _LIBRARY_TARGET, stock.MISSING),
        await _sealed(bench),
    ]


async def _sealed(bench: Bench) -> Line:
    async with bench.database("rebuild_sealed") as conninfo:
        async with ours(conninfo) as own:
            await own.open_space()
            head = await own.record(bench.scale.events_sealed)
        async with our_side(conninfo, TRANSCRIPTS, head) as side:
            figures = await bench.compare("sealed", Case(_OURS, "/s", side.build), Case(_SCAN, "/s", side.scan))
    return Line(f"rebuild over {grouped(head)} events, sealed", figures[_OURS], _SCAN, figures[_SCAN])


async def _by_library(conninfo: str, events: int) -> Sample:
    return Sample(events / await asyncio.to_thread(stock.project, conninfo, events))


@row(
    "live",
    "Keeping a projection up to date",
    f"""Events a second while a topic follows the log: in pages of {_AT_THE_HEAD}, one after the other, as at the head
    of a log that grows slowly, and in larger ones, the next of which is read while one is written, as in a busy log.
    `transcripts`: every event is an entry of its own. `actions`: many actions are under way at once, so most events
    change an entry that is there, several of them the same one in a large page. *{_UPSERT.capitalize()}*: the very same
    entries by the same upsert with a checkpoint, page by page; it neither reads nor decodes nor folds nor encodes.
    *{by_hand.NAME.capitalize()}*: what one would write for just this topic (tests/bench/peers/by_hand.py), on one
    connection that blocks, in pages of the same size, one after the other: events decoded into structs of its own,
    folded in a dict, and written by that same upsert; for `actions` it loads a page's entries first. It does without
    earlier versions of events, sealed words, erasure, a second projector, and folds that fail. After every sample its
    entries are compared with ours, and the run fails if they differ.""",
)
async def live(bench: Bench) -> list[Line]:
    count = bench.scale.events_live
    lines = []
    for projection, events in ((TRANSCRIPTS, transcripts(count)), (ACTIONS, actions(count))):
        topic = by_hand.TOPICS[projection.topic]
        async with bench.database("live") as conninfo:
            head = await fill(conninfo, events)
            for page in _PAGES:
                async with our_side(conninfo, projection, head) as side:
                    pages, expected = await side.record(page)
                    figures = await bench.compare(
                        f"{projection.topic}, pages of {page}",
                        Case(_OURS, "/s", partial(side.follow, page)),
                        Case(_UPSERT, "/s", partial(_write, conninfo, pages, head)),
                        Case(by_hand.NAME, "/s", partial(_by_hand, conninfo, topic, page, head, expected)),
                    )
                work = f"{projection.topic}, pages of {grouped(page)} events"
                target = _LIVE if page != _AT_THE_HEAD else None
                lines += [Line(work, figures[_OURS], name, figures[name], target) for name in (_UPSERT, by_hand.NAME)]
    return lines


async def _write(conninfo: str, pages: Sequence[upsert.Page], head: int) -> Sample:
    return Sample(head / await upsert.write(conninfo, pages))


async def _by_hand(conninfo: str, topic: by_hand.Topic, page: int, head: int, expected: Made) -> Sample:
    """Raises RuntimeError when the loop made other entries than ours: then its figure means nothing."""
    seconds = await by_hand.follow(conninfo, topic, page, head)
    its = await made(conninfo, "bench", generation=1)
    if its != expected:
        raise RuntimeError(f"{by_hand.NAME}, made {its} of the log in pages of {page}; ours made {expected}")
    return Sample(head / seconds)
