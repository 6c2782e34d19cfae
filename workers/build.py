"""Builds a projection aside: to replace the live one (`rebuild`) or to be compared with it (`verify`).

Says on standard output, as JSON lines, where it begins, how far it is, and what came of it. A line with `refused` is a
problem's code, and the only one.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from psycopg import AsyncConnection, IsolationLevel

from adapters.postgres.connect import Pool, connect, pool
from adapters.postgres.entries import PostgresEntryStore
from adapters.postgres.log import PostgresLog
from adapters.postgres.topics import PostgresTopics, digest
from adapters.postgres.wakeup import Doorbell
from domain.limits import DROP_SECONDS_MAX, PAGE_EVENTS_MAX
from domain.ports import Vault
from projections.engine import ProjectionStopped, Run
from projections.opened import Opened
from projections.ports import BuildRunning, CheckpointMoved, Difference, Generation, LiveIsNewer
from projections.projection import AnyProjection
from projections.topics import TOPICS
from workers import memory
from workers.keys import vault
from workers.process import run
from workers.settings import Settings, required

Fields = dict[str, Any]


def main(settings: Settings, task: str, topic: str, events_per_second_max: int | None = None) -> None:
    required(settings.postgres_url, "STELE_POSTGRES_URL")
    work = {"rebuild": rebuild, "verify": verify}[task](settings, TOPICS[topic], events_per_second_max, _say)
    run("build", lambda stop: _until(stop, work), level=settings.log_level)


def _say(fields: Fields) -> None:
    print(json.dumps(fields), flush=True)


async def _until(stop: asyncio.Event, work: Awaitable[None]) -> None:
    memory.settle()
    task, stopped = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait([task, stopped], return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    if not task.done():
        task.cancel()
    await asyncio.gather(task, stopped, return_exceptions=True)
    if not task.cancelled():
        task.result()


class Builder:
    """Folds one generation aside, and says how far it is."""

    def __init__(
        self,
        connection: AsyncConnection[Any],
        log: PostgresLog,
        keys: Vault,
        projection: AnyProjection,
        events_per_second_max: int | None,
        say: Callable[[Fields], None],
    ) -> None:
        self.store = PostgresEntryStore(connection)
        self.log = log
        self._opened = Opened(log, keys)
        self.projection = projection
        self._connection = connection
        self._rate = events_per_second_max
        self._say = say
        self._pages: Run | None = None

    async def begin(self, generation: Generation, head: int) -> None:
        """Nothing of it is waited for until it takes over: what a crash takes is built again."""
        await self._connection.execute("SET synchronous_commit = off")
        await self._connection.execute("SET statement_timeout = 0")
        self._pages = Run(self._opened, self.store, self.projection, generation, start=asyncio.create_task)
        self.say(position=generation.position, head=head, resumed=generation.position > 0)

    @property
    def generation(self) -> Generation:
        return self._run.generation

    @property
    def _run(self) -> Run:
        if self._pages is None:
            raise RuntimeError("begin first")
        return self._pages

    async def fold(self, up_to: int) -> Generation:
        """Fold everything up to a position of the log, at no more than the rate that was asked for."""
        loop, limit = asyncio.get_running_loop(), min(PAGE_EVENTS_MAX, self._rate or PAGE_EVENTS_MAX)
        began, first = loop.time(), self.generation.position
        while (before := self.generation.position) < up_to:
            after = await self._run.advance(limit=limit, up_to=up_to)
            if after.position != before:
                self.say(position=after.position, head=up_to)
            if self._rate is not None:
                await asyncio.sleep(began + (after.position - first) / self._rate - loop.time())
        return self.generation

    async def drop(self, *generations: int) -> None:
        """If it takes long, because somebody reads with an old snapshot, a projector does it later."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DROP_SECONDS_MAX):
                for generation in generations:
                    await self.store.drop(generation)

    def say(self, **fields: Any) -> None:
        self._say({"topic": self.projection.topic, **fields})

    def close(self) -> None:
        if self._pages is not None:
            self._pages.close()


Task = Callable[[Builder, str, Pool], Awaitable[None]]


async def _build(
    task: Task,
    settings: Settings,
    projection: AnyProjection,
    rate: int | None,
    say: Callable[[Fields], None],
    name: str,
) -> None:
    conninfo = required(settings.postgres_url, "STELE_POSTGRES_URL")
    async with await connect(conninfo, name, "stele_projector") as connection, pool(conninfo, name, 2) as reading:
        builder = Builder(connection, PostgresLog(reading), vault(settings, reading), projection, rate, say)
        try:
            await builder.store.take_slot()
            await task(builder, conninfo, reading)
        except BuildRunning as running:
            builder.say(refused=running.code, detail=str(running))
        except ProjectionStopped as stopped:
            builder.say(outcome="stopped", position=stopped.position - 1, detail=str(stopped))
        except LiveIsNewer as newer:
            builder.say(outcome="failed", detail=str(newer))
        except CheckpointMoved:
            builder.say(outcome="failed", detail="the entries were lost or replaced meanwhile; ask again")
        finally:
            builder.close()


