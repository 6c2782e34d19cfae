"""The floor: the same rows in a table with the same columns and indexes, and no checks of any kind.

One connection commits whatever has arrived since its last commit. Positions are counted in this process, versions are
believed, there are no idempotency keys, nobody is told.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from psycopg import AsyncConnection

from adapters.postgres.arrays import byteas, int2s, int4s, int8s, texts, times, uuids
from domain.canonical import encode
from tests.bench.notes import SPEAKER, TEXT, NoteTaken
from tests.bench.ours import AGENT, IDS, SPACE
from tests.bench.row import run_sql

_BATCH_MAX = 1_000
_SCHEMA = (Path(__file__).parent / "raw.sql").read_text()
_INSERT = (
    "INSERT INTO bench.raw SELECT * FROM unnest(%b::bigint[], %b::uuid[], %b::uuid[], %b::uuid[], %b::int[],"
    " %b::text[], %b::smallint[], %b::bytea[], %b::timestamptz[], %b::timestamptz[], %b::text[], %b::uuid[],"
    " %b::uuid[], %b::text[])"
)
_ARRAYS: tuple[Callable[[Sequence[Any]], object], ...] = (
    *(int8s, uuids, uuids, uuids, int4s, texts, int2s, byteas),
    *(times, times, texts, uuids, uuids, texts),
)
_INSERT_ONE = "INSERT INTO bench.raw VALUES (%b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b, %b)"


class Raw:
    """`append` returns when the row is committed."""

    def __init__(self, connection: AsyncConnection[Any]) -> None:
        self._connection = connection
        self._queue: deque[tuple[tuple[Any, ...], asyncio.Future[None]]] = deque()
        self._arrived = asyncio.Event()
        self._position = 0

    async def append(self, _: int = 0) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append((self._row(), done))
        self._arrived.set()
        await done

    async def insert(self) -> None:
        """One INSERT and its COMMIT, without the queue."""
        await self._connection.execute(_INSERT_ONE, self._row(), prepare=True)

    def _row(self) -> tuple[Any, ...]:
        self._position += 1
        event_id, stream, now = IDS.new(), IDS.new(), datetime.now(UTC)
        data = encode(NoteTaken(stream, SPACE, SPEAKER, TEXT))
        return (
            *(self._position, event_id, AGENT, stream, 1, NoteTaken.type, NoteTaken.schema_version, data),
            *(now, now, "bench", None, event_id, None),
        )

    async def run(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), _BATCH_MAX))]
            if self._queue:
                self._arrived.set()
            columns = zip(*(row for row, _ in batch), strict=True)
            await self._connection.execute(
                _INSERT, [array(column) for array, column in zip(_ARRAYS, columns, strict=True)], prepare=True
            )
            for _, done in batch:
                done.set_result(None)


@asynccontextmanager
async def raw(conninfo: str) -> AsyncIterator[Raw]:
    await run_sql(conninfo, _SCHEMA)
    async with await AsyncConnection.connect(conninfo, autocommit=True) as connection:
        floor = Raw(connection)
        task = asyncio.create_task(floor.run())
        try:
            yield floor
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
