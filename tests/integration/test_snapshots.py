"""I1: in Postgres, a stream of 100,000 events is loaded from a snapshot, and without it to the same state."""

from collections.abc import Sequence
from uuid import UUID

import psycopg

from adapters.postgres.appender import Appender
from adapters.postgres.connect import pool
from adapters.postgres.log import PostgresLog
from adapters.postgres.migrate import migrate
from domain.aggregate import Snapshot
from domain.events import Recorded
from domain.limits import SNAPSHOT_EVENTS
from domain.runtime import Context, Runtime
from tests.keys import vault
from tests.unit.test_cache import Count
from tests.unit.world import AGENT
from workers.parts import SystemClock, TimeOrderedIds

EVENTS, BATCH = 100_000, 1_000


class _Counting(PostgresLog):
    """Counts the events that are loaded."""

    loaded = 0

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        items = await super().load(agent_id, wanted)
        self.loaded += sum(isinstance(item, Recorded) for item in items)
        return items


async def test_I1_a_stream_of_100_000_events_loads_from_a_snapshot_and_without_it(database: str) -> None:
    await migrate(database)
    context = Context(AGENT, "test")
    async with Appender(database) as appender, pool(database, "test", 4) as reading:

        def process() -> tuple[Runtime, _Counting]:
            log = _Counting(reading, appender)
            return Runtime(log, SystemClock(), TimeOrderedIds(), vault(reading)), log

        runtime, _ = process()
        for _ in range(EVENTS // BATCH):
            written = await runtime.execute(Count(BATCH), context)
        assert written.result["version"] == EVENTS

        runtime, log = process()
        assert (await runtime.execute(Count(0), context)).result == written.result
        assert log.loaded <= SNAPSHOT_EVENTS

        async with await psycopg.AsyncConnection.connect(database, autocommit=True) as owner:
            await owner.execute("DELETE FROM stele.snapshots")
        runtime, log = process()
        assert (await runtime.execute(Count(0), context)).result == written.result
        assert log.loaded == EVENTS
