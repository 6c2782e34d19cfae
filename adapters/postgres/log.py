"""The log in Postgres."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import args_row
from psycopg_pool import AsyncConnectionPool

from adapters.postgres.appender import Appender
from adapters.postgres.statements import load
from domain.events import Recorded
from domain.limits import STREAM_EVENTS_MAX
from domain.ports import Transaction, Verdict

_SQL = load("log")
_row = args_row(Recorded)


class PostgresLog:
    """Implements domain.ports.Log. Reads go through the pool, appends through the appender.

    Without an appender the log is read-only, as for a projector.
    """

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]], appender: Appender | None = None) -> None:
        self._pool = pool
        self._appender = appender

    async def append(self, transaction: Transaction) -> Verdict:
        if self._appender is None:
            raise RuntimeError("this process only reads the log")
        return await self._appender.append(transaction)

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        events = await self._fetch("read_streams", [agent_id, list(stream_ids)]) if stream_ids else []
        if len(events) > STREAM_EVENTS_MAX:
            raise ValueError(f"{len(events)} events to load; at most {STREAM_EVENTS_MAX}")
        return events

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        if agent_id is None:
            return await self._fetch("read", [after, limit])
        return await self._fetch("read_agent", [after, agent_id, limit])

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        return await self._fetch("read_positions", [list(positions), agent_id]) if positions else []

    async def previous(self, agent_id: UUID, position: int) -> int:
        return await self._number("previous", [agent_id, position])

    async def epoch(self) -> str:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["epoch"])).fetchone()
        return str(row[0]) if row else ""

    async def head(self) -> int:
        return await self._number("head", [])

    async def _number(self, statement: str, arguments: list[object]) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL[statement], arguments)).fetchone()
        return int(row[0]) if row else 0

    async def _fetch(self, statement: str, arguments: list[object]) -> list[Recorded]:
        async with self._pool.connection() as connection, connection.cursor(binary=True, row_factory=_row) as cursor:
            await cursor.execute(_SQL[statement], arguments)
            return await cursor.fetchall()
