"""The projector: folds the log into the entries of every topic. Several share the topics, one at a time each."""

import asyncio
import zlib
from typing import Any

import psycopg
import structlog
from psycopg import AsyncConnection

from adapters.postgres.connect import connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.wakeup import Bell, Doorbell, Listener
from domain.faults import describe
from domain.limits import POLL_SECONDS
from projections.engine import Engine, ProjectionStopped
from projections.ports import CheckpointMoved
from projections.projection import AnyProjection
from projections.topics import TOPICS
from workers.folding import Folding
from workers.process import run, run_until
from workers.readable import refuse_unreadable
from workers.settings import Settings, required

_STOPPED_SECONDS = 5.0
"""How soon a fold that failed is tried again; it stands still meanwhile, visibly."""
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    run("projector", lambda stop: _main(settings, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    bells = {topic: Bell() for topic in TOPICS}
    doorbells = {topic: Doorbell(conninfo, f"stele_topic_{topic}") for topic in TOPICS}

    def wake(_: str) -> None:
        for bell in bells.values():
            bell.ring()

    listener = Listener(conninfo, ("stele_log",), wake)
    async with pool(conninfo, "projector", size_max=len(TOPICS)) as reading:
        log = PostgresLog(reading)
        await refuse_unreadable(log)
        await run_until(
            stop,
            listener.run(),
            *(
                _project(projection, conninfo, log, bells[topic], doorbells[topic])
                for topic, projection in TOPICS.items()
            ),
        )
    for doorbell in doorbells.values():
        await doorbell.close()


async def _project(projection: AnyProjection, conninfo: str, log: PostgresLog, bell: Bell, doorbell: Doorbell) -> None:
    while True:
        try:
            async with await connect(conninfo, f"projector {projection.topic}") as connection:
                await _lock(connection, projection.topic)
                await _follow(projection, PostgresEntryStore(connection), log, bell, doorbell)
        except CheckpointMoved as moved:
            _log.info("projection_reopened", topic=projection.topic, why=str(moved))
        except ProjectionStopped as stopped:
            _log.error(
                "projection_stopped",
                topic=projection.topic,
                position=stopped.position,
                by=describe(stopped.__cause__ or stopped),
            )
            await asyncio.sleep(_STOPPED_SECONDS)
        except ValueError as error:  # a newer release's entries, or a hole in the log: this topic stands still
            _log.error("projection_stands_still", topic=projection.topic, error=describe(error))
            await asyncio.sleep(_STOPPED_SECONDS)
        except psycopg.Error as error:
            _log.warning("projection_interrupted", topic=projection.topic, error=describe(error))
            await asyncio.sleep(POLL_SECONDS)


async def _lock(connection: AsyncConnection[Any], topic: str) -> None:
    """Wait until this topic is ours. The lock goes with the connection, so another projector takes over at once."""
    number = zlib.crc32(f"stele projection {topic}".encode())
    while True:
        row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [number])).fetchone()
        if row is not None and row[0]:
            return
        await asyncio.sleep(POLL_SECONDS)


async def _follow(
    projection: AnyProjection, store: PostgresEntryStore, log: PostgresLog, bell: Bell, doorbell: Doorbell
) -> None:
    folding = Folding(projection.topic, log)
    engine = Engine(folding, store)
    generation = await store.open(projection.topic, projection.version)
    doorbell.ring()
    while True:
        before = generation.position
        generation = await folding.page(generation, engine.advance(projection, generation))
        if generation.position != before:
            if generation.live:
                doorbell.ring()
        elif not generation.live and (replaced := await store.take_over(generation)) is not None:
            generation = await store.open(projection.topic, projection.version)
            doorbell.ring()
            for old in replaced:
                await store.drop(old)
        else:
            await bell.wait()
