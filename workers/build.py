"""Builds a projection aside: to replace the live one (`rebuild`) or to be compared with it (`verify`).

Progress and outcome are JSON lines on standard output.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection, IsolationLevel
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics, digest, scan
from adapters.postgres.wakeup import Doorbell
from projections.engine import Engine
from projections.ports import Generation
from projections.projection import AnyProjection
from projections.topics import TOPICS
from workers.process import run
from workers.settings import Settings, required

Row = tuple[UUID, str, int, bytes]


def main(settings: Settings, task: str, topic: str) -> None:
    work = {"rebuild": _rebuild, "verify": _verify}[task]
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    run("build", lambda stop: _until(stop, work(conninfo, TOPICS[topic])), level=settings.log_level)


async def _until(stop: asyncio.Event, work: Any) -> None:
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
    await asyncio.gather(task, stopped, return_exceptions=True)
    if not task.cancelled():
        task.result()


def _say(**fields: object) -> None:
    print(json.dumps(fields), flush=True)


async def _rebuild(conninfo: str, projection: AnyProjection) -> None:
    """Fold from position 1 beside the live entries, catch up, take over in one transaction."""
    async with await connect(conninfo, "rebuild") as connection, pool(conninfo, "rebuild", 2) as reading:
        store, log = PostgresEntryStore(connection), PostgresLog(reading)
        engine = Engine(log, store)
        before = await _live_digest(reading, projection.topic)
        generation = await store.create_aside(projection.topic, projection.version)
        replaced = None
        while replaced is None:
            generation = await _catch_up(engine, projection, generation, await log.head())
            replaced = await store.take_over(generation)
        async with Doorbell(conninfo, f"stele_topic_{projection.topic}") as doorbell:
            await doorbell.ring_now()
        for old in replaced:
            await store.drop(old)
        after = await _live_digest(reading, projection.topic)
        _say(
            topic=projection.topic, outcome="rebuilt", position=generation.position, digest=after, digest_before=before
        )


async def _verify(conninfo: str, projection: AnyProjection) -> None:
    """Fold aside up to where the live one stands in one snapshot, then compare entry by entry."""
    async with await connect(conninfo, "verify") as building, pool(conninfo, "verify", 2) as reading:
        store = PostgresEntryStore(building)
        aside = await store.create_aside(projection.topic, projection.version)
        outcome: dict[str, Any] = {"outcome": "failed", "detail": "this version is not live yet"}
        async with await connect(conninfo, "verify snapshot") as snapshot:
            await snapshot.execute("SET idle_in_transaction_session_timeout = 0")
            await snapshot.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            async with snapshot.transaction():
                live = await PostgresEntryStore(snapshot).live(projection.topic)
                if live is not None and live.version == projection.version:
                    aside = await _catch_up(Engine(PostgresLog(reading), store), projection, aside, live.position)
                    outcome = await _differences(snapshot, live, building, aside)
        await store.drop(aside.id)  # before the outcome: whoever has it may be gone the next moment
        _say(topic=projection.topic, **outcome)


async def _differences(
    snapshot: AsyncConnection[Any], live: Generation, building: AsyncConnection[Any], aside: Generation
) -> dict[str, Any]:
    first, count = await _compare(scan(snapshot, live.id), scan(building, aside.id))
    return {
        "outcome": "different" if count else "equal",
        "position": live.position,
        "digest": await digest(snapshot, live.id),
        "digest_rebuilt": await digest(building, aside.id),
        "differences": count,
        "first_difference": first,
    }


async def _live_digest(reading: AsyncConnectionPool[Any], topic: str) -> str | None:
    topics = PostgresTopics(reading)
    serving = await topics.serving(topic)
    return await topics.digest(serving.generation) if serving is not None else None


async def _catch_up(engine: Engine, projection: AnyProjection, generation: Generation, up_to: int) -> Generation:
    while generation.position < up_to:
        generation = await engine.advance(projection, generation, up_to=up_to)
        _say(topic=projection.topic, position=generation.position, head=up_to)
    return generation


async def _compare(live: AsyncIterator[Row], rebuilt: AsyncIterator[Row]) -> tuple[dict[str, Any] | None, int]:
    """The difference at the lowest position, and how many there are. Both come in the same order."""
    first: dict[str, Any] | None = None
    count = 0
    a, b = await anext(live, None), await anext(rebuilt, None)
    while a is not None or b is not None:
        if a == b:
            a, b = await anext(live, None), await anext(rebuilt, None)
            continue
        only_live = b is None or (a is not None and _order(a) < _order(b))
        only_rebuilt = a is None or (b is not None and _order(b) < _order(a))
        what = "only live" if only_live else "only rebuilt" if only_rebuilt else "differs"
        row = b if only_rebuilt else a
        if row is None:
            raise RuntimeError("a difference has at least one side")
        count += 1
        position = min(side[2] for side in (a if not only_rebuilt else None, b if not only_live else None) if side)
        if first is None or position < first["position"]:
            first = {"agent_id": str(row[0]), "key": row[1], "position": position, "what": what}
        if not only_rebuilt:
            a = await anext(live, None)
        if not only_live:
            b = await anext(rebuilt, None)
    return first, count


def _order(row: Row) -> tuple[bytes, bytes]:
    return row[0].bytes, row[1].encode()
