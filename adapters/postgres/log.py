"""The log in Postgres."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

import psycopg
import structlog
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres.appender import Appender
from adapters.postgres.connect import Pool
from adapters.postgres.loader import Loader
from adapters.postgres.rows import event_row
from adapters.postgres.statements import load
from domain.aggregate import Snapshot
from domain.events import Recorded
from domain.ports import Transaction, Verdict
from projections.ports import Scanned

_SQL = load("log")
_log = structlog.get_logger()


class PostgresLog:
    """Implements domain.ports.Log. Reads go through the pool, those of one tenant through its readers, appends through
    the appender.

    Without an appender the log is read-only, as for a projector.
    """

    def __init__(self, pool: Pool, appender: Appender | None = None) -> None:
        self._pool: AsyncConnectionPool[AsyncConnection[Any]] = pool
        self._tenants = pool.tenants
        self._appender = appender
        self._loader = Loader(pool)

    async def append(self, transaction: Transaction) -> Verdict:
        if self._appender is None:
            raise RuntimeError("this process only reads the log")
        return await self._appender.append(transaction)

    async def load(self, agent_id: UUID, wanted: Sequence[tuple[UUID, int]]) -> list[Snapshot | Recorded]:
        return await self._loader.load(agent_id, wanted)

    async def keep_snapshot(self, agent_id: UUID, snapshot: Snapshot) -> None:
        arguments = [agent_id, snapshot.stream_id, snapshot.version, snapshot.position, snapshot.link.event_id]
        arguments += [snapshot.link.correlation_id, snapshot.fold, snapshot.state]
        try:
            async with self._pool.connection() as connection:
                await connection.execute(_SQL["keep_snapshot"], arguments)
        except (psycopg.Error, PoolTimeout) as error:  # the next one will do
            _log.warning("snapshot_not_kept", stream=str(snapshot.stream_id), error=type(error).__name__)

    async def read_streams(self, agent_id: UUID, stream_ids: Sequence[UUID]) -> list[Recorded]:
        return await self._of(agent_id, "read_streams", [agent_id, list(stream_ids)]) if stream_ids else []

    async def read(self, after: int, limit: int, agent_id: UUID | None = None) -> list[Recorded]:
        if agent_id is None:
            return await self._fetch("read", [after, limit])
        return await self._of(agent_id, "read_agent", [after, agent_id, limit])

    async def read_but(self, types: Collection[str], after: int, limit: int) -> Scanned:
        """Implements projections.ports.EventSource."""
        async with (
            self._pool.connection() as connection,
            connection.pipeline(),
            connection.cursor(binary=True, row_factory=event_row) as cursor,
        ):
            scan = await connection.execute(_SQL["scan"], [after, after + limit])
            await cursor.execute(_SQL["read_but"], [after, after + limit, list(types)])
            row, events = await scan.fetchone(), await cursor.fetchall()
        count, position = row if row is not None else (0, None)
        if position is None:
            return Scanned((), after, 0)
        while events and events[-1].position > position:  # it was committed between the two
            events.pop()
        return Scanned(events, position, count)

    async def read_positions(self, agent_id: UUID, positions: Sequence[int]) -> list[Recorded]:
        return await self._of(agent_id, "read_positions", [list(positions), agent_id]) if positions else []

    async def previous(self, agent_id: UUID, position: int) -> int:
        return await self._number("previous", [agent_id, position])

    async def positions_about(self, agent_id: UUID, person_id: UUID, after: int, before: int) -> list[int]:
        async with self._pool.connection() as connection:
            cursor = await connection.execute(_SQL["positions_about"], [agent_id, person_id, after, before])
            return [position for (position,) in await cursor.fetchall()]

    async def epoch(self) -> str:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL["epoch"])).fetchone()
        return str(row[0]) if row else ""

    async def kinds(self) -> list[tuple[str, int, int]]:
        async with self._pool.connection() as connection:
            return await (await connection.execute(_SQL["kinds"])).fetchall()

    async def head(self) -> int:
        return await self._number("head", [])

    async def _number(self, statement: str, arguments: list[object]) -> int:
        async with self._pool.connection() as connection:
            row = await (await connection.execute(_SQL[statement], arguments)).fetchone()
        return int(row[0]) if row else 0

    async def _fetch(self, statement: str, arguments: list[object]) -> list[Recorded]:
        async with (
            self._pool.connection() as connection,
            connection.cursor(binary=True, row_factory=event_row) as cursor,
        ):
            await cursor.execute(_SQL[statement], arguments)
            return await cursor.fetchall()

    async def _of(self, agent_id: UUID, statement: str, arguments: list[object]) -> list[Recorded]:
        return await self._tenants.fetch(agent_id, _SQL[statement], arguments, event_row)
