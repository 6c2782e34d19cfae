"""Projections: built anew from the whole log, and kept up with it."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial

from adapters.postgres.connect import connect
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from domain.limits import PAGE_EVENTS_MAX
from projections.actions import ACTIONS
from projections.engine import Engine
from projections.ports import Generation
from projections.projection import AnyProjection, Entry
from projections.transcripts import TRANSCRIPTS
from tests.bench.fill import actions, fill, transcripts
from tests.bench.measure import Case, Sample
from tests.bench.ours import reading
from tests.bench.peers import stock, upsert
from tests.bench.row import Bench, Line, grouped, row

_LIVE_SHARE = 10
"""The live row takes a tenth of the events: small pages take their time."""
_PAGES = (100, PAGE_EVENTS_MAX)
_OURS, _SCAN, _UPSERT = "ours", "scan and decode only", "the same upserts, folded beforehand"


class _Recording(PostgresEntryStore):
    """Keeps what the engine saves."""

    pages: list[upsert.Page]

    async def save(self, generation: Generation, changed: Sequence[Entry], position: int) -> Generation:
        self.pages.append((changed, position))
        return await super().save(generation, changed, position)


class _Builder:
    """Builds a projection beside the live one and throws it away."""

    def __init__(self, log: PostgresLog, store: PostgresEntryStore, projection: AnyProjection, head: int) -> None:
        self._log, self._store, self._projection, self._head = log, store, projection, head

    async def build(self, page: int) -> Sample:
        engine = Engine(self._log, self._store)
        generation = await self._store.create_aside(self._projection.topic, self._projection.version)
        began = time.perf_counter()
        while generation.position < self._head:
            generation = await engine.advance(self._projection, generation, limit=page)
        seconds = time.perf_counter() - began
        await self._store.drop(generation.id)
        return Sample(self._head / seconds)

    async def scan(self) -> Sample:
        """Read and decode every event, as a builder has to, and do nothing with it."""
        began, position = time.perf_counter(), 0
        while position < self._head:
            for recorded in await self._log.read(position, PAGE_EVENTS_MAX):
                recorded.payload  # noqa: B018  decoded on first use
                position = recorded.position
        return Sample(self._head / (time.perf_counter() - began))


@asynccontextmanager
async def _builder(conninfo: str, projection: AnyProjection, head: int) -> AsyncIterator[tuple[_Builder, _Recording]]:
    async with await connect(conninfo, "bench") as connection, reading(conninfo) as connections:
        store = _Recording(connection)
        store.pages = []
        yield _Builder(PostgresLog(connections), store, projection, head), store


@row(
    "rebuild",
    "Rebuilding a projection",
    """Events a second while the topic `transcripts` is built anew, beside the live one, from a log of transcript
    chunks, each a stream and an entry of its own (the worst locality there is), against reading and decoding the
    same events and doing nothing with them, and against the `eventsourcing` library's projection runner, which
    writes one row and its position in one transaction an event (measured on fewer events).""",
)
async def rebuild(bench: Bench) -> list[Line]:
    few = bench.scale.events_peer
    async with bench.database("rebuild") as conninfo:
        head = await fill(conninfo, transcripts(bench.scale.events))
        with stock.stock(conninfo) as library:
            if library is not None:
                library.fill(few, 1)
        async with _builder(conninfo, TRANSCRIPTS, head) as (builder, _):
            cases = [Case(_OURS, "/s", partial(builder.build, PAGE_EVENTS_MAX)), Case(_SCAN, "/s", builder.scan)]
            if not stock.MISSING:
                cases.append(Case(stock.NAME, "/s", partial(_by_library, conninfo, few)))
            figures = await bench.compare("rebuild", *cases)
    work = f"rebuild over {grouped(head)} events"
    name = f"{stock.NAME}, {grouped(few)} events"
    return [
        Line(work, figures[_OURS], _SCAN, figures[_SCAN]),
        Line(work, figures[_OURS], name, figures.get(stock.NAME), missing=stock.MISSING),
    ]


async def _by_library(conninfo: str, events: int) -> Sample:
    return Sample(events / await asyncio.to_thread(stock.project, conninfo, events))


@row(
    "live",
    "Keeping a projection up to date",
    """Events a second while the topic `actions` follows a log of actions, many of them under way at once, so that
    most events change an entry that is there: in the small pages of a log that grows, and in the largest. The
    baseline writes the very same entries, folded beforehand, by the same upsert with a checkpoint, page by page:
    it neither reads nor decodes nor folds.""",
)
async def live(bench: Bench) -> list[Line]:
    lines = []
    async with bench.database("live") as conninfo:
        head = await fill(conninfo, actions(bench.scale.events // _LIVE_SHARE))
        for page in _PAGES:
            async with _builder(conninfo, ACTIONS, head) as (builder, store):
                await builder.build(page)
                pages, store.pages = store.pages, []
                figures = await bench.compare(
                    f"pages of {page}",
                    Case(_OURS, "/s", partial(builder.build, page)),
                    Case(_UPSERT, "/s", partial(_write, conninfo, pages, head)),
                )
            lines.append(Line(f"pages of {grouped(page)} events", figures[_OURS], _UPSERT, figures[_UPSERT]))
    return lines


async def _write(conninfo: str, pages: Sequence[upsert.Page], head: int) -> Sample:
    return Sample(head / await upsert.write(conninfo, pages))
