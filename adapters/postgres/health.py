"""How far the readers of the log are: cheap, and right even when the reader in question is dead."""

import re
from typing import Any

from msgspec import Struct
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.statements import load

_SQL = load("health")
_CLASS = re.compile(r"stopped at position \d+: (\w+)")


class TopicHealth(Struct, frozen=True):
    """A live topic. `waits_seconds`: since when the oldest event waits that is not folded into it; 0: none does."""

    topic: str
    position: int
    stopped_at: int | None
    stopped_by: str | None
    """The class of the error, without its words: they may quote what people said."""
    waits_seconds: float


class LogHealth(Struct, frozen=True):
    head: int
    epoch: str
    topics: tuple[TopicHealth, ...]


class PostgresHealth:
    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._pool = pool

    async def read(self) -> LogHealth:
        """Raises psycopg.Error, and psycopg_pool.PoolTimeout when no connection is free."""
        async with self._pool.connection() as connection:
            topics = await (await connection.execute(_SQL["topics"])).fetchall()
            row = await (await connection.execute(_SQL["log"])).fetchone()
        head, epoch = row if row else (0, "")  # read last: a topic is never beyond it
        return LogHealth(head, epoch, tuple(_topic(*row) for row in topics))

    async def waits_seconds(self, position: int) -> float:
        """Since when the event at `position` is in the log; 0 when there is none."""
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["waits"], [position])).fetchone()
        return max(0.0, row[0]) if row else 0.0


def _topic(topic: str, position: int, stopped_at: int | None, error: str | None, waits: float) -> TopicHealth:
    by = None
    if error is not None:
        match = _CLASS.search(error)
        by = match[1] if match else "an error"
    return TopicHealth(topic, position, stopped_at if error is not None else None, by, max(0.0, waits))