async def rebuild(
    settings: Settings, projection: AnyProjection, events_per_second_max: int | None, say: Callable[[Fields], None]
) -> None:
    """Fold from position 1, or from where a killed rebuild had come, beside the live entries; compare; take over."""
    await _build(_rebuild, settings, projection, events_per_second_max, say, "rebuild")


async def _rebuild(builder: Builder, conninfo: str, reading: Pool) -> None:
    topic, version = builder.projection.topic, builder.projection.version
    live = await builder.store.live(topic)
    if live is not None and live.version > version:
        raise LiveIsNewer(topic, live.version, version)
    head = await builder.log.head()
    await builder.begin(await builder.store.resume_aside(topic, version), head)
    await builder.fold(head)
    compared = await _compare(builder, conninfo)
    same_as = compared["live"] if compared is not None and compared["difference"] is None else None
    while (replaced := await builder.store.take_over(builder.generation, same_as=same_as)) is None:
        await builder.fold(await builder.log.head())
    async with Doorbell(conninfo, f"stele_topic_{topic}") as doorbell:
        await doorbell.ring_now()
    await builder.drop(*replaced)
    builder.say(
        outcome="rebuilt",
        position=builder.generation.position,
        digest=await PostgresTopics(reading).digest(builder.generation.id),
        cursors="kept" if same_as is not None else "refetched",
        **_told(compared["difference"] if compared is not None else None),
    )


async def verify(
    settings: Settings, projection: AnyProjection, events_per_second_max: int | None, say: Callable[[Fields], None]
) -> None:
    """Fold aside up to where the live one stands, then compare entry by entry."""
    await _build(_verify, settings, projection, events_per_second_max, say, "verify")


async def _verify(builder: Builder, conninfo: str, _: Pool) -> None:
    topic, version = builder.projection.topic, builder.projection.version
    live = await builder.store.live(topic)
    if live is None or live.version != version:
        builder.say(outcome="failed", detail="this version is not live yet")
        return
    await builder.begin(await builder.store.create_aside(topic, version), live.position)
    await builder.fold(live.position)
    compared = await _compare(builder, conninfo, digests=True)
    await builder.drop(builder.generation.id)  # before the outcome: whoever has it may be gone the next moment
    if compared is None:
        builder.say(outcome="failed", detail="another version took over meanwhile; ask again")
        return
    difference = compared["difference"]
    builder.say(
        outcome="equal" if difference is None else "different",
        position=compared["position"],
        digest=compared["digest"],
        digest_rebuilt=compared["digest_rebuilt"],
        **_told(difference),
    )


async def _compare(builder: Builder, conninfo: str, *, digests: bool = False) -> Fields | None:
    """Bring the built generation to where the live one is, and compare them in one snapshot; the live one goes on.
    None when no live one of this version can be compared with.
    """
    projection = builder.projection
    async with await connect(conninfo, "compare", "stele_projector") as snapshot:
        await snapshot.execute("SET idle_in_transaction_session_timeout = 0")
        await snapshot.set_isolation_level(IsolationLevel.REPEATABLE_READ)
        store = PostgresEntryStore(snapshot)
        while True:
            live = await builder.store.live(projection.topic)
            if live is None or live.version != projection.version:
                return None
            await builder.fold(live.position)
            async with await connect(conninfo, "compare hold", "stele_projector") as holding, snapshot.transaction():
                async with holding.transaction():  # for as long as it takes to fold what is left
                    live = await PostgresEntryStore(holding).hold_live(projection.topic)
                    if live is None or live.version != projection.version:
                        return None
                    if live.position - builder.generation.position > PAGE_EVENTS_MAX:
                        continue
                    built = await builder.fold(live.position)
                    await store.live(projection.topic)  # the snapshot is of now
                outcome: Fields = {"live": live.id, "position": live.position}
                outcome["difference"] = await store.differences(live, built)
                if digests:
                    outcome["digest"] = outcome["digest_rebuilt"] = await digest(snapshot, live.id)
                if digests and outcome["difference"] is not None:
                    outcome["digest_rebuilt"] = await digest(snapshot, built.id)
                return outcome


def _told(difference: Difference | None) -> Fields:
    if difference is None:
        return {"differences": 0, "first_difference": None}
    first = {
        "agent_id": str(difference.agent_id),
        "key": difference.key,
        "position": difference.position,
        "what": difference.what,
        "live_position": difference.live_position,
        "rebuilt_position": difference.rebuilt_position,
    }
    return {"differences": difference.count, "first_difference": first}
