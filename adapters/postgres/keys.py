"""Persons' keys in Postgres, wrapped."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from adapters.postgres import arrays
from adapters.postgres.statements import load
from domain.ports import WrappedKey
from domain.refusals import Refusal

_SQL = load("keys")


class PostgresKeyStore:
    """Implements domain.ports.KeyStore. Raises Refusal `keys_unavailable` when Postgres cannot be asked."""

    def __init__(self, pool: AsyncConnectionPool[AsyncConnection[Any]]) -> None:
        self._pool = pool

    async def find(self, wanted: Sequence[tuple[UUID, UUID]]) -> list[tuple[UUID, WrappedKey]]:
        agents, subjects = [agent for agent, _ in wanted], [subject for _, subject in wanted]
        return await self._keys("find", [arrays.uuids(agents), arrays.uuids(subjects)])

    async def add(self, agent_id: UUID, key: WrappedKey) -> None:
        async with _asked(), self._pool.connection() as connection:
            await connection.execute(_SQL["add"], [agent_id, key.subject_id, key.master_key_id, key.wrapped])

    async def others(self, master_key_id: str, limit: int) -> list[tuple[UUID, WrappedKey]]:
        return await self._keys("others", [master_key_id, limit])

    async def rewrap(self, agent_id: UUID, old: WrappedKey, new: WrappedKey) -> None:
        async with _asked(), self._pool.connection() as connection:
            await connection.execute(
                _SQL["rewrap"], [new.master_key_id, new.wrapped, agent_id, old.subject_id, old.wrapped]
            )

    async def any(self) -> bool:
        """Whether there is a key at all."""
        return bool(await self.others("", 1))

    async def count(self) -> dict[str, int]:
        """How many keys each master key wraps."""
        async with _asked(), self._pool.connection() as connection:
            return dict(await (await connection.execute(_SQL["count"])).fetchall())

    async def _keys(self, statement: str, arguments: list[object]) -> list[tuple[UUID, WrappedKey]]:
        async with _asked(), self._pool.connection() as connection, connection.cursor(binary=True) as cursor:
            await cursor.execute(_SQL[statement], arguments)
            return [(agent, WrappedKey(*key)) for agent, *key in await cursor.fetchall()]


@asynccontextmanager
async def _asked() -> AsyncIterator[None]:
    try:
        yield
    except (psycopg.OperationalError, PoolTimeout) as error:
        raise Refusal(
            "keys_unavailable", "the persons' keys cannot be read just now", retry_after_seconds=2.0
        ) from error
