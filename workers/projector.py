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
from domain.refusals import Refusal
from projections.engine import ProjectionStopped, Run
from projections.opened import Opened
from projections.ports import CheckpointMoved, EventSource
from projections.projection import AnyProjection
from projections.topics import TOPICS
from workers import memory
from workers.folding import Folding
from workers.keys import vault
from workers.process import run, run_until
from workers.readable import refuse_unreadable
from workers.settings import Settings, required
from workers.sweeper import Sweeper

_STOPPED_SECONDS = 5.0
"""How soon a fold that failed is tried again; it stands still meanwhile, visibly."""
_log = structlog.get_logger()


def main(settings: Settings) -> None:
    run("projector", lambda stop: _main(settings, stop), level=settings.log_level, exposed=settings)


async def _main(settings: Settings, stop: asyncio.Event) -> None:
    memory.settle()
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    bells = {topic: Bell() for topic in TOPICS}
    doorbells = {topic: Doorbell(conninfo, f"stele_topic_{topic}") for topic in TOPICS}

    def wake(_: str) -> None:
        for bell in bells.values():
            bell.ring()

    listener, sweeper = Listener(conninfo, ("stele_log",), wake), Sweeper(conninfo)
    async with pool(conninfo, "projector", size_max=len(TOPICS)) as reading:
        log = PostgresLog(reading)
        await refuse_unreadable(log)
        keys = vault(settings, reading)
        projectors = [
            Projector(projection, conninfo, Opened(log, keys), bells[topic], doorbells[topic], sweeper)
            for topic, projection in TOPICS.items()
        ]
        await run_until(stop, listener.run(), sweeper.run(), *(projector.run() for projector in projectors))
    for doorbell in doorbells.values():
        await doorbell.close()


class Projector:
    """One topic's."""

    def __init__(
        self,
        projection: AnyProjection,
        conninfo: str,
        log: EventSource,
        bell: Bell,
        doorbell: Doorbell,
        sweeper: Sweeper,
    ) -> None:
        self._projection = projection
        self._conninfo = conninfo
        self._folding = Folding(projection.topic, log)
        self._bell = bell
        self._doorbell = doorbell
        self._sweeper = sweeper

    async def run(self) -> None:
        """Follow the log until cancelled, whatever happens to the topic."""
        topic = self._projection.topic
        while True:
            try:
                async with await connect(self._conninfo, f"projector {topic}", "stele_projector") as connection:
                    await self._lock(connection)
                    await self._follow(PostgresEntryStore(connection))
            except CheckpointMoved as moved:
                _log.info("projection_reopened", topic=topic, why=str(moved))
            except ProjectionStopped as stopped:
                by = describe(stopped.__cause__ or stopped)
                _log.error("projection_stopped", topic=topic, position=stopped.position, by=by)
                await asyncio.sleep(_STOPPED_SECONDS)
            except ValueError as error:  # a newer release's entries, or a hole in the log: this topic stands still
                _log.error("projection_stands_still", topic=topic, error=describe(error))
                await asyncio.sleep(_STOPPED_SECONDS)
            except (psycopg.Error, Refusal) as error:  # also: nobody can tell whether persons' keys are there
                _log.warning("projection_interrupted", topic=topic, error=describe(error))
                await asyncio.sleep(POLL_SECONDS)

    async def _lock(self, connection: AsyncConnection[Any]) -> None:
        """Wait until this version of the topic is ours. The lock goes with the connection, so another projector takes
        over at once. Two releases have two locks: the older one goes on while the newer one builds its version.
        """
        name = f"stele projection {self._projection.topic} {self._projection.version}"
        number = zlib.crc32(name.encode())
        while True:
            row = await (await connection.execute("SELECT pg_try_advisory_lock(%s)", [number])).fetchone()
            if row is not None and row[0]:
                return
            await asyncio.sleep(POLL_SECONDS)

    async def _follow(self, store: PostgresEntryStore) -> None:
        while True:
            projection = self._projection
            generation = await store.open(projection.topic, projection.version)
            self._doorbell.ring()
            pages = Run(self._folding, store, projection, generation, start=asyncio.create_task)
            try:
                await self._advance(pages, store)
            finally:
                pages.close()

    async def _advance(self, pages: Run, store: PostgresEntryStore) -> None:
        """Until it has taken over."""
        while True:
            before = pages.generation
            after = await self._folding.page(before, pages.advance())
            if after.position != before.position and after.live:
                self._doorbell.ring()
            if not pages.at_end:
                continue
            if not after.live and await store.take_over(after) is not None:
                self._sweeper.ring()
                return
            await self._bell.wait()
